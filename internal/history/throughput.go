package history

import (
	"math"
	"slices"

	"github.com/gravito-framework/pulse/protocol"
)

// Throughput is what passes through a queue of which somebody counts the finished jobs. What is not known is nil.
type Throughput struct {
	ProcessedPerMin *float64 // jobs finished a minute: the median of the last 15 minutes
	ArrivingPerMin  *float64 // jobs made a minute: what is finished, and what the queue gains beside it
	// WaitSeconds is how long a job that comes now will wait, by Little's law: the jobs before it, by those finished a
	// second.
	WaitSeconds *int64
}

// ThroughputOf is the throughput of a queue with so many waiting jobs and this trend.
//
// finished is a counter: how many jobs have ever been finished, at moments in order. Where it falls it was reset, and
// that minute is a gap. It must truly count. The number of finished jobs that a queue keeps is no counter, because
// most queues keep only the last so many: so BullMQ's `completed` is none.
func ThroughputOf(finished []Point, waiting int64, trend *Trend) (t Throughput) {
	if len(finished) == 0 {
		return t
	}
	newest := finished[len(finished)-1].At
	var rates []float64
	for i := len(finished) - 1; i > 0; i-- {
		a, b := finished[i-1], finished[i]
		if newest-a.At > longMS {
			break
		}
		if elapsed := b.At - a.At; elapsed > 0 && elapsed <= maxGap && b.Value >= a.Value {
			rates = append(rates, float64(b.Value-a.Value)*minuteMS/float64(elapsed))
		}
	}
	if len(rates) < minPoints-1 {
		return t
	}
	slices.Sort(rates)
	processed := median(rates)
	t.ProcessedPerMin = &processed
	if trend.WaitingPerMin != nil {
		t.ArrivingPerMin = new(max(0, processed+*trend.WaitingPerMin))
	}
	if processed > 0 {
		t.WaitSeconds = new(int64(math.Round(min(60*float64(waiting)/processed, protocol.MaxCount))))
	}
	return t
}
