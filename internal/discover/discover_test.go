package discover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

func TestMain(m *testing.M) {
	// A pool with a dead server ends this goroutine up to a second after Close.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

var noon = time.UnixMilli(1_764_000_000_000)

const text = `{"timestamp":1764000000000,"app":"shop","queues":[]}`

// manyKeys is a bound that is no bound here.
const manyKeys = 100_000

// readAll reads once, at a time that is Redis', too.
func readAll(ctx context.Context, r *Reader, now time.Time) (docs []view.Document, err error) {
	r.clock = func(cmd *redis.TimeCmd) (time.Time, error) { return now, cmd.Err() }
	_, err = r.Read(ctx, now, func(d view.Document) bool {
		docs = append(docs, d)
		return true
	})
	return docs, err
}

// read reads once, by key.
func read(t testing.TB, r *Reader, now time.Time) map[string]view.Document {
	t.Helper()
	docs, err := readAll(t.Context(), r, now)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]view.Document{}
	for _, d := range docs {
		if _, twice := out[d.Key]; twice {
			t.Errorf("%s is there twice", d.Key)
		}
		out[d.Key] = d
	}
	return out
}

func keys(docs map[string]view.Document) []string { return slices.Sorted(maps.Keys(docs)) }

// others fills a Redis with keys of other programs.
func others(t testing.TB, c *redis.Client, n int) {
	t.Helper()
	const script = `for i = ARGV[1], ARGV[2] do redis.call('SET', 'session:' .. i, 'x') end return 1`
	for i := 0; i < n; i += 10_000 {
		if err := c.Eval(t.Context(), script, nil, i, min(i+10_000, n)-1).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// calls are how often Redis has executed each command.
func calls(t testing.TB, c *redis.Client) map[string]int {
	t.Helper()
	stats, err := c.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, m := range regexp.MustCompile(`cmdstat_(\S+):calls=(\d+)`).FindAllStringSubmatch(stats, -1) {
		out[m[1]], _ = strconv.Atoi(m[2])
	}
	return out
}

func connect(t testing.TB, addr string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAStrangerThatWasOnlySETIsFound(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]redis.UniversalClient{
		"redis":    connect(t, servertest.Redis(t).Addr),
		"embedded": connect(t, miniredis.RunT(t).Addr()),
		"cluster":  cluster(t),
	} {
		ctx := t.Context()
		want := []string{"gravito:quasar:node:api:1", "pulse:queues:bank:php", "pulse:queues:shop", "pulse:server:shop:web-1"}
		for _, key := range slices.Concat(want, []string{"pulse:slow:shop", "pulse:owner:shop", "gravito:quasar:other", "pulsar:x", "bull:orders:wait"}) {
			if err := client.Set(ctx, key, text, time.Minute).Err(); err != nil {
				t.Fatal(err)
			}
		}
		r := New(client, name, manyKeys)
		docs := read(t, r, noon)
		if diff := cmp.Diff(want, keys(docs)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
		for key, d := range docs {
			if string(d.Data) != text || d.Err != nil {
				t.Errorf("%s: %s holds %q, %v", name, key, d.Data, d.Err)
			}
			if at := client.ZScore(ctx, protocol.IndexKey, key).Val(); at != float64(noon.UnixMilli()) {
				t.Errorf("%s: %s is in the index at %v", name, key, at)
			}
		}

		// A key that is gone keeps its time, for a day.
		client.Del(ctx, "pulse:queues:shop")
		d, ok := read(t, r, noon.Add(23*time.Hour))["pulse:queues:shop"]
		if !ok || d.Data != nil || d.Err != nil || d.SeenAt != noon.UnixMilli() {
			t.Errorf("%s: gone, it is %+v", name, d)
		}
		if _, ok := read(t, r, noon.Add(25*time.Hour))["pulse:queues:shop"]; ok {
			t.Errorf("%s: gone, it is there after a day", name)
		}
	}
}

func cluster(t *testing.T) *redis.ClusterClient {
	t.Helper()
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: servertest.Cluster(t), Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { c.Close() })
	return c
}

func TestTheIndexComesFirst(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx := t.Context()
	others(t, server.Client, 200_000)
	seen := float64(noon.Add(-5 * time.Second).UnixMilli())
	var want []string
	for i := range 300 {
		key := fmt.Sprintf("pulse:queues:app%03d", i)
		want = append(want, key)
		server.Client.Set(ctx, key, text, 0)
		server.Client.ZAdd(ctx, protocol.IndexKey, redis.Z{Score: seen, Member: key})
	}
	server.Client.ZAdd(ctx, protocol.IndexKey, redis.Z{Score: seen, Member: "session:1"}, redis.Z{Score: seen, Member: "rubbish"})
	docs := read(t, New(server.Client, "redis", manyKeys), noon)
	delete(docs, scanKey) // still being walked
	if diff := cmp.Diff(want, keys(docs)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// firstCalls is how many SCANs a reading takes in the tests' first walks.
const firstCalls = 10

// ticks is a clock on which a part of the first walk takes n SCANs, however fast Redis is: half of what
// a round trip takes is the least that one counts for.
func ticks(n int) func() time.Time {
	now := noon
	return func() time.Time {
		now = now.Add(time.Duration(2 * firstShare * float64(usualGap) / float64(n)))
		return now
	}
}

func TestAReadingCostsTheSameHoweverManyKeysAreNotOurs(t *testing.T) {
	t.Parallel()
	cost := map[int]map[string]int{}
	sizes := []int{50_000, 200_000}
	for _, n := range sizes {
		server := servertest.Redis(t)
		others(t, server.Client, n)
		for i := range 10 {
			key := fmt.Sprintf("pulse:queues:app%d", i)
			server.Client.Set(t.Context(), key, text, 0)
			server.Client.ZAdd(t.Context(), protocol.IndexKey, redis.Z{Score: float64(noon.UnixMilli()), Member: key})
		}
		r := New(connect(t, server.Addr), "redis", manyKeys)
		r.walk.clock = ticks(firstCalls)
		before := calls(t, server.Client)
		read(t, r, noon)
		cost[n] = map[string]int{}
		for name, count := range calls(t, server.Client) {
			if d := count - before[name]; d > 0 && name != "info" && name != "hello" {
				cost[n][name] = d
			}
		}
	}
	want := map[string]int{"time": 2, "zrevrangebyscore": 1, "hmget": 1, "strlen": 10, "dbsize": 1, "scan": firstCalls, "hset": 1, "expire": 1, "getrange": 10}
	for _, n := range sizes {
		if diff := cmp.Diff(want, cost[n]); diff != "" {
			t.Errorf("with %d other keys: -want +got:\n%s", n, diff)
		}
	}
}

func TestAWalkGoesOnWhereAnotherProcessStood(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	const n = 200_000
	others(t, server.Client, n)
	const strangers = 50
	for i := range strangers {
		server.Client.Set(t.Context(), fmt.Sprintf("pulse:queues:app%d", i), text, 0)
	}
	// Each reading is a process of its own, as where a function starts cold every time.
	const enough = n/(firstCalls*scanCount) + 2
	found := 0
	for range enough {
		r := New(server.Client, "redis", manyKeys)
		r.walk.clock = ticks(firstCalls)
		found = len(read(t, r, noon))
	}
	if found != strangers {
		t.Errorf("%d of %d strangers are found after %d readings", found, strangers, enough)
	}
	if left := server.Client.TTL(t.Context(), scanKey).Val(); left <= 0 || left > scanLife {
		t.Errorf("%s lives for %v", scanKey, left)
	}
}

func TestRubbishForACursorBeginsAnew(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(context.Context, *redis.Client, string){
		"text in its place": func(ctx context.Context, c *redis.Client, _ string) { c.Set(ctx, scanKey, "rubbish", 0) },
		"no number":         func(ctx context.Context, c *redis.Client, addr string) { c.HSet(ctx, scanKey, addr, "rubbish") },
		"a number missing":  func(ctx context.Context, c *redis.Client, addr string) { c.HSet(ctx, scanKey, addr, "77 -1 x") },
		"of another server": func(ctx context.Context, c *redis.Client, _ string) { c.HSet(ctx, scanKey, "10.0.0.7:6379", "77") },
	} {
		server := servertest.Redis(t)
		put(t.Context(), server.Client, server.Addr)
		server.Client.Set(t.Context(), "pulse:queues:shop", text, 0)
		if got := keys(read(t, New(server.Client, "redis", manyKeys), noon)); len(got) != 1 {
			t.Errorf("%s: found %v", name, got)
		}
	}
}

func TestASmallRedisIsWalkedAtEachReading(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	others(t, server.Client, 15_000)
	r := New(server.Client, "redis", manyKeys)
	for i := range 5 {
		want := fmt.Sprintf("pulse:queues:app%d", i)
		server.Client.Set(t.Context(), want, text, 0)
		if _, ok := read(t, r, noon.Add(time.Duration(i)*usualGap))[want]; !ok {
			t.Errorf("%s is not found at once", want)
		}
	}
}

func TestTheFirstWalkOfALargeRedisIsFastAndSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	const n = 200_000
	others(t, server.Client, n)
	r := New(server.Client, "redis", manyKeys)
	r.walk.clock = ticks(firstCalls)
	scans := func(i int) (n int, said string) {
		before := calls(t, server.Client)["scan"]
		docs := read(t, r, noon.Add(time.Duration(i)*usualGap))
		if d := docs[scanKey]; d.Err != nil {
			said = d.Err.Error()
		}
		return calls(t, server.Client)["scan"] - before, said
	}
	const readings = n / (firstCalls * scanCount)
	for i := range readings - 1 {
		got, said := scans(i)
		if want := fmt.Sprintf("still looking for keys that others wrote: about %d %% of this Redis' keys have been looked at", 100*(i+1)/readings); got != firstCalls || said != want {
			t.Errorf("reading %d: %d SCANs, %q", i, got, said)
		}
	}
	for i := readings + 1; r.walk.nodes[server.Addr].lastWalk == 0 && i < 2*readings; i++ { // SCAN's count is about
		scans(i)
	}
	for i := range 5 {
		if got, said := scans(3*readings + i); got != 1 || said != "" {
			t.Errorf("after the first walk: %d SCANs, %q", got, said)
		}
	}
	// What is written after the first walk is found by the next, and another process knows of both.
	server.Client.Set(t.Context(), "pulse:queues:shop", text, 0)
	found := false
	for i := range 2 * n / gentleLeast {
		if i%100 == 0 {
			r = New(server.Client, "redis", manyKeys)
		}
		docs := read(t, r, noon.Add(time.Duration(4*readings+i)*usualGap))
		if _, found = docs["pulse:queues:shop"]; found {
			break
		}
	}
	if !found {
		t.Error("the gentle walk does not find a stranger")
	}
}

func TestThatTheWalkIsNotThroughIsAProblemInTheViewAndNoApp(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	others(t, server.Client, 50_000)
	server.Client.Set(t.Context(), "pulse:queues:shop", text, 0)
	server.Client.ZAdd(t.Context(), protocol.IndexKey, redis.Z{Score: float64(noon.UnixMilli()), Member: "pulse:queues:shop"})
	r := New(server.Client, "redis", manyKeys)
	r.walk.clock = ticks(firstCalls)
	var builder view.Builder
	for i, want := range []string{"still looking for keys that others wrote: about 40 % of this Redis' keys have been looked at", ""} {
		now := noon.Add(time.Duration(i) * time.Hour)
		docs, err := readAll(t.Context(), r, now)
		for r.walk.nodes[server.Addr].lastWalk == 0 && i > 0 && err == nil {
			now = now.Add(usualGap)
			docs, err = readAll(t.Context(), r, now)
		}
		if err != nil {
			t.Fatal(err)
		}
		v := builder.Build(now, docs)
		said := ""
		for _, p := range v.Problems {
			if p.Key == scanKey {
				said = p.Reason
			}
		}
		if said != want || len(v.Apps) != 1 {
			t.Errorf("the view says %q, and has the apps %v", said, v.Apps)
		}
	}
}

func TestAReadingThatComesSoonerTakesLessOfRedis(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	others(t, server.Client, 200_000)
	r := New(server.Client, "redis", manyKeys)
	r.walk.clock = ticks(firstCalls)
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, firstCalls}, {usualGap / 2, firstCalls / 2}, {usualGap, firstCalls / 2}, {usualGap, 0}, {time.Hour, firstCalls}} {
		before := calls(t, server.Client)["scan"]
		read(t, r, noon.Add(step.after))
		if n := calls(t, server.Client)["scan"] - before; n != step.want {
			t.Errorf("after %v: %d SCANs, not %d", step.after, n, step.want)
		}
	}
}

func TestARedisThatRefusesSCANIsLeftAlone(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	if err := server.Client.Do(t.Context(), "ACL", "SETUSER", "reader", "reset", "on", "nopass", "~pulse:*", "+zrevrangebyscore", "+getrange", "+hgetall").Err(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, DisableIdentity: true, Username: "reader", Password: "any"})
	defer client.Close()
	r := New(client, "redis", manyKeys)
	for i := range 10 {
		if docs := read(t, r, noon.Add(time.Duration(i)*usualGap)); len(docs) > 0 {
			t.Errorf("%v", docs)
		}
	}
	log, err := server.Client.ACLLog(t.Context(), 100).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range log {
		if e.Object == "scan" && e.Count != 1 {
			t.Errorf("SCAN was tried %d times", e.Count)
		}
	}
}

