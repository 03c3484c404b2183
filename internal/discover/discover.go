// Package discover finds and reads the keys of the protocol: those in the index in one call, and
// strangers, which were only SET, by a walk through all keys in small parts.
package discover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

const (
	// maxKeys bounds how many keys are read. More is rubbish, or a reporter that invents names.
	maxKeys = 100_000
	// batch is how many keys are read in one round trip, largeBatch how many of those with large values.
	batch      = 250
	largeBatch = 2
	// usualSize is what is read of a value at first: nearly every one is smaller.
	usualSize = 64 << 10
	// maxSize is the largest value that is read.
	maxSize = 8 << 20
	// maxTotal is about how much is read of all values: more is rubbish, and a function has little memory.
	maxTotal = 32 << 20
	// noteEvery is how old a key's time in the index may become before it is noted again: those
	// who note their own keys never let it.
	noteEvery = 15 * time.Second
)

// Reader reads one Redis. It is for one reading at a time.
type Reader struct {
	client redis.UniversalClient
	name   string
	walk   walk
	seen   map[string]int64 // strangers' keys, and when each was last seen: the index may be read-only
	lost   map[string]bool  // what there is to say of each node of a cluster that this reading could not reach
	large  map[string]bool  // the keys whose values were larger than usualSize at the last reading
}

// New makes a reader of client. name is how errors call it, such as "redis 10.0.0.7:6379".
func New(client redis.UniversalClient, name string) *Reader {
	return &Reader{client: client, name: name, seen: map[string]int64{}, walk: walk{clock: time.Now}}
}

// Read returns what exists or lately existed. A key that cannot be read is a document with an error, and
// so is that a large Redis is still being walked for the first time, and that a node of a cluster cannot be
// reached; err is that Redis could not be asked.
func (r *Reader) Read(ctx context.Context, now time.Time) ([]view.Document, error) {
	r.lost = nil
	index, err := r.index(ctx, now)
	var found map[string]int64
	if err == nil {
		found, err = r.find(ctx, now, index)
	}
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", r.name, err)
	}
	maps.Copy(index, found)
	docs := make([]view.Document, 0, len(index))
	// In order, so that of too many values it is always the same that are read.
	for _, key := range slices.Sorted(maps.Keys(index)) {
		docs = append(docs, view.Document{Key: key, SeenAt: index[key]})
	}
	if err := r.values(ctx, docs); err != nil {
		return nil, fmt.Errorf("read from %s: %w", r.name, err)
	}
	docs = slices.DeleteFunc(docs, func(d view.Document) bool {
		_, isNew := found[d.Key] // and it holds nothing, so nothing of it was ever seen that could be lost
		return isNew && d.Data == nil && d.Err == nil
	})
	r.note(ctx, now, docs)
	if d, ok := r.stillLooking(); ok {
		docs = append(docs, d)
	}
	for _, said := range slices.Sorted(maps.Keys(r.lost)) {
		docs = append(docs, view.Document{Key: scanKey, Err: errors.New("a node of the cluster cannot be reached, and what others wrote there is not found: " + said)})
	}
	return docs, nil
}

// isPart notes the node of a cluster that err says could not be reached. It is false of an error that is
// about the Redis as a whole.
func (r *Reader) isPart(ctx context.Context, err error) bool {
	if _, isCluster := r.client.(*redis.ClusterClient); !isCluster || ctx.Err() != nil || redisconn.IsRefusal(err) {
		return false
	}
	if r.lost == nil {
		r.lost = map[string]bool{}
	}
	r.lost[redisconn.Unreachable(err)] = true
	return true
}

