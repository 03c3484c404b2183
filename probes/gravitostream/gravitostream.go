// Package gravitostream reads the queues that Gravito Stream's Redis driver keeps.
//
// [Adapter] is the adapter; its Open takes the settings [SettingQueues] and [SettingPrefix].
//
// It asks for nine lengths and one flag a queue and writes nothing. Gravito Stream doesn't record which jobs are
// running, so active is absent: 0 would be a claim. The key table it relies on is in
// docs/drivers/gravitostream.md, with the rules that tell a queue's keys from the names of other queues.
package gravitostream

import (
	"context"
	"strconv"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// Settings of the adapter, beside "app" and "source".
const (
	// SettingQueues is which queues to read: names and globs, comma-separated; "*" is all.
	// Names alone cost nothing to find; a glob walks the keys of the whole Redis, slowly.
	SettingQueues = "queues"
	// SettingPrefix is the prefix of Gravito Stream's keys, with its colon; [DefaultPrefix] where it is
	// not set.
	SettingPrefix = "prefix"
)

// DefaultPrefix is the prefix of Gravito Stream where an app sets no other.
const DefaultPrefix = "queue:"

// A queue without jobs has no key. A found queue stays in the report with 0, so that it doesn't come and go with its
// jobs: for forgetAfter, and of such queues at most mostEmpty.
const (
	forgetAfter = time.Hour
	mostEmpty   = 10_000
)

// Where the settings have no glob, a poll asks for each queue's lists of the priorities 0 to 9 now and then.
const (
	probedPriorities = 10
	probeEvery       = time.Minute
)

// Adapter reads Gravito Stream.
type Adapter struct{}

// Describe implements [adapter.Adapter].
func (Adapter) Describe() adapter.Description {
	return adapter.Description{
		Name: "gravitostream", Version: "1", Source: adapter.Redis,
		Commands: []string{"LLEN", "ZCARD", "GET", "SCAN", "TYPE"},
	}
}

// Open implements [adapter.Adapter].
func (a Adapter) Open(_ context.Context, settings adapter.Settings) (adapter.Session, error) {
	if err := settings.Only(a.Describe().Name, SettingQueues, SettingPrefix); err != nil {
		return nil, err
	}
	s := &session{
		app: settings["app"], source: settings["source"],
		prefix: settings.Or(SettingPrefix, DefaultPrefix), queues: map[string]*queue{},
	}
	var err error
	if s.patterns, err = settings.Patterns(SettingQueues); err != nil {
		return nil, err
	}
	for _, name := range s.patterns.Names() {
		if owner, part := s.ownerOf(name); owner != "" {
			return nil, settings.Wrong(SettingQueues, "names of queues, but "+adapter.Quote(name, 80)+" is where queue "+
				adapter.Quote(owner, 80)+", which it selects, too, keeps its "+part+" jobs: leave it out")
		}
		s.queues[name] = newQueue(s.prefix, name)
		s.queues[name].named = true
	}
	if s.patterns.HasGlob() {
		s.walk = adapter.NewWalk(adapter.EscapeGlob(s.prefix) + "*")
	}
	s.setOrder()
	return s, nil
}

type session struct {
	adapter.Flow
	app, source, prefix string
	patterns            adapter.Patterns
	queues              map[string]*queue
	order               []*queue          // all of them, sorted by name
	requests            []adapter.Request // of order, perQueue each
	probeAt             time.Time         // when to ask for priorities that nothing consumes

	walk    *adapter.Walk        // nil where every pattern is a name
	newKeys map[string]candidate // found by the poll under way, not known before
	room    adapter.Room         // for their queues

	now      time.Time
	problems []protocol.Problem
	findErr  error // why it could look for nothing
}

// queue is one queue and its requests, which never change.
type queue struct {
	name     string
	named    bool      // the settings name it: it is shown whether Redis has it or not
	seen     time.Time // when one of its keys was last there; zero where none ever was
	requests [perQueue]adapter.Request
	stranded map[int]adapter.Request // asks for the lists of numeric priorities that have jobs
}

// The requests of a queue, by place. The four lists of jobs and the four of delayed ones are of the
// same priorities, in this order.
const (
	waiting = 0
	delayed = 4
	failed  = 8
	paused  = 9

	perQueue = 10
)

// priorities are the ends of a queue's lists of jobs; the first is of jobs that have none.
var priorities = [delayed]string{"", ":critical", ":high", ":low"}

func newQueue(prefix, name string) *queue {
	q := &queue{name: name, stranded: map[int]adapter.Request{}}
	k := prefix + name
	for i, p := range priorities {
		q.requests[waiting+i] = adapter.Request{"LLEN", k + p}
		q.requests[delayed+i] = adapter.Request{"ZCARD", k + p + ":delayed"}
	}
	q.requests[failed] = adapter.Request{"LLEN", k + ":failed"}
	q.requests[paused] = adapter.Request{"GET", k + ":paused"}
	return q
}

// lengthOf asks for the list of a numeric priority.
func (s *session) lengthOf(q *queue, priority int) adapter.Request {
	if r := q.stranded[priority]; r != nil {
		return r
	}
	return adapter.Request{"LLEN", s.prefix + q.name + ":" + strconv.Itoa(priority)}
}

// setOrder follows a change of s.queues.
func (s *session) setOrder() {
	s.order = make([]*queue, 0, len(s.queues))
	s.requests = make([]adapter.Request, 0, len(s.queues)*perQueue)
	for _, name := range adapter.SortedKeys(s.queues) {
		s.order = append(s.order, s.queues[name])
		s.requests = append(s.requests, s.queues[name].requests[:]...)
	}
}

// Poll implements [adapter.Session].
func (s *session) Poll(_ context.Context, now time.Time) adapter.Step {
	s.now, s.problems, s.findErr, s.newKeys = now, nil, nil, nil
	if s.walk != nil && !s.walk.Rests(now) {
		s.newKeys = map[string]candidate{}
		return s.find()
	}
	return s.count()
}
