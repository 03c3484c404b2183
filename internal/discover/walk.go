package discover

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/protocol"
)

// The walk goes through all keys of a Redis with SCAN, whosever they are, so it does at most
// scansAtOnce calls a reading (about 10 ms of Redis) and rests when it is through.
const (
	scansAtOnce = 10
	scanCount   = 2_000
	restAfter   = 5 * time.Second // a stranger's key may live for only 30 s
	// scanPattern is one pattern for both namespaces, "pulse:" and "gravito:"; what else it lets
	// through is sorted out here.
	scanPattern = "[pg][ur][la][sv][ei]*"
	// scanKey keeps, for an hour, how far the walk has come at each node, so that a function that
	// has just started goes on where the last one was.
	scanKey  = "pulse:scan"
	scanLife = time.Hour
)

// walk is how far the walk has come.
type walk struct {
	stand     map[string]uint64 // the cursor at each node; nil before the first part
	through   map[string]bool   // the nodes that this walk is through with
	restUntil time.Time
}

// find takes one part of the walk, and returns what it finds that is not in the index.
func (r *Reader) find(ctx context.Context, now time.Time, index map[string]int64) (map[string]int64, error) {
	if now.Before(r.walk.restUntil) {
		return nil, nil
	}
	nodes, err := redisconn.Masters(ctx, r.client)
	if err != nil {
		return nil, err
	}
	if r.walk.stand == nil {
		if err := r.resume(ctx); err != nil {
			return nil, err
		}
	}
	found := map[string]int64{}
	fields := make([]any, 0, 2*len(nodes))
	for _, node := range nodes {
		name := node.Options().Addr
		if r.walk.through[name] {
			continue
		}
		cursor, err := scan(ctx, node, r.walk.stand[name], func(key string) {
			if _, known := index[key]; !known && len(index)+len(found) < maxKeys {
				// Its time is long ago, so that it is noted when it turns out to be alive.
				found[key] = now.UnixMilli() - noteEvery.Milliseconds()
			}
		})
		if err != nil && !redisconn.IsRefusal(err) {
			return nil, err
		}
		// A Redis that refuses SCAN is left alone until the next walk.
		r.walk.stand[name], r.walk.through[name] = cursor, cursor == 0
		fields = append(fields, name, cursor)
	}
	if !slices.ContainsFunc(nodes, func(n *redis.Client) bool { return !r.walk.through[n.Options().Addr] }) {
		r.walk.restUntil = now.Add(restAfter)
		clear(r.walk.through)
	}
	pipe := r.client.Pipeline()
	pipe.HSet(ctx, scanKey, fields...)
	pipe.Expire(ctx, scanKey, scanLife)
	_, _ = pipe.Exec(ctx) // a reader that may not write goes on from its own memory
	return found, nil
}

// resume goes on where another process stood.
func (r *Reader) resume(ctx context.Context) error {
	stood, err := r.client.HGetAll(ctx, scanKey).Result()
	if err != nil && !redisconn.IsRefusal(err) {
		return err
	}
	r.walk.stand, r.walk.through = make(map[string]uint64, len(stood)), map[string]bool{}
	for name, cursor := range stood {
		r.walk.stand[name], _ = strconv.ParseUint(cursor, 10, 64) // rubbish begins at 0
	}
	return nil
}

// scan takes one node's part, and hands over the protocol's keys.
func scan(ctx context.Context, node redis.Cmdable, cursor uint64, found func(key string)) (uint64, error) {
	for range scansAtOnce {
		keys, next, err := node.Scan(ctx, cursor, scanPattern, scanCount).Result()
		if err != nil {
			return 0, err
		}
		for _, key := range keys {
			if protocol.KindOf(key) != protocol.KindOther {
				found(key)
			}
		}
		if cursor = next; cursor == 0 {
			break
		}
	}
	return cursor, nil
}