// index reads the index, of the last day.
func (r *Reader) index(ctx context.Context, now time.Time) (map[string]int64, error) {
	since := now.Add(-protocol.IndexLife).UnixMilli()
	// The newest first: should there be more than maxKeys, those that live are among them.
	members, err := r.client.ZRevRangeByScoreWithScores(ctx, protocol.IndexKey, &redis.ZRangeBy{
		Min: fmt.Sprint(since), Max: "+inf", Count: maxKeys,
	}).Result()
	// Rubbish in the index' place makes everything a stranger. Any other refusal, such as of the
	// password, is of more than the index.
	if err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") && !r.isPart(ctx, err) {
		return nil, err
	}
	index := make(map[string]int64, len(members)+len(r.seen))
	for key, at := range r.seen {
		if at < since {
			delete(r.seen, key)
			continue
		}
		index[key] = at
	}
	for _, m := range members {
		if key, _ := m.Member.(string); protocol.KindOf(key) != protocol.KindOther {
			index[key] = max(index[key], int64(m.Score))
		}
	}
	return index, nil
}

// values fills in what the keys of docs hold. A value that was large at the last reading is read whole
// at once, else it would be read twice each time.
func (r *Reader) values(ctx context.Context, docs []view.Document) error {
	left := int64(maxTotal)
	usual, large := make([]int, 0, len(docs)), []int(nil)
	for i, d := range docs {
		if r.large[d.Key] {
			large = append(large, i)
		} else {
			usual = append(usual, i)
		}
	}
	if err := r.ranges(ctx, docs, usual, batch, usualSize, &left); err != nil {
		return err
	}
	for _, i := range usual {
		if len(docs[i].Data) == usualSize {
			large = append(large, i)
			docs[i].Data = nil // it is read again, whole, and may be gone by then
			left += usualSize
		}
	}
	slices.Sort(large) // in order again: of too many it is always the same that are read
	if err := r.ranges(ctx, docs, large, largeBatch, maxSize+1, &left); err != nil {
		return err
	}
	r.large = make(map[string]bool, len(large))
	for _, i := range large {
		if len(docs[i].Data) > maxSize {
			docs[i].Data, docs[i].Err = nil, fmt.Errorf("it is not read: its value is larger than %d MiB", maxSize>>20)
		}
		if docs[i].Err != nil || len(docs[i].Data) >= usualSize {
			r.large[docs[i].Key] = true
		}
	}
	return nil
}

// errTooMuch is why a value is not read after so many others.
var errTooMuch = fmt.Errorf("it is not read: all values together are larger than %d MiB", maxTotal>>20)

// ranges reads up to size bytes of the docs at the places, a few at once, as long as there is something
// left of what may be read. GETRANGE instead of GET: a value may be half a gigabyte of rubbish.
func (r *Reader) ranges(ctx context.Context, docs []view.Document, at []int, atOnce int, size int64, left *int64) error {
	for part := range slices.Chunk(at, atOnce) {
		if *left <= 0 {
			for _, i := range part {
				docs[i].Err = errTooMuch
			}
			continue
		}
		pipe := r.client.Pipeline()
		cmds := make([]*redis.StringCmd, len(part))
		for j, i := range part {
			cmds[j] = pipe.GetRange(ctx, docs[i].Key, 0, size-1)
		}
		if err := redisconn.Exec(ctx, pipe); err != nil {
			return err
		}
		for j, i := range part {
			data, err := cmds[j].Bytes()
			*left -= int64(len(data))
			switch {
			case redisconn.IsRefusal(err):
				docs[i].Err = fmt.Errorf("it cannot be read: %w", err)
			case err != nil && r.isPart(ctx, err):
				docs[i].Err = fmt.Errorf("it cannot be read: %s", redisconn.Unreachable(err))
			case err != nil:
				return err
			case len(data) > 0:
				docs[i].Data = data
			}
		}
	}
	return nil
}

// note refreshes the index where somebody else's key is alive, and remembers it here, too.
func (r *Reader) note(ctx context.Context, now time.Time, docs []view.Document) {
	var fresh []string
	for _, d := range docs {
		if d.Data == nil && d.Err == nil || now.UnixMilli()-d.SeenAt < noteEvery.Milliseconds() {
			continue
		}
		r.seen[d.Key] = now.UnixMilli()
		fresh = append(fresh, d.Key)
	}
	if len(fresh) > 0 {
		pipe := r.client.Pipeline()
		publish.Note(ctx, pipe, now.UnixMilli(), fresh...)
		_, _ = pipe.Exec(ctx) // the error does not matter: a reader that may not write keeps its own memory
	}
}
