// Package publish writes the keys of the Gravito Pulse Protocol, each write one round trip, each
// key with an end of life.
package publish

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/protocol"
)

// Store is the Redis where the protocol's keys live. It is safe for concurrent use.
type Store struct {
	client redis.UniversalClient
	name   string
	ttl    time.Duration
}

// New makes a store of client whose keys live for ttl. name is how errors call it, such as
// "redis 10.0.0.7:6379".
func New(client redis.UniversalClient, name string, ttl time.Duration) *Store {
	return &Store{client, name, ttl}
}

// setNewer SETs a snapshot unless a newer one is there: of two reporters that overlap, the newer
// reading wins whichever is written last. Our own snapshots begin with their timestamp and end by
// themselves; anything else there is nobody's reading, and is overwritten.
const setNewer = `
local there = redis.pcall('GETRANGE', KEYS[1], 0, 40)
local at = type(there) == 'string' and string.match(there, '^{"timestamp":(%d+)')
if at and tonumber(at) > tonumber(ARGV[2]) and redis.call('PTTL', KEYS[1]) >= 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1`

// Snapshot publishes s, and says whether it did: false without an error means that a newer one is
// there; true with one that only the index could not be written. Queues that cannot be written are
// problems of s after it.
func (p *Store) Snapshot(ctx context.Context, s *protocol.QueueSnapshot) (bool, error) {
	data, err := s.EncodeUsable()
	if err != nil {
		return false, err
	}
	pipe := p.client.Pipeline()
	set := pipe.Eval(ctx, setNewer, []string{s.Key()}, data, s.Timestamp, p.ttl.Milliseconds())
	Note(ctx, pipe, s.Timestamp, s.Key())
	_, err = pipe.Exec(ctx)
	published := set.Val() == int64(1)
	switch {
	case err != nil && published:
		err = fmt.Errorf("note %s in %s at %s: %w", s.Key(), protocol.IndexKey, p.name, err)
	case err != nil:
		err = fmt.Errorf("publish %s to %s: %w", s.Key(), p.name, err)
	}
	return published, err
}

// Heartbeat publishes h as that of the server called id.
func (p *Store) Heartbeat(ctx context.Context, id string, h *protocol.Heartbeat) error {
	data, err := h.Encode()
	if err != nil {
		return err
	}
	key := protocol.ServerKey(h.App(), id)
	pipe := p.client.Pipeline()
	pipe.Set(ctx, key, data, p.ttl)
	Note(ctx, pipe, h.Timestamp, key)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("publish %s to %s: %w", key, p.name, err)
	}
	return nil
}

// Note adds to pipe what notes keys in the index as seen at ms, and forgets what was seen last a day
// before that.
func Note(ctx context.Context, pipe redis.Pipeliner, ms int64, keys ...string) {
	seen := make([]redis.Z, len(keys))
	for i, key := range keys {
		seen[i] = redis.Z{Score: float64(ms), Member: key}
	}
	pipe.ZAdd(ctx, protocol.IndexKey, seen...)
	pipe.ZRemRangeByScore(ctx, protocol.IndexKey, "-inf", "("+strconv.FormatInt(ms-protocol.IndexLife.Milliseconds(), 10))
}
