// Package redis answers an adapter's requests from a Redis server: pipelined, a thousand commands
// a batch and two batches at once, and only commands of a read-only list.
package redis
