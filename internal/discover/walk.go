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

// The walk looks at all keys of a Redis with SCAN, also at those of other programs, at one of three paces:
//
//   - The first walk of a Redis is fast: until it has ended, the view may lack a stranger.
//   - Each reading walks all of a small Redis, so that a stranger shows at once.
//   - After the first walk a large Redis is walked gently: its strangers are known by then.
const (
	// scanCount is about how many keys one SCAN looks at. It takes Redis a millisecond, in which its other
	// clients wait.
	scanCount = 2_000
	// usualGap is the time between two readings while a page is open. The first walk may keep Redis busy
	// for firstShare of it. A reading that comes sooner takes less, none takes more.
	usualGap   = 2 * time.Second
	firstShare = 0.0195
	// smallCalls is how many SCANs a small Redis takes at most.
	smallCalls = 10
	// A gentle walk takes gentleReadings, an hour while a page is open. Each part looks at gentleLeast keys
	// at least and gentleMost at most: half a millisecond of Redis, and 20.
	gentleReadings          = 1_800
	gentleLeast, gentleMost = 500, 20_000
	// refusedFor is how long the walk leaves a Redis alone that refuses SCAN.
	refusedFor = time.Minute
	// scanPattern is one pattern for both namespaces, "pulse:" and "gravito:". It also matches other
	// keys: scan sorts them out.
	scanPattern = "[pg][ur][la][sv][ei]*"
	// scanKey is where Redis keeps, for scanLife, how far the walk has come at each node. A function
	// that has just started goes on from there.
	scanKey  = "pulse:scan"
	scanLife = time.Hour
)

// walk is how far the walk has come at each node.
type walk struct {
	nodes map[string]*progress // nil before the first reading
	last  time.Time            // when the reading before this one was
	clock func() time.Time     // measures how long a SCAN takes
}

// progress is how far the walk has come at one node.
type progress struct {
	cursor   uint64 // where the next SCAN goes on; 0 begins a walk
	scanned  int64  // about how many keys this walk has looked at
	lastWalk int64  // about how many keys the last whole walk looked at; 0 before the first has ended
	// Of this process alone:
	keys         int64     // what DBSIZE said during the first walk; 0 where Redis refuses it
	refusedUntil time.Time // Redis refused SCAN: no further try before that
}

// String is the progress as Redis keeps it, in scanKey.
func (p *progress) String() string { return fmt.Sprintf("%d %d %d", p.cursor, p.scanned, p.lastWalk) }

// parseProgress reads what String wrote. Text that it cannot read begins a new walk.
func parseProgress(text string) *progress {
	p := &progress{}
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return p
	}
	cursor, err := strconv.ParseUint(fields[0], 10, 64)
	scanned, err2 := strconv.ParseInt(fields[1], 10, 64)
	lastWalk, err3 := strconv.ParseInt(fields[2], 10, 64)
	if errors.Join(err, err2, err3) != nil || scanned < 0 || lastWalk < 0 {
		return p
	}
	p.cursor, p.scanned, p.lastWalk = cursor, scanned, lastWalk
	return p
}

// find does one part of the walk at each node, and returns the keys it finds that are not in the index.
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
			r.problems[fmt.Sprintf("keys with names longer than %d bytes are not read", maxKey)] = scanKey
		case len(found) == r.maxKeys:
			r.problems[fmt.Sprintf("more than %d keys that are not in the index are not read", r.maxKeys)] = scanKey
		default:
			found[key] = 0 // it was never noted
		}
	}
	reached := 0
	var unreachable error
	nodesNow := make(map[string]*progress, len(nodes)) // without the nodes that have left the cluster
	fields := make([]any, 0, 2*len(nodes))
	for _, node := range nodes {
		name := node.Options().Addr
		p := r.walk.nodes[name]
		if p == nil {
			p = &progress{}
		}
		nodesNow[name] = p
		if now.Before(p.refusedUntil) {
			reached++
			continue
		}
		err := r.part(ctx, node, p, share, note)
		switch {
		case redisconn.IsRefusal(err):
			*p = progress{refusedUntil: now.Add(refusedFor)}
			reached++
			continue
		case err != nil && r.isPart(ctx, err):
			unreachable = err
			continue
		case err != nil:
			return nil, err
		}
		reached++
		fields = append(fields, name, p.String())
	}
	r.walk.nodes = nodesNow
	if reached == 0 {
		return nil, unreachable
	}
	if len(fields) > 0 {
		r.notes = append(r.notes, func(pipe redis.Pipeliner) {
			pipe.HSet(ctx, scanKey, fields...)
			pipe.Expire(ctx, scanKey, scanLife)
		})
	}
	return found, nil
}

