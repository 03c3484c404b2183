package discover

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/internal/view"
)

var (
	// errTooMuch is why a value is not read after so many others.
	errTooMuch = fmt.Errorf("it is not read: all values together are larger than %d MiB, and this one is larger than its share. Report less", maxTotal>>20)
	// errTooLarge is why a value is never read.
	errTooLarge = fmt.Errorf("it is not read: its value is larger than %d MiB", maxSize>>20)
)

// candidate is a key with a value to read.
type candidate struct {
	key    string
	seenAt int64
	since  int64 // as in knownKey
	size   int   // as in knownKey, or what Redis says
	bad    bool  // as in knownKey
}

// rank is smaller for what is read earlier.
func (c candidate) rank() int64 {
	if c.bad {
		return int64(c.size) + math.MaxInt32
	}
	return int64(c.size)
}

// usualSize is about the size of a value that Redis may not be asked for: nearly every one is smaller.
const usualSize = 64 << 10

// values hands over the keys of index with their values, up to maxTotal in all.
//
//   - First it reads the keys of the last reading, those known longest before the others.
//   - It asks Redis for the size of each of the rest, and reads the small ones first.
//   - A value that is not larger than its share of maxTotal is always read.
//   - Values in which the last reading could read nothing come last.
func (r *Reader) values(ctx context.Context, index map[string]int64, add func(view.Document)) error {
	share := maxTotal / max(len(index), 1)
	var seniors, others []candidate
	for _, key := range slices.Sorted(maps.Keys(index)) { // in order, so that each reading leaves out the same keys
		c := candidate{key: key, seenAt: index[key]}
		if k := r.known[key]; k != nil {
			c.seenAt, c.since, c.size, c.bad = max(c.seenAt, k.at), k.since, k.size, k.bad
		}
		if c.since > 0 && !c.bad {
			seniors = append(seniors, c)
		} else {
			others = append(others, c)
		}
	}
	slices.SortStableFunc(seniors, func(a, b candidate) int { return cmp.Compare(a.since, b.since) })
	left := maxTotal
	for i, c := range seniors {
		if c.size > left {
			seniors, others = seniors[:i], append(others, seniors[i:]...)
			break
		}
		left -= c.size
	}
	others, err := r.ask(ctx, seniors, others, add)
	if err != nil {
		return err
	}
	slices.SortStableFunc(others, func(a, b candidate) int { return cmp.Compare(a.rank(), b.rank()) })
	var fit []candidate
	for _, c := range others {
		switch {
		case c.size > maxSize:
			r.refuse(c, errTooLarge, add)
		case c.size > left && (c.size > share || c.bad):
			r.refuse(c, errTooMuch, add)
		default:
			left -= c.size
			fit = append(fit, c)
		}
	}
	_, err = r.ask(ctx, fit, nil, add)
	return err
}

// refuse hands over a key that is too large to read, with the reason.
func (r *Reader) refuse(c candidate, why error, add func(view.Document)) {
	r.see(c.key).since = 0
	add(view.Document{Key: c.key, SeenAt: c.seenAt, Err: why})
}

// ask hands over the keys of read with their values, a few in each round trip. It returns the keys of measure
// that have a value, with its size, and hands over those that have none.
func (r *Reader) ask(ctx context.Context, read, measure []candidate, add func(view.Document)) ([]candidate, error) {
	var there []candidate
	for len(read)+len(measure) > 0 {
		n, size := 0, 0
		for n < min(len(read), batch) && (n == 0 || size+read[n].size <= batchBytes) {
			size += read[n].size
			n++
		}
		m := min(len(measure), 4*batch)
		pipe := r.client.Pipeline()
		values, sizes := make([]*redis.StringCmd, n), make([]*redis.IntCmd, m)
		for i, c := range read[:n] {
			// GETRANGE instead of GET: a value may be half a gigabyte of rubbish.
			values[i] = pipe.GetRange(ctx, c.key, 0, maxSize)
		}
		for i, c := range measure[:m] {
			sizes[i] = pipe.StrLen(ctx, c.key)
		}
		if err := r.asking(ctx, func(ctx context.Context) error { return redisconn.Exec(ctx, pipe) }); err != nil {
			return nil, err
		}
		for i, c := range read[:n] {
			d, err := r.document(ctx, c, values[i])
			if err != nil {
				return nil, err
			}
			add(d)
		}
		for i, c := range measure[:m] {
			size, err := sizes[i].Result()
			switch {
			case err == nil && size == 0:
				add(view.Document{Key: c.key, SeenAt: c.seenAt})
				continue
			case err == nil:
				c.size = int(min(size, math.MaxInt32))
			case redis.HasErrorPrefix(err, "NOPERM"):
				c.size = usualSize
			case redisconn.IsRefusal(err), r.isPart(ctx, err):
				add(view.Document{Key: c.key, SeenAt: c.seenAt, Err: cannotBeRead(err)})
				continue
			default:
				return nil, err
			}
			there = append(there, c)
		}
		read, measure = read[n:], measure[m:]
	}
	return there, nil
}

// document is a key with its value, or with the reason why it cannot be read. err means that Redis could not
// be asked.
func (r *Reader) document(ctx context.Context, c candidate, cmd *redis.StringCmd) (d view.Document, err error) {
	d = view.Document{Key: c.key, SeenAt: c.seenAt}
	data, err := cmd.Bytes()
	switch {
	case redisconn.IsRefusal(err), err != nil && r.isPart(ctx, err):
		d.Err = cannotBeRead(err)
	case err != nil:
		return d, err
	case len(data) > maxSize:
		d.Err = errTooLarge
	case len(data) > 0:
		d.Data = data
	}
	if d.Data == nil {
		r.forget(c.key)
		return d, nil
	}
	k := r.see(c.key)
	k.size = len(data)
	if k.since == 0 {
		k.since = r.reading
	}
	return d, nil
}

func cannotBeRead(err error) error {
	if redisconn.IsRefusal(err) {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	return fmt.Errorf("it cannot be read: %s", redisconn.Unreachable(err))
}