func TestAWalkOfAnUnevenClusterEnds(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	const script = `for i = ARGV[1], ARGV[2] do redis.call('SET', KEYS[1] .. i, 'x') end return 1`
	// Two masters, six readings and four: the walk of the smaller one must not begin anew, at the first walk's
	// pace, as soon as it has ended.
	const large, small = 110_000, 70_000
	for tag, n := range map[string]int{"{a}": large, "{b}": small} {
		for i := 0; i < n; i += 10_000 {
			if err := c.Eval(t.Context(), script, []string{tag}, i, i+9_999).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.Set(t.Context(), "pulse:queues:shop", text, 0)
	r := New(c, "redis cluster", manyKeys)
	r.walk.clock = ticks(firstCalls)
	readings := 0
	for looking := true; looking && readings < 20; readings++ {
		_, looking = read(t, r, noon.Add(time.Duration(readings)*usualGap))[scanKey]
	}
	if most := large/(firstCalls*scanCount) + 2; readings > most {
		t.Errorf("the walk takes %d readings, not %d", readings, most)
	}
	if got := keys(read(t, r, noon)); len(got) != 1 {
		t.Errorf("found %v", got)
	}
}

func TestAReaderThatMayNotWriteRemembersByItself(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx := t.Context()
	// docs/acl.md has the user that may only read; here, a replica.
	server.Client.Set(ctx, "pulse:queues:shop", text, 0)
	if err := server.Client.Do(ctx, "ACL", "SETUSER", "reader", "reset", "on", "nopass", "~pulse:*", "+zrevrangebyscore", "+getrange", "+hgetall", "+scan").Err(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, DisableIdentity: true, Username: "reader", Password: "any"})
	defer client.Close()
	r := New(client, "redis", manyKeys)
	for i := range 4 { // the walk rests from the second on
		if got := keys(read(t, r, noon.Add(time.Duration(i)*5*time.Second))); len(got) != 1 {
			t.Errorf("reading %d found %v", i, got)
		}
	}
	server.Client.Del(ctx, "pulse:queues:shop")
	d, ok := read(t, r, noon.Add(time.Hour))["pulse:queues:shop"]
	if !ok || d.Data != nil || noon.Add(15*time.Second).UnixMilli()-d.SeenAt > 15_000 {
		t.Errorf("gone, it is %+v", d)
	}
}

// TestWhileWritesArePausedAllIsRead, and one thing is said: that others do not learn what this reader found.
func TestWhileWritesArePausedAllIsRead(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx := t.Context()
	server.Client.Set(ctx, "pulse:queues:shop", text, 0)
	if err := server.Client.Do(ctx, "CLIENT", "PAUSE", "600000", "WRITE").Err(); err != nil {
		t.Fatal(err)
	}
	// Without a limit of its own: a reading whose writes have none would not end.
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, DisableIdentity: true, ReadTimeout: -1, ContextTimeoutEnabled: true})
	t.Cleanup(func() { client.Close() })
	r := New(client, "redis", manyKeys)
	for i := range 2 {
		docs := read(t, r, noon.Add(time.Duration(i)*time.Second))
		if d := docs["pulse:queues:shop"]; d.Err != nil || string(d.Data) != text {
			t.Errorf("reading %d: the document is %q, %v", i, d.Data, d.Err)
		}
		if d := docs[protocol.IndexKey]; d.Err == nil || d.Err.Error() != notTaken || len(docs) != 2 {
			t.Errorf("reading %d: documents are %v", i, docs)
		}
	}
	hungAt := r.hungAt
	if read(t, r, noon.Add(2*time.Second)); r.hungAt != hungAt {
		t.Error("it has tried again at once")
	}
	if err := server.Client.Do(ctx, "CLIENT", "UNPAUSE").Err(); err != nil {
		t.Fatal(err)
	}
	r.hungAt = hungAt.Add(-notAgainFor) // instead of waiting
	if docs := read(t, r, noon.Add(3*time.Second)); len(docs) != 1 {
		t.Errorf("when writes go on, documents are %v", docs)
	}
	if at := server.Client.ZScore(ctx, protocol.IndexKey, "pulse:queues:shop").Val(); at != float64(noon.Add(3*time.Second).UnixMilli()) {
		t.Errorf("when writes go on, the index has %v", at)
	}
	if n := server.Client.HLen(ctx, scanKey).Val(); n != 1 {
		t.Errorf("how far the walk has come is there for %d nodes", n)
	}
}

func TestLargeValuesAreReadWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx := t.Context()
	for size, want := range map[int]bool{1: true, usualSize - 1: true, usualSize: true, usualSize + 1: true, maxSize: true, maxSize + 1: false, 20 << 20: false} {
		server.Client.FlushAll(ctx)
		value := strings.Repeat("x", size-1) + "."
		server.Client.Set(ctx, "pulse:queues:large", value, 0)
		server.Client.Set(ctx, "pulse:queues:shop", text, 0)
		docs := read(t, New(server.Client, "redis", manyKeys), noon)
		d := docs["pulse:queues:large"]
		switch {
		case want && (string(d.Data) != value || d.Err != nil):
			t.Errorf("%d bytes: %d are read, %v", size, len(d.Data), d.Err)
		case !want && (d.Data != nil || d.Err == nil || d.Err.Error() != "it is not read: its value is larger than 8 MiB"):
			t.Errorf("%d bytes: %d are read, %v", size, len(d.Data), d.Err)
		}
		if string(docs["pulse:queues:shop"].Data) != text {
			t.Errorf("%d bytes: its neighbour is %q", size, docs["pulse:queues:shop"].Data)
		}
	}
}

func TestALargeValueIsReadOnceAndNeverTorn(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx := t.Context()
	r := New(connect(t, server.Addr), "redis", manyKeys)
	for i, step := range []struct{ size, reads int }{
		{usualSize, 1}, {usualSize, 1}, {4 * usualSize, 1}, {maxSize, 1}, {maxSize + 1, 1}, {maxSize + 1, 0}, {10, 1}, {10, 1}, {0, 1}, {0, 0}, {usualSize, 1},
	} {
		value := strings.Repeat("x", step.size)
		server.Client.Set(ctx, "pulse:queues:large", value, 0)
		server.Client.ZAdd(ctx, protocol.IndexKey, redis.Z{Score: float64(noon.UnixMilli()), Member: "pulse:queues:large"})
		before := calls(t, server.Client)["getrange"]
		d := read(t, r, noon)["pulse:queues:large"]
		if n := calls(t, server.Client)["getrange"] - before; n != step.reads {
			t.Errorf("reading %d, of %d bytes: it is read %d times", i, step.size, n)
		}
		if step.size <= maxSize && string(d.Data) != value || step.size > maxSize && d.Err == nil {
			t.Errorf("reading %d, of %d bytes: %d are read, %v", i, step.size, len(d.Data), d.Err)
		}
	}
}

