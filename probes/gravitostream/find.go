package gravitostream

import (
	"errors"
	"slices"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// find takes one part of the walk, and then counts.
func (s *session) find() adapter.Step {
	return s.walk.Part(&s.Flow, s.now, s.found, func(err error) adapter.Step {
		if err != nil {
			s.findErr = errors.New("find queues: " + s.explain(err))
			s.problem("", s.findErr.Error())
			return s.count()
		}
		return s.check()
	})
}

// found notes a key that SCAN has found, unless it is known.
func (s *session) found(key string) (isNew bool) {
	rest, ok := strings.CutPrefix(key, s.prefix)
	if !ok {
		return false
	}
	c, ok := s.classify(rest)
	if !ok {
		return false
	}
	if q := s.queues[c.queue]; q != nil {
		if c.stranded == notStranded || q.stranded[c.stranded] != nil {
			return false
		}
	}
	s.newKeys[key] = c
	return true
}

// check asks for the types of the new keys: other programs may have keys that begin with this prefix.
func (s *session) check() adapter.Step {
	keys := adapter.SortedKeys(s.newKeys)
	requests := make([]adapter.Request, len(keys))
	for i, key := range keys {
		requests[i] = adapter.Request{"TYPE", key}
	}
	return s.Ask(requests, func(r []adapter.Reply) adapter.Step {
		s.room = adapter.RoomBeside(s.queues)
		for i, key := range keys {
			c := s.newKeys[key]
			kind, err := r[i].Text()
			switch {
			case err != nil:
				s.leaveOut(c.queue, s.explain(err))
			case kind == c.kind:
				s.add(c)
			}
		}
		if len(s.order) != len(s.queues) {
			s.setOrder()
		}
		return s.count()
	})
}

// add takes over a key that the walk has found.
func (s *session) add(c candidate) {
	q := s.queues[c.queue]
	if q == nil {
		owner, part := s.ownerOf(c.queue)
		err := protocol.CheckQueueName(c.queue)
		switch {
		case err != nil:
			s.leaveOut(c.queue, err.Error())
			return
		case owner != "":
			s.leaveOut(c.queue, "its jobs are where queue "+adapter.Quote(owner, 80)+" keeps its "+part+" ones, and are counted there")
			return
		}
		if why := s.room.Take(c.queue, "queues"); why != "" {
			s.leaveOut(c.queue, why)
			return
		}
		q = newQueue(s.prefix, c.queue)
		q.seen = s.now
		s.queues[c.queue] = q
	}
	if c.stranded != notStranded {
		q.stranded[c.stranded] = s.lengthOf(q, c.stranded)
	}
}

// leaveOut notes a queue that cannot be reported.
func (s *session) leaveOut(name, why string) {
	s.walk.LeaveOut("queue " + adapter.Quote(name, 80) + " is left out, and perhaps others: " + why)
}

// forget drops found queues that have been empty for long, and where there are too many empty ones those that have
// been empty the longest.
func (s *session) forget(empty []*queue) {
	slices.SortStableFunc(empty, func(a, b *queue) int { return a.seen.Compare(b.seen) }) // the longest empty ones first, which are in order
	for i, q := range empty {
		if len(empty)-i > mostEmpty || s.now.Sub(q.seen) >= forgetAfter {
			delete(s.queues, q.name)
		}
	}
	if len(s.queues) < len(s.order) {
		s.setOrder()
	}
}

// walkProblems are the walk's problems for each snapshot.
func (s *session) walkProblems() {
	switch {
	case s.walk == nil || s.findErr != nil: // that is said
	case s.walk.Problem() != "":
		s.problem("", s.walk.Problem())
	case len(s.queues) == 0:
		s.problem("", "no queue was found under the prefix "+s.prefix+", as there is none yet, they are all empty, or the prefix is wrong")
	}
}

func (s *session) problem(queue, reason string) {
	s.problems = append(s.problems, protocol.Problem{Queue: queue, Reason: reason})
}
