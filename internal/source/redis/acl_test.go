package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/discover"
	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/publish"
	pulserecorder "github.com/gravito-framework/pulse/internal/recorder"
	"github.com/gravito-framework/pulse/internal/reporter"
	"github.com/gravito-framework/pulse/internal/servertest"
	source "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/internal/wiring"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
	"github.com/gravito-framework/pulse/probes/bullmq"
	"github.com/gravito-framework/pulse/probes/recorder"
	"github.com/gravito-framework/pulse/protocol"
)

// documented makes the users of docs/acl.md, word for word, and returns what connects as one.
func documented(t *testing.T, server *servertest.RedisServer) func(user string) *redis.Client {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(servertest.Root(), "docs", "acl.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(doc)) {
		if !strings.HasPrefix(line, "ACL SETUSER ") {
			continue
		}
		var args []any
		for word := range strings.FieldsSeq(line) {
			args = append(args, word)
		}
		if err := server.Client.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return func(user string) *redis.Client {
		client := redis.NewClient(&redis.Options{
			Addr: server.Addr, Protocol: 2, DisableIdentity: true, Username: "pulse-" + user, Password: user + "-password",
		})
		t.Cleanup(func() { client.Close() })
		return client
	}
}

// grantedTo are the commands that docs/acl.md grants a user.
func grantedTo(t *testing.T, user string) (commands []string) {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(servertest.Root(), "docs", "acl.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(doc), "ACL SETUSER pulse-"+user+" ")
	line, _, _ = strings.Cut(line, "\n")
	for word := range strings.FieldsSeq(line) {
		if command, is := strings.CutPrefix(word, "+"); is {
			commands = append(commands, command)
		}
	}
	return commands
}

// denials are the commands that Redis has refused its users, as "user command key".
func denials(t *testing.T, server *servertest.RedisServer) []string {
	t.Helper()
	entries, err := server.Client.ACLLog(t.Context(), 100).Result()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.Join([]string{e.Username, e.Reason, e.Object}, " "))
	}
	return out
}

// orders is a queue of BullMQ's, as it stands in Redis.
func orders(ctx context.Context, c *redis.Client) {
	c.RPush(ctx, "bull:orders:wait", "1", "2")
	c.HSet(ctx, "bull:orders:meta", "version", "bullmq:5.0.0", "opts.maxLenEvents", "10000", "max", "10", "duration", "1000")
	c.HSet(ctx, "bull:orders:1", "timestamp", "1764000000000")
	c.HSet(ctx, "bull:orders:2", "timestamp", "1764000000000")
	c.ZAdd(ctx, "bull:orders:failed", redis.Z{Score: 1764000000000, Member: "3"})
	c.Set(ctx, "bull:orders:limiter", "10", time.Minute)
	c.Set(ctx, "bull:orders:id", "3", 0)
}

func pollOrders(t *testing.T, client *redis.Client, queues string) *protocol.QueueSnapshot {
	t.Helper()
	session, err := bullmq.Adapter{}.Open(context.Background(), adapter.Settings{"app": "shop", bullmq.SettingQueues: queues})
	if err != nil {
		t.Fatal(err)
	}
	p := poll.Poller{Adapter: bullmq.Adapter{}.Describe(), Session: session, Source: source.New(client, "redis")}
	s, err := p.Poll(t.Context(), time.UnixMilli(1_764_000_000_000))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheDocumentedMonitorReadsAllOfBullMQAndNothingElse(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	orders(t.Context(), server.Client)
	monitor := documented(t, server)("monitor")
	before := server.Digest()
	for _, queues := range []string{"*", "orders"} {
		all, got := pollOrders(t, server.Client, queues), pollOrders(t, monitor, queues)
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("%s: -as the default user +as the monitor:\n%s", queues, diff)
		}
		if len(got.Queues) != 1 || got.Queues[0].Metrics.Waiting != 2 || !got.Queues[0].Meta.Bool("rate_limited") || !got.Queues[0].Meta.Has("workers") {
			t.Errorf("%+v", got)
		}
	}
	if d := denials(t, server); len(d) > 0 {
		t.Errorf("it was refused: %q", d)
	}
	if diff := cmp.Diff(before, server.Digest()); diff != "" {
		t.Errorf("a poll changed something:\n%s", diff)
	}
	for _, forbidden := range [][]any{{"SET", "bull:orders:id", "0"}, {"DEL", "bull:orders:wait"}, {"GET", "session:ada"}, {"CLIENT", "KILL", "ID", "1"}, {"KEYS", "*"}} {
		if err := monitor.Do(t.Context(), forbidden...).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
			t.Errorf("%v: %v", forbidden, err)
		}
	}
}

