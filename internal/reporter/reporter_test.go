package reporter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// described is an adapter that asks for lengths only.
var described = adapter.Description{Name: "test", Commands: []string{"LLEN"}}

// queues is an adapter's session that asks one question and then reports what look says.
type queues struct {
	look func() ([]protocol.Queue, []protocol.Problem, error)
	now  time.Time
}

func (q *queues) Close() error { return nil }

func (q *queues) Poll(_ context.Context, now time.Time) adapter.Step {
	q.now = now
	return adapter.Step{Requests: []adapter.Request{{"LLEN", "x"}}}
}

func (q *queues) Next(context.Context, []adapter.Reply) adapter.Step {
	found, problems, err := q.look()
	if err != nil {
		return adapter.Step{Err: err}
	}
	return adapter.Done(&protocol.QueueSnapshot{Timestamp: q.now.UnixMilli(), App: "shop", Queues: found, Problems: problems})
}

// source answers every request, after before has returned.
type source struct{ before func(context.Context) error }

func (s source) Do(ctx context.Context, requests []adapter.Request) ([]adapter.Reply, error) {
	if s.before != nil {
		if err := s.before(ctx); err != nil {
			return nil, err
		}
	}
	return make([]adapter.Reply, len(requests)), nil
}

func poller(names ...string) *poll.Poller {
	return &poll.Poller{Adapter: described, Source: source{}, Session: &queues{look: func() ([]protocol.Queue, []protocol.Problem, error) {
		var found []protocol.Queue
		for _, name := range names {
			found = append(found, protocol.Queue{Name: name, Driver: protocol.DriverBullMQ, Metrics: protocol.Metrics{Waiting: 1}})
		}
		return found, nil, nil
	}}}
}

func failing(look func() error) *poll.Poller {
	return &poll.Poller{Adapter: described, Source: source{}, Session: &queues{look: func() ([]protocol.Queue, []protocol.Problem, error) { return nil, nil, look() }}}
}

func named(name string, p *poll.Poller) *poll.Poller {
	p.Adapter.Name = name
	return p
}

// memory stands for the Redis where time is not real: what the store sends stays in the process.
type memory struct {
	mu        sync.Mutex
	owner     string
	published []protocol.QueueSnapshot
	down      func() error // the outage there is now, or nil
	newer     bool         // another's newer snapshot is there
	anothers  bool         // another's older snapshot is there
}

func (m *memory) DialHook(next redis.DialHook) redis.DialHook { return next }

func (m *memory) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error { return m.answer(cmd) }
}

func (m *memory) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, cmds []redis.Cmder) error {
		var errs []error
		for _, cmd := range cmds {
			errs = append(errs, m.answer(cmd))
		}
		return errors.Join(errs...)
	}
}

func (m *memory) answer(cmd redis.Cmder) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		if err := m.down(); err != nil {
			cmd.SetErr(err)
			return err
		}
	}
	args := cmd.Args()
	text := func(i int) string {
		if b, ok := args[i].([]byte); ok {
			return string(b)
		}
		return fmt.Sprint(args[i])
	}
	switch {
	case cmd.Name() == "set":
		m.owner = text(2)
	case cmd.Name() == "time":
		cmd.(*redis.TimeCmd).SetVal(time.Now())
	case cmd.Name() == "eval" && strings.HasPrefix(text(3), "pulse:owner:"):
		mine := m.owner == text(4)
		cmd.(*redis.Cmd).SetVal(map[bool]int64{true: 1}[mine])
	case cmd.Name() == "eval":
		var s protocol.QueueSnapshot
		if err := json.Unmarshal([]byte(text(4)), &s); err != nil {
			panic(err)
		}
		published := int64(0)
		if !m.newer {
			published = 1
			m.published = append(m.published, s)
		}
		cmd.(*redis.Cmd).SetVal([]any{published, time.Now().UnixMilli(), map[bool]int64{true: 1}[m.newer || m.anothers]})
	}
	return nil
}

// new makes a reporter that publishes into m, and what it logs.
func (m *memory) new(t *testing.T, pollers ...*poll.Poller) (*Reporter, *logs) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", Protocol: 2})
	client.AddHook(m)
	t.Cleanup(func() { client.Close() })
	said := &logs{}
	return &Reporter{
		App: "shop", Source: "redis", Interval: 10 * time.Second, Pollers: pollers, Log: said.logger(),
		Store: publish.New(client, "redis", 30*time.Second),
	}, said
}

// last is what was published last.
func (m *memory) last(t *testing.T) protocol.QueueSnapshot {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.published) == 0 {
		t.Fatal("nothing was published")
	}
	return m.published[len(m.published)-1]
}

// logs is what was logged.
type logs struct{ servertest.Output }

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "app" || a.Key == "source" {
			return slog.Attr{}
		}
		return a
	}}))
}

func (l *logs) lines() []string {
	if l.String() == "" {
		return nil
	}
	return strings.Split(strings.TrimSpace(l.String()), "\n")
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestItPollsAtOnceAndEveryIntervalUntilShortlyBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r, said := m.new(t, poller("orders", "mail"))
		began := time.Now()
		sum := r.Run(within(t, 150*time.Second), "request-1")
		want := Summary{App: "shop", Source: "redis", Polls: 15, Published: 15, Queues: 2, Problems: []string{}, DurationMS: 145_000}
		if diff := cmp.Diff(want, sum); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		for i, s := range m.published {
			if at := time.UnixMilli(s.Timestamp).Sub(began); at.Round(time.Second) != time.Duration(i)*10*time.Second {
				t.Errorf("snapshot %d was read after %v", i, at)
			}
		}
		if lines := said.lines(); len(lines) > 0 {
			t.Errorf("it said %q", lines)
		}
	})
}