// resume reads from Redis how far another process has come.
func (r *Reader) resume(ctx context.Context, nodes []*redis.Client) error {
	names := make([]string, len(nodes))
	for i, node := range nodes {
		names[i] = node.Options().Addr
	}
	saved, err := r.client.HMGet(ctx, scanKey, names...).Result()
	if err != nil && !redisconn.IsRefusal(err) && !r.isPart(ctx, err) {
		return err
	}
	r.walk.nodes = make(map[string]*progress, len(nodes))
	for i, name := range names[:min(len(names), len(saved))] { // a server that is no Redis may answer any number
		if text, ok := saved[i].(string); ok {
			r.walk.nodes[name] = parseProgress(text)
		}
	}
	return nil
}

// part does one node's part of the walk, and hands the protocol's keys to found.
func (r *Reader) part(ctx context.Context, node redis.Cmdable, p *progress, share float64, found func(key string)) error {
	const small = smallCalls * scanCount
	switch {
	case p.lastWalk == 0:
		return r.firstPart(ctx, node, p, share, found)
	case p.lastWalk <= small && p.scanned <= small: // the last walk was short, and this one is so far
		for range smallCalls {
			if err := p.scan(ctx, node, scanCount, found); err != nil || p.cursor == 0 {
				return err
			}
		}
		return nil
	}
	for left := min(max(p.lastWalk/gentleReadings, gentleLeast), gentleMost); left > 0; left -= scanCount {
		if err := p.scan(ctx, node, min(left, scanCount), found); err != nil || p.cursor == 0 {
			return err
		}
	}
	return nil
}

// firstPart does as much of the first walk as firstShare allows. The time a SCAN takes of Redis is the time
// until its answer, minus a round trip.
func (r *Reader) firstPart(ctx context.Context, node redis.Cmdable, p *progress, share float64, found func(key string)) error {
	began := r.walk.clock()
	keys, err := node.DBSize(ctx).Result()
	if err != nil && !redisconn.IsRefusal(err) {
		return err
	}
	p.keys = keys // 0 where Redis refuses to say
	roundTrip := r.walk.clock().Sub(began)
	left := time.Duration(share * firstShare * float64(usualGap))
	for left > 0 {
		began := r.walk.clock()
		if err := p.scan(ctx, node, scanCount, found); err != nil || p.cursor == 0 {
			return err
		}
		// At least half of it: one slow answer to DBSIZE does not mean that every round trip is slow.
		took := r.walk.clock().Sub(began)
		left -= max(took-roundTrip, took/2)
	}
	return nil
}

// scan looks at about count keys more.
func (p *progress) scan(ctx context.Context, node redis.Cmdable, count int64, found func(key string)) error {
	keys, next, err := node.Scan(ctx, p.cursor, scanPattern, count).Result()
	if err != nil {
		return err
	}
	for _, key := range keys {
		if protocol.KindOf(key) != protocol.KindOther || redisconn.IsLeftOut(key) {
			found(key)
		}
	}
	p.scanned += count
	if p.cursor = next; next == 0 {
		p.scanned, p.lastWalk = 0, p.scanned
	}
	return nil
}

// stillLooking is a document that says how far the first walk has come. ok is false once it has ended.
func (r *Reader) stillLooking() (d view.Document, ok bool) {
	var scanned, keys int64
	sizes := true
	for _, p := range r.walk.nodes {
		if p.lastWalk > 0 || !p.refusedUntil.IsZero() {
			continue
		}
		ok = true
		scanned, keys = scanned+p.scanned, keys+p.keys
		sizes = sizes && p.keys > 0
	}
	text := "still looking for keys that others wrote"
	if ok && sizes {
		text += fmt.Sprintf(": about %d %% of this Redis' keys have been looked at", min((200*scanned+keys)/(2*keys), 99)) // rounded
	}
	return view.Document{Key: scanKey, Err: errors.New(text)}, ok
}
