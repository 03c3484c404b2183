package laravel_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	source "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/laravel"
	"github.com/gravito-framework/pulse/protocol"
)

// php is a command of PHP with Debian's Laravel.
func php(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("php")
	if err == nil {
		err = exec.Command(path, "-r", `require "/usr/share/php/Illuminate/autoload.php"; exit(extension_loaded("redis") && extension_loaded("pdo_sqlite") ? 0 : 1);`).Run()
	}
	if err != nil {
		servertest.Missing(t, "PHP with Laravel is not installed: apt-get install php-cli php-redis php-laravel-framework php-sqlite3")
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	return cmd
}

// expected is what the script says of a queue that it has made.
type expected struct {
	Name                              string
	Waiting, Active, Delayed, Stalled int64
	Oldest                            *int64
	Size                              int64 // the library's own: the first three together
}

// display is the queue's name as it is reported.
func (e expected) display() string {
	if inner, ok := strings.CutPrefix(e.Name, "{"); ok {
		return strings.TrimSuffix(inner, "}")
	}
	return e.Name
}

// seed makes queues with the library itself.
func seed(t *testing.T, server *servertest.RedisServer, prefix string) []expected {
	t.Helper()
	out, err := php(t, "testdata/php", "seed.php", server.Port(), prefix).CombinedOutput()
	if err != nil {
		t.Fatalf("seed.php: %v\n%s", err, out)
	}
	var want []expected
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatalf("seed.php printed %q: %v", out, err)
	}
	return want
}

func poller(t *testing.T, client redis.UniversalClient, settings adapter.Settings) *poll.Poller {
	t.Helper()
	settings["app"] = "shop"
	session, err := laravel.Adapter{}.Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	return &poll.Poller{Adapter: laravel.Adapter{}.Describe(), Session: session, Source: source.New(client, "the test's redis")}
}

// quoted is a prefix as the setting takes any.
func quoted(prefix string) string { return `"` + prefix + `"` }

// escape makes a name a pattern that is only that name.
func escape(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

func TestCountsAreTheLibrarysOwn(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{
		"laravel_database_", "laravel-database-", "", "{laravel}:", "app[1]*?", "queues:", `a\b`, "queues:queues:{x}",
	} {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			server := servertest.Redis(t)
			want := seed(t, server, prefix)
			if prefix != "" { // another app's keys in the same Redis are none of ours
				server.Client.RPush(t.Context(), "other_database_queues:stranger", "{}")
			}
			var names []string
			for _, w := range want {
				names = append(names, escape(w.Name))
			}
			before := server.Digest()
			for _, queues := range []string{"*", strings.Join(names, ",")} {
				p := poller(t, server.Client, adapter.Settings{laravel.SettingQueues: queues, laravel.SettingPrefix: quoted(prefix)})
				for range 2 { // the second time from what the session remembers
					got, err := p.Poll(context.Background(), time.Now())
					if err != nil {
						t.Fatal(err)
					}
					check(t, got, want, queues == "*")
				}
			}
			if diff := cmp.Diff(before, server.Digest()); diff != "" {
				t.Errorf("a poll changed the Redis that it reads (-before +after):\n%s", diff)
			}
		})
	}
}

func check(t *testing.T, got *protocol.QueueSnapshot, want []expected, discovered bool) {
	t.Helper()
	found := map[string]protocol.Queue{}
	for _, q := range got.Queues {
		found[q.Name] = q
	}
	for _, p := range got.Problems {
		t.Errorf("problem: %v", p)
	}
	for _, w := range want {
		if w.Waiting+w.Active+w.Delayed != w.Size {
			t.Errorf("queue %q: the script says %+v, the library %d", w.Name, w, w.Size)
		}
		q, ok := found[w.display()]
		delete(found, w.display())
		if !ok {
			if !discovered || w.Size > 0 {
				t.Errorf("queue %q was not found", w.Name)
			}
			continue
		}
		metrics := protocol.Metrics{Waiting: w.Waiting, Active: &w.Active, Delayed: &w.Delayed}
		if diff := cmp.Diff(metrics, q.Metrics); diff != "" {
			t.Errorf("queue %q (-want +got):\n%s", w.Name, diff)
		}
		meta := map[string]any{"reserved": float64(w.Active), "stalled": float64(w.Stalled)}
		if w.Oldest != nil {
			meta["oldest_at"] = float64(*w.Oldest)
		}
		var have map[string]any
		if err := json.Unmarshal(q.Meta.AppendJSON(nil), &have); err != nil {
			t.Fatal(err)
		}
		if w.Size == 0 && have["error"] != nil {
			delete(have, "error") // it may be empty or not exist: Redis has no key for either
		}
		if diff := cmp.Diff(meta, have); diff != "" {
			t.Errorf("meta of queue %q (-want +got):\n%s", w.Name, diff)
		}
	}
	for name := range found {
		t.Errorf("queue %q was found, but the test made none", name)
	}
}

// app is the small application of testdata, in a folder of its own.
type app struct {
	t   *testing.T
	dir string
	env []string
}

