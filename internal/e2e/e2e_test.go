package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

func TestMain(m *testing.M) { servertest.Main(m) }

const (
	redisReporter = "functions/redis-reporter"
	sqsReporter   = "functions/sqs-reporter"
	aggregator    = "functions/aggregator"
	host          = "probes/host"
	local         = "scripts/local"
)

// program starts a program as it is shipped.
func program(t *testing.T, pkg string, env ...string) *servertest.Process {
	t.Helper()
	return servertest.Run(t, servertest.Build(t, pkg), env)
}

// view reads the consolidated view as any client would.
func view(t *testing.T, address string) (v viewJSON, err error) {
	t.Helper()
	body, err := get(t, address, "/api/v1/view")
	if err != nil {
		return v, err
	}
	err = json.Unmarshal(body, &v)
	return v, err
}

// get is what a program that listens on address answers to a path.
func get(t *testing.T, address, path string) ([]byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", r.Status, body)
	}
	return body, err
}

// viewJSON is the view as the contract has it, written down here once more so that the test doesn't
// take the program's own word for it.
type viewJSON struct {
	Totals struct {
		Waiting, Active, Delayed, Failed *int64
		Queues, Servers                  int64
		Unknown                          map[string]int64
		Lost                             struct{ Queues, Servers int64 }
	}
	Apps map[string]struct {
		Sources map[string]struct {
			Status    string
			Timestamp int64
		}
		Queues  map[string]queueJSON
		Servers map[string]struct {
			Status  string
			System  map[string]any
			Process map[string]any
			Meta    map[string]any
		}
	}
	Problems []struct{ Key, Reason string }
}

type queueJSON struct {
	Name, Driver, Origin, Source, Status string
	ReadOnly                             bool `json:"read_only"`
	Metrics                              map[string]int64
	Meta                                 map[string]any
}

func address(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", servertest.FreePort(t))
}

func TestFromARealQueueToTheView(t *testing.T) {
	redis := servertest.Redis(t)
	seed := servertest.Node(t, "../../probes/bullmq/testdata/node/seed.mjs", "--lib", "bullmq5", "--port", redis.Port())
	if out, err := seed.CombinedOutput(); err != nil {
		t.Fatalf("seed: %v\n%s", err, out)
	}
	before := redis.Digest()
	listen := address(t)
	program(t, redisReporter, "PULSE_REDIS_URL="+redis.URL, "PULSE_APP=shop", "PULSE_BULLMQ_QUEUES=*", "PULSE_INTERVAL=1s")
	program(t, host, "PULSE_REDIS_URL="+redis.URL, "PULSE_APP=shop", "PULSE_INTERVAL=1s", "PULSE_ENV=staging")
	program(t, aggregator, "PULSE_REDIS_URL="+redis.URL, "PULSE_LISTEN="+listen)

	var v viewJSON
	servertest.Eventually(t, "the view with queues and a server", func() bool {
		var err error
		v, err = view(t, listen)
		return err == nil && v.Totals.Queues > 1 && v.Totals.Servers == 1
	})
	q := v.Apps["shop"].Queues["bullmq/waiting"]
	if q.Name != "waiting" || q.Driver != "bullmq" || q.Origin != "external" || !q.ReadOnly || q.Source != "redis" || q.Status != "fresh" {
		t.Errorf("the queue is %+v", q)
	}
	if diff := cmp.Diff(map[string]int64{"waiting": 3, "active": 0, "delayed": 0, "failed": 0}, q.Metrics); diff != "" {
		t.Errorf("its metrics (-want +got):\n%s", diff)
	}
	for id, s := range v.Apps["shop"].Servers {
		if s.Status != "fresh" || s.Meta["environment"] != "staging" || s.System["memory_total"] == nil {
			t.Errorf("the server %s is %+v", id, s)
		}
	}
	if len(v.Problems) > 0 {
		t.Errorf("problems: %v", v.Problems)
	}
	if diff := cmp.Diff(before, redis.Digest()); diff != "" {
		t.Errorf("watching changed the queues (-before +after):\n%s", diff)
	}
	keys, err := redis.Client.Keys(t.Context(), "pulse:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		ttl, err := redis.Client.TTL(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		if ttl < 0 && key != protocol.IndexKey { // the index is trimmed instead
			t.Errorf("%s has no end of life", key)
		}
	}
}

// everything is each program as a daemon, at one Redis.
type everything struct {
	t        *testing.T
	redis    *servertest.RedisServer
	listen   string
	programs map[string]*servertest.Process
}

