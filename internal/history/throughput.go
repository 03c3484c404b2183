package history

import (
	"math"
	"slices"

	"github.com/gravito-framework/pulse/protocol"
)

// setThroughput sets what passes through a queue with so many waiting jobs. finished is how many jobs had ever been
// finished, at moments in order. Where that falls the counter was reset, and that minute is a gap.
//
// The wait is by Little's law: the jobs that wait, by those finished a second.
func (t *Trend) setThroughput(finished []Point, waiting int64) {
	if len(finished) == 0 {
		return
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
		return
	}
	slices.Sort(rates)
	processed := median(rates)
	t.ProcessedPerMin = &processed
	if t.WaitingPerMin != nil {
		t.ArrivingPerMin = new(max(0, processed+*t.WaitingPerMin))
	}
	if processed > 0 {
		t.WaitSeconds = new(int64(math.Round(min(60*float64(waiting)/processed, protocol.MaxCount))))
	}
}
