package laravel

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

const (
	// A queue without jobs has no key. A found queue stays, with zeros, so that it doesn't come and go between
	// two jobs, and shows its next job at once. Some apps make up names, so queues stay for a day only, and only
	// so many.
	rememberFor  = 24 * time.Hour
	rememberMost = 10_000
)

// walk is a walk through all keys.
type walk struct {
	*adapter.Walk
	candidates map[string]bool // what is behind "queues:" in keys that are not known, of the poll under way
	room       adapter.Room    // for their queues
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

// cutSuffix takes off the last part that tells a queue's key from the queue itself. A queue's own name
// may end like that, too.
func cutSuffix(rest string) (queue, suffix string) {
	for _, suffix := range []string{delayedKey, reservedKey, notifyKey} {
		if queue, ok := strings.CutSuffix(rest, suffix); ok && queue != "" {
			return queue, suffix
		}
	}
	return rest, ""
}

// candidate notes what a key may belong to, unless it is known.
func (s *session) candidate(key string) (isNew bool) {
	// Names and prefixes may hold anything, so only what is known is cut off.
	rest, ok := strings.CutPrefix(key, s.keys)
	if !ok || rest == "" {
		return false
	}
	if q := s.spelled[rest]; q != nil {
		q.seen = s.poll.now
		return false
	}
	base, suffix := cutSuffix(rest)
	if suffix == notifyKey {
		return false // it rings for a queue that has keys of its own, or for one that has no job any more
	}
	if q := s.spelled[base]; q != nil && !q.clashes(s.keys+base) {
		q.seen = s.poll.now
		return false
	}
	if !s.selects(rest) && !s.selects(base) {
		return false
	}
	s.walk.candidates[rest] = true
	return true
}

// selects reports whether the settings select a queue, by its name or by Redis' spelling of it.
func (s *session) selects(spelling string) bool {
	name := nameOf(spelling)
	return s.patterns.Match(name) || name != spelling && s.patterns.Match(spelling)
}

// check asks of each candidate what it is. Only its type tells the delayed jobs of the queue mail from
// a queue called mail:delayed.
func (s *session) check() adapter.Step {
	w := s.walk
	candidates := adapter.SortedKeys(w.candidates)
	w.candidates = nil
	requests := make([]adapter.Request, len(candidates))
	for i, rest := range candidates {
		requests[i] = adapter.Request{"TYPE", s.keys + rest}
	}
	return s.Ask(requests, func(r []adapter.Reply) adapter.Step {
		w.room = adapter.RoomBeside(s.names)
		for i, rest := range candidates {
			if spelling := spellingOf(rest, r[i]); spelling != "" && s.selects(spelling) {
				s.found(spelling)
			}
		}
		return s.count()
	})
}

// spellingOf is the queue that a key of this type belongs to, or "". Where the key has gone since, or Redis
// doesn't tell its type, only its name decides.
func spellingOf(rest string, typeOf adapter.Reply) string {
	text, err := typeOf.Text()
	base, suffix := cutSuffix(rest)
	switch {
	case err != nil, text == "none", text == "":
		return base
	case text == "list":
		return rest
	case text == "zset" && suffix != "":
		return base
	}
	return ""
}

// found takes up a queue that the walk has found.
func (s *session) found(spelling string) {
	leaveOut := func(why string) {
		s.walk.LeaveOut("queue " + adapter.Quote(spelling, 80) + " is left out, and perhaps others: " + why)
	}
	if err := protocol.CheckQueueName(spelling); err != nil {
		leaveOut(err.Error())
		return
	}
	if s.names[nameOf(spelling)] == nil {
		if why := s.walk.room.Take(spelling, "queues"); why != "" {
			leaveOut(why)
			return
		}
	}
	s.add(spelling).seen = s.poll.now
}

// forget takes out the found queues that have had no job for long, or are too many.
func (s *session) forget(now time.Time) {
	var empty []*queue
	for _, q := range s.queues {
		switch {
		case q.named:
		case now.Sub(q.seen) > rememberFor:
			s.remove(q)
		case q.seen.Before(s.polled):
			empty = append(empty, q)
		}
	}
	if len(empty) > rememberMost {
		slices.SortStableFunc(empty, func(a, b *queue) int { return b.seen.Compare(a.seen) })
		for _, q := range empty[rememberMost:] {
			s.remove(q)
		}
	}
}

func (s *session) remove(q *queue) {
	delete(s.names, q.name)
	for _, l := range q.lists {
		delete(s.spelled, strings.TrimPrefix(l.key, s.keys))
	}
	s.changed = true
}

// walkProblems are what there is to say of the walk in each snapshot.
func (s *session) walkProblems() []protocol.Problem {
	w := s.walk
	switch {
	case w == nil || s.poll.findErr != nil: // that is said
		return nil
	case w.Problem() != "":
		return []protocol.Problem{{Reason: w.Problem()}}
	case len(s.queues) == 0:
		return []protocol.Problem{{Reason: "no queue was found under " + s.keys + ": none has a job, or the prefix is wrong"}}
	}
	return nil
}
