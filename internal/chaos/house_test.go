//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/servertest"
)

const (
	redisReporter = "functions/redis-reporter"
	sqsReporter   = "functions/sqs-reporter"
	aggregator    = "functions/aggregator"
	host          = "probes/host"
	recorder      = "functions/recorder"
)

// rows are the app's queues and how many jobs wait in each. Nobody works at them, so it stays so.
var rows = map[string]int64{"bullmq/orders": 2, "redis-list/jobs:mail": 3, "sqs/invoices": 1}

// house is every program as a daemon, each as the user that docs/acl.md has for it, at one Redis.
type house struct {
	*place
	t        *testing.T
	listen   string
	programs map[string]*servertest.Process

	fallen   *servertest.RedisServer // the master that a fault befell
	stopped  []*servertest.RedisServer
	moves    []move
	stopWork func()

	before  string            // the app's keys, when all was well
	said    map[string]int    // how many bytes of each log were written by then
	weighed map[string]weight // what each process took then
}

// weight is what a process takes of its machine.
type weight struct {
	rss int64 // bytes
	fds int
}

const (
	// moreMemory and moreFDs are how much more than before the fault a process may take: a pool of connections
	// made anew beside the old one, and a garbage collector that is in no hurry.
	moreMemory = 48 << 20
	moreFDs    = 16
)

// build starts the programs, and waits until all is well.
func build(t *testing.T, p *place) *house {
	t.Helper()
	h := &house{place: p, t: t, listen: fmt.Sprintf("127.0.0.1:%d", servertest.FreePort(t))}
	p.furnish(t)
	h.programs = map[string]*servertest.Process{
		redisReporter: h.run(redisReporter, "reporter", "PULSE_MONITOR_REDIS_URL="+p.queuesURL("monitor"), "PULSE_BULLMQ_QUEUES=*", "PULSE_LIST_KEYS=jobs:*"),
		sqsReporter:   h.run(sqsReporter, "reporter", append(servertest.AWSEnv(p.sqs), "PULSE_SOURCE=sqs", "PULSE_SQS_QUEUES=invoices")...),
		host:          h.run(host, "host"),
		aggregator:    h.run(aggregator, "aggregator", "PULSE_LISTEN="+h.listen),
		recorder:      h.run(recorder, "recorder"),
	}
	servertest.Eventually(t, "that all is well", func() bool { return h.isWellSince(0) == "" })
	h.recorderBegins()
	h.before = p.digest(t)
	h.mark()
	return h
}

func (h *house) run(pkg, user string, env ...string) *servertest.Process {
	h.t.Helper()
	common := []string{"PULSE_REDIS_URL=" + h.url(user), "PULSE_APP=shop", "PULSE_INTERVAL=1s", "PULSE_TTL=5s", "PULSE_SOURCE=" + user}
	return servertest.Run(h.t, servertest.Build(h.t, pkg), append(common, env...))
}

// startRecorder starts another recorder in place of the one that runs: it looks at once, and else a minute would pass.
// It is the newest then, so that the one in the aggregator stands by.
func (h *house) startRecorder() {
	h.t.Helper()
	h.programs[recorder].Signal(syscall.SIGTERM)
	if status := h.programs[recorder].Wait(); status != 0 {
		h.t.Errorf("%s ended with status %d on SIGTERM", recorder, status)
	}
	h.programs[recorder] = h.run(recorder, "recorder")
	h.said[recorder], h.weighed[recorder] = 0, h.weigh(h.programs[recorder])
	h.recorderBegins()
}

// recorderBegins waits until the recorder has said that it begins: before, a signal just ends it.
func (h *house) recorderBegins() {
	h.t.Helper()
	servertest.Eventually(h.t, recorder, func() bool { return strings.Contains(h.programs[recorder].Stderr(), begins) })
}

// mark notes how things stand before a fault.
func (h *house) mark() {
	h.said, h.weighed = map[string]int{}, map[string]weight{}
	for name, p := range h.programs {
		h.said[name] = len(p.Stderr())
		h.weighed[name] = h.weigh(p)
	}
}

