package redislist

import (
	"slices"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// find takes one part of the walk, takes over the lists that it has found, and counts.
func (s *session) find() adapter.Step {
	known := func(key string) bool { return s.lists[key] != nil }
	return s.walk.Find(&s.Flow, s.now, adapter.RoomBeside(s.lists), known, func(found []string, err error) adapter.Step {
		if err != nil {
			s.findErr = err
			s.problem("", err.Error())
			return s.count()
		}
		for _, key := range found {
			l := newList(key, false)
			l.seen = s.now
			s.lists[key] = l
		}
		if len(found) > 0 {
			s.setOrder()
		}
		return s.count()
	})
}

// forget drops found lists that have been empty for long, and where there are too many empty ones those that have
// been empty the longest.
func (s *session) forget(empty []*list) {
	slices.SortStableFunc(empty, func(a, b *list) int { return a.seen.Compare(b.seen) }) // the longest empty ones first, which are in order
	for i, l := range empty {
		if len(empty)-i > mostEmpty || s.now.Sub(l.seen) >= forgetAfter {
			delete(s.lists, l.key)
		}
	}
}

// walkProblems are the walk's problems for each snapshot.
func (s *session) walkProblems() {
	switch {
	case s.walk == nil || s.findErr != nil: // that is said
	case s.walk.Problem() != "":
		s.problem("", s.walk.Problem())
	case len(s.lists) == 0:
		s.problem("", "no list was found that "+adapter.Quote(strings.Join(s.patterns, ","), 200)+" selects: there is none yet, they are all empty, or it is wrong")
	}
}

func (s *session) problem(key, reason string) {
	s.problems = append(s.problems, protocol.Problem{Queue: key, Reason: reason})
}
