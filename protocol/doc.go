// Package protocol is the Gravito Pulse Protocol (GPP): what reporters and hosts write to Redis
// and what the dashboard reads back, as Go types, key names and JSON.
//
// Most programs need two functions: [QueueSnapshot.Encode] to write what a reporter counted and
// [DecodeSnapshot] to read what somebody else did; [Heartbeat.Encode] and [DecodeHeartbeat] are
// the same for hosts.
//
// Writing is strict: Encode refuses what the JSON Schema in schema/ refuses. Reading is
// forgiving: unknown fields are ignored, an unknown driver becomes [DriverOther], and one bad
// queue becomes a [Problem] beside its good neighbours. Keys are addresses only; the app of a
// document is what its body says.
//
// Units, everywhere: timestamps are Unix milliseconds, sizes bytes, durations milliseconds unless
// a name says seconds, percentages 0–100. A count that cannot be known is absent, never 0.
//
// vectors/ holds one file per rule, for implementations in any language.
package protocol
