// Package redis answers an adapter's requests from a Redis server, a cluster, or the master behind Sentinels.
//
// [New] makes a source of a client; [Source.Do] answers a round of requests. It pipelines them, a thousand commands a
// batch and two batches at once.
//
// It sends only commands that read ([adapter.ReadCommands]). A refusal is a reply, and a dead node of a cluster costs
// only the replies from that node.
package redis
