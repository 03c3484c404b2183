// Package bullmq reads the queues of BullMQ 1–6 and Bull 4 from the keys they keep in Redis.
//
// [Adapter] is the adapter; its Open takes the settings [SettingQueues] and [SettingPrefix].
//
// It asks for nine lengths, one hash and the ends of one list a queue, and writes nothing: BullMQ's own counting
// removes markers, ours must not. One set of commands serves every version, because a missing key counts 0. The key
// table it relies on is in docs/drivers/bullmq.md.
package bullmq