func startEverything(t *testing.T) *everything {
	t.Helper()
	redis := servertest.Redis(t)
	moto := servertest.Moto(t)
	servertest.CreateQueue(t, moto, "orders")
	common := []string{"PULSE_REDIS_URL=" + redis.URL, "PULSE_APP=shop", "PULSE_INTERVAL=1s"}
	listen := address(t)
	e := &everything{t, redis, listen, map[string]*servertest.Process{
		redisReporter: program(t, redisReporter, append(common, "PULSE_BULLMQ_QUEUES=orders")...),
		sqsReporter:   program(t, sqsReporter, append(append(common, servertest.AWSEnv(moto)...), "PULSE_SQS_QUEUES=*")...),
		host:          program(t, host, common...),
		aggregator:    program(t, aggregator, append(common, "PULSE_LISTEN="+listen)...),
		local:         program(t, local, append(common, "PULSE_APP=laptop", "PULSE_LISTEN=127.0.0.1:0", "PULSE_BULLMQ_QUEUES=orders")...),
	}}
	servertest.Eventually(t, "the view of everything", e.isWell)
	return e
}

// isWell reports whether the view shows every program's work, fresh, and no problem.
func (e *everything) isWell() bool {
	v, err := view(e.t, e.listen)
	shop := v.Apps["shop"]
	if err != nil || len(v.Problems) > 0 || len(shop.Servers) != 1 {
		return false
	}
	return shop.Queues["bullmq/orders"].Status == "fresh" && shop.Queues["sqs/orders"].Status == "fresh" &&
		v.Apps["laptop"].Queues["bullmq/orders"].Status == "fresh"
}

// complains waits until each program has said that Redis is gone, and checks what the view makes of it.
func (e *everything) complains() {
	e.t.Helper()
	servertest.Eventually(e.t, "a line of each program", func() bool {
		_, _ = view(e.t, e.listen) // as if a page were open
		for name, p := range e.programs {
			if len(warnings(p)) < parts(name) {
				return false
			}
		}
		return true
	})
	v, err := view(e.t, e.listen)
	if err != nil {
		e.t.Fatalf("while Redis is gone the view is an error: %v", err)
	}
	if len(v.Problems) == 0 || !strings.Contains(v.Problems[0].Reason, "Redis has not answered since") {
		e.t.Errorf("problems are %v: that Redis does not answer is due", v.Problems)
	}
	if v.Apps["shop"].Queues["sqs/orders"].Name != "orders" {
		e.t.Error("the last numbers are gone")
	}
}

// recovers waits until all is well again, and checks that each program said once that it was not.
func (e *everything) recovers() {
	e.t.Helper()
	servertest.Eventually(e.t, "everything again", e.isWell)
	for name, p := range e.programs {
		if !p.Running() {
			e.t.Errorf("%s has ended", name)
		}
		said := warnings(p)
		if len(said) != parts(name) || slices.Max(slices.Collect(maps.Values(said))) != 1 {
			e.t.Errorf("%s did not say once that Redis is gone:\n%s", name, p.Stderr())
		}
	}
}

// parts is how many parts of a program talk to Redis. Each part says once that Redis is gone: local is a reporter
// and a host's agent (no browser has its page open).
func parts(name string) int {
	if name == local {
		return 2
	}
	return 1
}

// warnings counts each warning in a program's log.
func warnings(p *servertest.Process) map[string]int {
	said := map[string]int{}
	for _, line := range regexp.MustCompile(`level=WARN msg="([^"]*)"`).FindAllStringSubmatch(p.Stderr(), -1) {
		said[line[1]]++
	}
	return said
}

// ends tells every program to end, and checks that it does without a crash.
func (e *everything) ends() {
	e.t.Helper()
	for _, p := range e.programs {
		p.Signal(syscall.SIGTERM)
	}
	for name, p := range e.programs {
		if status := p.Wait(); status != 0 {
			e.t.Errorf("%s ended with status %d on SIGTERM:\n%s", name, status, p.Stderr())
		}
	}
}

func TestRedisKilledAndRestartedUnderEveryProgram(t *testing.T) {
	t.Parallel()
	e := startEverything(t)
	e.redis.Stop()
	e.complains()
	e.redis.Start()
	e.recovers()
	e.ends()
}