func TestAPollThatHangsCostsItselfAndNotTheLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		hangs := true
		p := poller("orders")
		p.Source = source{before: func(ctx context.Context) error {
			if !hangs {
				return nil
			}
			hangs = false
			<-ctx.Done()
			return ctx.Err()
		}}
		r, said := m.new(t, p)
		sum := r.Run(within(t, 36*time.Second), "")
		if sum.Polls != 4 || sum.Published != 3 || len(sum.Problems) != 1 {
			t.Errorf("%+v", sum)
		}
		if lines := said.lines(); len(lines) != 2 {
			t.Errorf("it said %q", lines)
		}
	})
}

func TestTheDeadlineEndsAPollThatHangsWithoutAWord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		p := poller("orders")
		p.Source = source{before: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		r, said := m.new(t, p)
		sum := r.Run(within(t, 8*time.Second), "")
		if sum.DurationMS != 3000 || sum.Published != 0 || len(sum.Problems) > 0 || len(said.lines()) > 0 {
			t.Errorf("%+v, it said %q", sum, said.lines())
		}
	})
}

// TestAnOutageIsLoggedOnceThoughItsErrorsDiffer: one that recurs within ten minutes is counted.
func TestAnOutageIsLoggedOnceThoughItsErrorsDiffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		began, tries := time.Now(), 0
		m.down = func() error {
			switch at := time.Since(began).Minutes(); {
			case 1 < at && at < 2, 3 < at && at < 4, 5 < at && at < 6, 15 < at && at < 16:
				tries++
				return fmt.Errorf("dial tcp 127.0.0.1:%d: connect: connection refused", 40_000+tries) // each its own text
			}
			return nil
		}
		r, said := m.new(t, poller("orders"))
		sum := r.Run(within(t, 18*time.Minute), "")
		const down, up = `level=WARN msg="cannot report; will try again until it works"`, `level=INFO msg="reports again"`
		got := said.lines()
		for i, line := range got {
			before, _, isError := strings.Cut(line, " error=")
			if got[i] = before; isError && strings.HasSuffix(line, " times=3") {
				got[i] += " times=3"
			}
		}
		if diff := cmp.Diff([]string{down, up, down + " times=3", up}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if sum.Published < 70 || tries < 20 || len(sum.Problems) != 1 {
			t.Errorf("%d tries failed, %+v", tries, sum)
		}
	})
}

// TestAnErrorWithoutEndIsCut: a server that is no Redis can make an error say anything.
// TestAnotherCauseIsALineOfItsOwn: first Redis is gone for both adapters, then one may not read and the other goes on
// failing, each time with other words.
func TestAnotherCauseIsALineOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		var polls atomic.Int64
		gone := func() error {
			return fmt.Errorf("read: %w", &net.OpError{Op: "dial", Err: fmt.Errorf("refused %d", polls.Add(1))})
		}
		r, said := m.new(t, named("bullmq", failing(gone)), named("list", failing(func() error {
			if err := gone(); polls.Load() < 10 {
				return err
			}
			return fmt.Errorf("find lists: NOPERM: no permissions, %d; allow +scan", polls.Load())
		})))
		r.Run(within(t, 150*time.Second), "")
		lines := said.lines()
		if len(lines) != 2 || !strings.Contains(lines[0], "refused") || !strings.Contains(lines[1], "NOPERM") {
			t.Errorf("it said %q", lines)
		}
	})
}

func TestAnErrorWithoutEndIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		m.down = func() error { return errors.New("it answers " + strings.Repeat("x", 1<<20)) }
		r, said := m.new(t, poller("orders"))
		sum := r.Run(within(t, time.Minute), "")
		if got := said.lines(); len(got) != 1 || len(got[0]) > 2000 || len(sum.Problems) != 1 || len(sum.Problems[0]) > 2000 {
			t.Errorf("%d lines, the first of %d bytes, and the summary has %d", len(got), len(got[0]), len(sum.Problems[0]))
		}
	})
}

// TestAnOutageThatLastsIsSaid, also where it begins so soon after another that it gets no line at first.
func TestAnOutageThatLastsIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		began := time.Now()
		m.down = func() error {
			if at := time.Since(began).Minutes(); 1 < at && at < 2 || at > 3 {
				return errors.New("connection refused")
			}
			return nil
		}
		r, said := m.new(t, poller("orders"))
		r.Run(within(t, time.Hour), "")
		if lines := said.lines(); len(lines) != 3 || !strings.Contains(lines[2], "cannot report") || !strings.HasSuffix(lines[2], " times=1") && strings.Contains(lines[2], "times") {
			t.Errorf("it said %q", lines)
		}
	})
}

// TestWhatIsNotReadForTheReporterWasToldToStopIsNoProblem stops it while one of two adapters reads.
func TestWhatIsNotReadForTheReporterWasToldToStopIsNoProblem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		polls := 0
		m := &memory{}
		r, said := m.new(t, poller("orders"), failing(func() error {
			if polls++; polls == 2 {
				stop()
				return ctx.Err()
			}
			return nil
		}))
		sum := r.Run(ctx, "")
		if len(said.lines()) > 0 || len(sum.Problems) > 0 || sum.Published != 1 || len(m.last(t).Problems) > 0 {
			t.Errorf("it said %q, and its summary is %+v", said.lines(), sum)
		}
	})
}

