package history

import (
	"slices"

	"github.com/gravito-framework/pulse/protocol"
)

// Sum adds up the queues of any number of apps, look by look while decoders read them: it keeps no queue's points.
type Sum struct {
	first   int64 // minute
	columns [failed + 1]Column
	missed  []bool // minutes in which an app was not looked at that counts
}

// Part is how a queue counts in a [Sum] at one look, as the view's Parts said then. Its zero value is: as it is.
type Part struct {
	NotJobs     bool // those that wait, are active or delayed count elsewhere
	DeadLetters bool // all jobs in it have failed: it is a dead-letter queue, and no worker takes them
	NotFailed   bool // what of its jobs has failed counts elsewhere
}

// NewSum makes a sum of so many minutes, the first that of the Unix ms from.
func NewSum(from int64, minutes int) *Sum {
	s := &Sum{first: from / minuteMS, missed: make([]bool, minutes)}
	for number := range s.columns {
		s.columns[number] = slices.Repeat(Column{Absent}, minutes)
	}
	return s
}

// Columns are the sums. A minute in which no queue's count is known has none, and none has one in which an app was not
// looked at: what the others hold is not all.
func (s *Sum) Columns() Columns {
	for i, isMissed := range s.missed {
		for number := range s.columns {
			if isMissed || s.columns[number][i] > protocol.MaxCount { // no reader would keep it exact
				s.columns[number][i] = Absent
			}
		}
	}
	return Columns{s.columns[waiting], s.columns[active], s.columns[delayed], s.columns[failed]}
}

// MissUpTo notes that of the minutes before a time in Unix ms it is not known what an app held.
func (s *Sum) MissUpTo(at int64) { s.miss(s.first, at/minuteMS) }

// miss notes that an app was not looked at from a minute up to another.
func (s *Sum) miss(from, to int64) {
	for at := max(from-s.first, 0); at < min(to-s.first, int64(len(s.missed))); at++ {
		s.missed[at] = true
	}
}

// look adds what the queues of an app hold at a minute.
func (s *Sum) look(minute int64, slots []slot) {
	at := minute - s.first
	if at < 0 || at >= int64(len(s.columns[waiting])) {
		return
	}
	for i := range slots {
		q := &slots[i]
		if !q.inUse || q.flags&isLost != 0 {
			continue
		}
		p := q.part()
		for number := range s.columns {
			if isNot := p.NotJobs && number != failed || p.NotFailed && number == failed; isNot || !q.knows(number) {
				continue
			}
			into := number
			if p.DeadLetters {
				into = failed
			}
			sum := &s.columns[into][at]
			*sum = min(max(*sum, 0)+q.n[number], protocol.MaxCount+1)
		}
	}
}
