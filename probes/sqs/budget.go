package sqs

import (
	"cmp"
	"slices"
	"time"
)

// month is the 30 days that a bill's calls are spread over.
const month = 30 * 24 * time.Hour

const (
	// idleFactor is how many times longer an idle queue or a dead-letter queue waits than a busy one.
	idleFactor = 6
	// lookShare is the share of a budget, one in so many calls, that looking for queues may take.
	lookShare = 10
)

// budget spreads a number of calls over a month; nil is no limit. The first call for a queue is made on credit,
// so that each queue has a number at once. The session pays the credit back before it asks for any queue again.
type budget struct {
	perMonth int64
	calls    float64       // how many calls may be made now; below 0 on credit
	at       time.Time     // of the last poll; zero before the first
	gap      time.Duration // the time between the two polls before
}

// begin adds the calls that the time since the last poll allows, but for no more time than between the two polls
// before. After a longer time the session slept: in Lambda two instances take turns, and each may spend only the
// calls of its own turns.
func (b *budget) begin(now time.Time) {
	if b == nil {
		return
	}
	if !b.at.IsZero() {
		gap := max(now.Sub(b.at), 0)
		b.calls += float64(b.perMonth) * float64(min(gap, b.gap)) / float64(month)
		b.gap = gap
	}
	b.at = now
}

// allow takes first calls for queues not asked for before, on credit, and up to again calls for others, as many
// as there are. It returns how many of the latter it allows.
func (b *budget) allow(first, again int) int {
	if b == nil {
		return again
	}
	b.calls -= float64(first)
	again = min(again, max(int(b.calls), 0))
	b.calls -= float64(again)
	return again
}

// lookInterval is how long to wait between two looks for queues, where one look takes so many calls.
func (b *budget) lookInterval(calls int) time.Duration {
	if b == nil {
		return listEvery
	}
	share := float64(month) / float64(b.perMonth) * float64(calls) * lookShare
	return max(listEvery, time.Duration(min(share, float64(month))))
}

// lookInterval is how long to wait before listing the queues again, or asking again for missing ones.
func (s *session) lookInterval() time.Duration {
	return s.budget.lookInterval(s.pages + len(s.unfound) + len(s.lost))
}

// due returns the queues to read at this poll. Without a budget these are all queues, those with the oldest
// numbers first, because the poll may run out of time. With a budget they are the queues not read before, and
// as many of the others as the budget allows: first those with the oldest numbers, busy queues before idle ones.
func (s *session) due() []*target {
	all := s.sorted()
	if s.budget == nil {
		slices.SortStableFunc(all, func(a, b *target) int { return a.readAt.Compare(b.readAt) })
		return all
	}
	// Unused calls are not saved up beyond one reading of all.
	s.budget.calls = min(s.budget.calls, float64(len(all)))
	urgency := func(t *target) time.Duration {
		age := s.now.Sub(t.triedAt)
		if t.wanted && t.waiting+t.active+t.delayed > 0 {
			return age * idleFactor
		}
		return age
	}
	slices.SortStableFunc(all, func(a, b *target) int { return cmp.Compare(urgency(b), urgency(a)) })
	first := 0 // those never tried come first: the time since then is the longest there is
	for first < len(all) && all[first].triedAt.IsZero() {
		first++
	}
	return all[:first+s.budget.allow(first, len(all)-first)]
}