func TestBadEnvironmentIsOneSentenceAndStatus2(t *testing.T) {
	t.Parallel()
	const redis = "PULSE_REDIS_URL=redis://127.0.0.1:1"
	for _, tc := range []struct {
		pkg  string
		env  []string
		want string
	}{
		{redisReporter, []string{"PULSE_APP=shop", "PULSE_BULLMQ_QUEUES=*"}, `PULSE_REDIS_URL is not set`},
		{redisReporter, []string{redis, "PULSE_BULLMQ_QUEUES=*"}, `PULSE_APP is not set`},
		{redisReporter, []string{redis, "PULSE_APP=shop"}, `there is nothing to poll: set one of PULSE_BULLMQ_QUEUES, `},
		{redisReporter, []string{redis, "PULSE_APP=shop", "PULSE_BULLMQ_QUEUES=*", "PULSE_INTERVAL=5"}, `PULSE_INTERVAL is "5": it takes a duration with its unit, such as 5s or 1m`},
		{sqsReporter, []string{redis, "PULSE_APP=shop", "PULSE_TTL=5s"}, `PULSE_TTL is 5s: it takes more than PULSE_INTERVAL`},
		{sqsReporter, []string{redis, "PULSE_APP=my shop"}, `PULSE_APP is "my shop"`},
		{sqsReporter, []string{redis, "PULSE_APP=shop", "PULSE_SQS_CALLS_PER_MONTH=many"}, `PULSE_SQS_CALLS_PER_MONTH is "many"`},
		{sqsReporter, []string{redis, "PULSE_APP=shop", "PULSE_SQS_QUEUES=arn:aws:sqs:us-east-1:123456789012"}, `PULSE_SQS_QUEUES is "arn:aws:sqs:us-east-1:123456789012"`},
		{redisReporter, []string{"PULSE_REDIS_URL=redis://127.0.0.1:99999", "PULSE_APP=shop", "PULSE_BULLMQ_QUEUES=*"}, `PULSE_REDIS_URL is "redis://127.0.0.1:99999": a port is 1 to 65535`},
		{redisReporter, []string{redis, "PULSE_APP=shop", "PULSE_LIST_KEYS=jobs", "PULSE_SETTINGS=PULSE_BULLMQ_QUEUES"}, `PULSE_SETTINGS has "PULSE_BULLMQ_QUEUES": it takes NAME=value`},
		{local, []string{redis, "PULSE_SETTINGS=PULSE_NO_QUEUES=*"}, `PULSE_SETTINGS has "PULSE_NO_QUEUES=…": it takes NAME=value`},
		{host, []string{"PULSE_REDIS_URL=http://user:hunter2@x", "PULSE_APP=shop"}, `PULSE_REDIS_URL is no URL of a Redis`},
		{aggregator, []string{redis, "PULSE_LISTEN=0.0.0.0:0"}, `PULSE_LISTEN is "0.0.0.0:0": it takes a loopback address`},
		{aggregator, []string{redis, "PULSE_LOG_FORMAT=xml"}, `PULSE_LOG_FORMAT is "xml": it takes json or text`},
		{local, []string{"PULSE_INTERVAL=1h", "PULSE_TTL=1m"}, `PULSE_TTL is 1m0s: it takes more than PULSE_INTERVAL`},
	} {
		t.Run(tc.want, func(t *testing.T) {
			t.Parallel()
			p := program(t, tc.pkg, tc.env...)
			if status := p.Wait(); status != 2 {
				t.Errorf("status %d, want 2", status)
			}
			said := p.Stderr()
			if !strings.Contains(said, tc.want) || strings.Count(said, "\n") != 1 || strings.Contains(said, "hunter2") {
				t.Errorf("it said:\n%s", said)
			}
		})
	}
}

func TestOncePrintsWhatTheProtocolTakes(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	redis.Client.LPush(t.Context(), "bull:orders:wait", "1", "2")
	redis.Client.HSet(t.Context(), "bull:orders:meta", "version", "bullmq:5.81.5")
	p := servertest.Run(t, servertest.Build(t, redisReporter), []string{"PULSE_REDIS_URL=" + redis.URL, "PULSE_APP=shop", "PULSE_BULLMQ_QUEUES=*"}, "-once")
	if status := p.Wait(); status != 0 {
		t.Fatalf("status %d", status)
	}
	s, problems, err := protocol.DecodeSnapshot([]byte(p.Stdout()))
	if err != nil || len(problems) > 0 || len(s.Queues) != 1 || s.Queues[0].Metrics.Waiting != 2 {
		t.Errorf("it printed %s (%v, %v)", p.Stdout(), problems, err)
	}
	if n := redis.Client.Exists(t.Context(), "pulse:queues:shop:redis").Val(); n != 0 {
		t.Error("-once published")
	}
	p = servertest.Run(t, servertest.Build(t, host), []string{"PULSE_APP=shop"}, "-once")
	if status := p.Wait(); status != 0 {
		t.Fatalf("status %d", status)
	}
	if _, id, err := protocol.DecodeHeartbeat("", []byte(p.Stdout())); err != nil || id == "" {
		t.Errorf("it printed %s (%v)", p.Stdout(), err)
	}
	p = servertest.Run(t, servertest.Build(t, host), []string{"PULSE_APP=shop", "PULSE_SOURCE=web-7"}, "-once")
	if status := p.Wait(); status != 0 {
		t.Fatalf("status %d", status)
	}
	if _, id, err := protocol.DecodeHeartbeat("", []byte(p.Stdout())); err != nil || id != "web-7" {
		t.Errorf("it printed %s (%v)", p.Stdout(), err)
	}
	p = servertest.Run(t, servertest.Build(t, redisReporter), []string{"PULSE_REDIS_URL=" + redis.URL, "PULSE_APP=shop", "PULSE_BULLMQ_QUEUES=nope*"}, "-once")
	if status := p.Wait(); status != 0 || !strings.Contains(p.Stdout(), `"queues": []`) || !strings.Contains(p.Stderr(), "no queue was found under the prefix bull") {
		t.Errorf("where there is no queue it printed %s, and said %s", p.Stdout(), p.Stderr())
	}
}

