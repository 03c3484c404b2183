package discover

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

// The walk goes through all keys of a Redis with SCAN, those of others too, at one of three paces:
//
//   - The first walk of a Redis is fast: until it is through, a stranger may be missing from the view.
//   - A small Redis is walked whole at each reading, so that a stranger shows at once.
//   - A large one is walked gently once the first walk is through: its strangers are known by then.
const (
	// scanCount is about how many keys one SCAN looks at, a millisecond of Redis: what others wait for.
	scanCount = 2_000
	// usualGap is the time between two readings while somebody watches, and firstShare how much of it
	// the first walk may take of Redis. A reading that comes sooner takes less, none takes more.
	usualGap   = 2 * time.Second
	firstShare = 0.0195
	// smallCalls is how many SCANs a small Redis takes at most.
	smallCalls = 10
	// A gentle walk takes gentleReadings, an hour while somebody watches; its parts have bounds, about half
	// a millisecond of Redis and 20.
	gentleReadings          = 1_800
	gentleLeast, gentleMost = 500, 20_000
	// refusedFor is how long a Redis is left alone that refuses SCAN.
	refusedFor = time.Minute
	// scanPattern is one pattern for both namespaces, "pulse:" and "gravito:"; what else it lets
	// through is sorted out here.
	scanPattern = "[pg][ur][la][sv][ei]*"
	// scanKey keeps, for an hour, how far the walk has come at each node, so that a function that
	// has just started goes on where the last one was.
	scanKey  = "pulse:scan"
	scanLife = time.Hour
)

// walk is how far the walk has come at each node.
type walk struct {
	nodes map[string]*stand // nil before the first reading
	last  time.Time         // of the reading before this one
	clock func() time.Time  // for how long a SCAN takes
}

// stand is how far the walk has come at one node.
type stand struct {
	cursor  uint64
	looked  int64 // about how many keys this walk has looked at
	through int64 // about how many the last whole walk looked at; 0 before the first is through
	// Of this process alone:
	keys  int64     // how many keys there are, as far as the first walk has asked
	until time.Time // SCAN was refused: no further try before that
}

// String is how a stand is kept in Redis.
func (s *stand) String() string { return fmt.Sprintf("%d %d %d", s.cursor, s.looked, s.through) }

// parseStand reads what String made. Rubbish begins anew.
func parseStand(text string) *stand {
	s := &stand{}
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return s
	}
	cursor, err := strconv.ParseUint(fields[0], 10, 64)
	looked, err2 := strconv.ParseInt(fields[1], 10, 64)
	through, err3 := strconv.ParseInt(fields[2], 10, 64)
	if errors.Join(err, err2, err3) != nil || looked < 0 || through < 0 {
		return s
	}
	s.cursor, s.looked, s.through = cursor, looked, through
	return s
}

// find takes one part of the walk at each node, and returns what it finds that is not in the index.
func (r *Reader) find(ctx context.Context, now time.Time, index map[string]int64) (map[string]int64, error) {
	nodes, err := redisconn.Masters(ctx, r.client)
	if err != nil {
		return nil, err
	}
	if r.walk.nodes == nil {
		if err := r.resume(ctx, nodes); err != nil {
			return nil, err
		}
	}
	share := 1.0
	if !r.walk.last.IsZero() {
		share = min(float64(now.Sub(r.walk.last))/float64(usualGap), 1)
	}
	r.walk.last = now
	found := map[string]int64{}
	note := func(key string) {
		_, known := index[key]
		switch {
		case known:
		case len(key) > maxKey, redisconn.IsLeftOut(key):
			r.problems[fmt.Sprintf("keys are not read whose names are longer than %d bytes", maxKey)] = scanKey
		case len(found) == r.maxKeys:
			r.problems[fmt.Sprintf("more than %d keys that are not in the index are not read", r.maxKeys)] = scanKey
		default:
			found[key] = 0 // it was never noted
		}
	}
	reached := 0
	var unreachable error
	stands := make(map[string]*stand, len(nodes)) // of the nodes that there are: a cluster's may change
	fields := make([]any, 0, 2*len(nodes))
	for _, node := range nodes {
		name := node.Options().Addr
		s := r.walk.nodes[name]
		if s == nil {
			s = &stand{}
		}
		stands[name] = s
		if now.Before(s.until) {
			reached++
			continue
		}
		err := r.part(ctx, node, s, share, note)
		switch {
		case redisconn.IsRefusal(err):
			*s = stand{until: now.Add(refusedFor)}
			reached++
			continue
		case err != nil && r.isPart(ctx, err):
			unreachable = err
			continue
		case err != nil:
			return nil, err
		}
		reached++
		fields = append(fields, name, s.String())
	}
	r.walk.nodes = stands
	if reached == 0 {
		return nil, unreachable
	}
	if len(fields) > 0 {
		pipe := r.client.Pipeline()
		pipe.HSet(ctx, scanKey, fields...)
		pipe.Expire(ctx, scanKey, scanLife)
		_, _ = pipe.Exec(ctx) // a reader that may not write goes on from its own memory
	}
	return found, nil
}