func TestARedisThatIsBackIsNoticedWithinAnInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		back := time.Now().Add(time.Hour)
		m.down = func() error {
			if time.Now().Before(back) {
				return errors.New("connection refused")
			}
			return nil
		}
		r, _ := m.new(t, poller("orders"))
		r.Run(within(t, time.Hour+16*time.Second), "")
		if len(m.published) == 0 || time.UnixMilli(m.published[0].Timestamp).Sub(back) > r.Interval {
			t.Errorf("published %d snapshots", len(m.published))
		}
	})
}

// TestEachOutageIsTriedAgainSoonAtFirst: the waits of an outage are not those of the next one.
func TestEachOutageIsTriedAgainSoonAtFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		began := time.Now()
		var failures []time.Duration
		m.down = func() error {
			at := time.Since(began)
			if at < 5*time.Minute || at > 6*time.Minute && at < 7*time.Minute {
				if !slices.Contains(failures, at) { // a try sends several commands
					failures = append(failures, at)
				}
				return errors.New("connection refused")
			}
			return nil
		}
		r, _ := m.new(t, poller("orders"))
		r.Run(within(t, 8*time.Minute), "")
		second := slices.IndexFunc(failures, func(at time.Duration) bool { return at > 6*time.Minute })
		if second < 1 || second+1 >= len(failures) {
			t.Fatalf("tries failed after %v", failures)
		}
		for _, first := range []int{0, second} {
			if wait := failures[first+1] - failures[first]; wait > 2*firstRetry {
				t.Errorf("the failure after %v is tried again %v later", failures[first], wait)
			}
		}
		if wait := failures[second-1] - failures[second-2]; wait < 2*firstRetry {
			t.Errorf("at the end of an outage it waits %v", wait)
		}
	})
}

func TestOfTwoRunsTheNewestGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		older, olderSaid := m.new(t, poller("orders"))
		newer, newerSaid := m.new(t, poller("orders"))
		var first Summary
		var wg sync.WaitGroup
		wg.Go(func() { first = older.Run(within(t, 150*time.Second), "request-1") })
		time.Sleep(65 * time.Second)
		second := newer.Run(within(t, 150*time.Second), "request-2")
		wg.Wait()
		if first.Polls != 7 || first.DurationMS != 70_000 || second.Polls != 15 {
			t.Errorf("older: %+v\nnewer: %+v", first, second)
		}
		want := []string{`level=INFO msg="a newer run of this reporter has taken over"`}
		if diff := cmp.Diff(want, olderSaid.lines()); diff != "" || len(newerSaid.lines()) > 0 {
			t.Errorf("-want +got:\n%s\nthe newer said %q", diff, newerSaid.lines())
		}
	})
}

func TestAProblemIsSaidOnceWhileItLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		began := time.Now()
		p := &poll.Poller{Adapter: described, Source: source{}, Session: &queues{look: func() ([]protocol.Queue, []protocol.Problem, error) {
			at := time.Since(began)
			// Its text is another one at each poll.
			mail := protocol.Problem{Queue: "mail", Reason: fmt.Sprintf("Signature expired: it is now earlier than %s, id %x-5d3e", time.Now().Format(time.RFC3339), 0xabcdef01+int64(at))}
			switch at = at.Round(time.Second); {
			case at < 30*time.Second, at.Seconds() >= 60 && int(at.Seconds())%20 == 0: // it flaps
				return nil, []protocol.Problem{{Queue: "orders", Reason: "NOPERM"}, mail}, nil
			}
			return nil, []protocol.Problem{mail}, nil
		}}}
		r, said := m.new(t, p)
		sum := r.Run(within(t, 700*time.Second), "")
		lines := said.lines()
		const line = `level=WARN msg="reports with a problem" problem="queue \"%s\": %s`
		want := []string{fmt.Sprintf(line, "orders", `NOPERM"`), fmt.Sprintf(line, "mail", `Signature`), fmt.Sprintf(line, "orders", `NOPERM" times=28`)}
		if len(lines) != len(want) {
			t.Fatalf("it said %q", lines)
		}
		for i, line := range lines {
			if !strings.HasPrefix(line, want[i]) {
				t.Errorf("it said %s, not %s", line, want[i])
			}
		}
		if len(sum.Problems) != 2 || sum.Problems[0] != `queue "orders": NOPERM` || !strings.HasPrefix(sum.Problems[1], `queue "mail": Signature`) {
			t.Errorf("the summary has %q", sum.Problems)
		}
		if len(m.published[0].Problems) != 2 {
			t.Errorf("the snapshot's problems are %v", m.published[0].Problems)
		}
	})
}

// TestProblemsOfTwoQueuesAreTwo, also where they are of one kind.
func TestProblemsOfTwoQueuesAreTwo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		p := &poll.Poller{Adapter: described, Source: source{}, Session: &queues{look: func() ([]protocol.Queue, []protocol.Problem, error) {
			return nil, []protocol.Problem{{Queue: "orders-1", Reason: "NOPERM"}, {Queue: "orders-2", Reason: "NOPERM"}}, nil
		}}}
		r, said := m.new(t, p)
		if sum := r.Run(within(t, 28*time.Second), ""); len(sum.Problems) != 2 || len(said.lines()) != 2 {
			t.Errorf("%+v, it said %q", sum, said.lines())
		}
	})
}