func TestWithoutClientListWorkersAreAbsent(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	orders(t.Context(), server.Client)
	monitor := documented(t, server)("monitor")
	if err := server.Client.Do(t.Context(), "ACL", "SETUSER", "pulse-monitor", "-client|list").Err(); err != nil {
		t.Fatal(err)
	}
	got := pollOrders(t, monitor, "*")
	if len(got.Queues) != 1 || got.Queues[0].Metrics.Waiting != 2 {
		t.Fatalf("%+v", got)
	}
	if w, ok := got.Queues[0].Meta.Int("workers"); ok {
		t.Errorf("workers is %v where the adapter could not count them", w)
	}
}

func TestNOPERMIsAReply(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	monitor := documented(t, server)("monitor")
	got, err := source.New(monitor, "redis").Do(t.Context(), []adapter.Request{{"LLEN", "bull:orders:wait"}, {"LLEN", "queues:orders"}, {"GET", "bull:x"}})
	if err != nil {
		t.Fatal(err)
	}
	if adaptertest.Value(got[0]) != int64(0) || got[1].Code() != "NOPERM" || !got[2].IsNothing() {
		t.Errorf("%v", got)
	}
}

func TestTheDocumentedUsersDoTheirWorkAndNoMore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := servertest.Redis(t)
	as := documented(t, server)
	now := time.Now()

	// The reporter: claim, publish, renew, publish.
	orders(ctx, server.Client)
	session, err := bullmq.Adapter{}.Open(context.Background(), adapter.Settings{"app": "shop", "source": "redis", bullmq.SettingQueues: "*"})
	if err != nil {
		t.Fatal(err)
	}
	r := &reporter.Reporter{
		App: "shop", Source: "redis", Interval: 10 * time.Second, Log: slog.New(slog.DiscardHandler),
		Store:   publish.New(as("reporter"), "redis", protocol.DefaultTTL),
		Pollers: []*poll.Poller{{Adapter: bullmq.Adapter{}.Describe(), Session: session, Source: source.New(as("monitor"), "redis")}},
	}
	once, cancel := context.WithTimeout(ctx, 5500*time.Millisecond) // less the reserve: half a second
	sum := r.Run(once, "request-1")
	cancel()
	if sum.Published != 1 || len(sum.Problems) > 0 {
		t.Errorf("the reporter: %+v", sum)
	}
	if ok, err := r.Store.Renew(ctx, "shop:redis", "request-1", 10*time.Second); !ok || err != nil {
		t.Errorf("the reporter's renewal: %v, %v", ok, err)
	}

	// The host.
	rec, err := recorder.New(recorder.Options{App: "shop", ID: "web-1", Redis: as("host")})
	if err != nil {
		t.Fatal(err)
	}
	h, err := rec.Heartbeat(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := publish.New(as("host"), "redis", protocol.DefaultTTL).Heartbeat(ctx, "web-1", h); err != nil {
		t.Errorf("the host: %v", err)
	}

	rec.Slow(recorder.Job, "send invoice", time.Minute, nil)
	alive, end := context.WithCancel(ctx)
	end() // it writes what waits, and ends
	rec.Run(alive)
	for _, user := range []string{"aggregator", "viewer", "reader"} {
		if n, err := as(user).XRevRangeN(ctx, protocol.SlowKey("shop"), "+", "-", 10).Result(); len(n) != 1 || err != nil {
			t.Errorf("%s reads the slow entries: %v, %v", user, n, err)
		}
	}

	// A stranger.
	const stranger = `{"timestamp":1764000000000,"app":"shop","queues":[]}`
	if err := as("foreign").Set(ctx, "pulse:queues:shop", stranger, 30*time.Second).Err(); err != nil {
		t.Errorf("a foreign reporter: %v", err)
	}

	want := []string{"pulse:queues:shop", "pulse:queues:shop:redis", "pulse:server:shop:web-1"}
	reader := discover.New(as("reader"), "redis", 1000)
	if diff := cmp.Diff(want, found(t, reader, now)); diff != "" {
		t.Errorf("a reader that may not write: -want +got:\n%s", diff)
	}
	if server.Client.ZScore(ctx, protocol.IndexKey, "pulse:queues:shop").Err() == nil {
		t.Error("a reader that may not write wrote into the index")
	}
	server.Client.ACLLogReset(ctx) // it tried, and was refused: so it should be

	aggregator := discover.New(as("viewer"), "redis", 1000)
	if diff := cmp.Diff(want, found(t, aggregator, now)); diff != "" {
		t.Errorf("the aggregator: -want +got:\n%s", diff)
	}
	if server.Client.ZScore(ctx, protocol.IndexKey, "pulse:queues:shop").Err() != nil {
		t.Error("the aggregator did not note the stranger in the index")
	}
	if n := server.Client.Exists(ctx, "pulse:scan").Val(); n != 1 {
		t.Error("the aggregator did not keep how far its walk has come")
	}
	for _, user := range []string{"aggregator", "viewer", "reader"} {
		if err := as(user).Ping(ctx).Err(); err != nil {
			t.Errorf("%s: %v", user, err)
		}
	}
	if d := denials(t, server); len(d) > 0 {
		t.Errorf("refused: %q", d)
	}
	if ok, err := r.Store.Snapshot(ctx, &protocol.QueueSnapshot{Timestamp: now.UnixMilli(), App: "bank"}); ok || err == nil {
		t.Errorf("the reporter of shop may publish as bank: %v, %v", ok, err)
	}
}

