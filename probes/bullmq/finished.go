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

// counterFields are how many jobs it has counted, which only grows, and when BullMQ began its newest point, of a minute
// each: the first job after that minute begins another.
var counterFields = []string{"count", "prevTS"}

// point is how long BullMQ's points are.
const point = time.Minute

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

	newest  int64 // when the newest completed job that is kept was finished, Unix ms; 0 where there is none
	pointAt int64 // when the newest point of the counter of such jobs began
}

// read reads a counter, or that there is none.
func (f *finished) read(how int, r adapter.Reply) {
	fields, err := r.List()
	if err == nil && (len(fields) < len(counterFields) || fields[0].IsNothing()) {
		return
	}
	if err == nil {
		f.n[how], err = wholeOf(fields[0])
	}
	if err == nil && how == completedWell {
		f.pointAt, err = wholeOf(fields[1])
	}
	if err != nil || f.n[how] < 0 || f.n[how] > protocol.MaxCount {
		f.refused = true
		return
	}
	f.known = true
}

func wholeOf(r adapter.Reply) (int64, error) {
	text, err := r.Text()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// isBehind reports whether a job was finished that is not counted: by a worker without the option, or after it was taken
// away. A job that is counted is finished within the newest point, or begins it.
func (f *finished) isBehind() bool {
	return f.newest > 0 && f.pointAt > 0 && f.newest-f.pointAt > point.Milliseconds()
}

// total is how many jobs have finished, and how many of these failed. Where there is one counter, the other is of a
// way in which none has finished yet.
func (f *finished) total() (total, failed int64, ok bool) {
	total = f.n[completedWell] + f.n[failedForGood]
	return total, f.n[failedForGood], f.known && !f.refused && !f.isBehind() && total <= protocol.MaxCount
}
