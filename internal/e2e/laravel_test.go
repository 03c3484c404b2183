//go:build unix

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
	"github.com/gravito-framework/pulse/protocol/schema"
)

// The Composer package, and what apt calls all that its tests run.
const (
	zenithLaravel = "probes/php/zenith-laravel"
	phpInstall    = "apt-get install php-cli php-redis php-predis php-laravel-framework php-sqlite3 phpunit php-codesniffer composer"
)

// laravelApp is the package's small application, in a folder of its own.
type laravelApp struct {
	t   testing.TB
	php string
	dir string
	env []string
}

// newLaravelApp makes one in which Laravel finds the package as Composer would have installed it, or
// without the package.
func newLaravelApp(t testing.TB, server *servertest.RedisServer, withPackage bool, env ...string) *laravelApp {
	t.Helper()
	php, err := exec.LookPath("php")
	if err == nil {
		err = exec.Command(php, "-r", `require "/usr/share/php/Illuminate/autoload.php"; exit(extension_loaded("redis") && extension_loaded("pdo_sqlite") ? 0 : 1);`).Run()
	}
	if err != nil {
		servertest.Missing(t, "PHP with Laravel is not installed: %s", phpInstall)
	}
	source := filepath.Join(servertest.Root(), zenithLaravel)
	a := &laravelApp{t: t, php: php, dir: t.TempDir()}
	if err := os.CopyFS(a.dir, os.DirFS(filepath.Join(source, "tests", "app"))); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"bootstrap/cache", "storage/framework", "storage/logs", "vendor/composer"} {
		if err := os.MkdirAll(filepath.Join(a.dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	installed := []byte(`{"packages":[]}`)
	if withPackage {
		about, err := os.ReadFile(filepath.Join(source, "composer.json"))
		if err != nil {
			t.Fatal(err)
		}
		installed = fmt.Appendf(nil, `{"packages":[%s]}`, about)
	}
	for name, text := range map[string][]byte{"vendor/composer/installed.json": installed, "database/database.sqlite": nil} {
		if err := os.WriteFile(filepath.Join(a.dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.env = append([]string{"PACKAGE=" + source, "REDIS_PORT=" + server.Port(), "PULSE_APP=shop"}, env...)
	a.artisan("migrate", "--force")
	return a
}

// artisan runs a command of the application and returns what it printed.
func (a *laravelApp) artisan(args ...string) string {
	a.t.Helper()
	p := servertest.Run(a.t, a.php, a.env, append([]string{filepath.Join(a.dir, "artisan")}, args...)...)
	if status := p.Wait(); status != 0 {
		a.t.Fatalf("artisan %s: status %d\n%s%s", strings.Join(args, " "), status, p.Stdout(), p.Stderr())
	}
	return p.Stdout()
}

// serve serves the application and returns where.
func (a *laravelApp) serve() string {
	a.t.Helper()
	listen := fmt.Sprintf("127.0.0.1:%d", servertest.FreePort(a.t))
	// As built in, PHP's server keeps a response open until the program has terminated, which PHP-FPM does not.
	servertest.Run(a.t, a.php, a.env, "-d", "opcache.enable_cli=1", "-S", listen, "-t", filepath.Join(a.dir, "public"), filepath.Join(a.dir, "public", "index.php"))
	servertest.Eventually(a.t, "the application", func() bool { return a.get("http://"+listen+"/orders/1") == nil })
	return "http://" + listen
}

// get asks for a page, which is to be there.
func (a *laravelApp) get(url string) error {
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, r.Status)
	}
	return nil
}

func TestLaravelPackageFromTheScheduleToTheView(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	a := newLaravelApp(t, server, true, "PULSE_INTERVAL=1s", "SLOW_AFTER=0", "MORE_QUEUES=1")
	a.artisan("shop:mail", "mail", "3")
	a.artisan("shop:mail", "mail", "2", "--delay=600")
	a.artisan("shop:mail", "default", "1", "--fail")
	a.artisan("queue:work", "--once", "--tries=1")
	a.artisan("shop:mail", "default", "4", "--connection=database")
	before := server.Digest()
	server.Client.Del(t.Context(), protocol.SlowKey("shop"))
	if err := a.get(a.serve() + "/orders/4711?token=hunter2"); err != nil {
		t.Fatal(err)
	}
	a.artisan("schedule:run") // it ends; what it has begun reports until its minute is over

	listen := address(t)
	program(t, aggregator, "PULSE_REDIS_URL="+server.URL, "PULSE_LISTEN="+listen)
	var v viewJSON
	servertest.Eventually(t, "the view with queues and a server", func() bool {
		var err error
		v, err = view(t, listen)
		return err == nil && v.Totals.Queues > 0 && v.Totals.Servers == 1
	})
	shop := v.Apps["shop"]
	for key, want := range map[string]map[string]int64{
		"laravel-horizon/mail":     {"waiting": 3, "active": 0, "delayed": 2, "failed": 0},
		"laravel-horizon/default":  {"waiting": 0, "active": 0, "delayed": 0, "failed": 1},
		"laravel-database/default": {"waiting": 4, "active": 0, "delayed": 0, "failed": 0},
	} {
		q := shop.Queues[key]
		if diff := cmp.Diff(want, q.Metrics); diff != "" || q.Status != "fresh" || q.Source != "laravel" {
			t.Errorf("%s is %+v, -want +got:\n%s", key, q, diff)
		}
	}
	for id, s := range shop.Servers {
		if pid, ok := s.Process["pid"].(float64); ok { // the loop, which would go on for its minute
			t.Cleanup(func() { _ = syscall.Kill(int(pid), syscall.SIGTERM) })
		}
		if s.Status != "fresh" || s.Meta["laravel"] == nil || s.System["memory_total"] == nil {
			t.Errorf("the server %s is %+v", id, s)
		}
	}
	if len(v.Problems) > 0 {
		t.Errorf("problems: %v", v.Problems)
	}
	if diff := cmp.Diff(before, server.Digest()); diff != "" {
		t.Errorf("watching changed the queues (-before +after):\n%s", diff)
	}
	slow := slowNames(t, listen)
	if !strings.Contains(slow, `"GET /orders/{id}"`) || strings.Contains(slow, "hunter2") {
		t.Errorf("the slow entries are %s", slow)
	}
	writesWhatTheSchemasSay(t, server)
}

// slowNames is what the aggregator says of the app's slow entries.
func slowNames(t *testing.T, listen string) string {
	t.Helper()
	body, err := get(t, listen, "/api/v1/slow?app=shop")
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// writesWhatTheSchemasSay holds each document that was written to the protocol's schema and strict rules.
func writesWhatTheSchemasSay(t *testing.T, server *servertest.RedisServer) {
	t.Helper()
	keys, err := server.Client.ZRange(t.Context(), protocol.IndexKey, 0, -1).Result()
	keys = slices.DeleteFunc(keys, func(key string) bool { return protocol.KindOf(key) == protocol.KindTrend }) // the recorder's, once a minute
	if err != nil || len(keys) != 2 {
		t.Fatalf("the index has %q: %v", keys, err)
	}
	for _, key := range keys {
		text, err := server.Client.Get(t.Context(), key).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if ttl := server.Client.PTTL(t.Context(), key).Val(); ttl <= 0 || ttl > 30*time.Second {
			t.Errorf("%s lives for %v", key, ttl)
		}
		if protocol.KindOf(key) == protocol.KindServer {
			check(t, schema.Heartbeat, text)
			h, _, err := protocol.DecodeHeartbeat(key, text)
			if err == nil {
				err = h.Validate()
			}
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		check(t, schema.QueueSnapshot, text)
		s, problems, err := protocol.DecodeSnapshot(text)
		if err == nil {
			err = s.Validate()
		}
		if err != nil || len(problems) > 0 || s.Key() != key || s.IntervalMS != 1000 {
			t.Errorf("%s: %v, %v", text, problems, err)
		}
	}
	entries, err := server.Client.XRange(t.Context(), protocol.SlowKey("shop"), "-", "+").Result()
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d slow entries: %v", len(entries), err)
	}
	for _, e := range entries {
		text, err := json.Marshal(e.Values)
		if err != nil {
			t.Fatal(err)
		}
		check(t, schema.SlowEntry, text)
	}
}

// check holds a document to a schema.
func check(t *testing.T, schemaText, text []byte) {
	t.Helper()
	c := jsonschema.NewCompiler()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaText))
	if err == nil {
		err = c.AddResource("it.json", doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("it.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err == nil {
		err = s.Validate(value)
	}
	if err != nil {
		t.Errorf("%s: %v", text, err)
	}
}

// The package counts as the Go adapter does on the same keys, but for failed jobs, which it knows from the
// application.
func TestLaravelPackageCountsWhatTheAdapterCounts(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	a := newLaravelApp(t, server, true, "HORIZON=1")
	out, err := exec.Command(a.php, filepath.Join(servertest.Root(), "probes/laravel/testdata/php/seed.php"), server.Port(), "laravel_database_").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// Horizon is not in Debian: its keys as they were read off a real one.
	now := time.Now()
	const h = "laravel_horizon:"
	server.Client.ZAdd(t.Context(), h+"masters", redis.Z{Score: float64(now.Unix()), Member: "web-1-Ab3x"})
	for i, processes := range []string{`{"redis:default":1,"redis:popped,stalled":2}`, `{"redis:only-delayed":3}`} {
		name := fmt.Sprintf("web-1-Ab3x:supervisor-%d", i)
		server.Client.ZAdd(t.Context(), h+"supervisors", redis.Z{Score: float64(now.Unix() + 60), Member: name})
		server.Client.HSet(t.Context(), h+"supervisor:"+name, "status", []string{"running", "paused"}[i], "processes", processes)
	}
	before := server.Digest()
	for _, client := range []string{"phpredis", "predis"} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			if client == "predis" {
				if _, err := os.Stat("/usr/share/php/Predis/Autoloader.php"); err != nil {
					servertest.Missing(t, "Predis is not installed: %s", phpInstall)
				}
			}
			app := *a
			app.t, app.env = t, append(slices.Clone(a.env), "REDIS_CLIENT="+client)
			theirs, _, _ := strings.Cut(app.artisan("gravito:pulse", "--print"), "\n")
			p := servertest.Run(t, servertest.Build(t, redisReporter), []string{
				"PULSE_REDIS_URL=" + server.URL, "PULSE_APP=shop", "PULSE_LARAVEL_QUEUES=*,default",
			}, "-once")
			if status := p.Wait(); status != 0 {
				t.Fatalf("redis-reporter: status %d\n%s", status, p.Stderr())
			}
			want := laravelRows(t, p.Stdout())
			if len(want) < 5 {
				t.Fatalf("the adapter sees %v", want)
			}
			if diff := cmp.Diff(want, laravelRows(t, theirs)); diff != "" {
				t.Errorf("-adapter +package:\n%s", diff)
			}
			if diff := cmp.Diff(before, server.Digest()); diff != "" {
				t.Errorf("counting changed the queues (-before +after):\n%s", diff)
			}
		})
	}
}

// laravelRows are the counts of a snapshot by queue, without those of failed jobs.
func laravelRows(t *testing.T, text string) map[string]string {
	t.Helper()
	s, problems, err := protocol.DecodeSnapshot([]byte(text))
	if err != nil || len(problems) > 0 || len(s.Problems) > 0 {
		t.Fatalf("%s: %v, %v", text, problems, err)
	}
	rows := map[string]string{}
	for _, q := range s.Queues {
		known := metrics(q.Metrics)
		delete(known, "failed")
		row := fmt.Sprintf("%s %v", q.Driver, known)
		for _, name := range []string{"reserved", "stalled", "oldest_at", "workers"} {
			if n, ok := q.Meta.Int(name); ok {
				row += fmt.Sprintf(" %s=%d", name, n)
			}
		}
		if q.Meta.Has("paused") {
			row += " paused"
		}
		rows[q.Name] = row
	}
	return rows
}

// TestLaravelPackageItself runs the package's own tests and checks, as its developer would.
func TestLaravelPackageItself(t *testing.T) {
	t.Parallel()
	for _, command := range [][]string{
		{"phpunit", "--no-interaction"},
		{"phpcs", "-q"},
		{"composer", "validate", "--no-check-publish", "--no-interaction"},
	} {
		t.Run(command[0], func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(command[0])
			if err != nil {
				servertest.Missing(t, "%s is not installed: %s", command[0], phpInstall)
			}
			cmd := exec.CommandContext(t.Context(), path, command[1:]...)
			cmd.Dir = filepath.Join(servertest.Root(), zenithLaravel)
			cmd.Env = append(os.Environ(), "COMPOSER_ALLOW_SUPERUSER=1", "COMPOSER_DISABLE_NETWORK=1")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", strings.Join(command, " "), err, out)
			}
		})
	}
}

