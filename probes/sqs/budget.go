package sqs

import (
	"cmp"
	"slices"
	"time"
)

// month is the 30 days that a bill's calls are spread over.
const month = 30 * 24 * time.Hour

// budget spreads a number of calls over a month. What a queue was not read for is its last
// reading, marked with its age.
type budget struct {
	perMonth int64
	calls    float64 // that may be made now
	at       time.Time
}

// idleEvery is how much longer an idle queue or a dead-letter queue waits than a busy one.
const idleEvery = 6

// due returns the queues to read at this poll: all of them, or as many as the budget allows, those
// whose numbers are oldest and most likely to have changed first.
func (s *session) due() []*target {
	all := s.sorted()
	b := s.budget
	if b == nil {
		return all
	}
	b.calls += float64(b.perMonth) * float64(s.now.Sub(b.at)) / float64(month)
	if b.at.IsZero() || b.calls > float64(len(all)) {
		b.calls = float64(len(all)) // unused calls are not saved up beyond one reading of all
	}
	b.at = s.now
	urgency := func(t *target) time.Duration {
		age := s.now.Sub(t.readAt)
		if t.wanted && t.waiting+t.active+t.delayed > 0 {
			return age * idleEvery
		}
		return age
	}
	slices.SortStableFunc(all, func(a, b *target) int { return cmp.Compare(urgency(b), urgency(a)) })
	due := all[:min(max(int(b.calls), 0), len(all))]
	b.spend(len(due))
	return due
}

// spend takes calls off a budget, if there is one. It may go below zero; then later polls wait.
func (b *budget) spend(calls int) {
	if b != nil {
		b.calls -= float64(calls)
	}
}