// look looks at the view as a browser does, whatever has happened to Redis: it must be there.
func (h *house) look() viewJSON {
	h.t.Helper()
	var v viewJSON
	h.get("/api/v1/view", &v)
	return v
}

// slowReasons are what is wrong with the app's slow entries.
func (h *house) slowReasons() string {
	h.t.Helper()
	var slow viewJSON // as far as its problems go
	h.get("/api/v1/slow?app=shop", &slow)
	return slow.reasons()
}

// asksForSlow asks for the app's slow entries again and again, and hands over why there are none. Somebody who has
// the page open does so. It ends when stop is called.
func (h *house) asksForSlow(heard func(why string)) (stop func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	var asking sync.WaitGroup
	asking.Go(func() {
		for ctx.Err() == nil {
			heard(h.whyNoSlow(ctx))
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	return func() { cancel(); asking.Wait() }
}

func (h *house) whyNoSlow(ctx context.Context) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.listen+"/api/v1/slow?app=shop", http.NoBody)
	if err != nil {
		return err.Error()
	}
	r, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	var answer struct{ Detail string }
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return err.Error()
	}
	return answer.Detail
}

// health is what /healthz says of Redis.
func (h *house) health() string {
	h.t.Helper()
	var health struct{ Status, Redis string }
	h.get("/healthz", &health)
	if health.Status != "ok" {
		h.t.Errorf("/healthz says of itself %q", health.Status)
	}
	return health.Redis
}

// client waits long for an answer: what takes longer is none.
var client = http.Client{Timeout: 30 * time.Second}

func (h *house) get(path string, to any) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, "http://"+h.listen+path, http.NoBody)
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := client.Do(req)
	if err != nil {
		if h.before == "" {
			return // it has just been started
		}
		h.t.Fatalf("%s: %v", path, err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", r.Status, body)
	}
	if err == nil {
		err = json.Unmarshal(body, to)
	}
	if err != nil {
		h.t.Fatalf("%s: %v", path, err)
	}
}

// isWellSince says what is not well: each program's work is to be in the view, done after at (Unix ms), fresh, whole
// and without a problem. Empty is that all is well.
func (h *house) isWellSince(at int64) string {
	h.t.Helper()
	v := h.look()
	shop := v.Apps["shop"]
	if len(v.Problems) > 0 {
		return fmt.Sprintf("there are problems: %v", v.Problems)
	}
	for key, waiting := range rows {
		q := shop.Queues[key]
		if n, known := q.Metrics["waiting"]; !known || n != waiting || q.Status != "fresh" || q.Meta["error"] != nil {
			return fmt.Sprintf("%s is %+v", key, q)
		}
	}
	for _, source := range []string{"reporter", "sqs"} {
		if s := shop.Sources[source]; s.Timestamp <= at {
			return fmt.Sprintf("the queues of %s were read at %d, before %d", source, s.Timestamp, at)
		}
	}
	if s := shop.Servers["host"]; s.Status != "fresh" || s.Timestamp <= at {
		return fmt.Sprintf("the host is %s and of %d, before %d", s.Status, s.Timestamp, at)
	}
	if redis := h.health(); redis != "up" {
		return "/healthz says that Redis is " + redis
	}
	return ""
}

// keepsRows says which row or server is gone. There are always the last numbers, at least.
func (v *viewJSON) keepsRows() error {
	shop := v.Apps["shop"]
	for key, waiting := range rows {
		if q, is := shop.Queues[key]; !is || q.Metrics["waiting"] != waiting {
			return fmt.Errorf("the row %s is gone or wrong: %+v; the reasons are %q", key, q, v.reasons())
		}
	}
	if _, is := shop.Servers["host"]; !is {
		return fmt.Errorf("the server is gone")
	}
	return nil
}

// reasons are what the view says is wrong, in its problems and in the rows'.
func (v *viewJSON) reasons() string {
	var out strings.Builder
	for _, p := range v.Problems {
		fmt.Fprintf(&out, "%s: %s\n", p.Key, p.Reason)
	}
	for key, q := range v.Apps["shop"].Queues {
		if why := q.Meta["error"]; why != nil {
			fmt.Fprintf(&out, "%s: %v\n", key, why)
		}
	}
	return out.String()
}