// TestTheDocumentedRecorderNeedsEachOfItsCommands: what it is granted is what it calls, and it is refused nothing.
func TestTheDocumentedRecorderNeedsEachOfItsCommands(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := servertest.Redis(t)
	as := documented(t, server)
	now := time.Now()
	report := func(app string, waiting int) {
		server.Client.Set(ctx, "pulse:queues:"+app, fmt.Sprintf(`{"timestamp":%d,"app":%q,"queues":[{"name":"mail","driver":"other","metrics":{"waiting":%d}}]}`, now.UnixMilli(), app, waiting), time.Minute)
	}
	report("shop", 2)
	report("bank", 2)
	// Of the shop there is history that is older than history lives, of the bank an entry of the future.
	before := now.Add(-2 * time.Hour).UnixMilli()
	entry, _ := history.NewEncoder(time.Hour, &history.Decoder{}).Encode(before, nil)
	server.Client.XAdd(ctx, &redis.XAddArgs{Stream: "pulse:history:shop", ID: history.EntryID(before), Values: []any{history.Field, entry}})
	server.Client.XAdd(ctx, &redis.XAddArgs{Stream: "pulse:history:bank", ID: history.EntryID(now.Add(time.Hour).UnixMilli()), Values: []any{history.Field, entry}})
	server.Client.ConfigResetStat(ctx)

	with := func(rules string) *pulserecorder.Recorder {
		s, err := config.NewRecorder(func(variable string) string {
			return map[string]string{
				"PULSE_REDIS_URL": "redis://pulse-recorder:recorder-password@" + server.Addr, "PULSE_HISTORY": "1h", "PULSE_ALERT_RULES": rules,
			}[variable]
		})
		if err != nil {
			t.Fatal(err)
		}
		return wiring.Recorder(ctx, s, slog.New(slog.DiscardHandler))
	}
	look := func(r *pulserecorder.Recorder) {
		t.Helper()
		if sum, err := r.Once(ctx, "request-1"); err != nil || sum.Apps == 0 {
			t.Fatalf("%+v, %v", sum, err)
		}
	}
	look(with("waiting>1 10m"))
	// A minute later nothing waits: the alerts are forgotten. What the test itself does here no recorder does.
	server.Client.HIncrBy(ctx, protocol.AlertsKey, "look", -time.Minute.Milliseconds())
	server.Client.Unlink(ctx, "pulse:history:shop")
	report("shop", 0)
	look(with("waiting>1 10m"))
	// A day after an app's last queue was lost it is no more in the view.
	names := []string{"bank", "shop"}
	later := &pulserecorder.Recorder{Store: pulserecorder.NewStore(as("recorder"), "redis", time.Hour), Log: slog.New(slog.DiscardHandler)}
	later.View = func(context.Context) (*view.View, error) {
		now = now.Add(time.Minute)
		v := &view.View{GeneratedAt: now.UnixMilli(), Apps: map[string]*view.App{}}
		for _, name := range names {
			v.Apps[name] = &view.App{}
		}
		return v, nil
	}
	look(later)
	names = names[1:]
	look(later)
	if ok, err := publish.New(as("recorder"), "redis", protocol.TrendTTL).Renew(ctx, "recorder", "request-1", time.Minute); !ok || err != nil {
		t.Errorf("its renewal: %v, %v", ok, err)
	}
	if ok, err := publish.New(as("recorder"), "redis", protocol.TrendTTL).Renew(ctx, "recorder", "request-2", time.Minute); ok || err != nil {
		t.Errorf("the renewal of another: %v, %v", ok, err)
	}
	refused := slices.DeleteFunc(denials(t, server), func(d string) bool {
		return strings.HasSuffix(d, " ping") // every program tries that, to find out whether it is a cluster
	})
	if len(refused) > 0 {
		t.Errorf("refused: %q", refused)
	}
	called := server.Client.Info(ctx, "commandstats").Val()
	granted := grantedTo(t, "recorder")
	for _, command := range granted {
		if !strings.Contains(called, "cmdstat_"+command+":") {
			t.Errorf("it is granted %s, which it never calls", command)
		}
	}
	if len(granted) == 0 {
		t.Error("docs/acl.md grants it nothing")
	}
}

