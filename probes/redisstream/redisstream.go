// Package redisstream reads Redis Streams that consumer groups work on: each group of a stream is a
// queue of its own, called {stream}/{group}.
//
// [Adapter] is the adapter; its Open takes the setting [SettingStreams].
//
// The entries behind a group's last-delivered-id are waiting; those delivered and not acknowledged are active. Redis
// 7 and later tell the number of waiting entries as the group's lag, but not always, and not always right. Where the
// lag may be wrong the adapter counts the entries, within bounds; docs/drivers/redisstream.md says when. It writes
// nothing: it reads for no group and claims no entry.
package redisstream

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// SettingStreams is which streams to read, beside the settings "app" and "source": keys and globs,
// comma-separated. Keys alone cost nothing to find; a glob walks the keys of the whole Redis, slowly.
const SettingStreams = "streams"

// DriverName is the queues' meta.driver: the protocol has no driver of this name.
const DriverName = "redis-stream"

// Adapter reads streams and their consumer groups.
type Adapter struct{}

// Describe implements [adapter.Adapter].
func (Adapter) Describe() adapter.Description {
	return adapter.Description{
		Name: "redisstream", Version: "1", Source: adapter.Redis,
		Commands: []string{"XLEN", "XINFO GROUPS", "XINFO STREAM", "XRANGE", "SCAN", "TYPE"},
	}
}

// Open implements [adapter.Adapter].
func (a Adapter) Open(_ context.Context, settings adapter.Settings) (adapter.Session, error) {
	if err := settings.Only(a.Describe().Name, SettingStreams); err != nil {
		return nil, err
	}
	s := &session{app: settings["app"], source: settings["source"]}
	var err error
	if s.patterns, err = settings.Patterns(SettingStreams); err != nil {
		return nil, err
	}
	s.named = s.patterns.Names()
	if s.patterns.HasGlob() {
		s.walk = adapter.NewKeyWalk(s.patterns, "stream", explain)
	}
	s.setStreams(nil)
	return s, nil
}

type session struct {
	adapter.Flow
	app, source string
	patterns    adapter.Patterns
	named       []string          // the keys among the patterns: read whether found or not
	streams     []*stream         // sorted by key
	requests    []adapter.Request // of the first round, perStream each

	walk *adapter.KeyWalk // nil where every pattern is a key

	polls    int // the number of this poll: each group keeps the number of the poll that saw it last
	now      time.Time
	groups   []group // of the poll under way, stream by stream
	problems []protocol.Problem
	findErr  error // why it could look for nothing
	failed   error // why the first stream that could not be read could not

	wrongName string // a sentence about a group that cannot be reported; one stands for all
	room      adapter.Room
	noRoom    string // a sentence about groups for whose names there is no room
}

// stream is one stream and what is asked of it, which never changes.
type stream struct {
	key      string
	named    bool
	requests [perStream]adapter.Request
	about    adapter.Request
	known    map[string]*known // its groups, by name
}

// The requests of a stream, by place.
const (
	length = iota
	groups
	perStream
)

func newStream(key string) *stream {
	return &stream{
		key:      key,
		requests: [perStream]adapter.Request{length: {"XLEN", key}, groups: {"XINFO", "GROUPS", key}},
		about:    adapter.Request{"XINFO", "STREAM", key},
		known:    map[string]*known{},
	}
}

// known is what is remembered of a group from poll to poll.
type known struct {
	queue  string // {stream}/{group}
	poll   int    // that saw it last
	before base

	first  adapter.Request // for the first entry behind after
	after  id
	oldest id // that entry, where it cannot have been removed; else zero
}

// base is a number of waiting entries that was counted. As long as nothing is delivered and nothing removed, only
// added entries change it.
type base struct {
	ok                     bool
	last                   id
	added, length, waiting int64
}

// queueName is a group's name as a queue. It writes a '/' within the group's name as %2F, and a '%' as %25. So the
// last '/' always ends the stream's key, and no two groups have the same name.
func queueName(key, group string) string {
	return key + "/" + strings.ReplaceAll(strings.ReplaceAll(group, "%", "%25"), "/", "%2F")
}

// setStreams makes the session read the named streams and the found ones.
func (s *session) setStreams(found []string) {
	keys := slices.Concat(s.named, found)
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if slices.EqualFunc(s.streams, keys, func(st *stream, key string) bool { return st.key == key }) {
		return
	}
	have := make(map[string]*stream, len(s.streams))
	for _, st := range s.streams {
		have[st.key] = st
	}
	s.streams = make([]*stream, len(keys))
	s.requests = make([]adapter.Request, 0, len(keys)*perStream)
	for i, key := range keys {
		if s.streams[i] = have[key]; s.streams[i] == nil {
			s.streams[i] = newStream(key)
			s.streams[i].named = slices.Contains(s.named, key)
		}
		s.requests = append(s.requests, s.streams[i].requests[:]...)
	}
}

// Poll implements [adapter.Session].
func (s *session) Poll(_ context.Context, now time.Time) adapter.Step {
	s.polls++
	s.now, s.problems, s.findErr, s.failed = now, nil, nil, nil
	s.groups, s.wrongName = s.groups[:0], ""
	if s.walk != nil && !s.walk.Rests(now) {
		return s.find()
	}
	return s.count()
}
