package bullmq

import (
	"context"
	"encoding/base64"
	"slices"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// Settings of the adapter, beside "app" and "source".
const (
	// SettingQueues is which queues to read: names and globs, comma-separated; "*" is all.
	// Names alone cost nothing to find; a glob walks the keys of the whole Redis, slowly.
	SettingQueues = "queues"
	// SettingPrefix is the prefix of BullMQ's keys; [DefaultPrefix] where it is not set.
	SettingPrefix = "prefix"
)

// DefaultPrefix is the prefix of BullMQ and Bull where an app sets no other.
const DefaultPrefix = "bull"

// Adapter reads BullMQ and Bull.
type Adapter struct{}

// Describe implements [adapter.Adapter].
func (Adapter) Describe() adapter.Description {
	return adapter.Description{
		Name: "bullmq", Version: "2", Source: adapter.Redis,
		Commands: []string{
			"LLEN", "ZCARD", "HMGET", "HGET", "LRANGE", "LINDEX", "GET", "ZRANGE", "SCAN",
			"CLIENT LIST", "CLIENT INFO", "CLUSTER INFO", "ROLE",
		},
	}
}

// Open implements [adapter.Adapter].
func (a Adapter) Open(_ context.Context, settings adapter.Settings) (adapter.Session, error) {
	if err := settings.Only(a.Describe().Name, SettingQueues, SettingPrefix); err != nil {
		return nil, err
	}
	s := &session{
		app: settings["app"], source: settings["source"],
		prefix: settings.Or(SettingPrefix, DefaultPrefix), queues: []*queue{},
	}
	var err error
	if s.patterns, err = settings.Patterns(SettingQueues); err != nil {
		return nil, err
	}
	s.named = s.patterns.Names()
	if s.patterns.HasGlob() {
		// One pattern for "…:meta" and "…:id": Bull 4 has meta only while it is paused.
		s.walk = &walk{Walk: adapter.NewWalk(adapter.EscapeGlob(s.prefix) + ":*:[mi][ed]*")}
	}
	s.setQueues(nil)
	return s, nil
}

type session struct {
	adapter.Flow
	app, source, prefix string
	patterns            adapter.Patterns
	named               []string          // the literal names among the patterns: read whether found or not
	walk                *walk             // nil where every pattern is a literal name
	queues              []*queue          // sorted by name
	requests            []adapter.Request // of the first round, for all of them
	countersLookedFor   time.Time         // when it was last asked of all queues which counters they have
	poll                *poll
}

// poll is what one poll has learned so far.
type poll struct {
	now      time.Time
	counts   []counts // one a queue, in the order of session.queues
	workers  *workers // nil where Redis doesn't tell
	problems []protocol.Problem
	findErr  error // why it could look for nothing
}

// queue is one queue.
type queue struct {
	name   string
	named  bool   // the settings name it: it is shown whether Redis has it or not
	keys   string // the beginning of all its keys: "bull:orders:"
	client string // the end of its workers' client names, after the prefix: base64 of its name
	// Keys of the requests that only some queues need.
	wait, paused, completed, failed, limiter string

	counters  [finishedHow]adapter.Request // that ask how many jobs have ever finished
	isCounted bool                         // there is one of these, as far as we know

	searched bool // we have searched it for a marker between jobs, and its version makes no new one
	hidden   bool // we found such a marker: it stays until a worker takes it
}

func newQueue(prefix, name string) *queue {
	return &queue{
		name: name, keys: prefix + ":" + name + ":", client: base64.StdEncoding.EncodeToString([]byte(name)),
		isCounted: true,
	}
}

// appendRequests makes q's requests of the first round, and appends them. All of them share one text of keys and one
// list of words: the collector, which in WebAssembly is slow and runs in each poll, has two things to mark and not
// thirty.
func (q *queue) appendRequests(dst []adapter.Request) []adapter.Request {
	const limiter = "limiter"
	size, count := len(q.keys)+len(limiter), 0
	for _, key := range &counterKeys {
		size += len(q.keys) + len(key)
		count += 2 + len(counterFields)
	}
	for _, r := range &requestsOf {
		size += len(q.keys) + len(r.key)
		count += 2 + len(r.arguments)
	}
	text := make([]byte, 0, size)
	for _, r := range &requestsOf {
		text = append(append(text, q.keys...), r.key...)
	}
	for _, key := range &counterKeys {
		text = append(append(text, q.keys...), key...)
	}
	keys := string(append(append(text, q.keys...), limiter...))
	words := make([]string, 0, count)
	for place, r := range &requestsOf {
		first, length := len(words), len(q.keys)+len(r.key)
		key := keys[:length]
		keys = keys[length:]
		words = append(append(words, r.command, key), r.arguments...)
		dst = append(dst, words[first:len(words):len(words)])
		switch place {
		case wait:
			q.wait = key
		case paused:
			q.paused = key
		case completed:
			q.completed = key
		case failed:
			q.failed = key
		}
	}
	for how, key := range &counterKeys {
		first, length := len(words), len(q.keys)+len(key)
		words = append(append(words, "HMGET", keys[:length]), counterFields...)
		q.counters[how] = words[first:len(words):len(words)]
		keys = keys[length:]
	}
	q.limiter = keys
	return dst
}

// requestsOf are a queue's requests of the first round without what its keys start with.
var requestsOf = [perQueue]struct {
	command, key string
	arguments    []string
}{
	wait:            {"LLEN", "wait", nil},
	paused:          {"LLEN", "paused", nil},
	active:          {"LLEN", "active", nil},
	delayed:         {"ZCARD", "delayed", nil},
	prioritized:     {"ZCARD", "prioritized", nil},
	waitingChildren: {"ZCARD", "waiting-children", nil},
	completed:       {"ZCARD", "completed", nil},
	failed:          {"ZCARD", "failed", nil},
	groups:          {"ZCARD", "groups", nil},
	meta:            {"HMGET", "meta", metaFields},
	waitTail:        {"LRANGE", "wait", []string{"-2", "-1"}},
	waitHead:        {"LINDEX", "wait", []string{"0"}},
}

// The requests of a queue, by place.
const (
	wait = iota
	paused
	active
	delayed
	prioritized
	waitingChildren
	completed
	failed
	groups
	meta
	waitTail
	waitHead
	perQueue
)

// The requests that are asked once a poll, behind those of the queues.
var whoIsConnected = []adapter.Request{{"CLIENT", "LIST"}, {"CLIENT", "INFO"}, {"CLUSTER", "INFO"}, {"ROLE"}}

// setQueues makes the session read the named queues and the found ones.
func (s *session) setQueues(found []string) {
	names := slices.Concat(s.named, found)
	slices.Sort(names)
	names = slices.Compact(names)
	if slices.EqualFunc(s.queues, names, func(q *queue, name string) bool { return q.name == name }) {
		return
	}
	have := make(map[string]*queue, len(s.queues))
	for _, q := range s.queues {
		have[q.name] = q
	}
	s.queues = make([]*queue, len(names))
	s.requests = make([]adapter.Request, 0, len(names)*perQueue+len(whoIsConnected))
	for i, name := range names {
		if s.queues[i] = have[name]; s.queues[i] == nil {
			s.queues[i] = newQueue(s.prefix, name)
		}
		s.requests = s.queues[i].appendRequests(s.requests)
	}
	s.requests = append(s.requests, whoIsConnected...)
	for _, name := range s.named {
		i, _ := slices.BinarySearch(names, name)
		s.queues[i].named = true
	}
}

// Poll implements [adapter.Session].
func (s *session) Poll(_ context.Context, now time.Time) adapter.Step {
	s.poll = &poll{now: now}
	if s.walk != nil && !s.walk.Rests(now) {
		return s.find()
	}
	return s.count()
}
