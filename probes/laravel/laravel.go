package laravel

import (
	"context"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// Settings of the adapter, beside "app" and "source".
const (
	// SettingQueues is which queues to read: names and globs, comma-separated; "*" is all that have
	// jobs. Names alone cost nothing to find; a glob walks the keys of the whole Redis, slowly. A name
	// is one with and without the braces of Redis Cluster: mail reads queues:mail and queues:{mail}.
	SettingQueues = "queues"
	// SettingPrefix is the prefix of the Redis connection that the queues are on, as the app has it in
	// config/database.php, without "queues:"; [DefaultPrefix] where it is not set. Every character
	// stands for itself. In double quotes it is what is between them, so that "" is the empty prefix.
	SettingPrefix = "prefix"
	// SettingHorizonPrefix is Horizon's prefix, as the app has it in config/horizon.php, quoted or
	// not like [SettingPrefix]; [DefaultHorizonPrefix] where it is not set. It takes the place of the
	// connection's. A Horizon without a configured prefix uses "horizon:".
	SettingHorizonPrefix = "horizon_prefix"
)

// The prefixes that are used where none is set.
const (
	DefaultPrefix        = "laravel_database_" // of a new app before Laravel 13, which has "laravel-database-"
	DefaultHorizonPrefix = "laravel_horizon:"
)

// maxPrefix is the longest prefix in bytes.
const maxPrefix = 1024

// Adapter reads Laravel's queues on Redis.
type Adapter struct{}

// Describe implements [adapter.Adapter].
func (Adapter) Describe() adapter.Description {
	return adapter.Description{
		Name: "laravel", Version: "1", Source: adapter.Redis,
		Commands: []string{"LLEN", "ZCARD", "ZCOUNT", "LINDEX", "EXISTS", "TYPE", "SCAN", "ZRANGE", "HMGET", "HGET"},
	}
}

// Open implements [adapter.Adapter].
func (a Adapter) Open(_ context.Context, settings adapter.Settings) (adapter.Session, error) {
	if err := settings.Only(a.Describe().Name, SettingQueues, SettingPrefix, SettingHorizonPrefix); err != nil {
		return nil, err
	}
	s := &session{app: settings["app"], source: settings["source"], names: map[string]*queue{}, spelled: map[string]*queue{}}
	prefix, err := prefixOf(settings, SettingPrefix, DefaultPrefix)
	if err != nil {
		return nil, err
	}
	horizonPrefix, err := prefixOf(settings, SettingHorizonPrefix, DefaultHorizonPrefix)
	if err != nil {
		return nil, err
	}
	if s.patterns, err = settings.Patterns(SettingQueues); err != nil {
		return nil, err
	}
	s.prefix, s.keys = prefix, prefix+"queues:"
	s.horizon = newHorizon(horizonPrefix)
	for _, spelling := range s.patterns.Names() {
		s.add(spelling).named = true
	}
	for _, q := range s.names {
		q.lookForBraces(s.keys)
	}
	if s.patterns.HasGlob() {
		s.walk = &walk{Walk: adapter.NewWalk(adapter.EscapeGlob(s.keys) + "*")}
	}
	return s, nil
}

// prefixOf reads a prefix. Quotes are for what an environment or a file can't hold otherwise.
func prefixOf(settings adapter.Settings, setting, otherwise string) (string, error) {
	p := settings.Or(setting, otherwise)
	if len(p) > maxPrefix {
		return "", settings.Wrong(setting, "a prefix of at most 1024 bytes")
	}
	if len(p) > 1 && p[0] == '"' && p[len(p)-1] == '"' {
		p = p[1 : len(p)-1]
	}
	return p, nil
}

type session struct {
	adapter.Flow
	app, source  string
	prefix, keys string // what the keys of all queues start with: "laravel_database_queues:"
	patterns     adapter.Patterns
	walk         *walk // nil where every pattern is a literal name
	horizon      *horizon

	names    map[string]*queue // by name
	spelled  map[string]*queue // by spelling
	changed  bool              // the following two are to be made anew
	queues   []*queue          // sorted by name
	requests []adapter.Request // of the first round, for all of them, and Horizon's

	poll   *poll
	polled time.Time // when queues were last counted
}

// poll is what one poll has learned so far.
type poll struct {
	now      time.Time
	counts   []counts
	workers  workers
	again    bool // the queues have been counted once more because a spelling was found
	problems []protocol.Problem
	findErr  error // why it could look for nothing
}

// Poll implements [adapter.Session].
func (s *session) Poll(_ context.Context, now time.Time) adapter.Step {
	s.poll = &poll{now: now}
	if s.walk == nil {
		return s.count()
	}
	s.forget(now)
	if !s.walk.Rests(now) {
		return s.find()
	}
	return s.count()
}

func (s *session) problem(reason string) {
	s.poll.problems = append(s.poll.problems, protocol.Problem{Reason: reason})
}