// TestOfTwoAdaptersWithOneQueueTheFirstIsBelieved, and the problem names both.
func TestOfTwoAdaptersWithOneQueueTheFirstIsBelieved(t *testing.T) {
	t.Parallel()
	second := named("second", poller("jobs", "mails", "own"))
	look := second.Session.(*queues).look
	second.Session.(*queues).look = func() ([]protocol.Queue, []protocol.Problem, error) {
		found, problems, err := look()
		for i := range found {
			found[i].Metrics.Waiting = 999
		}
		return found, problems, err
	}
	r := &Reporter{App: "shop", Interval: time.Second, Pollers: []*poll.Poller{named("first", poller("jobs", "mails", "images")), second}}
	s, err := r.Poll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, q := range s.Queues {
		got[q.Name] = q.Metrics.Waiting
	}
	if diff := cmp.Diff(map[string]int64{"jobs": 1, "mails": 1, "images": 1, "own": 999}, got); diff != "" || len(s.Queues) != 4 {
		t.Errorf("-want +got:\n%s", diff)
	}
	want := []protocol.Problem{{Queue: "jobs", Reason: `second: 2 of its queues are left out, such as "bullmq/jobs", as first reports them, too: let one of the two do it`}}
	if diff := cmp.Diff(want, s.Problems); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestProblemsOfTwoAdaptersAreTwo, also where their names differ in a digit only.
func TestProblemsOfTwoAdaptersAreTwo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r, said := m.new(t, named("rq2", failing(func() error { return errors.New("it was closed") })),
			named("rq3", failing(func() error { return errors.New("it was closed") })), named("other", poller("jobs")))
		if sum := r.Run(within(t, 28*time.Second), ""); len(sum.Problems) != 2 || len(said.lines()) != 2 {
			t.Errorf("%+v, it said %q", sum, said.lines())
		}
	})
}

// TestAProblemOfManyQueuesIsOneLine, such as a dead node of a cluster: as long as it lasts, also of more queues.
func TestAProblemOfManyQueuesIsOneLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		polls := 0
		look := func() ([]protocol.Queue, []protocol.Problem, error) {
			polls++
			problems := []protocol.Problem{{Queue: "own", Reason: "WRONGTYPE"}}
			for i := range 30 + polls {
				problems = append(problems, protocol.Problem{Queue: fmt.Sprintf("q%d", i), Reason: "its node cannot be reached"})
			}
			return nil, problems, nil
		}
		r, said := m.new(t, &poll.Poller{Adapter: described, Source: source{}, Session: &queues{look: look}})
		r.Run(within(t, 300*time.Second), "")
		lines := said.lines()
		if len(lines) != 2 || !strings.Contains(said.String(), `"queue \"own\": WRONGTYPE"`) || !strings.Contains(said.String(), `problem="queue \"q0\": its node cannot be reached" queues=31`) {
			t.Errorf("it logged %d lines: %s", len(lines), said)
		}
	})
}

// TestAnAdapterWithNewWordsInEachPollFloodsNoLog, and hides no problem of another.
func TestAnAdapterWithNewWordsInEachPollFloodsNoLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		polls, words := 0, ""
		flood := func() ([]protocol.Queue, []protocol.Problem, error) {
			polls++
			var problems []protocol.Problem
			for i := range 40 {
				name := fmt.Sprintf("q%d-%c", polls, 'A'+i)
				problems = append(problems, protocol.Problem{Queue: name, Reason: "new: " + strings.Repeat("x", i)})
			}
			return nil, problems, nil
		}
		neighbour := func() ([]protocol.Queue, []protocol.Problem, error) {
			words += "x"
			return nil, []protocol.Problem{{Queue: "mail", Reason: "NOPERM " + words}}, nil
		}
		of := func(name string, look func() ([]protocol.Queue, []protocol.Problem, error)) *poll.Poller {
			return &poll.Poller{Adapter: adapter.Description{Name: name, Commands: described.Commands}, Source: source{}, Session: &queues{look: look}}
		}
		r, said := m.new(t, of("flood", flood))
		r.Run(within(t, 300*time.Second), "")
		problems, floods := strings.Count(said.String(), `"queue \"q`), strings.Count(said.String(), "more than 20 new problems in a minute")
		if problems != 5*maxLines || floods != 1 || !strings.Contains(said.String(), "adapter=flood") {
			t.Errorf("in 5 minutes it logged %d problems, and %d times that there are more", problems, floods)
		}
		r, said = m.new(t, of("flood", flood), of("laravel", neighbour))
		r.Run(within(t, 98*time.Second), "")
		if n := strings.Count(said.String(), "laravel: NOPERM"); n < 10 {
			t.Errorf("of 10 problems of its neighbour %d are logged: %s", n, said)
		}
	})
}

func TestAnothersNewerSnapshotsAreSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{newer: true}
		r, said := m.new(t, poller("orders"))
		if sum := r.Run(within(t, 20*time.Second), ""); sum.Polls != 2 || sum.Published > 0 || len(sum.Problems) > 0 || len(said.lines()) > 0 {
			t.Errorf("after two: %+v, it said %q", sum, said.lines())
		}
		const want = "another reporter of app shop and source redis publishes, too, and only the newer snapshot is shown: stop one of the two, or give it a PULSE_SOURCE of its own"
		sum := r.Run(within(t, 50*time.Second), "")
		if sum.Published > 0 || len(sum.Problems) != 1 || sum.Problems[0] != want {
			t.Errorf("%+v", sum)
		}
		if lines := said.lines(); len(lines) != 1 || !strings.Contains(lines[0], want) {
			t.Errorf("it said %q", lines)
		}
		for range 3 { // twice in a row is no problem
			m.newer = false
			r.Run(within(t, 10*time.Second), "")
			m.newer = true
			if sum := r.Run(within(t, 20*time.Second), ""); sum.Polls != 2 || len(sum.Problems) > 0 {
				t.Errorf("after two more: %+v", sum)
			}
		}
		m.newer = false
		if sum := r.Run(within(t, 50*time.Second), ""); sum.Published != sum.Polls || len(sum.Problems) > 0 {
			t.Errorf("when the other has gone: %+v", sum)
		}
	})
}

// TestRedisTimeIsThatOfSnapshotsAndAdapters has a Redis whose clock is at another time than this machine's.
// TestInstancesOfAFunctionThatTakeTurnsAreOneReporter: each finds the other's snapshot at the begin of each invocation.
func TestInstancesOfAFunctionThatTakeTurnsAreOneReporter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{anothers: true}
		r, _ := m.new(t, poller("orders"))
		for range 5 {
			if sum := r.Run(within(t, 20*time.Second), "request"); sum.Published != 2 || len(sum.Problems) > 0 {
				t.Errorf("%+v", sum)
			}
		}
	})
}

// TestTwoReportersOfOneKeyAreSaid: they publish in turn, so that none finds a newer one, and rows flip. A second run for a
// moment, as at a restart and in Lambda, is none.
func TestTwoReportersOfOneKeyAreSaid(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := servertest.Redis(t)
	reporting := func(name string) (*Reporter, *logs) {
		said := &logs{}
		return &Reporter{
			App: "shop", Source: "redis", Interval: time.Minute, Pollers: []*poll.Poller{poller(name)}, Log: said.logger(),
			Store: publish.New(server.Client, "redis", 5*time.Minute),
		}, said
	}
	step := func(r *Reporter) {
		t.Helper()
		claimed := true
		time.Sleep(2 * time.Millisecond) // each has its own timestamp
		if _, err := r.try(ctx, "", &claimed, &tally{kinds: map[string]bool{}}); err != nil {
			t.Fatal(err)
		}
	}
	const want = "another reporter of app shop and source redis publishes, too"
	shown := func() bool {
		return strings.Contains(server.Client.Get(ctx, protocol.QueuesKey("shop", "redis")).Val(), want)
	}
	a, saidA := reporting("a")
	for range 4 { // a restart, and another one
		step(a)
		b, saidB := reporting("b")
		step(a)
		step(b)
		step(a)
		step(b)
		if shown() || len(saidA.lines())+len(saidB.lines()) > 0 {
			t.Fatalf("after a moment of two they say %q, %q", saidA.lines(), saidB.lines())
		}
		step(b)
		step(b)
		a, saidA = b, saidB
	}
	b, saidB := reporting("b")
	for range 8 {
		step(a)
		step(b)
	}
	if lines := append(saidA.lines(), saidB.lines()...); !shown() || len(lines) != 2 || !strings.Contains(lines[0], want) || !strings.Contains(lines[1], "PULSE_SOURCE") {
		t.Errorf("they say %q, and the snapshot %v", lines, shown())
	}
	for range 3 {
		step(a)
	}
	if shown() {
		t.Error("the other has gone, and is still said")
	}
}

func TestRedisTimeIsThatOfSnapshotsAndAdapters(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), Protocol: 2})
	defer client.Close()
	at := time.UnixMilli(1_764_000_000_000)
	server.SetTime(at)
	p := poller("orders")
	r := &Reporter{
		App: "shop", Source: "redis", Interval: time.Hour, Pollers: []*poll.Poller{p}, Log: slog.New(slog.DiscardHandler),
		Store: publish.New(client, "redis", 30*time.Second),
	}
	r.Run(within(t, deadlineReserve+time.Second), "")
	s, _, err := protocol.DecodeSnapshot([]byte(client.Get(t.Context(), "pulse:queues:shop:redis").Val()))
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]time.Time{"the snapshot's": time.UnixMilli(s.Timestamp), "the adapter's": p.Session.(*queues).now} {
		if off := got.Sub(at); off < 0 || off > 30*time.Second {
			t.Errorf("%s time is %v away from Redis'", what, off)
		}
	}
}