func newApp(t *testing.T, server *servertest.RedisServer) app {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/app")); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"bootstrap/cache", "storage/framework", "storage/logs"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "database", "database.sqlite"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := app{t, dir, []string{"REDIS_PORT=" + server.Port(), "PATH=" + os.Getenv("PATH"), "HOME=" + dir}}
	a.artisan("migrate", "--force")
	return a
}

// artisan runs a command of the application.
func (a app) artisan(args ...string) string {
	a.t.Helper()
	cmd := php(a.t, a.dir, append([]string{"artisan"}, args...)...)
	cmd.Env = a.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		a.t.Fatalf("artisan %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// A day in the life of an application: after each command the counts are what it has made of them.
func TestApplication(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	a := newApp(t, server)
	p := poller(t, server.Client, adapter.Settings{laravel.SettingQueues: "*,default"})
	now := time.Now()
	for _, step := range []struct {
		artisan string
		want    []string // name, waiting, active, delayed, failed
	}{
		{"shop:mail default 3", []string{"default 3 0 0"}},
		{"shop:mail low 2 --delay=600", []string{"default 3 0 0", "low 0 0 2"}},
		{"queue:work --once", []string{"default 2 0 0", "low 0 0 2"}},
		{"shop:mail high --fail", []string{"default 2 0 0", "high 1 0 0", "low 0 0 2"}},
		// It has a second try: back it goes, as a delayed job that is due.
		{"queue:work --once --queue=high,default --tries=2", []string{"default 2 0 0", "high 0 0 1", "low 0 0 2"}},
		// Then it has failed, which plain Laravel notes in the app's database alone.
		{"queue:work --once --queue=high,default --tries=2", []string{"default 2 0 0", "high 0 0 0", "low 0 0 2"}},
		{"queue:work --stop-when-empty --queue=high,default,low", []string{"default 0 0 0", "high 0 0 0", "low 0 0 2"}},
		{"queue:clear redis --queue=low --force", []string{"default 0 0 0", "high 0 0 0", "low 0 0 0"}},
		{"queue:retry all", []string{"default 0 0 0", "high 1 0 0", "low 0 0 0"}},
	} {
		a.artisan(strings.Fields(step.artisan)...)
		before := server.Digest()
		// Discovery rests for 30 s after a walk.
		now = now.Add(31 * time.Second)
		got, err := p.Poll(context.Background(), now)
		if err != nil {
			t.Fatal(err)
		}
		have := []string{}
		for _, q := range got.Queues {
			m := q.Metrics
			have = append(have, fmt.Sprintf("%s %d %d %d", q.Name, m.Waiting, *m.Active, *m.Delayed))
			if m.Failed != nil || q.Meta.Has("workers") {
				t.Errorf("after %s: there is no Horizon, but %s has failed or workers", step.artisan, q.Name)
			}
		}
		if diff := cmp.Diff(step.want, have); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", step.artisan, diff)
		}
		if diff := cmp.Diff(before, server.Digest()); diff != "" {
			t.Errorf("a poll changed the Redis that it reads (-before +after):\n%s", diff)
		}
	}
	if size := strings.TrimSpace(a.artisan("shop:size", "high")); size != "1" {
		t.Errorf("the library's size of high is %s", size)
	}
}

// Every command that the adapter describes is asked here of a real Redis, and none changes it. Horizon
// is not in Debian: its keys are written as they were read off a real one.
func TestEveryCommandIsPassive(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	want := seed(t, server, "laravel_database_")
	now := time.Now()
	h := func(command ...any) {
		t.Helper()
		command[1] = "laravel_horizon:" + command[1].(string)
		if err := server.Client.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	h("ZADD", "masters", now.Unix(), "web-1-Ab3x")
	h("ZADD", "supervisors", now.Unix(), "web-1-Ab3x:supervisor-1", now.Unix()-60, "dead")
	h("HSET", "supervisor:web-1-Ab3x:supervisor-1", "status", "running", "processes", `{"redis:default":1,"redis:popped,stalled":2}`)
	h("ZADD", "failed_jobs", "-1795645478.9537", "a", "-1795645400.1", "b", "-1795645300", "c")
	h("ZADD", "recent_failed_jobs", "-1795645478.9537", "a")
	h("HSET", "a", "queue", "default", "status", "failed", "exception", "RuntimeException: …")
	h("HSET", "b", "queue", "default")
	h("HSET", "c", "queue", "{clustered}")
	h("SADD", "measured_queues", "queue:default")
	h("HSET", "queue:default", "throughput", "3", "runtime", "1.6933")
	h("ZADD", "snapshot:queue:default", now.Unix(), `{"throughput":"3","runtime":"1.69333","wait":0,"time":1795645478}`)
	h("SET", "last_snapshot_at", now.Unix())
	before := server.Digest()
	asked := map[string]bool{}
	for _, queues := range []string{"*", "default,popped,stalled,clustered,only-delayed"} {
		p := poller(t, server.Client, adapter.Settings{laravel.SettingQueues: queues})
		p.Source = recorder{p.Source, asked}
		for range 2 {
			got, err := p.Poll(context.Background(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			byName := map[string]protocol.Queue{}
			for _, q := range got.Queues {
				byName[q.Name] = q
			}
			for name, n := range map[string]struct{ failed, workers int64 }{"default": {2, 1}, "popped": {0, 2}, "stalled": {0, 2}, "clustered": {1, 0}, "only-delayed": {0, 0}} {
				q := byName[name]
				if workers, ok := q.Meta.Int("workers"); q.Metrics.Failed == nil || *q.Metrics.Failed != n.failed || !ok || workers != n.workers {
					t.Errorf("%s: queue %s is %+v, meta %s; want %+v", queues, name, q.Metrics, q.Meta.AppendJSON(nil), n)
				}
			}
			for _, w := range want {
				if q, ok := byName[w.display()]; ok && q.Metrics.Waiting != w.Waiting {
					t.Errorf("%s: queue %s has %d waiting, want %d", queues, w.Name, q.Metrics.Waiting, w.Waiting)
				}
			}
			for _, problem := range got.Problems {
				t.Errorf("problem: %v", problem)
			}
		}
	}
	if diff := cmp.Diff(before, server.Digest()); diff != "" {
		t.Errorf("a poll changed the Redis that it reads (-before +after):\n%s", diff)
	}
	for _, command := range (laravel.Adapter{}).Describe().Commands {
		if !asked[command] {
			t.Errorf("%s is described, but was not asked", command)
		}
	}
}

// recorder notes the commands that pass through it.
type recorder struct {
	poll.Source
	asked map[string]bool
}

func (r recorder) Do(ctx context.Context, requests []adapter.Request) ([]adapter.Reply, error) {
	for _, request := range requests {
		r.asked[request[0]] = true
	}
	return r.Source.Do(ctx, requests)
}

// The user of the documentation's line may ask all that is asked, and no more.
func TestPermissionsSuffice(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	server.Client.RPush(t.Context(), "laravel_database_queues:mail", `{"createdAt":1764000000}`)
	server.Client.ZAdd(t.Context(), "laravel_database_queues:mail:reserved", redis.Z{Score: 1, Member: "{}"})
	server.Client.ZAdd(t.Context(), "laravel_horizon:supervisors", redis.Z{Score: float64(time.Now().Unix()), Member: "a"})
	server.Client.ZAdd(t.Context(), "laravel_horizon:failed_jobs", redis.Z{Score: -1.5, Member: "b"})
	commands := []any{"ACL", "SETUSER", "pulse", "reset", "on", ">secret", "~laravel_database_queues:*", "~laravel_horizon:*"}
	for _, command := range (laravel.Adapter{}).Describe().Commands {
		commands = append(commands, "+"+strings.ToLower(command))
	}
	if err := server.Client.Do(t.Context(), commands...).Err(); err != nil {
		t.Fatal(err)
	}
	options := *server.Client.Options()
	options.Username, options.Password = "pulse", "secret"
	client := redis.NewClient(&options)
	defer client.Close()
	p := poller(t, client, adapter.Settings{laravel.SettingQueues: "*,named"})
	got, err := p.Poll(context.Background(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, q := range got.Queues {
		have = append(have, q.Name)
	}
	if diff := cmp.Diff([]string{"mail", "named"}, have); diff != "" || len(got.Problems) > 0 {
		t.Errorf("problems %v, -want +got:\n%s", got.Problems, diff)
	}
}

// In a cluster a queue's keys are together because its name is in braces, the app's or Laravel's own.
func TestCluster(t *testing.T) {
	t.Parallel()
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: servertest.Cluster(t), Protocol: 2})
	defer client.Close()
	var want, names []string
	for i := range 12 { // on every node
		name := fmt.Sprintf("mail-%02d", i)
		key := "laravel_database_queues:{" + name + "}"
		for _, err := range []error{
			client.RPush(t.Context(), key, `{"id":"a"}`, `{"id":"b"}`).Err(),
			client.RPush(t.Context(), key+":notify", 1, 1).Err(),
			client.ZAdd(t.Context(), key+":delayed", redis.Z{Score: 2e9, Member: `{"id":"c"}`}).Err(),
			client.ZAdd(t.Context(), key+":reserved", redis.Z{Score: 1e9, Member: `{"id":"d"}`}).Err(),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		names = append(names, name)
		want = append(want, name+" 2 1 1 1")
	}
	for _, queues := range []string{"*", "mail-*", strings.Join(names, ","), "{" + strings.Join(names, "},{") + "}"} {
		p := poller(t, client, adapter.Settings{laravel.SettingQueues: queues})
		for range 2 {
			got, err := p.Poll(context.Background(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			have := []string{}
			for _, q := range got.Queues {
				stalled, _ := q.Meta.Int("stalled")
				have = append(have, fmt.Sprintf("%s %d %d %d %d", q.Name, q.Metrics.Waiting, *q.Metrics.Active, *q.Metrics.Delayed, stalled))
			}
			if diff := cmp.Diff(want, have); diff != "" || len(got.Problems) > 0 {
				t.Errorf("%s: problems %v, -want +got:\n%s", queues, got.Problems, diff)
			}
		}
	}
}
