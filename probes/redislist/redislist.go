// Package redislist reads plain Redis lists that programs use as queues: one does LPUSH, another BRPOP, and there is
// no library in between.
//
// [Adapter] is the adapter; its Open takes the setting [SettingKeys].
//
// It asks for one length a list and writes nothing. A list tells no more: only the program that uses it knows which
// items are being worked on, which failed and when each was made. docs/drivers/redislist.md says what is read and
// why the rest is absent.
package redislist

import (
	"context"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// SettingKeys is which lists to read, beside the settings "app" and "source": keys and globs,
// comma-separated. Keys alone cost nothing to find; a glob walks the keys of the whole Redis, slowly.
const SettingKeys = "keys"

// DriverName is the queues' meta.driver: the protocol has no driver of this name.
const DriverName = "redis-list"

// An empty list has no key. A found list stays in the report with 0, so that it doesn't come and go with its items:
// for forgetAfter, and of empty lists at most mostEmpty.
const (
	forgetAfter = time.Hour
	mostEmpty   = 10_000
)

// Adapter reads plain lists.
type Adapter struct{}

// Describe implements [adapter.Adapter].
func (Adapter) Describe() adapter.Description {
	return adapter.Description{
		Name: "redislist", Version: "1", Source: adapter.Redis,
		Commands: []string{"LLEN", "SCAN", "TYPE"},
	}
}

// Open implements [adapter.Adapter].
func (a Adapter) Open(_ context.Context, settings adapter.Settings) (adapter.Session, error) {
	if err := settings.Only(a.Describe().Name, SettingKeys); err != nil {
		return nil, err
	}
	s := &session{app: settings["app"], source: settings["source"], lists: map[string]*list{}}
	s.meta.SetText("driver", DriverName)
	var err error
	if s.patterns, err = settings.Patterns(SettingKeys); err != nil {
		return nil, err
	}
	for _, key := range s.patterns.Names() {
		s.lists[key] = newList(key, true)
	}
	if s.patterns.HasGlob() {
		s.walk = adapter.NewKeyWalk(s.patterns, "list", explain)
	}
	s.setOrder()
	return s, nil
}

type session struct {
	adapter.Flow
	app, source string
	patterns    adapter.Patterns
	meta        protocol.Meta // the meta of a list without a remark of its own
	lists       map[string]*list
	order       []*list           // all of them, sorted by key
	requests    []adapter.Request // one a list, in that order

	walk *adapter.KeyWalk // nil where every pattern is a key

	now      time.Time
	problems []protocol.Problem
	findErr  error // why it could look for nothing
}

// list is one list and what is asked of it, which never changes.
type list struct {
	key     string
	named   bool      // the settings name it: it is shown whether Redis has it or not
	seen    time.Time // when its key was last there; zero where it never was
	request adapter.Request
}

func newList(key string, named bool) *list {
	return &list{key: key, named: named, request: adapter.Request{"LLEN", key}}
}

// setOrder follows a change of s.lists.
func (s *session) setOrder() {
	s.order = make([]*list, 0, len(s.lists))
	s.requests = make([]adapter.Request, 0, len(s.lists))
	for _, key := range adapter.SortedKeys(s.lists) {
		s.order = append(s.order, s.lists[key])
		s.requests = append(s.requests, s.lists[key].request)
	}
}

// Poll implements [adapter.Session].
func (s *session) Poll(_ context.Context, now time.Time) adapter.Step {
	s.now, s.problems, s.findErr = now, nil, nil
	if s.walk != nil && !s.walk.Rests(now) {
		return s.find()
	}
	return s.count()
}