// resume goes on where another process stood.
func (r *Reader) resume(ctx context.Context, nodes []*redis.Client) error {
	names := make([]string, len(nodes))
	for i, node := range nodes {
		names[i] = node.Options().Addr
	}
	stood, err := r.client.HMGet(ctx, scanKey, names...).Result()
	if err != nil && !redisconn.IsRefusal(err) && !r.isPart(ctx, err) {
		return err
	}
	r.walk.nodes = make(map[string]*stand, len(nodes))
	for i, text := range stood {
		if text, ok := text.(string); ok {
			r.walk.nodes[names[i]] = parseStand(text)
		}
	}
	return nil
}

// part takes one node's part of the walk, and hands over the protocol's keys.
func (r *Reader) part(ctx context.Context, node redis.Cmdable, s *stand, share float64, found func(key string)) error {
	const small = smallCalls * scanCount
	switch {
	case s.through == 0:
		return r.firstPart(ctx, node, s, share, found)
	case s.through <= small && s.looked <= small: // it was small, and is, as far as this walk has come
		for range smallCalls {
			if err := s.scan(ctx, node, scanCount, found); err != nil || s.cursor == 0 {
				return err
			}
		}
		return nil
	}
	for left := min(max(s.through/gentleReadings, gentleLeast), gentleMost); left > 0; left -= scanCount {
		if err := s.scan(ctx, node, min(left, scanCount), found); err != nil || s.cursor == 0 {
			return err
		}
	}
	return nil
}

// firstPart takes as much of the first walk as Redis may be asked for. What a SCAN takes of Redis is
// what it took in all, less a round trip.
func (r *Reader) firstPart(ctx context.Context, node redis.Cmdable, s *stand, share float64, found func(key string)) error {
	began := r.walk.clock()
	keys, err := node.DBSize(ctx).Result()
	if err != nil && !redisconn.IsRefusal(err) {
		return err
	}
	s.keys = keys // 0 where it may not be asked
	roundTrip := r.walk.clock().Sub(began)
	left := time.Duration(share * firstShare * float64(usualGap))
	for left > 0 {
		began := r.walk.clock()
		if err := s.scan(ctx, node, scanCount, found); err != nil || s.cursor == 0 {
			return err
		}
		// At least half of it: an answer to DBSIZE that was slow says little of the others.
		took := r.walk.clock().Sub(began)
		left -= max(took-roundTrip, took/2)
	}
	return nil
}

// scan looks at about count keys more.
func (s *stand) scan(ctx context.Context, node redis.Cmdable, count int64, found func(key string)) error {
	keys, next, err := node.Scan(ctx, s.cursor, scanPattern, count).Result()
	if err != nil {
		return err
	}
	for _, key := range keys {
		if protocol.KindOf(key) != protocol.KindOther || redisconn.IsLeftOut(key) {
			found(key)
		}
	}
	s.looked += count
	if s.cursor = next; next == 0 {
		s.looked, s.through = 0, s.looked
	}
	return nil
}

// stillLooking is a document that says how far the first walk is, while it lasts.
func (r *Reader) stillLooking() (d view.Document, ok bool) {
	var looked, keys int64
	sizes := true
	for _, s := range r.walk.nodes {
		if s.through > 0 || !s.until.IsZero() {
			continue
		}
		ok = true
		looked, keys = looked+s.looked, keys+s.keys
		sizes = sizes && s.keys > 0
	}
	text := "still looking for keys that others wrote"
	if ok && sizes {
		text += fmt.Sprintf(": about %d %% of this Redis' keys have been looked at", min((200*looked+keys)/(2*keys), 99)) // rounded
	}
	return view.Document{Key: scanKey, Err: errors.New(text)}, ok
}
