package redisstream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/redisstream"
	"github.com/gravito-framework/pulse/protocol"
)

// plain asks a Redis in a pipeline.
type plain struct{ redis.UniversalClient }

func (p plain) Do(ctx context.Context, requests []adapter.Request) ([]adapter.Reply, error) {
	pipe := p.Pipeline()
	for _, r := range requests {
		args := make([]any, len(r))
		for i := range r {
			args[i] = r[i]
		}
		pipe.Do(ctx, args...)
	}
	cmds, _ := pipe.Exec(ctx)
	replies := make([]adapter.Reply, len(cmds))
	for i, cmd := range cmds {
		v, err := cmd.(*redis.Cmd).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			replies[i] = adapter.Refusal(err.Error())
			continue
		}
		replies[i] = reply(v)
	}
	return replies, nil
}

func reply(v any) adapter.Reply {
	switch v := v.(type) {
	case int64:
		return adapter.Int(v)
	case string:
		return adapter.Text(v)
	case []any:
		items := make([]adapter.Reply, len(v))
		for i := range v {
			items[i] = reply(v[i])
		}
		return adapter.List(items...)
	}
	return adapter.Reply{}
}

func newPoller(t testing.TB, client redis.UniversalClient, streams string) *poll.Poller {
	t.Helper()
	a := redisstream.Adapter{}
	session, err := a.Open(t.Context(), adapter.Settings{"app": "shop", redisstream.SettingStreams: streams})
	if err != nil {
		t.Fatal(err)
	}
	return &poll.Poller{Adapter: a.Describe(), Session: session, Source: plain{client}}
}

func mustPoll(t testing.TB, p *poll.Poller, now time.Time) *protocol.QueueSnapshot {
	t.Helper()
	s, err := p.Poll(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Encode(); err != nil {
		t.Error(err)
	}
	return s
}

// world makes streams on a real Redis, each step as a program would, and fails the test where Redis refuses.
type world struct {
	t *testing.T
	c *redis.Client
}

func (w world) do(args ...any) any {
	w.t.Helper()
	v, err := w.c.Do(w.t.Context(), args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		w.t.Fatalf("%v: %v", args, err)
	}
	return v
}

// add adds entries with the ids {from}-0 to {to}-0.
func (w world) add(key string, from, to int) {
	w.t.Helper()
	for i := from; i <= to; i++ {
		w.do("XADD", key, fmt.Sprintf("%d-0", i), "body", "x")
	}
}

func (w world) group(key, name, at string) {
	w.t.Helper()
	w.do("XGROUP", "CREATE", key, name, at, "MKSTREAM")
}

// read delivers n entries to a group.
func (w world) read(key, group string, n int) {
	w.t.Helper()
	w.do("XREADGROUP", "GROUP", group, "consumer", "COUNT", n, "STREAMS", key, ">")
}

func (w world) delete(key string, ids ...int) {
	w.t.Helper()
	for _, i := range ids {
		w.do("XDEL", key, fmt.Sprintf("%d-0", i))
	}
}

// TestWhatIsKnownAnywayCostsNoBodies: Redis tells of an entry only with its body, and these may be large.
func TestWhatIsKnownAnywayCostsNoBodies(t *testing.T) {
	t.Parallel()
	const at = 1_764_000_000_000
	for name, tc := range map[string]struct {
		make                func(w world)
		waiting             int64
		streamCalls, ranges int // in three polls
	}{
		"nothing was removed":       {func(w world) { w.read("s", "g", 4) }, 6, 0, 1},
		"all of it waits":           {func(w world) { w.delete("s", at+5) }, 9, 0, 3}, // the first may be removed
		"what was read was removed": {func(w world) { w.read("s", "g", 4); w.delete("s", at+2) }, 6, 3, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := servertest.Redis(t)
			w := world{t, server.Client}
			w.add("s", at+1, at+10)
			w.group("s", "g", "0")
			tc.make(w)
			w.do("CONFIG", "RESETSTAT")
			p := newPoller(t, server.Client, "s")
			for range 3 {
				if s := mustPoll(t, p, time.Now()); len(s.Queues) != 1 || s.Queues[0].Metrics.Waiting != tc.waiting {
					t.Errorf("%+v", s)
				}
			}
			stats, err := server.Client.Info(t.Context(), "commandstats").Result()
			if err != nil {
				t.Fatal(err)
			}
			calls := func(command string) (n int) {
				_, rest, _ := strings.Cut(stats, "cmdstat_"+command+":calls=")
				_, _ = fmt.Sscan(strings.ReplaceAll(rest, ",", " "), &n)
				return n
			}
			if infos, ranges := calls("xinfo|stream"), calls("xrange"); infos != tc.streamCalls || ranges != tc.ranges {
				t.Errorf("XINFO STREAM %d times and XRANGE %d times, not %d and %d", infos, ranges, tc.streamCalls, tc.ranges)
			}
			before := mustPoll(t, p, time.Now())
			w.read("s", "g", 1)
			after := mustPoll(t, p, time.Now())
			was, _ := before.Queues[0].Meta.Int("oldest_at")
			is, _ := after.Queues[0].Meta.Int("oldest_at")
			if after.Queues[0].Metrics.Waiting != tc.waiting-1 || was == 0 || is != was+1 {
				t.Errorf("after one more was read the oldest is of %d, before of %d: %+v", is, was, after)
			}
		})
	}
}