// TestAClockThatIsWrongIsSaidAndHidesNothing has real Redises and a machine whose clock somebody has set.
func TestAClockThatIsWrongIsSaidAndHidesNothing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		ahead time.Duration
		says  string
	}{
		{0, ""},
		{-40 * time.Second, "this reporter's clock is 40 s behind that of redis 10.0.0.7:6379, which is used instead: set the one that is wrong (NTP)"},
		{25 * time.Hour, "this reporter's clock is 25 h ahead of that of redis 10.0.0.7:6379, which is used instead: set the one that is wrong (NTP)"},
	} {
		t.Run(tc.ahead.String(), func(t *testing.T) {
			t.Parallel()
			client := servertest.Redis(t).Client
			began := time.Now()
			p := poller("orders")
			session := p.Session.(*queues)
			said := &logs{}
			r := &Reporter{
				App: "shop", Source: "redis", Interval: 100 * time.Millisecond, Pollers: []*poll.Poller{p}, Log: said.logger(),
				Store: publish.NewWithClock(client, "redis 10.0.0.7:6379", 30*time.Second, func() (time.Time, time.Duration) {
					return time.Now().Add(tc.ahead).Round(0), time.Since(began)
				}),
			}
			sum := r.Run(within(t, deadlineReserve+time.Second), "request-1")
			s, problems, err := protocol.DecodeSnapshot([]byte(client.Get(t.Context(), "pulse:queues:shop:redis").Val()))
			if err != nil || sum.Published < 2 || sum.Published < sum.Polls-1 || len(s.Queues) != 1 { // the end may cut the last poll off
				t.Fatalf("%+v, %+v, %v", sum, s, err)
			}
			for what, at := range map[string]time.Time{"the snapshot's": time.UnixMilli(s.Timestamp), "the adapter's": session.now} {
				if off := client.Time(t.Context()).Val().Sub(at); off.Abs() > 30*time.Second {
					t.Errorf("%s time is %v away from Redis'", what, off)
				}
			}
			if tc.says == "" {
				if len(problems)+len(sum.Problems)+len(said.lines()) > 0 {
					t.Errorf("problems: %v, %v, %q", problems, sum.Problems, said.lines())
				}
				return
			}
			if len(problems) != 1 || problems[0].Reason != tc.says || len(sum.Problems) != 1 || len(said.lines()) != 1 {
				t.Errorf("problems: %v, %v, it said %q", problems, sum.Problems, said.lines())
			}
		})
	}
}

func TestASummaryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		p := &poll.Poller{Adapter: described, Source: source{}, Session: &queues{look: func() ([]protocol.Queue, []protocol.Problem, error) {
			var problems []protocol.Problem
			for i := range 1000 {
				problems = append(problems, protocol.Problem{Queue: fmt.Sprintf("queue %d at %d", i, time.Now().Unix()), Reason: "rubbish"})
			}
			return nil, problems, nil
		}}}
		r, said := m.new(t, p)
		sum := r.Run(within(t, 305*time.Second), "")
		if n := len(sum.Problems); n != maxProblems+1 || sum.Problems[n-1] != "more than 100 problems: the rest are not listed" {
			t.Errorf("%d problems, the last %q", n, sum.Problems[n-1])
		}
		if n := len(m.published[0].Problems); n != maxProblems+1 {
			t.Errorf("the snapshot has %d problems", n)
		}
		if n := len(said.lines()); n > 1000 {
			t.Errorf("%d lines in the log of %d polls", n, sum.Polls)
		}
	})
}

func TestTheSummaryIsTheContracts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r, _ := m.new(t, poller("orders", "mail"))
		data, err := json.Marshal(r.Run(within(t, 8*time.Second), "request-1"))
		const want = `{"app":"shop","source":"redis","polls":1,"published":1,"queues":2,"problems":[],"duration_ms":3000}`
		if err != nil || string(data) != want {
			t.Errorf("%s, %v", data, err)
		}
	})
}

func TestAnAdapterThatFailsDoesNotHideTheOthersQueues(t *testing.T) {
	t.Parallel()
	for says, broken := range map[string]*poll.Poller{
		"test: NOPERM for SCAN":                      failing(func() error { return errors.New("NOPERM for SCAN") }),
		`it is left out: it has no name`:             poller(""),
		`it is left out: bullmq has this name twice`: poller("orders"),
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			r := &Reporter{App: "shop", Source: "redis", Interval: 7 * time.Second, Pollers: []*poll.Poller{poller("orders"), broken, poller("mail")}}
			s, err := r.Poll(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.EncodeUsable(); err != nil {
				t.Fatal(err)
			}
			if len(s.Queues) != 2 || s.Queues[0].Name != "orders" || s.Queues[1].Name != "mail" || s.App != "shop" || s.Source != "redis" || s.IntervalMS != 7000 {
				t.Errorf("%+v", s)
			}
			if len(s.Problems) != 1 || s.Problems[0].Reason != says {
				t.Errorf("problems are %v", s.Problems)
			}
		})
	}
}

func TestWhatAllAdaptersSayIsSaidOnce(t *testing.T) {
	t.Parallel()
	gone := func() *poll.Poller {
		return &poll.Poller{Adapter: described, Session: poller().Session, Source: source{func(context.Context) error { return errors.New("connection refused") }}}
	}
	closed := func(name string) *poll.Poller {
		return named(name, failing(func() error { return errors.New("it was closed") }))
	}
	for want, pollers := range map[string][]*poll.Poller{
		"connection refused": {gone(), gone()},
		// The same reason of several adapters, or of the only one, is theirs.
		"alpha, beta: it was closed": {closed("alpha"), closed("beta")},
		"alpha: it was closed":       {closed("alpha")},
		"bullmq, redislist: connection refused\nlaravel: NOPERM": {
			named("bullmq", gone()), named("laravel", failing(func() error { return errors.New("NOPERM") })), named("redislist", gone()),
		},
	} {
		r := &Reporter{App: "shop", Interval: time.Second, Pollers: pollers}
		if _, err := r.Poll(t.Context()); err == nil || err.Error() != want {
			t.Errorf("the error is %v, not %q", err, want)
		}
	}
}

