package sqs

import (
	"cmp"
	"slices"
	"time"
)

// month is the 30 days that a bill's calls are spread over.
const month = 30 * 24 * time.Hour

const (
	// idleEvery is how much longer an idle queue or a dead-letter queue waits than a busy one.
	idleEvery = 6
	// lookShare is the part of a budget, one in so many calls, that looking for queues may take.
	lookShare = 10
)

// budget spreads a number of calls over a month; nil is one without an end. What is asked for the
// first time is asked on credit, so that each queue has a number at once; the credit is paid back
// before anything is asked again.
type budget struct {
	perMonth int64
	calls    float64       // that may be made now; below 0 on credit
	at       time.Time     // of the last poll; zero before the first
	gap      time.Duration // between the two polls before
}

// begin adds the calls that the time since the last poll allows. Where that is longer than the
// time before, the session slept: in Lambda two instances take turns, and each must spend only for
// its own.
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

// allow takes the calls for what is asked for the first time, and as many of those that ask again
// as there are. It tells how many those are.
func (b *budget) allow(first, again int) int {
	if b == nil {
		return again
	}
	b.calls -= float64(first)
	again = min(again, max(int(b.calls), 0))
	b.calls -= float64(again)
	return again
}

// every is how often to look for queues, where that takes so many calls.
func (b *budget) every(calls int) time.Duration {
	if b == nil {
		return listEvery
	}
	share := float64(month) / float64(b.perMonth) * float64(calls) * lookShare
	return max(listEvery, time.Duration(min(share, float64(month))))
}

// lookEvery is how often to list the queues and to ask again for those that are missing.
func (s *session) lookEvery() time.Duration {
	return s.budget.every(s.pages + len(s.unfound) + len(s.lost))
}

// due returns the queues to read at this poll: all of them, oldest numbers first because a poll's
// time may not do for all, or with a budget those not read before and as many as it allows of the
// others, where the numbers are oldest and most likely to have changed.
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
			return age * idleEvery
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
