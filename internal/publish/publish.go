// Package publish writes the keys of the Gravito Pulse Protocol.
//
// [New] makes a store of a client. [Store.Snapshot] publishes a reporter's queues, [Store.Heartbeat] a host.
//
// Each write is one round trip, and each key has an end of life. Times are Redis' own: a machine with a wrong clock
// keeps nobody else out. A refusal names the command and says what to allow.
package publish

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/protocol"
)

// Store is the Redis where the protocol's keys live. It is safe for concurrent use.
type Store struct {
	client redis.UniversalClient
	name   string
	ttl    time.Duration
	clock  *clock

	mu   sync.Mutex
	last map[string]written // by the key of a snapshot
}

// written is what a store knows of a snapshot's key.
type written struct {
	at          int64 // the timestamp of the snapshot that it wrote last
	metAnothers bool  // at its last try another's snapshot was there
}

// New makes a store of client whose keys live for ttl. name is how errors call it, such as
// "redis 10.0.0.7:6379".
func New(client redis.UniversalClient, name string, ttl time.Duration) *Store {
	return NewWithClock(client, name, ttl, machineClock())
}

// NewWithClock is as [New], on a machine whose clocks are local.
func NewWithClock(client redis.UniversalClient, name string, ttl time.Duration, local LocalClock) *Store {
	return &Store{client: client, name: name, ttl: ttl, clock: &clock{local: local}, last: map[string]written{}}
}

// setNewer SETs a snapshot unless a newer one is there: of two reporters that overlap, the newer reading stays,
// also where it was written first. Our own snapshots begin with their timestamp and end by themselves; anything
// else there is no snapshot of ours and is overwritten. So is one of the future: a clock was wrong, and no other
// reporter could publish for as long as the key lives. Two seconds are allowed, because a writer knows Redis' time
// no better. And so is the one that this store wrote last (ARGV[4]), also where a clock was set back since.
//
// It returns whether it was SET, Redis' time in ms or what Redis said instead, and 1 where a snapshot was there that
// this store has not written. Before Redis 5 a script that asks
// for the time may write only after replicate_commands.
const setNewer = try + `
if redis.replicate_commands then redis.replicate_commands() end
local time = redis.pcall('TIME')
local now = time[1] and time[1] * 1000 + math.floor(time[2] / 1000)
local there = redis.pcall('GETRANGE', KEYS[1], 0, 40)
local at = type(there) == 'string' and tonumber(string.match(there, '^{"timestamp":(%d+)') or '')
local anothers = at and at ~= tonumber(ARGV[4]) and 1 or 0
local isNewer = at and at > tonumber(ARGV[2]) and at ~= tonumber(ARGV[4]) and not (now and at > now + 2000)
if isNewer then
  local left = try('PTTL', KEYS[1])
  if type(left) == 'table' then return left end
  if left >= 0 then return {0, now or tostring(time.err), anothers} end
end
local set = try('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
if set.err then return set end
return {1, now or tostring(time.err), anothers}`

