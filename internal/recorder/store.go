package recorder

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
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
}

// NewStore makes a store of client whose history lives for life. name is how errors call the Redis, such as
// "redis 10.0.0.7:6379".
func NewStore(client redis.UniversalClient, name string, life time.Duration) *Store {
	return &Store{client: client, name: name, life: life, owners: publish.New(client, name, protocol.TrendTTL)}
}

const (
	// fieldSize is the largest field of an entry: connections leave out larger ones. A large entry has several.
	fieldSize = 32 << 10
	// page is how many entries are read at once.
	page = 500
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

// entryOf is the entry with these fields. What somebody else wrote is no entry, as a decoder says.
func entryOf(m redis.XMessage) (id int64, entry []byte) {
	ms, _, _ := strings.Cut(m.ID, "-")
	id, _ = strconv.ParseInt(ms, 10, 64) // Redis wrote it
	for i := 0; ; i++ {
		part, ok := m.Values[fieldName(i)].(string)
		if !ok {
			return id, entry
		}
		entry = append(entry, part...)
	}
}

// Wants says of which queues of an app history is read; nil is of all.
type Wants func(history.Key) bool

// stream is one app's history while it is read.
type stream struct {
	app   string
	dec   *history.Decoder
	start string // where the next page begins
	ended bool
	page  *redis.XMessageSliceCmd
}

// History reads the histories of apps from a time on, in Unix ms, all of them in a few round trips. What cannot be read
// is a gap; a key that is no stream is a history without entries. An error is that Redis could not be asked, or that it
// refused.
func (s *Store) History(ctx context.Context, from int64, apps map[string]Wants) (map[string]*history.Decoder, error) {
	decoders := make(map[string]*history.Decoder, len(apps))
	streams := make([]*stream, 0, len(apps))
	for _, app := range slices.Sorted(maps.Keys(apps)) {
		st := &stream{app: app, dec: &history.Decoder{From: from, Wants: apps[app]}, start: "-"}
		streams, decoders[app] = append(streams, st), st.dec
	}
	if err := s.findKeyframes(ctx, from, streams); err != nil {
		return nil, err
	}
	for left := streams; len(left) > 0; left = slices.DeleteFunc(left, func(st *stream) bool { return st.ended }) {
		pipe := s.client.Pipeline()
		for _, st := range left {
			st.page = pipe.XRangeN(ctx, protocol.HistoryKey(st.app), st.start, "+", page)
		}
		if err := s.exec(ctx, pipe); err != nil {
			return nil, err
		}
		for _, st := range left {
			messages, err := s.messages(st.app, st.page)
			if err != nil {
				return nil, err
			}
			for _, m := range messages {
				id, entry := entryOf(m)
				_ = st.dec.Add(id, entry) // it is a gap
			}
			if st.ended = len(messages) < page; !st.ended {
				st.start = "(" + messages[page-1].ID
			}
		}
	}
	return decoders, nil
}

// findKeyframes sets where each stream is to be read from: at the keyframe that the last entry up to a time builds on.
func (s *Store) findKeyframes(ctx context.Context, from int64, streams []*stream) error {
	pipe := s.client.Pipeline()
	for _, st := range streams {
		st.page = pipe.XRevRangeN(ctx, protocol.HistoryKey(st.app), strconv.FormatInt(from, 10), "-", 1)
	}
	if err := s.exec(ctx, pipe); err != nil {
		return err
	}
	for _, st := range streams {
		messages, err := s.messages(st.app, st.page)
		if err != nil {
			return err
		}
		for _, m := range messages {
			if at, err := history.KeyframeOf(entryOf(m)); err == nil {
				st.start = strconv.FormatInt(at, 10)
			}
		}
	}
	return nil
}

// messages are what a command has read of an app's history.
func (s *Store) messages(app string, cmd *redis.XMessageSliceCmd) ([]redis.XMessage, error) {
	messages, err := cmd.Result()
	if err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") {
		return nil, fmt.Errorf("read %s at %s: %w", protocol.HistoryKey(app), s.name, publish.WithRemedy(err, protocol.HistoryKey(app)))
	}
	return messages, nil
}

