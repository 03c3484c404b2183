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

// DefaultPrefix is what BullMQ and Bull use unless they are told otherwise.
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
func (Adapter) Open(_ context.Context, settings adapter.Settings) (adapter.Session, error) {
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
	poll                *poll
}

// poll is what one poll has learned so far.
type poll struct {
	now      time.Time
	counts   []counts // one a queue, in the order of session.queues
	workers  *workers // nil where Redis doesn't tell
	problems []protocol.Problem
}

// queue is one queue and its requests, which never change.
type queue struct {
	name     string
	named    bool   // by the settings: shown whether Redis has it or not
	keys     string // what all its keys start with: "bull:orders:"
	client   string // what its workers' connections are called behind the prefix: base64 of its name
	requests [perQueue]adapter.Request
	// Requests of the second round.
	limiter, oldestFailed, pausedTail, pausedHead, searchWait, searchPaused adapter.Request

	searched bool // for a marker between jobs, and its version makes no new one
	hidden   bool // such a marker was found: it stays until a worker gets there
}

func newQueue(prefix, name string) *queue {
	k := prefix + ":" + name + ":"
	return &queue{
		name: name, keys: k, client: base64.StdEncoding.EncodeToString([]byte(name)),
		requests: [perQueue]adapter.Request{
			wait:            {"LLEN", k + "wait"},
			paused:          {"LLEN", k + "paused"},
			active:          {"LLEN", k + "active"},
			delayed:         {"ZCARD", k + "delayed"},
			prioritized:     {"ZCARD", k + "prioritized"},
			waitingChildren: {"ZCARD", k + "waiting-children"},
			completed:       {"ZCARD", k + "completed"},
			failed:          {"ZCARD", k + "failed"},
			groups:          {"ZCARD", k + "groups"},
			meta:            append(adapter.Request{"HMGET", k + "meta"}, metaFields...),
			waitTail:        {"LRANGE", k + "wait", "-2", "-1"},
			waitHead:        {"LINDEX", k + "wait", "0"},
		},
		limiter:      adapter.Request{"GET", k + "limiter"},
		oldestFailed: adapter.Request{"ZRANGE", k + "failed", "0", "0", "WITHSCORES"},
		pausedTail:   adapter.Request{"LRANGE", k + "paused", "-2", "-1"},
		pausedHead:   adapter.Request{"LINDEX", k + "paused", "0"},
		searchWait:   adapter.Request{"LRANGE", k + "wait", "-" + markerDepth, "-1"},
		searchPaused: adapter.Request{"LRANGE", k + "paused", "-" + markerDepth, "-1"},
	}
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
		s.requests = append(s.requests, s.queues[i].requests[:]...)
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