// Snapshot publishes s, and says whether it did: false without an error means that a newer one is
// there; true with one that only the index could not be written. Queues that cannot be written are
// problems of s after it.
func (p *Store) Snapshot(ctx context.Context, s *protocol.QueueSnapshot) (bool, error) {
	data, err := s.EncodeUsable()
	if err != nil {
		return false, err
	}
	key := s.Key()
	pipe := p.client.Pipeline()
	set := pipe.Eval(ctx, setNewer, []string{key}, data, s.Timestamp, p.ttl.Milliseconds(), p.lastWritten(key))
	asked := p.note(ctx, pipe, key)
	_, err = pipe.Exec(ctx)
	published, metAnothers := p.wrote(set, asked)
	switch {
	case err != nil && published:
		err = fmt.Errorf("note %s in %s at %s: %w", key, protocol.IndexKey, p.name, WithRemedy(err, protocol.IndexKey))
	case err != nil:
		err = fmt.Errorf("publish %s to %s: %w", key, p.name, WithRemedy(err, key))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	last := written{p.last[key].at, metAnothers}
	if published {
		last.at = s.Timestamp
	}
	p.last[key] = last
	return published, err
}

// MetAnothers reports whether the last try to publish under key, which is a snapshot's, found one there that this
// store had not written. Once that is a reporter which ended before this one began, or a write of which the answer was
// lost; again and again it is another reporter that goes on.
func (p *Store) MetAnothers(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[key].metAnothers
}

func (p *Store) lastWritten(key string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[key].at
}

// wrote is whether setNewer has SET, and whether another's was there. The time in its answer is kept.
func (p *Store) wrote(set *redis.Cmd, asked time.Duration) (published, metAnothers bool) {
	answer, _ := set.Slice() // an error is the pipeline's, too
	if len(answer) != 3 {
		return false, false
	}
	switch now := answer[1].(type) {
	case int64:
		p.clock.answered(time.UnixMilli(now), asked)
	case string:
		p.clock.refused(now + remedy)
	}
	return answer[0] == int64(1), answer[2] == int64(1)
}

// Heartbeat publishes h as that of the server called id.
func (p *Store) Heartbeat(ctx context.Context, id string, h *protocol.Heartbeat) error {
	data, err := h.Encode()
	if err != nil {
		return err
	}
	key := protocol.ServerKey(h.App(), id)
	pipe := p.client.Pipeline()
	set := pipe.Set(ctx, key, data, p.ttl)
	asked := p.note(ctx, pipe, key)
	switch err := p.execWithTime(ctx, pipe, asked); {
	case err != nil && set.Err() == nil:
		return fmt.Errorf("note %s in %s at %s: %w", key, protocol.IndexKey, p.name, WithRemedy(err, protocol.IndexKey))
	case err != nil:
		return fmt.Errorf("publish %s to %s: %w", key, p.name, WithRemedy(err, key))
	}
	return nil
}

// execWithTime sends what is in pipe and asks for Redis' time beside it. That this is refused is no error.
func (p *Store) execWithTime(ctx context.Context, pipe redis.Pipeliner, asked time.Duration) error {
	now := pipe.Time(ctx)
	cmds, err := pipe.Exec(ctx)
	p.clock.heard(now, asked)
	if now.Err() == nil {
		return err
	}
	for _, cmd := range cmds {
		if cmd != redis.Cmder(now) && cmd.Err() != nil {
			return cmd.Err()
		}
	}
	return nil
}

// ClockTolerance is how far ahead of Redis' time a member of the index may be: more than the clocks of a cluster's
// nodes are apart.
const ClockTolerance = time.Minute

// Note adds to pipe what notes keys in the index as seen at ms, which is Redis' time. It forgets what was seen last
// a day before that, and what is noted for a moment more than a minute after it: that was a wrong clock, whose
// members would stand before everybody else's, and never get old.
func Note(ctx context.Context, pipe redis.Pipeliner, ms int64, keys ...string) {
	seen := make([]redis.Z, len(keys))
	for i, key := range keys {
		seen[i] = redis.Z{Score: float64(ms), Member: key}
	}
	pipe.ZAdd(ctx, protocol.IndexKey, seen...)
	forgetPast(ctx, pipe, ms)
	pipe.ZRemRangeByScore(ctx, protocol.IndexKey, "("+strconv.FormatInt(ms+ClockTolerance.Milliseconds(), 10), "+inf")
}

func forgetPast(ctx context.Context, pipe redis.Pipeliner, ms int64) {
	pipe.ZRemRangeByScore(ctx, protocol.IndexKey, "-inf", "("+strconv.FormatInt(ms-protocol.IndexLife.Milliseconds(), 10))
}

// note notes one key as seen now, and returns for how long the machine had run then. Where Redis' time is not known
// it forgets nothing of the future, for this machine may be late; nor of the past, unless Redis never tells its time
// and nobody else may clean up.
func (p *Store) note(ctx context.Context, pipe redis.Pipeliner, key string) (asked time.Duration) {
	now := p.Now(ctx).UnixMilli()
	isKnown, isRefused := p.clock.state()
	if isKnown {
		Note(ctx, pipe, now, key)
	} else {
		pipe.ZAdd(ctx, protocol.IndexKey, redis.Z{Score: float64(now), Member: key})
		if isRefused {
			forgetPast(ctx, pipe, now)
		}
	}
	_, asked = p.clock.local()
	return asked
}