// TestALongReasonHidesNoOther, nor do many.
func TestALongReasonHidesNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		endless := failing(func() error { return errors.New("it answers " + strings.Repeat("x", 1<<20)) })
		r, said := m.new(t, named("first", endless), named("second", failing(func() error { return errors.New("NOPERM") })))
		for i := range 50 {
			r.Pollers = append(r.Pollers, named(fmt.Sprintf("more-%d", i), failing(func() error { return fmt.Errorf("%d%s", i, strings.Repeat("x", 1<<20)) })))
		}
		sum := r.Run(within(t, 8*time.Second), "")
		problems := m.last(t).Problems
		if len(problems) != 11 || len(problems[0].Reason) > 2000 || !strings.HasPrefix(problems[0].Reason, "first: it answers xx") || problems[1].Reason != "second: NOPERM" ||
			problems[10].Reason != "42 more adapters cannot read anything, and why is not listed" {
			t.Errorf("it published %.3000v", problems)
		}
		for what, text := range map[string]string{"its log": said.String(), "its summary": strings.Join(sum.Problems, "")} {
			if !strings.Contains(text, "second: NOPERM") || !strings.Contains(text, "42 more adapters") || len(text) > 20_000 {
				t.Errorf("%s has %d bytes: %.3000s", what, len(text), text)
			}
		}
	})
}

// TestAnAdapterThatHangsHidesNobody: each has a deadline of its own, and all are asked at once.
func TestAnAdapterThatHangsHidesNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		hangs := poller("never")
		hangs.Source = source{before: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		slow := poller("slow")
		slow.Source = source{before: func(context.Context) error { time.Sleep(3 * time.Second); return nil }}
		r, _ := m.new(t, slow)
		r.Interval, r.Pollers = 10*time.Second, []*poll.Poller{hangs, slow, poller("quick")}
		began := time.Now()
		r.Run(within(t, 29*time.Second), "")
		if len(m.published) != 3 {
			t.Fatalf("%d were published in 24 seconds", len(m.published))
		}
		for i, s := range m.published {
			if len(s.Queues) != 2 || len(s.Problems) != 1 || s.Problems[0].Reason != "test: context deadline exceeded" {
				t.Errorf("number %d: %+v", i, s)
			}
			if at := time.UnixMilli(s.Timestamp).Sub(began); at != time.Duration(i)*10*time.Second {
				t.Errorf("number %d was read after %v", i, at)
			}
		}
	})
}

// TestAPollHasTimeEnough: one that takes longer than a short interval is no failure, and one that
// hangs ends.
func TestAPollHasTimeEnough(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		adapters        int
		interval, takes time.Duration
		ok              bool
	}{
		{1, time.Second, 4 * time.Second, true}, {1, time.Second, 6 * time.Second, false},
		{1, 20 * time.Second, 19 * time.Second, true}, {1, 20 * time.Second, 21 * time.Second, false},
		{2, time.Second, 4 * time.Second, true}, {2, time.Second, 6 * time.Second, false},
		{2, 20 * time.Second, 9 * time.Second, true}, {2, 20 * time.Second, 11 * time.Second, false}, // its neighbours wait for it
	} {
		synctest.Test(t, func(t *testing.T) {
			p := poller("orders")
			p.Source = source{before: func(ctx context.Context) error {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(tc.takes):
					return nil
				}
			}}
			r := &Reporter{App: "shop", Interval: tc.interval, Pollers: []*poll.Poller{p}}
			if tc.adapters > 1 {
				r.Pollers = append(r.Pollers, failing(func() error { return errors.New("the neighbour has nothing") }))
			}
			if _, err := r.Poll(t.Context()); tc.ok != (err == nil) {
				t.Errorf("%d adapters every %v, a poll of %v: %v", tc.adapters, tc.interval, tc.takes, err)
			}
		})
	}
}

func TestWhereAllAdaptersFailTheReasonsArePublished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r, said := m.new(t, failing(func() error { return errors.New("the first's reason") }), failing(func() error { return errors.New("the second's") }))
		sum := r.Run(within(t, 26*time.Second), "")
		if problems := m.last(t).Problems; len(problems) != 2 || problems[0].Reason != "test: the first's reason" || problems[1].Reason != "test: the second's" {
			t.Errorf("it published %v", problems)
		}
		if sum.Published != 0 || sum.Polls == 0 || len(sum.Problems) != 1 || len(said.lines()) != 1 {
			t.Errorf("%+v, it said %q", sum, said.lines())
		}
		if !strings.Contains(sum.Problems[0], "the first's reason") || !strings.Contains(sum.Problems[0], "the second's") {
			t.Errorf("%q", sum.Problems)
		}
	})
}

func TestARealRedisMayRestart(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, MaxRetries: 1, DialerRetries: 1, DialTimeout: time.Second})
	defer client.Close()
	said := &logs{}
	r := &Reporter{
		App: "shop", Source: "redis", Interval: time.Second, Pollers: []*poll.Poller{poller("orders")}, Log: said.logger(),
		Store: publish.New(client, "redis "+server.Addr, 30*time.Second),
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan Summary)
	go func() { done <- r.Run(ctx, "request-1") }()
	there := func() bool { return server.Client.Exists(t.Context(), "pulse:queues:shop:redis").Val() == 1 }
	servertest.Eventually(t, "the first snapshot", there)
	for range 2 {
		server.Stop()
		servertest.Eventually(t, "the line on the outage", func() bool { return len(said.lines()) > 0 })
		server.Start()
		servertest.Eventually(t, "a snapshot after the restart", there)
	}
	servertest.Eventually(t, "the line on its end", func() bool { return len(said.lines()) == 2 })
	cancel()
	sum := <-done
	var got []string
	for _, line := range said.lines() {
		got = append(got, regexp.MustCompile(`msg="([^"]*)"`).FindStringSubmatch(line)[1])
	}
	const down, up = "cannot report; will try again until it works", "reports again"
	if diff := cmp.Diff([]string{down, up}, got); diff != "" || sum.Published < 3 { // the second comes within ten minutes
		t.Errorf("%+v; -want +got:\n%s", sum, diff)
	}
}

