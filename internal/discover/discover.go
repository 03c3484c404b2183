// Package discover finds and reads the keys of the protocol: those in the index in one call, and
// strangers, which were only SET, by a walk through all keys in small parts.
package discover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

const (
	// maxKeys bounds how many keys are read. More is rubbish, or a reporter that invents names.
	maxKeys = 100_000
	// batch is how many keys are read in one round trip.
	batch = 500
	// usualSize is what is read of a value at first: nearly every one is smaller, and a thousand
	// values full of rubbish stay harmless.
	usualSize = 64 << 10
	// maxSize is the largest value that is read, maxTotal that of all that are above usualSize.
	maxSize  = 8 << 20
	maxTotal = 64 << 20
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
}

// New makes a reader of client. name is how errors call it, such as "redis 10.0.0.7:6379".
func New(client redis.UniversalClient, name string) *Reader {
	return &Reader{client: client, name: name, seen: map[string]int64{}}
}

// Read returns what exists or lately existed. A key that cannot be read is a document with an error;
// err is that Redis could not be asked.
func (r *Reader) Read(ctx context.Context, now time.Time) ([]view.Document, error) {
	index, err := r.index(ctx, now)
	if err == nil {
		err = r.find(ctx, now, index)
	}
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", r.name, err)
	}
	docs := make([]view.Document, 0, len(index))
	for key, at := range index {
		docs = append(docs, view.Document{Key: key, SeenAt: at})
	}
	if err := r.values(ctx, docs); err != nil {
		return nil, fmt.Errorf("read from %s: %w", r.name, err)
	}
	r.note(ctx, now, docs)
	return docs, nil
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
	if err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") {
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

// values fills in what the keys of docs hold.
func (r *Reader) values(ctx context.Context, docs []view.Document) error {
	var large []int
	err := r.ranges(ctx, docs, places(len(docs)), batch, usualSize)
	if err != nil {
		return err
	}
	for i := range docs {
		if len(docs[i].Data) == usualSize {
			large = append(large, i)
		}
	}
	const atOnce, most = 4, maxTotal / maxSize
	if len(large) > most {
		for _, i := range large[most:] {
			docs[i].Data, docs[i].Err = nil, fmt.Errorf("it is not read: %d values are larger than %d KiB, and only %d of them are read", len(large), usualSize>>10, most)
		}
		large = large[:most]
	}
	if err := r.ranges(ctx, docs, large, atOnce, maxSize+1); err != nil {
		return err
	}
	for _, i := range large {
		if len(docs[i].Data) > maxSize {
			docs[i].Data, docs[i].Err = nil, fmt.Errorf("it is not read: its value is larger than %d MiB", maxSize>>20)
		}
	}
	return nil
}

func places(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// ranges reads up to size bytes of the docs at the places, a few at once. GETRANGE instead of GET:
// a value may be half a gigabyte of rubbish.
func (r *Reader) ranges(ctx context.Context, docs []view.Document, at []int, atOnce int, size int64) error {
	for len(at) > 0 {
		n := min(atOnce, len(at))
		pipe := r.client.Pipeline()
		cmds := make([]*redis.StringCmd, n)
		for j, i := range at[:n] {
			cmds[j] = pipe.GetRange(ctx, docs[i].Key, 0, size-1)
		}
		_, _ = pipe.Exec(ctx) // each command's own error is read below
		for j, i := range at[:n] {
			data, err := cmds[j].Bytes()
			switch {
			case isRefusal(err):
				docs[i].Data, docs[i].Err = nil, fmt.Errorf("it cannot be read: %w", err)
			case err != nil:
				return err
			case len(data) > 0:
				docs[i].Data = data
			}
		}
		at = at[n:]
	}
	return nil
}

// note refreshes the index where somebody else's key is alive, and remembers it here, too.
func (r *Reader) note(ctx context.Context, now time.Time, docs []view.Document) {
	var fresh []redis.Z
	for _, d := range docs {
		if d.Data == nil && d.Err == nil || now.UnixMilli()-d.SeenAt < noteEvery.Milliseconds() {
			continue
		}
		r.seen[d.Key] = now.UnixMilli()
		fresh = append(fresh, redis.Z{Score: float64(now.UnixMilli()), Member: d.Key})
	}
	if len(fresh) > 0 {
		// The error does not matter: a reader that may not write keeps its own memory.
		_ = r.client.ZAdd(ctx, protocol.IndexKey, fresh...).Err()
	}
}

func isRefusal(err error) bool {
	var refusal redis.Error
	return errors.As(err, &refusal) && !errors.Is(err, redis.Nil)
}
