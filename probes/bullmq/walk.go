package bullmq

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// walk is a walk through all keys, with the names that may turn out to be queues.
type walk struct {
	*adapter.Walk
	candidates map[string]bool // names that may be queues, of the poll under way
}

// find takes one part of the walk, and then counts.
func (s *session) find() adapter.Step {
	s.walk.candidates = map[string]bool{}
	return s.walk.Part(&s.Flow, s.poll.now, s.candidate, func(err error) adapter.Step {
		if err != nil {
			s.poll.findErr = errors.New("find queues: " + s.explain(err))
			s.problem(s.poll.findErr.Error())
			return s.count()
		}
		return s.check()
	})
}

// candidate notes the queue that key may belong to, unless it is known.
func (s *session) candidate(key string) (isNew bool) {
	// Names and prefixes may hold ':', so only what is known is cut off.
	name, ok := strings.CutPrefix(key, s.prefix+":")
	if !ok {
		return false
	}
	name, isMeta := strings.CutSuffix(name, ":meta")
	if !isMeta {
		if name, ok = strings.CutSuffix(name, ":id"); !ok {
			return false
		}
	}
	if !s.patterns.Match(name) || s.walk.Knows(name) {
		return false
	}
	s.walk.candidates[name] = true
	return true
}

// check asks each candidate whether it is a queue: a job with an id of its own such as
// "order:7:meta" has a key that looks like one.
func (s *session) check() adapter.Step {
	w := s.walk
	names := adapter.SortedKeys(w.candidates)
	requests := make([]adapter.Request, 0, 2*len(names))
	for _, name := range names {
		k := s.prefix + ":" + name + ":"
		requests = append(requests, append(adapter.Request{"HMGET", k + "meta"}, marks...), adapter.Request{"GET", k + "id"})
	}
	return s.Ask(requests, func(r []adapter.Reply) adapter.Step {
		isQueue := map[string]bool{}
		for i, name := range names {
			fields, _ := r[2*i].List() // a job's lock is a string there: WRONGTYPE, so no queue
			isQueue[name] = hasMark(fields)
		}
		room := w.Room()
		for i, name := range names {
			leaveOut := func(why string) {
				w.LeaveOut("queue " + adapter.Quote(name, 80) + " is left out, and perhaps others: " + why)
			}
			if !isQueue[name] && (!isCounter(r[2*i+1]) || s.isPartOf(name, isQueue)) {
				// WRONGTYPE says that it is none; any other refusal does not say.
				if err := r[2*i].Err(); err != nil && r[2*i].Code() != "WRONGTYPE" {
					leaveOut(s.explain(err))
				}
				continue
			}
			if err := protocol.CheckQueueName(name); err != nil {
				leaveOut(err.Error())
				continue
			}
			if why := room.Take(name, "queues"); why != "" {
				leaveOut(why)
				break
			}
			w.Add(name)
		}
		w.candidates = nil
		s.setQueues(w.Names())
		return s.count()
	})
}

// marks are fields of which a queue's meta hash has at least one, and a job's hash none.
var marks = metaFields[:3]

func hasMark(fields []adapter.Reply) bool {
	return slices.ContainsFunc(fields, func(f adapter.Reply) bool { return !f.IsNothing() })
}

// isCounter reports whether r is a queue's counter of job ids, and not a job with an id that ends in ":id".
func isCounter(r adapter.Reply) bool {
	text, err := r.Text()
	_, notNumber := strconv.ParseUint(text, 10, 64)
	return err == nil && notNumber == nil
}

// isPartOf reports whether name is not a queue but a key of one: deduplication and Bull's limiter by group keep
// text under "…:de:{id}" and "…:limiter", and such a key may end in ":id", too.
func (s *session) isPartOf(name string, isQueue map[string]bool) bool {
	queue, ok := strings.CutSuffix(name, ":limiter")
	if !ok {
		if queue, _, ok = strings.Cut(name, ":de:"); !ok {
			return false
		}
	}
	return s.walk.Knows(queue) || isQueue[queue] || s.walk.candidates[queue]
}

// walkProblems are the walk's problems for each snapshot.
func (s *session) walkProblems() []protocol.Problem {
	w := s.walk
	switch {
	case w == nil || len(s.poll.problems) > 0: // nothing can be found just now, and that is said
		return nil
	case w.Problem() != "":
		return []protocol.Problem{{Reason: w.Problem()}}
	case len(s.queues) == 0:
		return []protocol.Problem{{Reason: "no queue was found under the prefix " + s.prefix + ", as there is none yet, or the prefix is wrong"}}
	}
	return nil
}

func (s *session) problem(reason string) {
	s.poll.problems = append(s.poll.problems, protocol.Problem{Reason: reason})
}
