package recorder

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/protocol"
)

// Store is the Redis where history is kept.
type Store struct {
	client redis.UniversalClient
	name   string
	life   time.Duration
	owners *publish.Store
	turn   chan struct{} // of who decodes a large history
	// unread is of how many apps the last reading could not read the last numbers: see WithLastNumbers.
	unread atomic.Int64
}

// NewStore makes a store of client whose history lives for life. name is how errors call the Redis, such as
// "redis 10.0.0.7:6379".
func NewStore(client redis.UniversalClient, name string, life time.Duration) *Store {
	return &Store{client: client, name: name, life: life, owners: publish.New(client, name, protocol.TrendTTL), turn: make(chan struct{}, 1)}
}

const (
	// fieldSize is the largest field of an entry: connections leave out larger ones. A large entry has several.
	fieldSize = 32 << 10
	// future is how far ahead of Redis' time an entry may be before it is no recorder's.
	future = 2 * time.Minute
)

// fieldsOf are the fields of an entry: "p", and of a large one "p1", "p2" and so on.
func fieldsOf(entry []byte) []string {
	var fields []string
	for part := range slices.Chunk(entry, fieldSize) {
		fields = append(fields, fieldName(len(fields)/2), string(part))
	}
	return fields
}

func fieldName(i int) string {
	if i == 0 {
		return history.Field
	}
	return history.Field + strconv.Itoa(i)
}

// keepPast makes a stream anew of its last ARGV[2] entries up to ARGV[1], and returns the id of the last; it lives for
// ARGV[3] ms. XDEL would not do: after it, too, a stream takes only ids beyond the highest that it ever had. No recorder
// writes an entry of so many fields that unpack fails.
const keepPast = `
local kept = redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', ARGV[2])
redis.call('DEL', KEYS[1])
local last = '0-0'
for i = #kept, 1, -1 do
  if #kept[i][2] <= 4000 then
    last = redis.call('XADD', KEYS[1], kept[i][1], unpack(kept[i][2]))
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return last`

// removeFrom removes the entries of a history from a minute on: those of the future would keep out all others until then.
// It returns when the last entry before was, in Unix ms; 0 is none.
func (s *Store) removeFrom(ctx context.Context, app string, minute int64) (last int64, err error) {
	key := protocol.HistoryKey(app)
	most := 2 * s.life / time.Minute // more than there are of recorders: see trim
	id, err := s.client.Eval(ctx, keepPast, []string{key}, minute-1, int64(most), s.life.Milliseconds()).Text()
	if err != nil {
		return 0, fmt.Errorf("remove the entries of the future from %s at %s: %w", key, s.name, publish.WithRemedy(err, key))
	}
	return (&entry{id: id}).at(), nil
}

// record is what is kept of an app at a look.
type record struct {
	app        string
	entry      []byte // of history; nil where this minute has one
	isKeyframe bool
	trends     []byte // the document
}

// write writes the records of a look, in one round trip. wrote says which entries are in history: another recorder
// may have written one of the same minute.
func (s *Store) write(ctx context.Context, at int64, records []record) (wrote map[string]bool, err error) {
	pipe := s.client.Pipeline()
	added := make(map[string]*redis.StringCmd, len(records))
	keys := make([]string, len(records))
	for i, r := range records {
		if r.entry != nil {
			key := protocol.HistoryKey(r.app)
			added[r.app] = pipe.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: history.EntryID(at), Values: fieldsOf(r.entry)})
			pipe.PExpire(ctx, key, s.life)
		}
		keys[i] = protocol.TrendKey(r.app)
		pipe.Set(ctx, keys[i], r.trends, protocol.TrendTTL)
	}
	publish.Note(ctx, pipe, at, keys...)
	cmds, err := pipe.Exec(ctx)
	wrote = make(map[string]bool, len(records))
	for app, cmd := range added {
		wrote[app] = cmd.Err() == nil && cmd.Val() != ""
	}
	if err == nil {
		return wrote, nil
	}
	return wrote, s.refusal("record", cmds)
}

// refusal is the first error of cmds, each of which changes a key.
func (s *Store) refusal(what string, cmds []redis.Cmder) error {
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !isTaken(err) {
			return s.said(what, fmt.Sprint(cmd.Args()[1]), err)
		}
	}
	return nil
}

// said is err, of a command about a key, as a sentence.
func (s *Store) said(what, key string, err error) error {
	if !redisconn.IsRefusal(err) {
		err = unreachable{err}
	}
	return fmt.Errorf("%s %s at %s: %w", what, key, s.name, publish.WithRemedy(err, key))
}

// unreachable is why a server could not be asked, in the same words for the same trouble.
type unreachable struct{ error }

func (u unreachable) Error() string { return redisconn.Unreachable(u.error) }
func (u unreachable) Unwrap() error { return u.error }

// isTaken reports whether an entry was refused because there is one of that minute or a later one.
func isTaken(err error) bool {
	return strings.Contains(err.Error(), "equal or smaller than the target stream top item")
}

// trim removes what is older than the history's life, as far as no younger entry builds on it.
func (s *Store) trim(ctx context.Context, now int64, apps []string) error {
	pipe := s.client.Pipeline()
	for some := range slices.Chunk(apps, mostAtOnce) {
		var streams []*stream
		for _, app := range some {
			streams = append(streams, &stream{app: app})
		}
		if _, err := s.findKeyframes(ctx, now-s.life.Milliseconds(), streams); err != nil {
			return err
		}
		for _, st := range streams {
			if st.start != "" && st.err == nil {
				pipe.XTrimMinID(ctx, protocol.HistoryKey(st.app), st.start)
			}
		}
	}
	if pipe.Len() == 0 {
		return nil
	}
	cmds, err := pipe.Exec(ctx)
	if err == nil {
		return nil
	}
	return s.refusal("trim", cmds)
}

// forget removes the verdicts on apps that are no more, also from the index, so that nobody misses them.
func (s *Store) forget(ctx context.Context, apps []string) error {
	pipe := s.client.Pipeline()
	for _, app := range apps {
		pipe.Del(ctx, protocol.TrendKey(app))
		pipe.ZRem(ctx, protocol.IndexKey, protocol.TrendKey(app))
	}
	cmds, err := pipe.Exec(ctx)
	if err != nil {
		return s.refusal("forget", cmds)
	}
	return nil
}
