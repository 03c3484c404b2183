// Package redisconn connects this project to a Redis: to one server, to a cluster, or to the master that
// Sentinels watch.
//
// [Parse] reads a URL, [Address.Client] connects. Every other package reaches Redis with these two. [Masters]
// lists the nodes that hold keys, [Exec] sends a batch in which each command has its own error, and [IsRefusal]
// tells a refusal from a Redis that could not be reached.
//
// A Redis that hangs costs a few seconds and not the program, a reply that is too large is left out and not
// read into memory, and no error holds the password.
package redisconn
