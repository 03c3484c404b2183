// Package history keeps what queues held minute by minute, and tells from it how they do and where they are heading.
//
// A recorder looks at each queue once a minute. It writes the look with an [Encoder] and adds it to the queue's [Window],
// which says its [Window.Trend] and judges its health. A [Decoder] reads what was written: columns for charts, the last
// numbers of queues that are lost, and what a recorder that starts again needs to go on.
//
// It does no I/O and has no clock: times come in as Unix milliseconds. A minute in which nobody looked is a gap. A gap
// is never a zero, neither in a chart nor in a trend. docs/protocol.md has the format of the entries.
package history
