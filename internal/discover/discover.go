// Package discover finds and reads everything that was reported to one Redis, so that a view can be built
// of it.
//
// [New] makes a reader of a client; [Reader.Read] makes one reading and hands over each key's document. It
// finds the keys of the index in one call. It finds strangers, which their writers only SET, with a walk
// through all keys, in small parts.
//
// One bad key or node hides no other: it becomes a document with an error. A reading takes memory and
// Redis' time within bounds, however much there is. It writes the index and how far the walk has come, and
// changes no other key; where it may not write it goes on from its own memory.
package discover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

const (
	// batch is how many keys are read in one round trip, batchBytes about how much of their values.
	batch      = 250
	batchBytes = 2 << 20
	// maxSize is the largest value that is read.
	maxSize = 8 << 20
	// maxTotal is about how much is read of all values: more is rubbish, and a function has little memory.
	maxTotal = 32 << 20
	// maxKey is the longest key that is read, in bytes: an app, a source and an id have 128 each.
	maxKey = 1 << 10
	// noteEvery is how old a key's time in the index may become before a reader notes the key again. A
	// reporter that keeps the index up to date notes its own keys sooner.
	noteEvery = 15 * time.Second
	// waitLimit is how long a reading waits for Redis, all its answers together. What add does with them takes
	// no part of it: on a fraction of a processor it may take longer than that.
	waitLimit = 8 * time.Second
	// writeLimit is how long Redis may take for what a reading writes, notAgainFor how long we write nothing
	// after it took longer. While writes are paused it answers those who read as ever.
	writeLimit  = 2 * time.Second
	notAgainFor = 5 * time.Second
)

// Reader reads one Redis. It is for one reading at a time.
type Reader struct {
	redis redis.UniversalClient
	name  string
	// maxKeys bounds how many keys are known of the index, and how many that it doesn't hold.
	maxKeys int
	clock   func(cmd *redis.TimeCmd) (time.Time, error) // what Redis answers to TIME
	limit   time.Duration                               // waitLimit
	walk    walk
	known   map[string]*knownKey // the keys of the last day, by name: others may remove them from the index
	reading int64                // the number of this reading; the first is 1
	ahead   time.Duration        // how far Redis' clock is ahead of ours
	skew    publish.Skew
	hungAt  time.Time // when Redis last did not take our notes in time; zero if it has since
	// Of one reading:
	left     time.Duration           // of limit
	isFull   bool                    // the index holds as many keys as one reading takes, or more
	client   redis.UniversalClient   // of one server or of a cluster, as it was when the reading began
	notes    []func(redis.Pipeliner) // what it writes, at its end
	living   []*knownKey             // those of which that is a part
	lost     map[string]bool         // a sentence for each node of a cluster that could not be reached
	problems map[string]string       // by reason, the key it is about
}

// knownKey is a key that was there at one of the last readings.
type knownKey struct {
	at    int64 // when it was last seen, Unix ms
	noted int64 // when this reader noted it in the index
	index int64 // when it was seen by what the index said at the last reading; 0 is that it was not in there
	since int64 // the reading from which on it was always read; 0 is that it was not read at the last one
	size  int   // of its value
	bad   bool  // nothing in its value could be read
	good  bool  // something in a value of it could be read: when it is gone, it is missed
}

// New makes a reader of client that knows about maxKeys keys at most. name is how errors call the Redis,
// such as "redis 10.0.0.7:6379".
func New(client redis.UniversalClient, name string, maxKeys int) *Reader {
	return &Reader{
		redis: client, name: name, maxKeys: maxKeys, known: map[string]*knownKey{}, walk: walk{clock: time.Now},
		clock: (*redis.TimeCmd).Result, limit: waitLimit,
	}
}

