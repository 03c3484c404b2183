package publish

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/protocol"
)

// Slow appends entries, each the fields that [protocol.SlowEntry.Fields] makes, to the stream of an
// app, in one round trip, and says how many are in it. The stream keeps about the newest
// [protocol.SlowMaxLen].
func (p *Store) Slow(ctx context.Context, app string, entries []map[string]string) (written int, err error) {
	key := protocol.SlowKey(app)
	pipe := p.client.Pipeline()
	added := make([]*redis.StringCmd, len(entries))
	for i, fields := range entries {
		values := make([]string, 0, 2*len(fields))
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			values = append(values, name, fields[name])
		}
		// About: to the entry, Redis would have to rewrite a node of the stream each time.
		added[i] = pipe.XAdd(ctx, &redis.XAddArgs{Stream: key, MaxLen: protocol.SlowMaxLen, Approx: true, Values: values})
	}
	err = redisconn.Exec(ctx, pipe)
	for _, cmd := range added {
		switch {
		case cmd.Err() != nil:
			err = cmd.Err() // that of one will do: all fail for the same reason
		case cmd.Val() != "":
			written++
		}
	}
	if err != nil {
		return written, fmt.Errorf("append to %s at %s: %w", key, p.name, WithRemedy(err, key))
	}
	return written, nil
}