// TestEveryHistoryOfAGroupIsCountedAsItIs makes what is told of lag, and what Redis 7.0 tells wrong, and
// compares with arithmetic.
func TestEveryHistoryOfAGroupIsCountedAsItIs(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	w := world{t, server.Client}
	type truth struct{ Waiting, Active, Consumers int64 }
	want := map[string]truth{}
	for _, tc := range []struct {
		name                       string
		make                       func(key string)
		waiting, active, consumers int64
	}{
		{"at 0", func(k string) { w.add(k, 1, 10); w.group(k, "g", "0") }, 10, 0, 0},
		{"at the end", func(k string) { w.add(k, 1, 10); w.group(k, "g", "$") }, 0, 0, 0},
		{"at the end and then more", func(k string) { w.add(k, 1, 10); w.group(k, "g", "$"); w.add(k, 11, 15) }, 5, 0, 0},
		{"in the middle", func(k string) { w.add(k, 1, 10); w.group(k, "g", "4-0") }, 6, 0, 0},
		{"empty", func(k string) { w.group(k, "g", "0") }, 0, 0, 0},
		{"partly read", func(k string) { w.add(k, 1, 10); w.group(k, "g", "0"); w.read(k, "g", 4) }, 6, 4, 1},
		{"acknowledged", func(k string) {
			w.add(k, 1, 10)
			w.group(k, "g", "0")
			w.read(k, "g", 4)
			w.do("XACK", k, "g", "1-0", "2-0", "3-0")
		}, 6, 1, 1},
		{"an unread entry removed", func(k string) { w.add(k, 1, 10); w.group(k, "g", "0"); w.read(k, "g", 4); w.delete(k, 7) }, 5, 4, 1},
		{"an unread entry removed, and read past it", func(k string) {
			w.add(k, 1, 10)
			w.group(k, "g", "0")
			w.read(k, "g", 1)
			w.delete(k, 2)
			w.read(k, "g", 4)
		}, 4, 5, 1},
		{"an unread entry removed, and all read", func(k string) {
			w.add(k, 1, 10)
			w.group(k, "g", "0")
			w.read(k, "g", 1)
			w.delete(k, 2)
			w.read(k, "g", 100)
		}, 0, 9, 1},
		{"read entries removed once they are done", func(k string) {
			w.add(k, 1, 10)
			w.group(k, "g", "0")
			w.read(k, "g", 4)
			w.do("XACK", k, "g", "1-0", "2-0")
			w.delete(k, 1, 2)
		}, 6, 2, 1},
		{"all removed", func(k string) { w.add(k, 1, 3); w.group(k, "g", "0"); w.read(k, "g", 1); w.delete(k, 1, 2, 3) }, 0, 1, 1},
		{"trimmed of what was read", func(k string) {
			w.add(k, 1, 10)
			w.group(k, "g", "0")
			w.read(k, "g", 4)
			w.do("XTRIM", k, "MAXLEN", 8)
		}, 6, 4, 1},
		{"trimmed of what was not read", func(k string) {
			w.add(k, 1, 10)
			w.group(k, "g", "0")
			w.read(k, "g", 4)
			w.do("XTRIM", k, "MAXLEN", 3)
		}, 3, 4, 1},
		{"trimmed of what was not read, and read on", func(k string) {
			w.add(k, 1, 10)
			w.group(k, "g", "0")
			w.read(k, "g", 4)
			w.do("XTRIM", k, "MAXLEN", 3)
			w.read(k, "g", 2)
		}, 1, 6, 1},
		{"trimmed empty", func(k string) { w.add(k, 1, 10); w.group(k, "g", "0"); w.do("XTRIM", k, "MAXLEN", 0) }, 0, 0, 0},
		{"claimed by another consumer", func(k string) {
			w.add(k, 1, 10)
			w.group(k, "g", "0")
			w.read(k, "g", 4)
			w.do("XAUTOCLAIM", k, "g", "another", 0, "0", "COUNT", 2)
		}, 6, 4, 2},
		{"set back", func(k string) {
			w.add(k, 1, 10)
			w.group(k, "g", "0")
			w.read(k, "g", 10)
			w.do("XGROUP", "SETID", k, "g", "3-0")
		}, 7, 10, 1},
		{"two hundred behind what Redis doesn't know", func(k string) { w.add(k, 1, 300); w.group(k, "g", "100-0") }, 200, 0, 0},
	} {
		tc.make(tc.name)
		want[tc.name+"/g"] = truth{tc.waiting, tc.active, tc.consumers}
	}
	w.add("shared", 1, 10)
	w.group("shared", "fast", "0")
	w.group("shared", "slow", "0")
	w.group("shared", "late", "$")
	w.read("shared", "fast", 9)
	w.read("shared", "slow", 2)
	want["shared/fast"], want["shared/slow"], want["shared/late"] = truth{1, 9, 1}, truth{8, 2, 1}, truth{0, 0, 0}
	w.add("without groups", 1, 3)
	w.do("RPUSH", "a list", "x")

	before := server.Digest()
	p := newPoller(t, server.Client, "*")
	for i := range 3 {
		s := mustPoll(t, p, time.Now().Add(time.Duration(i)*time.Minute))
		got := map[string]truth{}
		for _, q := range s.Queues {
			n, _ := q.Meta.Int("consumers")
			got[q.Name] = truth{q.Metrics.Waiting, *q.Metrics.Active, n}
			if q.Meta.Has("error") {
				t.Errorf("%s: %s", q.Name, q.Meta.Text("error"))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || len(s.Problems) > 0 {
			t.Errorf("poll %d: problems %v, groups (-want +got):\n%s", i, s.Problems, diff)
		}
	}
	if diff := cmp.Diff(before, server.Digest()); diff != "" {
		t.Errorf("a poll changed the Redis that it reads (-before +after):\n%s", diff)
	}
}

// TestLongHistoriesStayExact does anything that programs do to a stream, hundreds of times, and after
// each compares with what the stream itself holds behind the group's last id. One session sees it all.
func TestLongHistoriesStayExact(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	w := world{t, server.Client}
	random := rand.New(rand.NewSource(7))
	w.group("s", "a", "0")
	w.group("s", "b", "$")
	p := newPoller(t, server.Client, "s")
	last := 0
	var history []string
	for step := range 400 {
		var did string
		switch random.Intn(7) {
		case 0, 1:
			n := 1 + random.Intn(4)
			w.add("s", last+1, last+n)
			last += n
			did = "add"
		case 2:
			w.read("s", "a", 1+random.Intn(3))
			did = "read a"
		case 3:
			w.read("s", "b", 1+random.Intn(5))
			did = "read b"
		case 4:
			if last > 0 {
				w.delete("s", 1+random.Intn(last))
			}
			did = "delete"
		case 5:
			if random.Intn(4) == 0 {
				w.do("XTRIM", "s", "MAXLEN", random.Intn(20))
				did = "trim"
			}
		case 6:
			if random.Intn(8) == 0 {
				w.do("XGROUP", "SETID", "s", "b", fmt.Sprintf("%d-0", random.Intn(last+1)))
				did = "set back"
			}
		}
		history = append(history, did)
		truth := map[string]int64{}
		groups, err := server.Client.XInfoGroups(t.Context(), "s").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			entries, err := server.Client.XRange(t.Context(), "s", "("+g.LastDeliveredID, "+").Result()
			if err != nil {
				t.Fatal(err)
			}
			truth["s/"+g.Name] = int64(len(entries))
		}
		got := map[string]int64{}
		for _, q := range mustPoll(t, p, time.Now()).Queues {
			got[q.Name] = q.Metrics.Waiting
		}
		if diff := cmp.Diff(truth, got); diff != "" {
			t.Fatalf("step %d, after %q (-want +got):\n%s", step, history, diff)
		}
	}
}

func TestOldestWaitingEntryIsDatedByItsID(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	w := world{t, server.Client}
	w.group("s", "g", "$")
	w.do("XADD", "s", "*", "body", "x")
	second, _ := w.do("XADD", "s", "*", "body", "x").(string)
	w.read("s", "g", 1)
	var ms int64
	if _, err := fmt.Sscanf(second, "%d-", &ms); err != nil {
		t.Fatal(err)
	}
	s := mustPoll(t, newPoller(t, server.Client, "s"), time.Now())
	if at, _ := s.Queues[0].Meta.Int("oldest_at"); at != ms {
		t.Errorf("oldest_at is %d, want %d", at, ms)
	}
}

func TestStreamsOfAClusterAreFoundOnAllItsMasters(t *testing.T) {
	t.Parallel()
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: servertest.Cluster(t), Protocol: 2})
	defer c.Close()
	want := map[string]int64{}
	names := ""
	for i, key := range []string{"a", "b", "c", "d", "e", "f"} {
		for range i + 1 {
			if err := c.XAdd(t.Context(), &redis.XAddArgs{Stream: key, Values: []string{"body", "x"}}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.XGroupCreate(t.Context(), key, "g", "0").Err(); err != nil {
			t.Fatal(err)
		}
		want[key+"/g"] = int64(i + 1)
		names += key + ","
	}
	got := map[string]int64{}
	for _, q := range mustPoll(t, newPoller(t, c, names), time.Now()).Queues {
		got[q.Name] = q.Metrics.Waiting
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

// BenchmarkCountedBacklog is the dearest poll there is: of one group that is as far behind as is
// counted, on a stream with a lag that Redis doesn't know.
func BenchmarkCountedBacklog(b *testing.B) {
	server := servertest.Redis(b)
	for range 10 {
		pipe := server.Client.Pipeline()
		for range 1000 {
			pipe.XAdd(b.Context(), &redis.XAddArgs{Stream: "s", Values: []string{"job", "0123456789"}})
		}
		if _, err := pipe.Exec(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	first := server.Client.XRangeN(b.Context(), "s", "-", "+", 2).Val()
	if err := server.Client.XGroupCreate(b.Context(), "s", "g", first[1].ID).Err(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s := mustPoll(b, newPoller(b, server.Client, "s"), time.Now())
		if n := s.Queues[0].Metrics.Waiting; n != 9998 {
			b.Fatalf("%d wait, want 9998", n)
		}
	}
}

// TestAcknowledgedEntriesAreCounted: what was ever delivered, less what is pending, is a counter of finished jobs. It goes
// on when entries are trimmed, and is absent where Redis doesn't know how many came before the group.
func TestAcknowledgedEntriesAreCounted(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client := servertest.Redis(t).Client
	add := func(n int) {
		t.Helper()
		for range n {
			if err := client.XAdd(ctx, &redis.XAddArgs{Stream: "events", Values: []string{"a", "b"}}).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	read := func(group string, n int, acks bool) {
		t.Helper()
		got, err := client.XReadGroup(ctx, &redis.XReadGroupArgs{Group: group, Consumer: "c", Streams: []string{"events", ">"}, Count: int64(n)}).Result()
		if err != nil || len(got[0].Messages) != n {
			t.Fatalf("%v, %v", got, err)
		}
		for _, m := range got[0].Messages {
			if acks {
				client.XAck(ctx, "events", group, m.ID)
			}
		}
	}
	p := newPoller(t, client, "events")
	want := func(when string, want map[string]int64) {
		t.Helper()
		got := map[string]int64{}
		for _, q := range mustPoll(t, p, time.Now()).Queues {
			if n, ok := q.Meta.Int("processed"); ok {
				got[q.Name] = n
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", when, diff)
		}
	}
	if err := client.XGroupCreateMkStream(ctx, "events", "billing", "0").Err(); err != nil {
		t.Fatal(err)
	}
	add(10)
	read("billing", 4, true)
	read("billing", 3, false)
	want("seven delivered, three of them pending", map[string]int64{"events/billing": 4})
	if err := client.XGroupCreate(ctx, "events", "late", "$").Err(); err != nil {
		t.Fatal(err)
	}
	want("a group that began later", map[string]int64{"events/billing": 4})
	read("billing", 3, true)
	if err := client.XTrimMaxLen(ctx, "events", 2).Err(); err != nil {
		t.Fatal(err)
	}
	add(5)
	read("billing", 5, true)
	want("after a trim", map[string]int64{"events/billing": 12})
}