// Read calls add once for each key that exists or did within a day, and returns how far Redis' clock is ahead
// of local, the time by this machine's clock. add reports whether it could read anything in the document.
//
// A document with an error stands for a key that cannot be read, for a node of a cluster that cannot be
// reached, and for the first walk of a large Redis while it lasts. err means that Redis could not be asked.
func (r *Reader) Read(ctx context.Context, local time.Time, add func(view.Document) bool) (ahead time.Duration, err error) {
	r.lost, r.problems, r.notes, r.living = nil, map[string]string{}, nil, nil
	r.client, r.left = redisconn.Current(r.redis), r.limit
	r.reading++
	if r.reading == 1 {
		sent := time.Now()
		err = r.asking(ctx, func(ctx context.Context) (err error) {
			_, err = r.time(ctx, local, sent, r.client.Time(ctx))
			return err
		})
		local = local.Add(time.Since(sent))
	}
	if err == nil {
		err = r.read(ctx, local, add)
	}
	if err != nil {
		return r.ahead, fmt.Errorf("read from %s: %w", r.name, err)
	}
	r.write(ctx)
	if d, ok := r.stillLooking(); ok {
		add(d)
	}
	for _, said := range slices.Sorted(maps.Keys(r.lost)) {
		r.problems["a node of the cluster cannot be reached, and what others wrote there is not found: "+said] = scanKey
	}
	for _, reason := range slices.Sorted(maps.Keys(r.problems)) {
		add(view.Document{Key: r.problems[reason], Err: errors.New(reason)})
	}
	return r.ahead, nil
}

// time reads the answer to TIME. All programs use Redis' time, because the clocks of reporters may differ.
// Where Redis refuses TIME, time goes on with what it knew. local is our time when TIME was sent.
func (r *Reader) time(ctx context.Context, local, sent time.Time, cmd *redis.TimeCmd) (time.Time, error) {
	at, err := r.clock(cmd)
	switch {
	case err == nil:
		halfTrip := time.Since(sent) / 2 // Redis looked at its clock at some moment of the trip
		r.ahead = at.Sub(local.Add(halfTrip))
		r.skew.Measure(-r.ahead, halfTrip)
		return at, nil
	case redisconn.IsRefusal(err), r.isPart(ctx, err):
		return local.Add(r.ahead), nil
	}
	return local.Add(r.ahead), err
}

// asking runs ask with what is left of the time that Redis may take.
func (r *Reader) asking(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.left)
	defer cancel()
	began := time.Now()
	err := ask(ctx)
	r.left -= time.Since(began)
	return err
}

func (r *Reader) read(ctx context.Context, local time.Time, add func(view.Document) bool) error {
	var now time.Time
	var index, found map[string]int64
	err := r.asking(ctx, func(ctx context.Context) (err error) {
		if now, index, err = r.index(ctx, local); err != nil {
			return err
		}
		if found, err = r.find(ctx, now, index); err != nil {
			return err
		}
		maps.Copy(index, found)
		if r.isFull {
			err = r.sayWhatIsLeftOut(ctx, now, index)
		}
		return err
	})
	if err != nil {
		return err
	}
	if problem := r.skew.Problem("this server", r.name); problem != "" {
		r.problems[problem] = "aggregator"
	}
	var names []string
	err = r.values(ctx, index, func(d view.Document) {
		if d.Data == nil && d.Err == nil {
			r.forget(d.Key)
			if _, isNew := found[d.Key]; isNew {
				return // this reader has never seen a document in it, so none is lost
			}
			if k := r.known[d.Key]; k != nil && !k.good && index[d.Key] == 0 {
				delete(r.known, d.Key) // it was rubbish, and nobody else has noted it
				return
			}
			add(d)
			return
		}
		k := r.see(d.Key)
		k.at = now.UnixMilli()
		readable := add(d)
		if d.Data != nil {
			k.bad, k.good = !readable, k.good || readable
		}
		if k.good && k.at-max(index[d.Key], k.noted) >= noteEvery.Milliseconds() {
			r.living, names = append(r.living, k), append(names, d.Key)
		}
	})
	if err == nil && len(names) > 0 {
		r.notes = append(r.notes, func(pipe redis.Pipeliner) { publish.Note(ctx, pipe, now.UnixMilli(), names...) })
	}
	return err
}

