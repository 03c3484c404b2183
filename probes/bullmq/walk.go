package bullmq

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// A walk finds queues with SCAN, through all keys of a Redis, whosever they are. So it is done in
// parts: the first poll looks at up to half a million keys, each later one at up to fifty
// thousand (25 ms of Redis), and a finished walk rests before the next.
const (
	firstRounds, firstCount = 50, 10_000
	laterRounds, laterCount = 10, 5_000
	restAfterWalk           = 30 * time.Second
	candidatesAtOnce        = 20_000
)

type walk struct {
	pattern   string
	cursor    string // "" while it rests
	restUntil time.Time
	whole     bool            // a walk was finished: what isn't found isn't there
	found     map[string]bool // queues, and whether the walk under way has seen them
	leftOut   string          // of the last whole walk: a queue that was found and cannot be reported, and why

	// of the poll under way
	rounds, count int
	candidates    map[string]bool // names that may be queues

	leftOutNow string // as leftOut, of the walk under way
}

func newWalk(prefix string) *walk {
	return &walk{
		// One pattern for "…:meta" and "…:id": Bull 4 has meta only while it is paused.
		pattern: adapter.EscapeGlob(prefix) + ":*:[mi][ed]*",
		found:   map[string]bool{},
		rounds:  firstRounds, count: firstCount,
	}
}

func (w *walk) rests(now time.Time) bool { return w.cursor == "" && now.Before(w.restUntil) }

// find takes one part of the walk, and then counts.
func (s *session) find() adapter.Step {
	w := s.walk
	if w.cursor == "" {
		w.cursor = "0"
	}
	w.candidates = map[string]bool{}
	return s.scan()
}

func (s *session) scan() adapter.Step {
	w := s.walk
	request := adapter.Request{"SCAN", w.cursor, "MATCH", w.pattern, "COUNT", strconv.Itoa(w.count)}
	return s.Ask([]adapter.Request{request}, func(r []adapter.Reply) adapter.Step {
		cursor, keys, err := readScan(r[0])
		if err != nil {
			s.problem("find queues: " + s.explain(err))
			w.cursor, w.rounds, w.count = "", laterRounds, laterCount
			return s.count(0)
		}
		for _, key := range keys {
			s.candidate(key)
		}
		w.rounds--
		if w.cursor = cursor; cursor != "0" && w.rounds > 0 && len(w.candidates) < candidatesAtOnce {
			return s.scan()
		}
		w.rounds, w.count = laterRounds, laterCount
		return s.check()
	})
}

func readScan(r adapter.Reply) (cursor string, keys []any, err error) {
	pair, err := r.List()
	if err != nil {
		return "", nil, err
	}
	if len(pair) == 2 {
		cursor, _ = pair[0].(string)
		keys, _ = pair[1].([]any)
	}
	if cursor == "" {
		return "", nil, fmt.Errorf("SCAN answered %d values, not a cursor and keys", len(pair))
	}
	return cursor, keys, nil
}

// candidate notes the queue that key may belong to.
func (s *session) candidate(key any) {
	text, _ := key.(string)
	// Names and prefixes may hold ':', so only what is known is cut off.
	name, ok := strings.CutPrefix(text, s.prefix+":")
	if !ok {
		return
	}
	name, isMeta := strings.CutSuffix(name, ":meta")
	if !isMeta {
		if name, ok = strings.CutSuffix(name, ":id"); !ok {
			return
		}
	}
	if !s.patterns.Match(name) {
		return
	}
	if _, known := s.walk.found[name]; known {
		s.walk.found[name] = true
		return
	}
	s.walk.candidates[name] = true
}

// check asks each candidate whether it is a queue: a job with an id of its own such as
// "order:7:meta" has a key that looks like one.
func (s *session) check() adapter.Step {
	w := s.walk
	names := slices.Sorted(maps.Keys(w.candidates))
	requests := make([]adapter.Request, 0, 2*len(names))
	for _, name := range names {
		k := s.prefix + ":" + name + ":"
		requests = append(requests, append(adapter.Request{"HMGET", k + "meta"}, marks...), adapter.Request{"GET", k + "id"})
	}
	return s.Ask(requests, func(r []adapter.Reply) adapter.Step {
		isQueue := map[string]bool{}
		for i, name := range names {
			isQueue[name] = hasMark(r[2*i])
		}
		for i, name := range names {
			// One that is left out stands for all: where there is one there are many.
			leaveOut := func(why string) {
				w.leftOutNow = fmt.Sprintf("queue %.80q is left out, and perhaps others: %s", name, why)
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
			w.found[name] = true
		}
		s.endPart()
		return s.count(0)
	})
}

// marks are fields of which a queue's meta hash has at least one, and a job's hash none.
var marks = metaFields[:3]

func hasMark(r adapter.Reply) bool {
	values, _ := r.List() // a job's lock is a string there: WRONGTYPE, so no queue
	return slices.ContainsFunc(values, func(v any) bool { return v != nil })
}

// isCounter tells a queue's counter of job ids from a job whose own id ends in ":id".
func isCounter(r adapter.Reply) bool {
	text, err := r.Text()
	_, notNumber := strconv.ParseUint(text, 10, 64)
	return err == nil && notNumber == nil
}

// isPartOf tells whether name is not a queue but a key of one: deduplication and Bull's limiter by
// group keep text under "…:de:{id}" and "…:limiter", and that may end in ":id", too.
func (s *session) isPartOf(name string, isQueue map[string]bool) bool {
	queue, ok := strings.CutSuffix(name, ":limiter")
	if !ok {
		if queue, _, ok = strings.Cut(name, ":de:"); !ok {
			return false
		}
	}
	_, known := s.walk.found[queue]
	return known || isQueue[queue] || s.walk.candidates[queue]
}

// endPart takes over what a part of the walk has found.
func (s *session) endPart() {
	w := s.walk
	w.candidates = nil
	if w.cursor == "0" {
		for name, seen := range w.found {
			if !seen {
				delete(w.found, name)
				continue
			}
			w.found[name] = false
		}
		w.cursor, w.restUntil, w.whole = "", s.poll.now.Add(restAfterWalk), true
		w.leftOut, w.leftOutNow = w.leftOutNow, ""
	}
	if !w.whole {
		s.problem("still looking for queues, this Redis has many keys; name them instead of a glob and nothing needs to be looked for")
	}
	s.setQueues(slices.Collect(maps.Keys(w.found)))
}

func (s *session) problem(reason string) {
	s.poll.problems = append(s.poll.problems, protocol.Problem{Reason: reason})
}