func TestAllValuesTogetherAreBounded(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ n, size int }{
		"large ones": {8, maxSize},
		"many":       {2000, usualSize - 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := servertest.Redis(t)
			value := strings.Repeat("x", tc.size)
			for i := range tc.n {
				server.Client.Set(t.Context(), fmt.Sprintf("pulse:queues:large%04d", i), value, 0)
			}
			server.Client.Set(t.Context(), "pulse:queues:a", text, 0)
			r := New(server.Client, "redis", manyKeys)
			first := read(t, r, noon)
			total, refused := 0, 0
			for key, d := range first {
				switch {
				case key == "pulse:queues:a" && string(d.Data) == text:
				case string(d.Data) == value && d.Err == nil:
					total += len(d.Data)
				case d.Data == nil && d.Err != nil && errors.Is(d.Err, errTooMuch):
					refused++
				default:
					t.Errorf("%s: %d bytes, %v", key, len(d.Data), d.Err)
				}
			}
			if total < maxTotal-maxSize || total > maxTotal || refused == 0 || len(first) != tc.n+1 {
				t.Errorf("%d bytes of %d keys are read, %d keys are refused", total, len(first), refused)
			}
			for key, d := range read(t, r, noon.Add(time.Second)) {
				if (d.Err == nil) != (first[key].Err == nil) {
					t.Errorf("%s is read now and then: %v", key, d.Err)
				}
			}
		})
	}
}

