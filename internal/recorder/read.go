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
	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/protocol"
)

// How much of histories is read at once. A connection leaves out what is larger than 20 MiB together, and what comes is in
// memory.
const (
	// maxPage are the most entries of a page, firstPage those of one before it is known how large they are.
	maxPage   = 500
	firstPage = 16
	// pageBytes is about how many bytes are read in one round trip.
	pageBytes = 2 << 20
	// fewAtOnce is of how many apps something is read in the first round trip, mostAtOnce that of any.
	fewAtOnce  = 4
	mostAtOnce = 64
	// large is an entry of which only one reader decodes a history at a time: a decoder takes some hundred bytes a queue.
	large = 256 << 10
)

// Wants says what of an app's history is read.
type Wants struct {
	// Queues says of which queues points are kept; nil is of all.
	Queues func(history.Key) bool
	// Sum takes the sums of all queues, if there is one.
	Sum *history.Sum
}

// entry is one of a stream's.
type entry struct {
	id      string
	data    []byte
	size    int    // about what it took to read, without its names
	leftOut string // why it was too large to read
}

// at is when it was, in Unix ms.
func (e *entry) at() int64 {
	ms, _, _ := strings.Cut(e.id, "-")
	at, _ := strconv.ParseInt(ms, 10, 64) // Redis wrote it
	return at
}

// entriesOf are the entries that a command has read. They come as a list of anything, because a connection may put a text in
// the place of each part that is too large. What somebody else wrote is no entry, as a decoder says.
func entriesOf(cmd *redis.Cmd) ([]entry, error) {
	list, err := cmd.Slice()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	entries := make([]entry, 0, len(list))
	for _, one := range list {
		pair, _ := one.([]any)
		if len(pair) != 2 {
			return nil, errors.New("it answered with no list of entries")
		}
		var e entry
		e.id, _ = pair[0].(string)
		e.readFields(pair[1])
		entries = append(entries, e)
	}
	return entries, nil
}

func (e *entry) readFields(fields any) {
	if text, is := fields.(string); is {
		e.leaveOut(text)
		return
	}
	list, _ := fields.([]any)
	parts := 0
	for pair := range slices.Chunk(list, 2) {
		name, _ := pair[0].(string)
		part, _ := pair[len(pair)-1].(string)
		e.size += len(part)
		if name != fieldName(parts) {
			continue
		}
		if redisconn.IsLeftOut(part) {
			e.leaveOut(part)
			return
		}
		if parts++; parts == 1 {
			e.data = []byte(part)
		} else {
			e.data = append(e.data, part...)
		}
	}
}

func (e *entry) leaveOut(text string) {
	e.leftOut, e.data, e.size = redisconn.WhyLeftOut(text), nil, pageBytes
}

// stream is one app's history while it is read.
type stream struct {
	app   string
	dec   *history.Decoder
	start string // where the next page begins
	n     int    // how many entries the next page has
	ended bool
	err   error // why it cannot be read
	some  error // why some of it cannot
	cmd   *redis.Cmd
	// base is when the keyframe was of which hasBase asks whether it is there, in Unix ms; 0 is none.
	base    int64
	hasBase *redis.Cmd
}

// isThere is how many entries a stream has of an id. A script doesn't send what is in them: a keyframe may be large.
const isThere = `return #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])`

// lacksBase reports whether Redis answered that there is no such keyframe.
func (st *stream) lacksBase() bool {
	if st.hasBase == nil {
		return false
	}
	n, err := st.hasBase.Int()
	return err == nil && n == 0
}

// History reads the histories of apps from a time on, in Unix ms, one after the other: each is called with what was
// read of one, which it may keep, in the order of their names. It holds up all others who read a large history.
//
// What cannot be read is a gap. bad says of which apps that is so, and why: each is not called of those of which nothing
// can be read, because their key is no stream, or on a node of a cluster that cannot be reached. An error is that Redis
// could not be asked, or that it refused all.
func (s *Store) History(ctx context.Context, from int64, apps map[string]Wants, each func(app string, d *history.Decoder)) (bad map[string]error, err error) {
	bad = map[string]error{}
	var refused error
	isAnyRead := false
	atOnce := fewAtOnce
	for left := slices.Sorted(maps.Keys(apps)); len(left) > 0; {
		n := min(atOnce, len(left))
		var streams []*stream
		for _, app := range left[:n] {
			wants := apps[app]
			streams = append(streams, &stream{app: app, start: "-", dec: &history.Decoder{From: from, Wants: wants.Queues, Sum: wants.Sum}})
		}
		left = left[n:]
		size, err := s.begin(ctx, from, streams)
		if err != nil {
			return nil, err
		}
		for i, st := range streams {
			streams[i] = nil // for the garbage collector
			begun, err := s.read(ctx, st, each)
			if err != nil {
				return nil, err
			}
			size += begun
			isAnyRead = isAnyRead || st.err == nil
			switch {
			case st.err != nil:
				bad[st.app] = st.err
				if refused == nil && isOfAll(st.err) {
					refused = st.err
				}
			case st.some != nil:
				bad[st.app] = fmt.Errorf("some of %s at %s cannot be read: %w", protocol.HistoryKey(st.app), s.name, st.some)
			}
		}
		switch {
		case size > pageBytes:
			atOnce = max(1, atOnce/4)
		case size < pageBytes/4:
			atOnce = min(2*atOnce, mostAtOnce)
		}
	}
	if refused != nil && !isAnyRead {
		return nil, refused
	}
	return bad, nil
}