// write writes the notes of this reading, in one round trip. What Redis refuses does not matter: a reader that may
// not write keeps its own memory. Where Redis does not answer in time, write says so, and what was read stays.
func (r *Reader) write(ctx context.Context) {
	_, isCluster := r.client.(*redis.ClusterClient) // its client itself leaves a node alone that hangs
	if len(r.notes) > 0 && (isCluster || time.Since(r.hungAt) >= notAgainFor) {
		pipe := r.client.Pipeline()
		for _, note := range r.notes {
			note(pipe)
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit) // of its own: reading may have taken long
		defer cancel()
		r.hungAt = time.Time{}
		cmds, _ := pipe.Exec(ctx)
		if slices.ContainsFunc(cmds, func(cmd redis.Cmder) bool { return redisconn.IsTimeout(cmd.Err()) }) {
			r.hungAt = time.Now()
		} else {
			for _, k := range r.living {
				k.noted = k.at
			}
		}
	}
	if !r.hungAt.IsZero() {
		r.problems[notTaken] = protocol.IndexKey
	}
}

// notTaken is what is wrong where Redis does not take what a reading writes.
var notTaken = fmt.Sprintf("Redis has not taken this server's own notes within %v: what is shown is right, and another "+
	"server that starts finds less at first. It is tried again", writeLimit)

// see returns what is known of a key, which it makes known first.
func (r *Reader) see(key string) *knownKey {
	k := r.known[key]
	if k == nil {
		k = &knownKey{}
		r.known[key] = k
	}
	return k
}

// forget notes that a key is gone: it forgets its value, and remembers when it was there.
func (r *Reader) forget(key string) {
	if k := r.known[key]; k != nil {
		k.since, k.size, k.bad = 0, 0, false
	}
}

// isPart reports whether err is about one node of a cluster, and notes that node as lost. It is false of an
// error that is about the Redis as a whole.
func (r *Reader) isPart(ctx context.Context, err error) bool {
	if _, isCluster := r.client.(*redis.ClusterClient); !isCluster || ctx.Err() != nil || r.left <= 0 || redisconn.IsRefusal(err) {
		return false
	}
	if r.lost == nil {
		r.lost = map[string]bool{}
	}
	r.lost[redisconn.Unreachable(err)] = true
	return true
}

// index reads Redis' time and the keys that the index has of the last day, each with the time when it was
// noted. A key that only this reader knows has the time 0.
func (r *Reader) index(ctx context.Context, local time.Time) (now time.Time, index map[string]int64, err error) {
	pipe := r.client.Pipeline()
	timeCmd, sent := pipe.Time(ctx), time.Now()
	now = local.Add(r.ahead)
	// The newest first, so that of more than maxKeys the oldest are left out.
	membersCmd := pipe.ZRevRangeByScoreWithScores(ctx, protocol.IndexKey, &redis.ZRangeBy{
		Min: strconv.FormatInt(now.Add(-protocol.IndexLife).UnixMilli(), 10), Max: strconv.FormatInt(now.Add(publish.ClockTolerance).UnixMilli(), 10), Count: int64(r.maxKeys),
	})
	if err := redisconn.Exec(ctx, pipe); err != nil {
		return now, nil, err
	}
	if now, err = r.time(ctx, local, sent, timeCmd); err != nil {
		return now, nil, err
	}
	members, err := membersCmd.Result()
	switch {
	case err == nil:
	case redis.HasErrorPrefix(err, "WRONGTYPE"), redis.HasErrorPrefix(err, "TOOLARGE"):
		// Another value has the index' name: the walk finds all keys, and those known stay known. Any other
		// refusal, such as of the password, is about more than the index.
		r.problems["it cannot be read as the index of what is reported, so what is lost is not known by others: "+err.Error()+
			". Delete it: the next report makes it anew"] = protocol.IndexKey
	case !r.isPart(ctx, err):
		return now, nil, err
	}
	index = make(map[string]int64, len(members)+len(r.known))
	r.forgetOld(now.Add(-protocol.IndexLife).UnixMilli())
	for key := range r.known {
		index[key] = 0
	}
	var rubbish []redis.Z
	for _, m := range members {
		key, _ := m.Member.(string)
		switch {
		case redisconn.IsLeftOut(key), len(key) > maxKey:
			rubbish = append(rubbish, m)
		case protocol.KindOf(key) != protocol.KindOther:
			index[key] = max(index[key], min(int64(m.Score), now.UnixMilli()))
		}
	}
	if err == nil && len(members) < r.maxKeys {
		r.forgetRemoved(index)
	}
	r.isFull = len(members) == r.maxKeys
	if len(rubbish) > 0 {
		r.problems[fmt.Sprintf("keys with names longer than %d bytes are removed from it", maxKey)] = protocol.IndexKey
		r.notes = append(r.notes, func(pipe redis.Pipeliner) { removeFromIndex(ctx, pipe, members, rubbish) })
	}
	return now, index, nil
}

