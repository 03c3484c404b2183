package recorder

import (
	"context"
	"errors"
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

// Wants says what of an app's history is read.
type Wants struct {
	// Queues says of which queues points are kept; nil is of all.
	Queues func(history.Key) bool
	// Sum takes the sums of all queues, if there is one; Part says how each counts; nil is as it is.
	Sum  *history.Sum
	Part func(history.Key) history.Part
}

// stream is one app's history while it is read.
type stream struct {
	app   string
	dec   *history.Decoder
	start string // where the next page begins
	ended bool
	page  *redis.XMessageSliceCmd
}

// History reads the histories of apps from a time on, in Unix ms, all of them in a few round trips. What cannot be read
// is a gap. A key that is no stream is a history without entries, and in bad; so is an app with entries of another version. An error is that Redis could not be asked, or
// that it refused.
func (s *Store) History(ctx context.Context, from int64, apps map[string]Wants) (decoders map[string]*history.Decoder, bad map[string]error, err error) {
	decoders = make(map[string]*history.Decoder, len(apps))
	streams := make([]*stream, 0, len(apps))
	for _, app := range slices.Sorted(maps.Keys(apps)) {
		wants := apps[app]
		st := &stream{app: app, dec: &history.Decoder{From: from, Wants: wants.Queues, Sum: wants.Sum, Part: wants.Part}, start: "-"}
		streams, decoders[app] = append(streams, st), st.dec
	}
	bad = map[string]error{}
	if err := s.findKeyframes(ctx, from, streams, bad); err != nil {
		return nil, nil, err
	}
	for left := streams; len(left) > 0; left = slices.DeleteFunc(left, func(st *stream) bool { return st.ended }) {
		pipe := s.client.Pipeline()
		for _, st := range left {
			st.page = pipe.XRangeN(ctx, protocol.HistoryKey(st.app), st.start, "+", page)
		}
		if err := s.exec(ctx, pipe); err != nil {
			return nil, nil, err
		}
		for _, st := range left {
			messages, err := s.messages(st.app, st.page, bad)
			if err != nil {
				return nil, nil, err
			}
			for _, m := range messages {
				id, entry := entryOf(m)
				if err := st.dec.Add(id, entry); errors.Is(err, history.ErrVersion) && bad[st.app] == nil { // else it is a gap
					bad[st.app] = fmt.Errorf("some of %s at %s cannot be read: %w", protocol.HistoryKey(st.app), s.name, err)
				}
			}
			if st.ended = len(messages) < page; !st.ended {
				st.start = "(" + messages[page-1].ID
			}
		}
	}
	return decoders, bad, nil
}

// findKeyframes sets where each stream is to be read from: at the keyframe that the last entry up to a time builds on.
func (s *Store) findKeyframes(ctx context.Context, from int64, streams []*stream, bad map[string]error) error {
	pipe := s.client.Pipeline()
	for _, st := range streams {
		st.page = pipe.XRevRangeN(ctx, protocol.HistoryKey(st.app), strconv.FormatInt(from, 10), "-", 1)
	}
	if err := s.exec(ctx, pipe); err != nil {
		return err
	}
	for _, st := range streams {
		messages, err := s.messages(st.app, st.page, bad)
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

// messages are what a command has read of an app's history. None are in a key that is no stream, which bad then has.
func (s *Store) messages(app string, cmd *redis.XMessageSliceCmd, bad map[string]error) ([]redis.XMessage, error) {
	messages, err := cmd.Result()
	if err == nil {
		return messages, nil
	}
	key := protocol.HistoryKey(app)
	said := fmt.Errorf("read %s at %s: %w", key, s.name, publish.WithRemedy(err, key))
	if redis.HasErrorPrefix(err, "WRONGTYPE") {
		bad[app] = said
		return nil, nil
	}
	return nil, said
}

// exec sends a pipeline. Its error is that Redis could not be asked; each command has its own.
func (s *Store) exec(ctx context.Context, pipe redis.Pipeliner) error {
	if err := redisconn.Exec(ctx, pipe); err != nil {
		return fmt.Errorf("read history at %s: %w", s.name, err)
	}
	return nil
}

// newest is when the last entry of each app's history was, in Unix ms; 0 where there is none, and where bad says that
// the key is no stream.
func (s *Store) newest(ctx context.Context, apps []string) (at map[string]int64, bad map[string]error, err error) {
	pipe := s.client.Pipeline()
	last := make(map[string]*redis.XMessageSliceCmd, len(apps))
	for _, app := range apps {
		last[app] = pipe.XRevRangeN(ctx, protocol.HistoryKey(app), "+", "-", 1)
	}
	if err := s.exec(ctx, pipe); err != nil {
		return nil, nil, err
	}
	at, bad = make(map[string]int64, len(apps)), map[string]error{}
	for app, cmd := range last {
		messages, err := s.messages(app, cmd, bad)
		if err != nil {
			return nil, nil, err
		}
		for _, m := range messages {
			at[app], _ = entryOf(m)
		}
	}
	return at, bad, nil
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
	if err := s.findKeyframes(ctx, now-s.life.Milliseconds(), streams, map[string]error{}); err != nil {
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