// begin reads the first page of each stream. It returns how much was read before that.
func (s *Store) begin(ctx context.Context, from int64, streams []*stream) (size int, err error) {
	size, err = s.findKeyframes(ctx, from, streams)
	if err != nil {
		return 0, err
	}
	pipe := s.client.Pipeline()
	for _, st := range streams {
		if st.err == nil {
			st.n = max(1, st.n/len(streams))
			st.ask(ctx, pipe)
		}
	}
	return size, s.exec(ctx, pipe)
}

func (st *stream) ask(ctx context.Context, pipe redis.Pipeliner) {
	st.cmd = pipe.Do(ctx, "xrange", protocol.HistoryKey(st.app), st.start, "+", "count", st.n)
}

func sizeOf(entries []entry) (size int) {
	for i := range entries {
		size += entries[i].size
	}
	return size
}

// read reads a stream to its end, of which the first page has come, and hands it over. It returns how large that page is.
func (s *Store) read(ctx context.Context, st *stream, each func(string, *history.Decoder)) (first int, err error) {
	hasTurn := false
	defer func() {
		if hasTurn {
			<-s.turn
		}
	}()
	for page := 0; st.err == nil && !st.ended; page++ {
		if page > 0 {
			pipe := s.client.Pipeline()
			st.ask(ctx, pipe)
			if err := s.exec(ctx, pipe); err != nil {
				return 0, err
			}
		}
		entries, err := s.entriesRead(ctx, st)
		if err != nil {
			return 0, err
		}
		if page == 0 {
			first = sizeOf(entries)
		}
		if !hasTurn && slices.ContainsFunc(entries, func(e entry) bool { return len(e.data) > large }) {
			select {
			case s.turn <- struct{}{}:
				hasTurn = true
			case <-ctx.Done():
				return 0, fmt.Errorf("wait to read %s: %w", protocol.HistoryKey(st.app), ctx.Err())
			}
		}
		if st.err == nil {
			st.add(entries)
		}
	}
	if st.err == nil {
		each(st.app, st.dec)
	}
	return first, nil
}

// entriesRead are the entries that a stream's command has read. Where that failed for this stream, the stream has the error.
func (s *Store) entriesRead(ctx context.Context, st *stream) ([]entry, error) {
	entries, err := entriesOf(st.cmd)
	switch {
	case err == nil:
		return entries, nil
	case redis.HasErrorPrefix(err, tooLarge) && st.n > 1: // beside others that it came with
		return []entry{{leftOut: err.Error(), size: pageBytes}}, nil
	}
	said := s.said("read", protocol.HistoryKey(st.app), err)
	if !redisconn.IsRefusal(err) && !s.isOfNode(ctx) {
		return nil, said
	}
	st.err = said
	return nil, nil
}

// tooLarge is what a connection answers in the place of a reply that is too large.
const tooLarge = "TOOLARGE"

// isOfKey reports whether a refusal is about a key alone.
func isOfKey(err error) bool {
	return redis.HasErrorPrefix(err, "WRONGTYPE") || redis.HasErrorPrefix(err, tooLarge) || redis.HasErrorPrefix(err, "CLUSTERDOWN")
}

// isOfAll reports whether a refusal is about more than a key, such as of the login.
func isOfAll(err error) bool { return redisconn.IsRefusal(err) && !isOfKey(err) }

// isOnDeadNode reports whether err is that the node of a cluster which has the key of a command cannot be reached, or that none
// has it. Other keys may be on nodes that live.
func (s *Store) isOnDeadNode(ctx context.Context, err error) bool {
	return (!redisconn.IsRefusal(err) || redis.HasErrorPrefix(err, "CLUSTERDOWN")) && s.isOfNode(ctx)
}

// isOfNode reports whether a command that was not answered says nothing about others: their keys may be on another node.
func (s *Store) isOfNode(ctx context.Context) bool {
	_, isCluster := redisconn.Current(s.client).(*redis.ClusterClient)
	return isCluster && ctx.Err() == nil
}