// found are the keys of what a reader reads, all of which it must be able to.
func found(t *testing.T, r *discover.Reader, now time.Time) []string {
	t.Helper()
	var docs []view.Document
	_, err := r.Read(t.Context(), now, func(d view.Document) bool {
		docs = append(docs, d)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, d := range docs {
		if d.Err != nil || d.Data == nil {
			t.Errorf("%s: %v", d.Key, d.Err)
		}
		keys[d.Key] = true
	}
	var out []string
	for _, key := range []string{"pulse:queues:shop", "pulse:queues:shop:redis", "pulse:server:shop:web-1"} {
		if keys[key] {
			out = append(out, key)
		}
	}
	if len(keys) != len(out) {
		t.Errorf("found %v", keys)
	}
	return out
}

func TestTheDocumentedUsersWorkInACluster(t *testing.T) {
	t.Parallel()
	addrs := servertest.Cluster(t)
	for _, addr := range addrs {
		node := redis.NewClient(&redis.Options{Addr: addr})
		for _, user := range []string{"pulse-monitor", "pulse-aggregator"} {
			args := []any{
				"ACL", "SETUSER", user, "reset", "on", ">password", "~bull:*", "~pulse:*", "+llen", "+scan", "+client|list",
				"+zrevrangebyscore", "+getrange", "+hgetall", "+zadd", "+hset", "+expire",
			}
			args = append(args, clusterRights(t)...)
			if err := node.Do(t.Context(), args...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		node.Close()
	}
	one := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, Protocol: 2, DisableIdentity: true, Username: "pulse-monitor", Password: "password"})
	defer one.Close()
	got, err := source.New(one, "redis cluster").Do(t.Context(), []adapter.Request{{"LLEN", "bull:a"}, {"LLEN", "bull:b"}, {"LLEN", "bull:c"}, {"SCAN", "0"}, {"CLIENT", "LIST"}})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got {
		if r.Err() != nil {
			t.Errorf("request %d: %v", i, r.Err())
		}
	}
	if _, err := discover.New(one, "redis cluster", 1000).Read(t.Context(), time.Now(), func(view.Document) bool { return true }); err != nil {
		t.Error(err)
	}
}

// clusterRights are what docs/acl.md says that a cluster needs beside.
func clusterRights(t *testing.T) []any {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(servertest.Root(), "docs", "acl.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(doc), "Redis Cluster: `")
	text, _, ok2 := strings.Cut(text, "`")
	if !ok || !ok2 {
		t.Fatal("docs/acl.md doesn't say what a cluster needs")
	}
	var rights []any
	for r := range strings.FieldsSeq(text) {
		rights = append(rights, r)
	}
	return rights
}
