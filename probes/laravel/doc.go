// Package laravel reads the queues of Laravel from the keys that its redis driver keeps. Where there is a Horizon it
// also reads the failed jobs, and the supervised processes and whether they are paused.
//
// [Adapter] is the adapter; its Open takes the settings [SettingQueues], [SettingPrefix] and [SettingHorizonPrefix].
//
// It asks for three lengths a queue, for the next job where there is one, and for four values of Horizon a poll, and
// writes nothing. It reports waiting, delayed and reserved jobs apart, where the library's own size() returns their
// sum. The key table it relies on is in docs/drivers/laravel.md.
package laravel