// add decodes the entries of a page, and says what the next one is.
func (st *stream) add(entries []entry) {
	asked := st.n
	for i := range entries {
		e := &entries[i]
		if e.leftOut != "" && asked > 1 { // there may be room for it in a smaller page
			st.n = max(1, i/2)
			return
		}
		st.start = "(" + e.id
		if e.leftOut != "" {
			st.notAll(fmt.Errorf("its entry of %s is left out: %s", time.UnixMilli(e.at()).UTC().Format(time.RFC3339), e.leftOut))
		} else if err := st.dec.Add(e.at(), e.data); errors.Is(err, history.ErrVersion) { // else it is a gap
			st.notAll(err)
		}
	}
	st.ended = len(entries) < asked
	st.n = fitting(sizeOf(entries)/max(1, len(entries)), 32*asked)
}

func (st *stream) notAll(err error) {
	if st.some == nil {
		st.some = err
	}
}

// fitting is how many entries of a size a page has, up to most.
func fitting(size, most int) int { return max(1, min(pageBytes/max(size, 1), most, maxPage)) }

// findKeyframes sets where each stream is to be read from: at the keyframe that the last entry up to a time builds on. It
// returns how much it read for that.
func (s *Store) findKeyframes(ctx context.Context, from int64, streams []*stream) (size int, err error) {
	found, err := s.lastEntries(ctx, strconv.FormatInt(from, 10), streams)
	if err != nil {
		return 0, err
	}
	for i, st := range streams {
		st.n = firstPage
		if found[i] == nil || st.err != nil {
			continue
		}
		e := found[i]
		if e.leftOut != "" { // for want of room for all of them
			if found, err := s.lastEntries(ctx, strconv.FormatInt(from, 10), streams[i:i+1]); err != nil {
				return 0, err
			} else if e = found[0]; e == nil {
				continue
			}
		}
		size += e.size
		st.n = fitting(e.size, maxPage)
		if at, err := history.KeyframeOf(e.at(), e.data); err == nil {
			st.start = strconv.FormatInt(at, 10)
		}
	}
	return size, nil
}

// lastEntries reads the last entry of each stream up to an id; nil where there is none.
func (s *Store) lastEntries(ctx context.Context, upTo string, streams []*stream) ([]*entry, error) {
	pipe := s.client.Pipeline()
	for _, st := range streams {
		st.cmd = pipe.Do(ctx, "xrevrange", protocol.HistoryKey(st.app), upTo, "-", "count", 1)
		if st.base > 0 {
			st.hasBase = pipe.Eval(ctx, isThere, []string{protocol.HistoryKey(st.app)}, history.EntryID(st.base))
		}
	}
	if err := s.exec(ctx, pipe); err != nil {
		return nil, err
	}
	last := make([]*entry, len(streams))
	for i, st := range streams {
		entries, err := s.entriesRead(ctx, st)
		if err != nil {
			return nil, err
		}
		if len(entries) > 0 {
			last[i] = &entries[0]
		}
	}
	return last, nil
}

// exec sends a pipeline. Its error is that Redis could not be asked; each command has its own.
func (s *Store) exec(ctx context.Context, pipe redis.Pipeliner) error {
	if pipe.Len() == 0 {
		return nil
	}
	if err := redisconn.Exec(ctx, pipe); err != nil {
		return fmt.Errorf("read history at %s: %w", s.name, err)
	}
	return nil
}

// newest is when the last entry of each app's history was, in Unix ms; 0 where there is none. cut are
// the apps whose keyframe of a time, of those in bases, is gone. bad says of which apps that cannot be read, as
// [Store.History] does.
func (s *Store) newest(ctx context.Context, apps []string, bases map[string]int64) (at map[string]int64, cut []string, bad map[string]error, err error) {
	at, bad = make(map[string]int64, len(apps)), map[string]error{}
	var refused error
	for some := range slices.Chunk(apps, mostAtOnce) {
		streams := make([]*stream, len(some))
		for i, app := range some {
			streams[i] = &stream{app: app, base: bases[app]}
		}
		last, err := s.lastEntries(ctx, "+", streams)
		if err != nil {
			return nil, nil, nil, err
		}
		for i, st := range streams {
			switch {
			case st.err != nil:
				bad[st.app] = st.err
				if refused == nil && isOfAll(st.err) {
					refused = st.err
				}
			case last[i] != nil:
				at[st.app] = last[i].at()
			}
			if st.lacksBase() {
				cut = append(cut, st.app)
			}
		}
	}
	if refused != nil && len(bad) == len(apps) {
		return nil, nil, nil, refused
	}
	return at, cut, bad, nil
}
