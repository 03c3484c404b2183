// Package history keeps what queues held minute by minute, and tells from it where they are heading.
//
// [TrendOf] makes a rate and a drain time of points.
//
// It does no I/O and has no clock: times come in as Unix milliseconds. A minute in which nobody looked is a gap. A gap
// is never a zero, neither in a chart nor in a trend.
package history