func TestOfTwoRunsOnARealRedisTheNewestGoesOn(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	run := func(ctx context.Context, owner string) chan Summary {
		done := make(chan Summary, 1)
		r := &Reporter{
			App: "shop", Source: "redis", Interval: time.Second, Pollers: []*poll.Poller{poller("orders")}, Log: slog.New(slog.DiscardHandler),
			Store: publish.New(server.Client, "redis", 30*time.Second),
		}
		go func() { done <- r.Run(ctx, owner) }()
		return done
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	owner := func(want string) func() bool {
		return func() bool { return server.Client.Get(t.Context(), "pulse:owner:shop:redis").Val() == want }
	}
	older := run(ctx, "request-1")
	servertest.Eventually(t, "the first's claim", owner("request-1"))
	newer := run(ctx, "request-2")
	servertest.Eventually(t, "the older one's end, by itself", func() bool { return len(older) > 0 })
	if !owner("request-2")() {
		t.Error("the older one has kept its claim")
	}
	cancel()
	if sum := <-newer; sum.Published == 0 {
		t.Errorf("%+v", sum)
	}
}

// TestNoAdapterCrowdsOutAnother has one that reports all that a snapshot may have, and more.
func TestNoAdapterCrowdsOutAnother(t *testing.T) {
	t.Parallel()
	crowd := make([]protocol.Queue, protocol.MaxQueues)
	rubbish := make([]protocol.Problem, 2*maxProblems)
	for i := range crowd {
		crowd[i] = protocol.Queue{Name: fmt.Sprintf("crowd-%d", i), Driver: protocol.DriverOther}
	}
	for i := range rubbish {
		rubbish[i] = protocol.Problem{Reason: fmt.Sprintf("rubbish %d", i)}
	}
	looking := func(q []protocol.Queue, p []protocol.Problem) *poll.Poller {
		return &poll.Poller{Adapter: described, Source: source{}, Session: &queues{look: func() ([]protocol.Queue, []protocol.Problem, error) { return q, p, nil }}}
	}
	good := looking([]protocol.Queue{{Name: "mail", Driver: protocol.DriverOther}}, []protocol.Problem{{Queue: "orders", Reason: "NOPERM"}})
	r := &Reporter{App: "shop", Interval: time.Second, Pollers: []*poll.Poller{looking(crowd, rubbish), good}}
	s, err := r.Poll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if last := s.Queues[len(s.Queues)-1]; last.Name != "mail" || len(s.Queues) != protocol.MaxQueues/2+1 {
		t.Errorf("%d queues, the last %q", len(s.Queues), last.Name)
	}
	var said []string
	for _, p := range s.Problems {
		if !strings.HasPrefix(p.Reason, "test: rubbish") {
			said = append(said, p.String())
		}
	}
	want := []string{
		"test: 50000 of its 100000 queues are left out: give it a reporter with a source of its own",
		"test: 175 of its 200 problems are not listed",
		`queue "orders": test: NOPERM`,
	}
	if diff := cmp.Diff(want, said); diff != "" || len(s.Problems) > maxProblems {
		t.Errorf("%d problems (-want +got):\n%s", len(s.Problems), diff)
	}
	if _, err := s.EncodeUsable(); err != nil {
		t.Error(err)
	}
}

// TestWhatCannotBeReadNowStaysWithItsTimeAndTheReason: the Redis of the queues is down, that of the dashboard
// is not.
func TestWhatCannotBeReadNowStaysWithItsTimeAndTheReason(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		trouble := errors.New("read from redis 10.0.0.7:6379: connection refused")
		const begins, ends = 5 * time.Second, 55 * time.Second
		began := time.Now()
		p := poller("mail")
		p.Source = source{before: func(context.Context) error {
			if at := time.Since(began); begins < at && at < ends {
				return trouble
			}
			return nil
		}}
		m := &memory{}
		r, _ := m.new(t, p)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx, "") })
		time.Sleep(begins)
		read := m.last(t)
		time.Sleep(ends - begins)
		if s := m.last(t); s.Timestamp != read.Timestamp || len(s.Queues) != 1 || s.Queues[0].Name != "mail" || len(s.Problems) != 1 || s.Problems[0].Reason != trouble.Error() {
			t.Errorf("it is published as %+v", s)
		}
		time.Sleep(2 * r.Interval)
		if s := m.last(t); s.Timestamp <= read.Timestamp || len(s.Queues) != 1 || len(s.Problems) > 0 {
			t.Errorf("after it is %+v", s)
		}
		stop()
		running.Wait()
	})
}

func TestWhatCouldNeverBeReadIsPublishedWithTheReason(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		r, _ := m.new(t, failing(func() error { return errors.New("no AWS credentials") }))
		ctx, cancel := context.WithTimeout(t.Context(), 2*r.Interval)
		defer cancel()
		r.Run(ctx, "")
		if s := m.last(t); s.App != "shop" || len(s.Queues) > 0 || len(s.Problems) != 1 || s.Problems[0].Reason != "test: no AWS credentials" {
			t.Errorf("it is published as %+v", s)
		}
	})
}