// longAnswers makes a server of a client's that answers HMGET with more values than it was asked for.
type longAnswers struct{}

func (longAnswers) DialHook(next redis.DialHook) redis.DialHook { return next }

func (longAnswers) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if values, ok := cmd.(*redis.SliceCmd); ok {
			values.SetVal(append(values.Val(), "1 2 3", "4 5 6"))
		}
		return err
	}
}

func (longAnswers) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestAServerThatAnswersTooMuchIsNoDefect(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	server.Client.Set(t.Context(), "pulse:queues:shop", text, 0)
	client := connect(t, server.Addr)
	client.AddHook(longAnswers{})
	if docs := read(t, New(client, "redis", manyKeys), noon); docs["pulse:queues:shop"].Data == nil {
		t.Errorf("documents are %v", docs)
	}
}

func TestAKeyThatHoldsNothingIsNotLost(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	server.Client.Set(t.Context(), "pulse:queues:empty", "", 0)
	if docs := read(t, New(server.Client, "redis", manyKeys), noon); len(docs) > 0 {
		t.Errorf("documents are %v", docs)
	}
}

// Where all reporters are foreign no other program trims it.
// TestWhatSomebodyRemovesFromTheIndexLeaves, where it is gone; what lives stays, and so does all if the index itself is
// deleted.
func TestWhatSomebodyRemovesFromTheIndexLeaves(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(*redis.Client){
		"one key": func(c *redis.Client) {
			c.ZRem(context.Background(), protocol.IndexKey, "pulse:queues:gone", "pulse:queues:lives")
		},
		"all": func(c *redis.Client) { c.Del(context.Background(), protocol.IndexKey) },
	} {
		server := servertest.Redis(t)
		ctx := t.Context()
		r := New(server.Client, "redis", manyKeys)
		at := noon
		expect := func(when string, want ...string) {
			t.Helper()
			at = at.Add(time.Second)
			if diff := cmp.Diff(want, keys(read(t, r, at))); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, when, diff)
			}
		}
		all := []string{"pulse:queues:gone", "pulse:queues:lives", "pulse:queues:shop"}
		for _, key := range all {
			server.Client.Set(ctx, key, text, 0)
		}
		expect("at first", all...)
		server.Client.Del(ctx, "pulse:queues:gone")
		expect("one is gone", all...)
		expect("one has been gone", all...)
		remove(server.Client)
		left := all
		if name == "one key" {
			left = all[1:]
		}
		expect("removed", left...)
		at = at.Add(noteEvery)
		expect("what lives is noted again", left...)
		expect("and then", left...)
	}
}