// The user of docs/acl.md may write all that the package writes, and nothing else.
func TestLaravelPackagesPermissionsSuffice(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	doc, err := os.ReadFile(filepath.Join(servertest.Root(), "docs", "acl.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(doc), "\nACL SETUSER pulse-laravel ")
	line, _, _ = strings.Cut(line, "\n")
	if !found {
		t.Fatal("docs/acl.md has no user pulse-laravel")
	}
	command := []any{"ACL", "SETUSER", "pulse-laravel"}
	for part := range strings.FieldsSeq(line) {
		command = append(command, part)
	}
	if err := server.Client.Do(t.Context(), command...).Err(); err != nil {
		t.Fatal(err)
	}
	for _, client := range []string{"phpredis", "predis"} {
		server.Client.FlushAll(t.Context())
		a := newLaravelApp(t, server, true, "SLOW_AFTER=0", "REDIS_CLIENT="+client,
			"PULSE_REDIS_URL=redis://pulse-laravel:laravel-password@"+server.Addr)
		a.artisan("gravito:pulse")
		for _, key := range []string{protocol.QueuesKey("shop", "laravel"), protocol.IndexKey, protocol.SlowKey("shop")} {
			if n := server.Client.Exists(t.Context(), key).Val(); n != 1 {
				t.Errorf("%s: %s was not written", client, key)
			}
		}
	}
}

// Queues and the protocol's keys may both be in a cluster.
func TestLaravelPackageInACluster(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	nodes := servertest.Cluster(t)
	var ports []string
	for _, node := range nodes {
		_, port, _ := strings.Cut(node, ":")
		ports = append(ports, port)
	}
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: nodes, Protocol: 2})
	defer cluster.Close()
	for _, client := range []string{"phpredis", "predis"} {
		a := newLaravelApp(t, server, true, "SLOW_AFTER=0", "REDIS_CLIENT="+client, "PULSE_SOURCE="+client,
			"REDIS_CLUSTER="+strings.Join(ports, ","), "PULSE_REDIS_URL=redis://"+strings.Join(nodes, ","))
		a.artisan("shop:mail", "{jobs}", "2", "--connection=cluster")
		a.artisan("gravito:pulse")
		text, err := cluster.Get(t.Context(), protocol.QueuesKey("shop", client)).Bytes()
		if err != nil {
			t.Fatalf("%s: %v", client, err)
		}
		if q := laravelRows(t, string(text))["jobs"]; !strings.HasPrefix(q, "laravel-horizon map[active:0 delayed:0 waiting:2]") {
			t.Errorf("%s: it is %q in %s", client, q, text)
		}
		if strings.Contains(string(text), "problems") { // such as that a cluster does not tell its time
			t.Errorf("%s: it has problems: %s", client, text)
		}
		if n := cluster.XLen(t.Context(), protocol.SlowKey("shop")).Val(); n == 0 {
			t.Errorf("%s: no slow entry", client)
		}
		cluster.Del(t.Context(), "laravel_database_queues:{jobs}", "laravel_database_queues:{jobs}:notify")
		cluster.Del(t.Context(), protocol.SlowKey("shop"))
	}
}