// exec sends a pipeline. Its error is that Redis could not be asked; each command has its own.
func (s *Store) exec(ctx context.Context, pipe redis.Pipeliner) error {
	if err := redisconn.Exec(ctx, pipe); err != nil {
		return fmt.Errorf("read history at %s: %w", s.name, err)
	}
	return nil
}

// newest is when the last entry of each app's history was, in Unix ms; 0 where there is none.
func (s *Store) newest(ctx context.Context, apps []string) (map[string]int64, error) {
	pipe := s.client.Pipeline()
	last := make(map[string]*redis.XMessageSliceCmd, len(apps))
	for _, app := range apps {
		last[app] = pipe.XRevRangeN(ctx, protocol.HistoryKey(app), "+", "-", 1)
	}
	if err := s.exec(ctx, pipe); err != nil {
		return nil, err
	}
	at := make(map[string]int64, len(apps))
	for app, cmd := range last {
		messages, err := s.messages(app, cmd)
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			at[app], _ = entryOf(m)
		}
	}
	return at, nil
}

// remove removes a history that no recorder wrote: an entry of the future would keep out all others until then.
func (s *Store) remove(ctx context.Context, app string) error {
	if err := s.client.Del(ctx, protocol.HistoryKey(app)).Err(); err != nil {
		return fmt.Errorf("remove %s at %s, which has entries of the future: %w", protocol.HistoryKey(app), s.name, publish.WithRemedy(err, protocol.HistoryKey(app)))
	}
	return nil
}

// record is what is kept of an app at a look.
type record struct {
	app        string
	entry      []byte // of history
	isKeyframe bool
	trends     []byte // the document
}

// write writes the records of a look, in one round trip. wrote says which entries are in history: another recorder
// may have written one of the same minute.
func (s *Store) write(ctx context.Context, at int64, records []record) (wrote map[string]bool, err error) {
	pipe := s.client.Pipeline()
	added := make([]*redis.StringCmd, len(records))
	keys := make([]string, len(records))
	for i, r := range records {
		key := protocol.HistoryKey(r.app)
		added[i] = pipe.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: history.EntryID(at), Values: fieldsOf(r.entry)})
		pipe.PExpire(ctx, key, s.life)
		keys[i] = protocol.TrendKey(r.app)
		pipe.Set(ctx, keys[i], r.trends, protocol.TrendTTL)
	}
	publish.Note(ctx, pipe, at, keys...)
	cmds, err := pipe.Exec(ctx)
	wrote = make(map[string]bool, len(records))
	for i, r := range records {
		wrote[r.app] = added[i].Err() == nil && added[i].Val() != ""
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
			key := fmt.Sprint(cmd.Args()[1])
			return fmt.Errorf("%s %s at %s: %w", what, key, s.name, publish.WithRemedy(err, key))
		}
	}
	return nil
}

// isTaken reports whether an entry was refused because there is one of that minute or a later one.
func isTaken(err error) bool {
	return strings.Contains(err.Error(), "equal or smaller than the target stream top item")
}

// trim removes what is older than the history's life, as far as no younger entry builds on it.
func (s *Store) trim(ctx context.Context, now int64, apps []string) error {
	if len(apps) == 0 {
		return nil
	}
	var streams []*stream
	for _, app := range apps {
		streams = append(streams, &stream{app: app})
	}
	if err := s.findKeyframes(ctx, now-s.life.Milliseconds(), streams); err != nil {
		return err
	}
	pipe := s.client.Pipeline()
	for _, st := range streams {
		if st.start != "" {
			pipe.XTrimMinID(ctx, protocol.HistoryKey(st.app), st.start)
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

// forget removes verdicts of apps that are no more from the index, so that nobody misses them.
func (s *Store) forget(ctx context.Context, apps []string) error {
	members := make([]any, len(apps))
	for i, app := range apps {
		members[i] = protocol.TrendKey(app)
	}
	if err := s.client.ZRem(ctx, protocol.IndexKey, members...).Err(); err != nil {
		return fmt.Errorf("remove from %s at %s: %w", protocol.IndexKey, s.name, publish.WithRemedy(err, protocol.IndexKey))
	}
	return nil
}