// TestAFullIndexSaysWhatIsLeftOut, and only where something is: the walk finds keys, and a reader remembers them.
func TestAFullIndexSaysWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx := t.Context()
	for i := range 5 {
		key := fmt.Sprint("pulse:queues:shop-", i)
		server.Client.Set(ctx, key, text, 0)
		server.Client.ZAdd(ctx, protocol.IndexKey, redis.Z{Score: float64(noon.Add(time.Duration(i-5) * time.Minute).UnixMilli()), Member: key})
	}
	r := New(server.Client, "redis", 4)
	for i, when := range []string{"while all live", "when the oldest has gone"} {
		docs := read(t, r, noon.Add(time.Duration(i)*time.Second))
		if len(docs) != 5 || docs[protocol.IndexKey].Err != nil {
			t.Errorf("%s there are %d of 5, and it says %v", when, len(docs), docs[protocol.IndexKey].Err)
		}
		server.Client.Del(ctx, "pulse:queues:shop-0")
	}
	docs := read(t, New(server.Client, "redis", 4), noon)
	at := noon.UTC().Format("15:04:05 UTC") // the first reader has noted all of them then
	want := "it holds more than 4 keys: of what was seen before " + at + " not all is shown"
	if err := docs[protocol.IndexKey].Err; len(docs) != 5 || err == nil || err.Error() != want {
		t.Errorf("another reader has %d, and says %v, want %s", len(docs), err, want)
	}
}

func TestTheIndexIsTrimmedByItsReaderToo(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx := t.Context()
	r := New(server.Client, "redis", manyKeys)
	for day := range 5 {
		now := noon.Add(time.Duration(day) * 48 * time.Hour)
		key := fmt.Sprintf("pulse:queues:shop%d", day)
		server.Client.Set(ctx, key, text, 0)
		read(t, r, now)
		server.Client.Del(ctx, key)
	}
	if n := server.Client.ZCard(ctx, protocol.IndexKey).Val(); n != 1 {
		t.Errorf("after 10 days it has %d members", n)
	}
}

