package bullmq

import (
	"strconv"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// How a job may finish, by place: it was done, or it failed for good.
const (
	completedWell = iota
	failedForGood
	finishedHow
)

// counterKeys are the hashes in which workers with the option "metrics" count the jobs that they finish, one by one.
// BullMQ never sets them back; they end with the queue, or by hand.
var counterKeys = [finishedHow]string{completedWell: "metrics:completed", failedForGood: "metrics:failed"}

// counterField is the field of the hash that only grows. Its others are of BullMQ's own points, one a minute.
const counterField = "count"

// counterRest is how long queues without counters are not asked for them: most have none.
const counterRest = time.Minute

// looksForCounters reports whether this poll asks all queues for their counters.
func (s *session) looksForCounters() bool {
	if rested := s.poll.now.Sub(s.countersLookedFor); rested >= 0 && rested < counterRest {
		return false
	}
	s.countersLookedFor = s.poll.now
	return true
}

// finished is how many jobs of a queue have ever finished, where its workers count them.
type finished struct {
	n       [finishedHow]int64
	known   bool // there is a counter that could be read
	refused bool // one could not be read
}

// read reads a counter, or that there is none.
func (f *finished) read(how int, r adapter.Reply) {
	if r.IsNothing() {
		return
	}
	text, err := r.Text()
	if err == nil {
		f.n[how], err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil || f.n[how] < 0 || f.n[how] > protocol.MaxCount {
		f.refused = true
		return
	}
	f.known = true
}

// total is how many jobs have finished, and how many of these failed. Where there is one counter, the other is of a
// way in which none has finished yet.
func (f *finished) total() (total, failed int64, ok bool) {
	total = f.n[completedWell] + f.n[failedForGood]
	return total, f.n[failedForGood], f.known && !f.refused && total <= protocol.MaxCount
}
