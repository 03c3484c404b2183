package history

import (
	"math"
	"strconv"

	"github.com/gravito-framework/pulse/protocol"
)

const (
	// failingMinutes is how far back failures count, and failingRises in how many of these minutes there must be some.
	failingMinutes = 5
	failingRises   = 2
	// failingUp is by how many times what it fell failed must rise. Of a steady number with SQS' noise of 3 % it takes 2.2 %
	// of the minutes for failing, and no five in a row; twice would be 11 %.
	failingUp = 4
)

// After a gap a queue is not called growing or failing until there are so many looks in a row again, however it does.
const (
	GrowingLooks = minPoints + 1
	FailingLooks = failingMinutes + 1
)

// IsGap reports whether two looks, at moments in Unix ms, are too far apart to be in a row.
func IsGap(before, after int64) bool {
	minutes := after/minuteMS - before/minuteMS
	return minutes < 0 || minutes > maxGapMinutes
}

// Judge says how the queue does of which s is the sample that was added last, and why in a sentence. The reason is
// empty where there is nothing to say. If several healths are true the first of these counts; a lost queue is paused or
// unknown.
//
//   - Stalled: in the newest look and in the one a minute before jobs wait, nothing is active and no worker is
//     connected, and there are not fewer jobs now. One look may be at a job that just came. A driver that cannot count
//     workers is believed that nothing is active; one that cannot count active jobs must count workers. With workers
//     connected a queue is not stalled.
//   - Failing: failed rose in two of the last five minutes, and by more than four times what it fell. A burst that is over
//     is not failing; neither is a number that SQS estimates, which goes up and down. Where a driver keeps only so many
//     failed jobs, nothing is seen to fail once there are that many.
//   - Growing: see [IsGrowing].
//   - A dead-letter queue is neither stalled nor growing: nobody is meant to work on it.
//   - A queue in which no job waits is ok at once. Others are unknown until there are two looks.
func (w *Window) Judge(s *Sample) (health protocol.Health, reason string) {
	jobs := s.Metrics.Waiting
	switch {
	case s.Paused && s.Lost:
		return protocol.HealthPaused, "it was paused when it was last reported"
	case s.Lost:
		return protocol.HealthUnknown, "its reporter's key is gone: the reporter stopped, or cannot reach Redis; these are its last numbers"
	case s.Paused && jobs > 0:
		return protocol.HealthPaused, "it is paused, and " + wait(jobs)
	case s.Paused:
		return protocol.HealthPaused, "it is paused"
	case w.isStalled() && !s.DeadLetters:
		return protocol.HealthStalled, stalledReason(s)
	}
	if more := w.newlyFailed(); more > 0 {
		return protocol.HealthFailing, Group(more) + " more failed in the last " + strconv.Itoa(failingMinutes) + " minutes: " + Group(w.look(0).failed) + " in all"
	}
	var buf [maxPoints]Point
	points := w.points(&buf)
	switch {
	case s.DeadLetters && jobs > 0:
		return protocol.HealthOK, "a dead-letter queue: " + wait(jobs) + " for a person"
	case s.DeadLetters:
		return protocol.HealthOK, ""
	case IsGrowing(points):
		perMin := fitOf(points[len(points)-shortPoints:]).rate
		return protocol.HealthGrowing, "about " + Group(max(1, int64(math.Round(perMin)))) + " more a minute: " + wait(jobs)
	case jobs > 0 && !w.hasTwoLooks():
		return protocol.HealthUnknown, "it was looked at once so far: a judgement takes two looks, a minute apart"
	case jobs > 0 && isZero(s.Metrics.Active) && s.Workers != nil && *s.Workers > 0:
		return protocol.HealthOK, wait(jobs) + " and nothing is active, but " + Group(*s.Workers) + plural(*s.Workers, " worker is connected", " workers are connected")
	}
	return protocol.HealthOK, ""
}

// isIdle reports whether jobs wait and nobody seems to work.
func (s *state) isIdle() bool {
	if s.flags&isPaused != 0 || s.n[waiting] == 0 || s.n[active] > 0 || s.n[workers] > 0 {
		return false
	}
	return s.knows(active) || s.knows(workers)
}

// hasTwoLooks reports whether there is a look right before the newest.
func (w *Window) hasTwoLooks() bool { return w.n > 1 && w.look(0).ago <= maxGapMinutes }

func (w *Window) isStalled() bool {
	if !w.hasTwoLooks() {
		return false
	}
	newest, before := w.look(0), w.look(1)
	return newest.isIdle && before.isIdle && newest.waiting >= before.waiting
}

func stalledReason(s *Sample) string {
	reason := wait(s.Metrics.Waiting)
	switch {
	case s.Workers == nil:
		return reason + " and nothing is active"
	case s.Metrics.Active == nil:
		return reason + " and no worker is connected"
	}
	return reason + ", nothing is active and no worker is connected"
}

// newlyFailed is by how much failed rose in the last minutes, 0 if not often or not clearly.
func (w *Window) newlyFailed() int64 {
	var rises int
	var up, down int64
	minutes := 0
	for i := range int(w.n) - 1 {
		after, before := w.look(i), w.look(i+1)
		if minutes += int(after.ago); after.ago > maxGapMinutes || minutes > failingMinutes {
			break
		}
		if after.failed == Absent || before.failed == Absent {
			continue
		}
		if more := after.failed - before.failed; more > 0 {
			rises++
			up += more
		} else {
			down -= more
		}
	}
	if w.n == 0 || rises < failingRises || up <= failingUp*down || w.look(0).failed == Absent {
		return 0
	}
	return up
}

func isZero(n *int64) bool { return n != nil && *n == 0 }

func wait(n int64) string { return Group(n) + plural(n, " waits", " wait") }

func plural(n int64, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// Group writes 5365 as 5,365, as sentences for people have it.
func Group(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var buf []byte
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, digits[i])
	}
	return string(buf)
}