// statuses are those of the queues and of the servers, such as "fresh" and "queue lost".
func (v *viewJSON) statuses() map[string]bool {
	out := map[string]bool{}
	for _, q := range v.Apps["shop"].Queues {
		out["queues "+q.Status] = true
	}
	for _, s := range v.Apps["shop"].Servers {
		out["servers "+s.Status] = true
	}
	return out
}

var timeOfLine = regexp.MustCompile(`(?m)^time=\S+ `)

// Lines on recording: a recorder begins with one, and one that finds that it is not the newest says so.
const (
	cannotRecord = `msg="cannot record; will try again until it works"`
	recordsAgain = `msg="records again"`
	begins       = `msg="records once a minute; `
	standsBy     = `msg="another recorder records; `
)

// says are the lines that a program has written since the mark, without their times, and without those by which a
// recorder says that it is there.
func (h *house) says(program string) []string {
	text := timeOfLine.ReplaceAllString(h.programs[program].Stderr()[h.said[program]:], "")
	return slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		return line == "" || strings.Contains(line, begins) || strings.Contains(line, standsBy)
	})
}

// recordsAgain waits until a recorder that has said that it cannot record says that it can.
func (h *house) recordsAgain() {
	h.t.Helper()
	for _, program := range []string{recorder, aggregator} {
		said := func(what string) bool { return strings.Contains(strings.Join(h.says(program), "\n"), what) }
		if said(cannotRecord) {
			servertest.Eventually(h.t, program+" to record again", func() bool { return said(recordsAgain) })
		}
	}
}

// live checks that every program is, and takes no more than it may.
func (h *house) live() {
	h.t.Helper()
	for name, p := range h.programs {
		if !p.Running() {
			h.t.Fatalf("%s has ended", name)
		}
		before, now := h.weighed[name], h.weigh(p)
		if now.rss > before.rss+moreMemory || now.fds > before.fds+moreFDs {
			h.t.Fatalf("%s takes %d MiB and has %d files open; before the fault it was %d MiB and %d", name, now.rss>>20, now.fds, before.rss>>20, before.fds)
		}
	}
}

func (h *house) weigh(p *servertest.Process) (w weight) {
	h.t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(p.PID()))
	fds, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return w // it has ended, which live says
	}
	w.fds = len(fds)
	status, _ := os.ReadFile(filepath.Join(proc, "status"))
	if m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status); m != nil {
		kib, _ := strconv.ParseInt(string(m[1]), 10, 64)
		w.rss = kib << 10
	}
	return w
}

// recovers waits until all is well again, and checks that nothing of the app's was changed.
func (h *house) recovers() {
	h.t.Helper()
	at := time.Now().UnixMilli()
	wrong := ""
	h.t.Cleanup(func() {
		if h.t.Failed() && wrong != "" {
			h.t.Logf("not well: %s", wrong)
		}
	})
	servertest.Eventually(h.t, "that all is well again", func() bool {
		wrong = h.isWellSince(at)
		return wrong == ""
	})
	h.t.Logf("all was well again after %v", time.Since(time.UnixMilli(at)).Round(100*time.Millisecond))
	h.live()
	if diff := cmp.Diff(h.before, h.digest(h.t)); diff != "" {
		h.t.Errorf("the app's keys were changed (-before +after):\n%s", diff)
	}
}

// ends tells every program to end, and checks that it does, and that it was no crash.
func (h *house) ends() {
	h.t.Helper()
	for _, p := range h.programs {
		p.Signal(syscall.SIGTERM)
	}
	for _, name := range slices.Sorted(maps.Keys(h.programs)) {
		if status := h.programs[name].Wait(); status != 0 {
			h.t.Errorf("%s ended with status %d on SIGTERM", name, status)
		}
	}
}

// viewJSON is the view as the contract has it, as far as it is looked at here.
type viewJSON struct {
	Apps map[string]struct {
		Sources map[string]struct {
			Status    string
			Timestamp int64
		}
		Queues map[string]struct {
			Status  string
			Metrics map[string]int64
			Meta    map[string]any
		}
		Servers map[string]struct {
			Status    string
			Timestamp int64
		}
	}
	Problems []struct{ Key, Reason string }
}