func TestAKeyOfAnotherTypeDoesNotHideItsNeighbours(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx := t.Context()
	server.Client.RPush(ctx, "pulse:queues:list", "x")
	server.Client.HSet(ctx, "pulse:server:shop:hash", "x", "y")
	server.Client.Set(ctx, "pulse:queues:shop", text, 0)
	server.Client.Set(ctx, "pulse:queues:empty", "", 0)
	docs := read(t, New(server.Client, "redis", manyKeys), noon)
	for _, key := range []string{"pulse:queues:list", "pulse:server:shop:hash"} {
		if d := docs[key]; d.Data != nil || d.Err == nil || !strings.HasPrefix(d.Err.Error(), "it cannot be read: WRONGTYPE") {
			t.Errorf("%s: %q, %v", key, d.Data, d.Err)
		}
	}
	if d := docs["pulse:queues:shop"]; string(d.Data) != text || d.Err != nil {
		t.Errorf("the good one is %q, %v", d.Data, d.Err)
	}
}

func TestRubbishInTheIndexPlaceMakesAllStrangers(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	server.Client.Set(t.Context(), protocol.IndexKey, "rubbish", 0)
	server.Client.Set(t.Context(), "pulse:queues:shop", text, 0)
	r := New(server.Client, "redis", manyKeys)
	for i := range 3 {
		docs := read(t, r, noon.Add(time.Duration(i)*time.Second))
		if diff := cmp.Diff([]string{protocol.IndexKey, "pulse:queues:shop"}, keys(docs)); diff != "" {
			t.Errorf("reading %d found (-want +got):\n%s", i, diff)
		}
		if err := docs[protocol.IndexKey].Err; err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
			t.Errorf("reading %d says %v of the index", i, err)
		}
	}
}

func TestARedisThatCannotBeAskedIsAnErrorAndNoEmptyView(t *testing.T) {
	t.Parallel()
	server, down := servertest.Redis(t), servertest.Redis(t)
	down.Stop()
	server.Client.Do(t.Context(), "ACL", "SETUSER", "nobody", "on", "nopass")
	for want, o := range map[string]*redis.Options{
		"WRONGPASS":          {Addr: server.Addr, Username: "ada", Password: "sesame"},
		"NOPERM":             {Addr: server.Addr, Username: "nobody", Password: "x"},
		"connection refused": {Addr: down.Addr, DialerRetries: 1, MaxRetries: -1},
	} {
		o.Protocol, o.DisableIdentity = 2, true
		client := redis.NewClient(o)
		docs, err := readAll(t.Context(), New(client, "redis "+o.Addr, manyKeys), noon)
		client.Close()
		if err == nil || docs != nil || !strings.HasPrefix(err.Error(), "read from redis "+o.Addr+": ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v, %v", want, docs, err)
		}
	}
}

// TestTimeForTheDocumentsIsNotRedis: on a fraction of a processor to read the JSON takes longer than Redis may take.
func TestTimeForTheDocumentsIsNotRedis(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	const documents = 2*batch + 1
	for i := range documents {
		server.Client.Set(t.Context(), fmt.Sprint("pulse:queues:shop:s", i), text, 0)
	}
	r := New(server.Client, "redis", manyKeys)
	r.limit = 2 * time.Second
	added := 0
	if _, err := r.Read(t.Context(), time.Now(), func(view.Document) bool {
		if added++; added%batch == 0 {
			time.Sleep(r.limit)
		}
		return true
	}); err != nil || added != documents {
		t.Errorf("%d documents of %d were read, %v", added, documents, err)
	}
}

// delay holds each answer of a Redis back.
type delay struct{ by time.Duration }

func (delay) DialHook(next redis.DialHook) redis.DialHook { return next }

func (d delay) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		time.Sleep(d.by)
		return next(ctx, cmd)
	}
}

func (d delay) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		time.Sleep(d.by)
		return next(ctx, cmds)
	}
}

// TestAllAnswersTogetherAreWaitedForSoLong: each comes in time, and all together do not.
func TestAllAnswersTogetherAreWaitedForSoLong(t *testing.T) {
	t.Parallel()
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: servertest.Cluster(t), Protocol: 2, DisableIdentity: true})
	defer cluster.Close()
	for name, client := range map[string]redis.UniversalClient{"single": servertest.Redis(t).Client, "cluster": cluster} {
		client.Set(t.Context(), "pulse:queues:shop", text, 0)
		r := New(client, "redis", manyKeys)
		if docs, err := readAll(t.Context(), r, noon); err != nil || len(docs) != 1 {
			t.Fatalf("%s: %v, %v", name, docs, err)
		}
		r.limit = 150 * time.Millisecond
		client.AddHook(delay{100 * time.Millisecond})
		if docs, err := readAll(t.Context(), r, noon); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, %v", name, docs, err)
		}
	}
}