// demoQueues are queues of the demo, one of each driver at least, and what is sooner or later to be seen
// of them.
var demoQueues = map[string]func(queueJSON) bool{
	"bullmq/emails":     func(q queueJSON) bool { return q.between("waiting", 1, 300) && q.between("active", 1, 10) },
	"bullmq/thumbnails": func(q queueJSON) bool { return q.between("waiting", 1, 240) && q.Meta["paused"] == true },
	"bullmq/reports":    func(q queueJSON) bool { return q.between("failed", 1, 100) },
	"gravito-stream/mail": func(q queueJSON) bool {
		return q.between("waiting", 1, 400) && q.between("delayed", 1, 10) && q.unknown("active")
	},
	"gravito-stream/audit":       func(q queueJSON) bool { return q.between("failed", 1, 10) },
	"laravel-horizon/default":    func(q queueJSON) bool { return q.between("active", 1, 20) && q.Meta["workers"] == 15.0 },
	"redis-list/jobs:index":      func(q queueJSON) bool { return q.between("waiting", 1, 500) && q.unknown("active") },
	"redis-stream/events/search": func(q queueJSON) bool { return q.between("waiting", 1, 300) && q.between("active", 1, 8) },
	"sqs/orders":                 func(q queueJSON) bool { return q.between("failed", 7, 20) && q.Meta["dlq_shared"] == true },
	"sqs/orders-dlq":             func(q queueJSON) bool { return q.between("waiting", 7, 20) && q.Meta["dlq_for"] != nil },
}

func (q queueJSON) between(metric string, least, most int64) bool {
	n, known := q.Metrics[metric]
	return known && least <= n && n <= most
}

func (q queueJSON) unknown(metric string) bool {
	_, known := q.Metrics[metric]
	return !known
}

// TestLocalNeedsNothing is the README's first command.
func TestLocalNeedsNothing(t *testing.T) {
	t.Parallel()
	p := program(t, local, "PULSE_LISTEN=127.0.0.1:0", "PULSE_INTERVAL=1s")
	var listen string
	servertest.Eventually(t, "the dashboard's address", func() bool {
		m := regexp.MustCompile(`http://([0-9.:]+)/`).FindStringSubmatch(p.Stderr())
		if m != nil {
			listen = m[1]
		}
		return m != nil
	})
	var v viewJSON
	servertest.Eventually(t, "demo queues of every kind", func() bool {
		var err error
		if v, err = view(t, listen); err != nil || v.Totals.Servers != 1 {
			return false
		}
		for key, plausible := range demoQueues {
			if q, ok := v.Apps["demo"].Queues[key]; !ok || !plausible(q) {
				return false
			}
		}
		return true
	})
	for key, q := range v.Apps["demo"].Queues {
		if q.Meta["demo"] != true || q.Status != "fresh" || q.Meta["error"] != nil {
			t.Errorf("the queue %s is %+v: it must say that it is a demo", key, q)
		}
	}
	if len(v.Problems) > 0 {
		t.Errorf("problems: %v", v.Problems)
	}
	p.Signal(os.Interrupt)
	if status := p.Wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	if strings.Contains(p.Stderr(), "level=WARN") || strings.Contains(p.Stderr(), "level=ERROR") {
		t.Errorf("it said:\n%s", p.Stderr())
	}
}

// TestCommandLine: each program says what it is, and refuses what it would not use.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, program := range []string{aggregator, redisReporter, sqsReporter, recorder, host, "scripts/local"} {
		run := func(arg string) (status int, stdout, stderr string) {
			p := servertest.Run(t, servertest.Build(t, program), nil, arg)
			status = p.Wait()
			return status, p.Stdout(), p.Stderr()
		}
		if status, _, said := run("-h"); status != 0 || !strings.Contains(said, "environment variables") || !strings.Contains(said, "-version") {
			t.Errorf("%s -h: %d %s", program, status, said)
		}
		if status, said, _ := run("-version"); status != 0 || len(strings.Fields(said)) != 2 {
			t.Errorf("%s -version: %d %s", program, status, said)
		}
		if status, _, said := run("foo"); status != 2 || !strings.Contains(said, `"foo"`) {
			t.Errorf("%s foo: %d %s", program, status, said)
		}
	}
}
