package bullmq

import (
	"fmt"
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
	// SettingPrefix is the prefix of BullMQ's keys; "bull" where it is not set.
	SettingPrefix = "prefix"
)

// DefaultPrefix is what BullMQ and Bull use unless they are told otherwise.
const DefaultPrefix = "bull"

// Adapter reads BullMQ and Bull.
type Adapter struct{}

// Describe implements [adapter.Adapter].
func (Adapter) Describe() adapter.Description {
	return adapter.Description{
		Name: "bullmq", Version: "1", Source: adapter.Redis,
		Commands: []string{"LLEN", "ZCARD", "HMGET", "HGET", "LRANGE", "LINDEX", "GET", "SCAN", "CLIENT LIST"},
	}
}

// Open implements [adapter.Adapter].
func (Adapter) Open(settings adapter.Settings) (adapter.Session, error) {
	s := &session{app: settings["app"], source: settings["source"], prefix: settings[SettingPrefix]}
	if s.prefix == "" {
		s.prefix = DefaultPrefix
	}
	var err error
	if s.patterns, err = adapter.ParsePatterns(settings[SettingQueues]); err != nil {
		return nil, fmt.Errorf("queues: %w", err)
	}
	names, exact := s.patterns.Exact()
	for _, name := range names {
		if err := protocol.CheckQueueName(name); err != nil {
			return nil, fmt.Errorf("queues: %q: %w", name, err)
		}
	}
	if !exact {
		s.walk = newWalk(s.prefix)
	}
	s.named = names
	s.setQueues(nil)
	return s, nil
}

type session struct {
	adapter.Flow
	app, source, prefix string
	patterns            adapter.Patterns
	named               []string // the literal names among the patterns: read whether found or not
	walk                *walk    // nil where every pattern is a literal name
	queues              []*queue // sorted by name
	poll                *poll
}

// poll is what one poll has learned so far.
type poll struct {
	now      time.Time
	counts   []counts // one a queue, in the order of session.queues
	workers  map[string]int64
	problems []protocol.Problem
}

// queue is one queue and its requests, which never change.
type queue struct {
	name     string
	named    bool   // by the settings: shown whether Redis has it or not
	keys     string // what all its keys start with: "bull:orders:"
	requests []adapter.Request
	clean    bool // it has been searched for a marker between jobs, and its version makes no new one
}

func newQueue(prefix, name string) *queue {
	k := prefix + ":" + name + ":"
	return &queue{name: name, keys: k, requests: []adapter.Request{
		wait:            {"LLEN", k + "wait"},
		paused:          {"LLEN", k + "paused"},
		active:          {"LLEN", k + "active"},
		delayed:         {"ZCARD", k + "delayed"},
		prioritized:     {"ZCARD", k + "prioritized"},
		waitingChildren: {"ZCARD", k + "waiting-children"},
		completed:       {"ZCARD", k + "completed"},
		failed:          {"ZCARD", k + "failed"},
		meta:            append(adapter.Request{"HMGET", k + "meta"}, metaFields...),
		waitTail:        {"LRANGE", k + "wait", "-2", "-1"},
		waitHead:        {"LINDEX", k + "wait", "0"},
	}}
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
	meta
	waitTail
	waitHead
	perQueue
)

// setQueues makes the session read the named queues and the found ones.
func (s *session) setQueues(found []string) {
	have := make(map[string]*queue, len(s.queues))
	for _, q := range s.queues {
		have[q.name] = q
	}
	names := slices.Concat(s.named, found)
	slices.Sort(names)
	names = slices.Compact(names)
	s.queues = make([]*queue, len(names))
	for i, name := range names {
		if s.queues[i] = have[name]; s.queues[i] == nil {
			s.queues[i] = newQueue(s.prefix, name)
		}
	}
	for _, name := range s.named {
		i, _ := slices.BinarySearch(names, name)
		s.queues[i].named = true
	}
}

// Poll implements [adapter.Session].
func (s *session) Poll(now time.Time) adapter.Step {
	s.poll = &poll{now: now}
	if s.walk != nil && !s.walk.rests(now) {
		return s.find()
	}
	return s.count(0)
}
