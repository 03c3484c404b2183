// Package laravel reads the queues of Laravel from the keys that its redis driver keeps, and of Horizon
// what it adds: failed jobs, supervised processes, and whether they are paused.
//
// It asks for three lengths a queue, for the next job where there is one, and for four values of
// Horizon a poll, and writes nothing. The library's own size() adds waiting, delayed and reserved jobs
// up; these are told apart. The key table it relies on is in docs/drivers/laravel.md.
package laravel
