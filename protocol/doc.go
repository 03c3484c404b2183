// Package protocol is the Gravito Pulse Protocol (GPP): the documents that reporters and hosts write to Redis and
// that the dashboard reads, as Go types, key names and JSON.
//
// Most programs need two functions: [QueueSnapshot.Encode] to write a snapshot, and [DecodeSnapshot] to read one
// that any program wrote. [Heartbeat.Encode] and [DecodeHeartbeat] do the same for hosts.
//
// Writing is strict: Encode refuses every document that the JSON Schema in schema/ refuses. Reading is forgiving:
// it ignores unknown fields, reads an unknown driver as [DriverOther], and makes a [Problem] of one bad queue while
// it keeps the good ones. Keys are addresses only; a document's body names its app.
//
// Units, everywhere: timestamps are Unix milliseconds, sizes bytes, durations milliseconds unless
// a name says seconds, percentages 0–100. A count that cannot be known is absent, never 0.
//
// vectors/ holds one file per rule, for implementations in any language.
package protocol