// TestADeadNodeHidesOnlyWhatIsThere: of three masters one dies, and has no replica.
func TestADeadNodeHidesOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	nodes := servertest.ClusterNodes(t, 0, "--cluster-require-full-coverage", "no")
	byAddr := map[string]*servertest.RedisServer{}
	var addrs []string
	for _, node := range nodes {
		byAddr[node.Addr], addrs = node, append(addrs, node.Addr)
	}
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, Protocol: 2, DisableIdentity: true, ClusterStateReloadInterval: time.Second})
	defer c.Close()
	at := map[string][]string{} // keys by their node
	for i := range 30 {
		key := fmt.Sprintf("pulse:queues:shop-%d", i)
		node, err := c.MasterForKey(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Set(ctx, key, "{}", 0).Err(); err != nil {
			t.Fatal(err)
		}
		at[node.Options().Addr] = append(at[node.Options().Addr], key)
	}
	index, err := c.MasterForKey(ctx, protocol.IndexKey)
	if err != nil {
		t.Fatal(err)
	}
	r := New(c, "redis cluster", manyKeys)
	if _, err := readAll(ctx, r, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, hasIndex := range []bool{false, true} {
		var dead string
		for addr := range at {
			if (addr == index.Options().Addr) == hasIndex {
				dead = addr
			}
		}
		byAddr[dead].Stop()
		servertest.Eventually(t, "what the living nodes have", func() bool {
			docs, err := readAll(ctx, r, time.Now())
			if err != nil {
				return false
			}
			read, refused, said := map[string]bool{}, map[string]bool{}, ""
			for _, d := range docs {
				read[d.Key] = d.Data != nil
				refused[d.Key] = d.Err != nil
				if d.Key == scanKey {
					said = d.Err.Error()
				}
			}
			for addr, keys := range at {
				for _, key := range keys {
					if read[key] != (addr != dead) || refused[key] != (addr == dead) {
						return false
					}
				}
			}
			return strings.Contains(said, "a node of the cluster cannot be reached") && strings.Contains(said, dead)
		})
		byAddr[dead].Start()
		servertest.Eventually(t, "the node in the cluster again", func() bool {
			info, err := byAddr[dead].Client.ClusterInfo(ctx).Result()
			for _, key := range at[dead] {
				err = errors.Join(err, c.Set(ctx, key, "{}", 0).Err())
			}
			return err == nil && strings.Contains(info, "cluster_state:ok")
		})
	}
	for _, node := range nodes {
		node.Stop()
	}
	if _, err := readAll(ctx, r, time.Now()); err == nil {
		t.Error("all nodes are dead, and that is no error")
	}
}

// TestRubbishThatWasDeletedIsForgotten, and a key that was ever good is missed.
func TestRubbishThatWasDeletedIsForgotten(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx := t.Context()
	set := func(key, value string) {
		if err := server.Client.Set(ctx, key, value, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("pulse:queues:rubbish", "rubbish")
	set("pulse:queues:broken", text)
	if err := server.Client.RPush(ctx, "pulse:queues:list", "x").Err(); err != nil {
		t.Fatal(err)
	}
	r := New(server.Client, "redis", manyKeys)
	seen := func() (keys []string) {
		t.Helper()
		_, err := r.Read(ctx, time.Now(), func(d view.Document) bool {
			keys = append(keys, d.Key)
			return string(d.Data) == text
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(keys)
		return keys
	}
	all := []string{"pulse:queues:broken", "pulse:queues:list", "pulse:queues:rubbish"}
	if diff := cmp.Diff(all, seen()); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	set("pulse:queues:broken", "rubbish")
	if diff := cmp.Diff(all, seen()); diff != "" {
		t.Errorf("one that was good, -want +got:\n%s", diff)
	}
	server.Client.Del(ctx, all...)
	for range 2 {
		if diff := cmp.Diff([]string{"pulse:queues:broken"}, seen()); diff != "" {
			t.Errorf("deleted, -want +got:\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{"pulse:queues:broken"}, server.Client.ZRange(ctx, protocol.IndexKey, 0, -1).Val()); diff != "" {
		t.Errorf("the index, -want +got:\n%s", diff)
	}
}