// sayWhatIsLeftOut says so where Redis' index holds keys that are not in index, which are as many as one reading takes,
// those known from before, and those that the walk has found.
func (r *Reader) sayWhatIsLeftOut(ctx context.Context, now time.Time, index map[string]int64) error {
	older, err := r.client.ZRevRangeByScoreWithScores(ctx, protocol.IndexKey, &redis.ZRangeBy{
		Min: strconv.FormatInt(now.Add(-protocol.IndexLife).UnixMilli(), 10), Max: strconv.FormatInt(now.Add(publish.ClockTolerance).UnixMilli(), 10),
		Offset: int64(r.maxKeys), Count: int64(r.maxKeys),
	}).Result()
	if err != nil && !redisconn.IsRefusal(err) && !r.isPart(ctx, err) {
		return err
	}
	for _, m := range older {
		key, _ := m.Member.(string)
		if _, isShown := index[key]; !isShown && protocol.KindOf(key) != protocol.KindOther {
			r.problems[fmt.Sprintf("it holds more than %d keys: of what was seen before %s not all is shown", r.maxKeys,
				time.UnixMilli(int64(m.Score)+1).UTC().Format("15:04:05 UTC"))] = protocol.IndexKey
			break
		}
	}
	return nil
}

// forgetRemoved forgets the keys that are gone and that somebody has removed from the index since the last reading. An
// index in which no key kept its time is another one, or none: somebody deleted it, and nothing is forgotten.
func (r *Reader) forgetRemoved(index map[string]int64) {
	isSame := false
	for key, k := range r.known {
		isSame = isSame || k.index != 0 && k.index == index[key]
	}
	for key, k := range r.known {
		if isSame && k.index != 0 && index[key] == 0 && k.since == 0 {
			delete(r.known, key)
			delete(index, key)
		}
		k.index = index[key]
	}
}

// forgetOld forgets the keys that were seen last before a time, and of too many the oldest.
func (r *Reader) forgetOld(since int64) {
	if n := len(r.known) - 2*r.maxKeys; n > 0 {
		times := make([]int64, 0, len(r.known))
		for _, k := range r.known {
			times = append(times, k.at)
		}
		slices.Sort(times)
		since = max(since, times[n])
	}
	maps.DeleteFunc(r.known, func(_ string, k *knownKey) bool { return k.at < since })
}

// removeFromIndex removes members that are too long to send back as names, by their scores. It puts back the
// others with the same scores.
func removeFromIndex(ctx context.Context, pipe redis.Pipeliner, members, rubbish []redis.Z) {
	scores := make(map[float64]bool, len(rubbish))
	for _, m := range rubbish {
		if score := strconv.FormatFloat(m.Score, 'f', -1, 64); !scores[m.Score] {
			pipe.ZRemRangeByScore(ctx, protocol.IndexKey, score, score)
		}
		scores[m.Score] = true
	}
	var others []redis.Z
	for _, m := range members {
		if key, _ := m.Member.(string); scores[m.Score] && len(key) <= maxKey && !redisconn.IsLeftOut(key) {
			others = append(others, m)
		}
	}
	if len(others) > 0 {
		pipe.ZAdd(ctx, protocol.IndexKey, others...)
	}
}
