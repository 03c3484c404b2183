package servertest

import (
	"slices"
	"time"
)

// Median is the median of what a benchmark measured, in seconds. It sorts times.
func Median(times []time.Duration) float64 {
	slices.Sort(times)
	return times[len(times)/2].Seconds()
}
