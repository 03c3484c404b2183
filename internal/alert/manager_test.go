package alert_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/alert"
	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

// pager is a server of channels: whatever host is asked for, it answers.
type pager struct {
	*httptest.Server

	mu     sync.Mutex
	got    []string // host, path and body of each request, in order
	answer func(w http.ResponseWriter, r *http.Request)
}

func newPager(t *testing.T) *pager {
	t.Helper()
	p := &pager{}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.got = append(p.got, r.Host+r.URL.Path+" "+string(body))
		answer := p.answer
		p.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// transport reaches the pager by any name.
func (p *pager) transport() *http.Transport {
	tr := p.Client().Transport.(*http.Transport).Clone()
	tr.TLSClientConfig.ServerName = "example.com"
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, p.Listener.Addr().String())
	}
	return tr
}

func (p *pager) set(answer func(w http.ResponseWriter, r *http.Request)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

// take returns what came since the last time.
func (p *pager) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.got
	p.got = nil
	return got
}

// desk is a manager with its Redis and its pager.
type desk struct {
	t     *testing.T
	redis *servertest.RedisServer
	pager *pager
	log   *bytes.Buffer
	now   time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return &desk{t: t, redis: servertest.Redis(t), pager: newPager(t), log: &bytes.Buffer{}, now: time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)}
}

const (
	slack     = "https://hooks.slack.com/services/T0/B0/secret"
	discord   = "https://discord.com/api/webhooks/1/secret"
	webhook   = "https://alerts.example.com/hook?key=secret"
	pagerDuty = "pagerduty:secretsecret"
)

func (d *desk) manager(rules string, channels ...string) *alert.Manager {
	d.t.Helper()
	rs, err := alert.ParseRules(rules)
	if err != nil {
		d.t.Fatal(err)
	}
	cs, err := alert.ParseChannels(strings.Join(channels, ", "), d.pager.transport(), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return &alert.Manager{
		Rules: rs, Channels: cs, Repeat: 4 * time.Hour, PublicURL: "https://pulse.example.com", Keeper: publish.New(d.redis.Client, "redis", time.Minute),
		Log: slog.New(slog.NewTextHandler(d.log, nil)),
	}
}

// queue is a queue of the app shop.
func queue(name string, health protocol.Health, waiting int) string {
	return fmt.Sprintf("%s %s %d", name, health, waiting)
}

// view makes a view of queues of the app shop.
func (d *desk) view(queues ...string) *view.View {
	d.t.Helper()
	var rows []string
	trends := protocol.Trends{Timestamp: d.now.UnixMilli(), App: "shop", Queues: map[string]*protocol.Verdict{}}
	for _, q := range queues {
		var name, health string
		var waiting int
		if _, err := fmt.Sscanf(q, "%s %s %d", &name, &health, &waiting); err != nil {
			d.t.Fatal(err)
		}
		rows = append(rows, fmt.Sprintf(`{"name":%q,"driver":"sqs","metrics":{"waiting":%d,"active":0}}`, name, waiting))
		trends.Queues["sqs/"+name] = &protocol.Verdict{Health: protocol.Health(health), Reason: fmt.Sprintf("%d wait", waiting)}
	}
	text, err := trends.Encode()
	if err != nil {
		d.t.Fatal(err)
	}
	var b view.Builder
	return b.Build(d.now, []view.Document{
		{Key: "pulse:queues:shop:sqs", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","source":"sqs","queues":[%s]}`, d.now.UnixMilli(), strings.Join(rows, ","))},
		{Key: "pulse:trend:shop", Data: text},
	})
}

// look makes a look of m a minute later.
func (d *desk) look(m *alert.Manager, queues ...string) []string {
	d.t.Helper()
	d.now = d.now.Add(time.Minute)
	if err := m.Look(d.t.Context(), d.view(queues...), nil); err != nil {
		d.t.Fatal(err)
	}
	return d.pager.take()
}

func (d *desk) none(what string, got []string) {
	d.t.Helper()
	if len(got) > 0 {
		d.t.Errorf("%s: sent was %q", what, got)
	}
}

func (d *desk) one(what string, got []string, parts ...string) {
	d.t.Helper()
	if len(got) != 1 {
		d.t.Fatalf("%s: sent was %q, want one message; the log has\n%s", what, got, d.log)
	}
	for _, part := range parts {
		if !strings.Contains(got[0], part) {
			d.t.Errorf("%s: sent was %s, want %s in it", what, got[0], part)
		}
	}
}

func TestTellsOnceAndWhenItIsOver(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("stalled 2m", slack)
	bad, good := queue("orders", protocol.HealthStalled, 5), queue("orders", protocol.HealthOK, 0)
	d.none("at first", d.look(m, bad))
	d.none("after a minute", d.look(m, bad))
	d.one("after two", d.look(m, bad), "hooks.slack.com/services/T0/B0/secret ", "1 alert fires", "🔴 sqs/orders of shop (stalled 2m), since 03:01 UTC: 5 wait", "https://pulse.example.com")
	for fingerprint, a := range m.Firing()["shop"] {
		if want := (protocol.Alert{Rule: "stalled 2m", Kind: "queue", Key: "sqs/orders", Reason: "5 wait", Since: d.now.Add(-2 * time.Minute).UnixMilli(), Sent: d.now.UnixMilli()}); a != want || fingerprint == "" {
			t.Errorf("what fires is %+v, want %+v", a, want)
		}
	}
	for range 10 {
		d.none("it lasts", d.look(m, bad))
	}
	d.now = d.now.Add(4 * time.Hour)
	d.one("four hours later", d.look(m, bad), "1 alert fires", "since 03:01 UTC")
	d.none("it is over for a minute", d.look(m, good))
	d.one("and for two", d.look(m, good), "1 alert is over", "✅ sqs/orders of shop (stalled 2m) is over; it began at 03:01 UTC")
	d.none("nothing is left", d.look(m, good))
	if len(m.Firing()) > 0 {
		t.Errorf("there still fires %v", m.Firing())
	}
	if n := d.redis.Client.HLen(t.Context(), protocol.AlertsKey).Val(); n != 1 {
		t.Errorf("Redis keeps %v", d.redis.Client.HGetAll(t.Context(), protocol.AlertsKey).Val())
	}
	if ttl := d.redis.Client.TTL(t.Context(), protocol.AlertsKey).Val(); ttl < 6*24*time.Hour {
		t.Errorf("it lives for %v", ttl)
	}
}

// TestRestartForgetsNothing: another manager goes on where one ended.
func TestRestartForgetsNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	bad, good := queue("orders", protocol.HealthStalled, 5), queue("orders", protocol.HealthOK, 0)
	next := func() *alert.Manager { return d.manager("stalled 2m", slack) }
	d.none("at first", d.look(next(), bad))
	d.none("after a minute", d.look(next(), bad))
	d.one("after two", d.look(next(), bad), "fires")
	d.none("it lasts", d.look(next(), bad))
	d.none("it is over for a minute", d.look(next(), good))
	d.one("and for two", d.look(next(), good), "is over")
}

// TestTwoManagersTellOnce: of recorders that overlap one looks at each minute.
func TestTwoManagersTellOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a, b := d.manager("stalled", slack), d.manager("stalled", slack)
	bad := queue("orders", protocol.HealthStalled, 5)
	var got []string
	for range 5 {
		d.now = d.now.Add(time.Minute)
		v := d.view(bad)
		var both sync.WaitGroup
		for _, m := range []*alert.Manager{a, b} {
			both.Go(func() {
				if err := m.Look(t.Context(), v, nil); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		got = append(got, d.pager.take()...)
	}
	d.one("in five minutes", got, "1 alert fires")
}

// TestGapIsNotTheEnd: after a gap nobody can see for some minutes that a queue still grows or fails. That is no look, and it is
// told neither that it is over nor, after that, that it fires.
func TestGapIsNotTheEnd(t *testing.T) {
	t.Parallel()
	for _, health := range []protocol.Health{protocol.HealthGrowing, protocol.HealthFailing} {
		t.Run(string(health), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			next := func() *alert.Manager { return d.manager(string(health), slack) } // each starts anew, as a Lambda function may
			bad, good := queue("orders", health, 5), queue("orders", protocol.HealthOK, 5)
			d.none("at first", d.look(next(), bad))
			d.one("after a minute", d.look(next(), bad), "fires")
			for range 2 {
				d.now = d.now.Add(10 * time.Minute)
				for range history.GrowingLooks - 1 {
					d.none("after a gap", d.look(next(), good))
				}
				d.none("it is seen", d.look(next(), bad))
			}
			d.none("over for a minute", d.look(next(), good))
			d.one("and for two", d.look(next(), good), "is over")
			for range history.GrowingLooks {
				d.none("nothing is left", d.look(next(), good))
			}
			d.none("again", d.look(next(), bad))
			d.one("for a minute", d.look(next(), bad), "fires")
			d.now = d.now.Add(10 * time.Minute)
			for range history.GrowingLooks {
				d.none("it ended in the gap", d.look(next(), good))
			}
			d.one("which takes seven looks", d.look(next(), good), "is over")
		})
	}
}

// TestRepeatsWhatItSees: of numbers that are not known now nobody is told again.
func TestRepeatsWhatItSees(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("waiting>9", slack)
	look := func(q string) []string {
		d.now = d.now.Add(4*time.Hour - 2*time.Minute)
		d.none("between", d.look(m, queue("orders", protocol.HealthUnknown, 9)))
		return d.look(m, q)
	}
	d.none("at first", d.look(m, queue("orders", protocol.HealthUnknown, 10)))
	d.one("after a minute", d.look(m, queue("orders", protocol.HealthUnknown, 10)), "fires")
	d.one("it lasts", look(queue("orders", protocol.HealthUnknown, 10)), "fires")
	d.one("it is close", look(queue("orders", protocol.HealthUnknown, 9)), "fires")
	d.none("it seems to be over", look(queue("orders", protocol.HealthUnknown, 0)))
	d.one("it is not", d.look(m, queue("orders", protocol.HealthUnknown, 10)), "fires")
	d.now = d.now.Add(4 * time.Hour)
	d.none("nothing is known", d.lookAt(m, map[string]string{"pulse:queues:shop:sqs": "{"}))
	d.one("it is known", d.look(m, queue("orders", protocol.HealthUnknown, 10)), "fires")
}

// TestManagerThatEndedWhileItTold: another waits before it tells, because the first may have.
func TestManagerThatEndedWhileItTold(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	bad := queue("orders", protocol.HealthStalled, 5)
	ends, end := context.WithCancel(t.Context())
	first := d.manager("stalled", slack)
	first.Keeper = &endingKeeper{Keeper: first.Keeper, ctx: ends}
	d.pager.set(func(w http.ResponseWriter, _ *http.Request) {
		end()
		w.WriteHeader(http.StatusOK)
	})
	d.none("at first", d.look(first, bad))
	d.now = d.now.Add(time.Minute)
	if err := first.Look(t.Context(), d.view(bad), nil); err == nil {
		t.Fatal("it could note that it told")
	}
	d.one("it tells, and ends", d.pager.take(), "fires")
	second := d.manager("stalled", slack)
	d.none("a minute later", d.look(second, bad))
	d.one("two minutes later", d.look(second, bad), "fires")
}

// endingKeeper keeps nothing after ctx has ended.
type endingKeeper struct {
	alert.Keeper
	ctx context.Context
}

func (k *endingKeeper) SaveAlerts(ctx context.Context, was, mark string, changed map[string]string, removed []string) (bool, error) {
	if k.ctx.Err() != nil {
		return false, errors.New("the program has ended")
	}
	return k.Keeper.SaveAlerts(ctx, was, mark, changed, removed)
}

// TestRedisRefusesWhileItTells: who was told is noted once that is possible.
func TestRedisRefusesWhileItTells(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	refuse := func(is bool) {
		d.t.Helper()
		if err := d.redis.Client.ConfigSet(t.Context(), "maxmemory", map[bool]string{true: "1", false: "0"}[is]).Err(); err != nil {
			t.Fatal(err)
		}
	}
	bad, good := queue("orders", protocol.HealthStalled, 5), queue("orders", protocol.HealthOK, 0)
	m := d.manager("stalled", slack)
	// tells makes a look at which it tells, in minutes in which nobody can note that.
	tells := func(q string, minutes int, parts ...string) {
		t.Helper()
		d.pager.set(func(http.ResponseWriter, *http.Request) { refuse(true) })
		for range minutes {
			d.now = d.now.Add(time.Minute)
			if err := m.Look(t.Context(), d.view(q), nil); err == nil || !strings.Contains(err.Error(), "OOM") {
				t.Errorf("it says %v", err)
			}
		}
		d.one("while Redis refuses", d.pager.take(), parts...)
		d.pager.set(nil)
		refuse(false)
	}
	d.none("at first", d.look(m, bad))
	tells(bad, 5, "1 alert fires")
	for range 4 {
		d.none("it lasts", d.look(m, bad))
	}
	d.none("over for a minute", d.look(m, good))
	tells(good, 5, "1 alert is over")
	for range 4 {
		d.none("it is over", d.look(m, good))
	}
	d.none("again", d.look(m, bad))
	tells(bad, 1, "1 alert fires")
	other := d.manager("stalled", slack)
	for range 3 {
		d.none("another sees the end, and doesn't know whom to tell", d.look(other, good))
	}
	d.one("a manager that knows tells", d.look(m, good), "1 alert is over")
	d.none("once", d.look(m, good))
}

// TestAlertsThatAreEvicted: all that a manager remembers is kept again, though nothing of it changes.
func TestAlertsThatAreEvicted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("waiting>1000", slack)
	look := func(waiting int) []string { return d.look(m, queue("orders", protocol.HealthUnknown, waiting)) }
	d.none("at first", look(1100))
	d.one("after a minute", look(1100), "fires")
	d.none("it is close", look(950))
	if err := d.redis.Client.Del(t.Context(), protocol.AlertsKey).Err(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		d.none("it is close", look(950))
		if len(m.Firing()["shop"]) != 1 {
			t.Errorf("there fires %v", m.Firing())
		}
	}
	d.none("over for a minute", look(10))
	d.one("and for two", look(10), "is over")
}

// TestMemoryIsOfLooksThatCouldBeKept: a look that Redis refuses, and that is tried again, changes no memory.
func TestMemoryIsOfLooksThatCouldBeKept(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("stalled", slack)
	bad, good := queue("orders", protocol.HealthStalled, 5), queue("orders", protocol.HealthOK, 0)
	d.none("at first", d.look(m, bad))
	d.one("after a minute", d.look(m, bad), "fires")
	d.redis.Client.FlushAll(t.Context())
	d.redis.Client.ConfigSet(t.Context(), "maxmemory", "1")
	d.now = d.now.Add(50 * time.Second)
	if err := m.Look(t.Context(), d.view(good), nil); err == nil {
		t.Error("it could be kept")
	}
	d.redis.Client.ConfigSet(t.Context(), "maxmemory", "0")
	d.none("over for one look", d.look(m, good))
	d.none("it lasts", d.look(m, bad))
}

// TestMemoryThatIsOld: what another manager has seen since counts, and who stands by remembers nothing.
func TestMemoryThatIsOld(t *testing.T) {
	t.Parallel()
	for name, learn := range map[string]func(d *desk, m *alert.Manager){
		"stands by": func(_ *desk, m *alert.Manager) { m.Forget() },
		"has read": func(d *desk, m *alert.Manager) {
			d.now = d.now.Add(-time.Minute + time.Second)
			d.none("another has just looked", d.look(m, queue("orders", protocol.HealthOK, 0)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			first, second := d.manager("stalled", slack), d.manager("stalled", slack)
			bad, good := queue("orders", protocol.HealthStalled, 5), queue("orders", protocol.HealthOK, 0)
			d.none("at first", d.look(first, bad))
			d.one("after a minute", d.look(first, bad), "fires")
			d.none("over for a minute", d.look(second, good))
			d.one("and for two", d.look(second, good), "is over")
			learn(d, first)
			d.redis.Client.FlushAll(t.Context())
			for range 3 {
				d.none("it is over", d.look(first, good))
			}
		})
	}
}

// TestLostHistoryIsAGap: where Redis has lost the states it has lost the history as well.
func TestLostHistoryIsAGap(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("growing", slack)
	bad, good := queue("orders", protocol.HealthGrowing, 5), queue("orders", protocol.HealthOK, 5)
	d.none("at first", d.look(m, bad))
	d.one("after a minute", d.look(m, bad), "fires")
	d.redis.Client.FlushAll(t.Context())
	for range history.GrowingLooks - 1 {
		d.none("history is short", d.look(m, good))
	}
	d.none("it grows", d.look(m, bad))
}

// TestLookAfterAnothers: where another has just looked, what it saw fires.
func TestLookAfterAnothers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	bad := queue("orders", protocol.HealthStalled, 5)
	first := d.manager("stalled", slack)
	d.none("at first", d.look(first, bad))
	d.one("after a minute", d.look(first, bad), "fires")
	looks, reads := d.manager("stalled", slack), d.manager("stalled", slack)
	d.now = d.now.Add(-time.Minute + 10*time.Second)
	d.none("ten seconds later", d.look(looks, bad))
	if err := reads.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*alert.Manager{looks, reads} {
		if diff := cmp.Diff(first.Firing(), m.Firing()); diff != "" || len(m.Firing()) == 0 {
			t.Errorf("there fires (-want +got):\n%s", diff)
		}
	}
}

// TestEndIsOfWhenItWasOver, however often it takes to tell it.
func TestEndIsOfWhenItWasOver(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("stalled", webhook)
	bad, good := queue("orders", protocol.HealthStalled, 5), queue("orders", protocol.HealthOK, 0)
	d.none("at first", d.look(m, bad))
	d.one("after a minute", d.look(m, bad), `"endsAt":"0001-01-01T00:00:00Z"`)
	d.none("over for a minute", d.look(m, good))
	d.pager.set(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	for range 3 {
		d.one("it is told", d.look(m, good), `"endsAt":"2026-11-27T03:04:00Z"`)
	}
}

// TestRedisThatForgets: a manager goes on from its memory where Redis has lost its keys.
func TestRedisThatForgets(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("stalled", slack)
	bad := queue("orders", protocol.HealthStalled, 5)
	d.none("at first", d.look(m, bad))
	d.one("after a minute", d.look(m, bad), "fires")
	d.now = d.now.Add(10 * time.Minute) // it was gone
	if err := d.redis.Client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	d.none("when it is back", d.look(m, bad))
	d.none("a minute later", d.look(m, bad))
}

// TestRedisThatIsGone: nothing is sent that could not be noted.
func TestRedisThatIsGone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("stalled", slack)
	bad := queue("orders", protocol.HealthStalled, 5)
	d.none("at first", d.look(m, bad))
	d.redis.Stop()
	for range 3 {
		d.now = d.now.Add(time.Minute)
		if err := m.Look(t.Context(), d.view(bad), nil); err == nil || !strings.Contains(err.Error(), "pulse:alerts") {
			t.Errorf("without Redis: %v", err)
		}
	}
	d.none("without Redis", d.pager.take())
}

// TestTenMinutesWithoutRedis: of recorders that overlap, before, while and after, each alert is told once, and what began or
// ended meanwhile is told when Redis is back.
func TestTenMinutesWithoutRedis(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	lasts, ends, begins := queue("lasts", protocol.HealthStalled, 5), queue("ends", protocol.HealthStalled, 5), queue("begins", protocol.HealthOK, 0)
	managers := []*alert.Manager{d.manager("stalled", slack), d.manager("stalled", slack)}
	var got []string
	look := func(isUp bool, by ...*alert.Manager) {
		t.Helper()
		d.now = d.now.Add(time.Minute)
		for _, m := range by {
			if err := m.Look(t.Context(), d.view(lasts, ends, begins), nil); (err == nil) != isUp {
				t.Errorf("at %v: %v", d.now, err)
			}
		}
		got = append(got, d.pager.take()...)
	}
	take := func() []string {
		said := got
		got = nil
		return said
	}
	for range 3 {
		look(true, managers...)
	}
	d.one("before", take(), "2 alerts fire", "sqs/lasts of shop", "sqs/ends of shop")
	if err := d.redis.Client.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	d.redis.Stop()
	ends, begins = queue("ends", protocol.HealthOK, 0), queue("begins", protocol.HealthStalled, 7)
	for _, m := range managers { // each look takes a second
		d.now = d.now.Add(4 * time.Minute)
		look(false, m)
	}
	d.none("without Redis", take())
	d.redis.Start()
	managers = append(managers, d.manager("stalled", slack)) // one that was restarted meanwhile
	for range 5 {
		look(true, managers...)
	}
	d.one("when it is back", take(), "1 alert fires, 1 alert is over", "🔴 sqs/begins of shop", "✅ sqs/ends of shop")
}

// TestChannelThatDoesNotTakeIt is told again, and its neighbours once.
func TestChannelThatDoesNotTakeIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		says   string
	}{
		"fails": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "it answered 500"},
		"redirects to a metal": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusTemporaryRedirect)
		}, "it redirects, which is not followed"},
		"hangs up": {func(w http.ResponseWriter, _ *http.Request) {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = c.Close()
			}
		}, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			m := d.manager("stalled", slack, webhook)
			bad := queue("orders", protocol.HealthStalled, 5)
			d.none("at first", d.look(m, bad))
			d.pager.set(func(w http.ResponseWriter, r *http.Request) {
				if r.Host == "hooks.slack.com" {
					tc.answer(w, r)
				}
			})
			is := func(host string) func(string) bool {
				return func(got string) bool { return strings.HasPrefix(got, host) }
			}
			for minute := range 3 {
				got := d.look(m, bad)
				if !slices.ContainsFunc(got, is("hooks.slack.com")) || slices.ContainsFunc(got, is("alerts.example.com")) != (minute == 0) {
					t.Errorf("in minute %d sent was %q", minute, got)
				}
			}
			d.pager.set(nil)
			d.one("when it works", d.look(m, bad), "hooks.slack.com", "fires")
			d.none("a minute later", d.look(m, bad))
			log := d.log.String()
			if strings.Count(log, "alerts cannot be sent") != 1 || !strings.Contains(log, tc.says) || strings.Count(log, "alerts are sent again") != 1 {
				t.Errorf("the log has\n%s", log)
			}
			if strings.Contains(log, "secret") {
				t.Errorf("the log has the secret:\n%s", log)
			}
		})
	}
}

// TestEachCauseOfTroubleIsALine: a channel that fails in other ways is in the log once for each, and shows nothing of its answer.
func TestEachCauseOfTroubleIsALine(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("stalled", slack)
	bad := queue("orders", protocol.HealthStalled, 5)
	// raw answers with what is no answer of net/http.
	raw := func(text string) func(w http.ResponseWriter, _ *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(c, text)
			_ = c.Close()
		}
	}
	d.none("at first", d.look(m, bad))
	causes := []struct {
		answer func(w http.ResponseWriter, r *http.Request)
		says   string
	}{
		{raw("HTTP/1.1 500 \x1b[31m/services/secret " + strings.Repeat("x", 100_000) + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), `error="it answered 500 Internal Server Error"`},
		{raw("HTTP/1.1 599 secret\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), `error="it answered 599"`},
		{raw("secret\r\n\r\n"), `error="what it answers is no HTTP"`},
		{raw("HTTP/1.1 200 OK\r\nsecret\r\n\r\n"), ""}, // the same
		{raw("HTTP/1.1 307 OK\r\nConnection: close\r\nLocation: %zzsecret\r\n\r\n"), `error="it redirects`},
		{raw(""), "EOF"},
		{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, ""}, // it was there ten minutes ago
	}
	for _, cause := range causes {
		d.log.Reset()
		d.pager.set(cause.answer)
		d.one(cause.says, d.look(m, bad))
		d.one("and again", d.look(m, bad))
		if log := d.log.String(); strings.Count(log, "alerts cannot be sent") != min(len(cause.says), 1) || !strings.Contains(log, cause.says) ||
			strings.Contains(log, "services") || strings.Contains(log, "secret") || len(log) > 1000 {
			t.Errorf("the log has\n%.2000q, want %s", log, cause.says)
		}
	}
	d.pager.set(nil)
	d.log.Reset()
	d.one("it works", d.look(m, bad))
	if log := d.log.String(); strings.Count(log, "alerts are sent again") != 1 {
		t.Errorf("the log has\n%s", log)
	}
}

// TestChannelThatHangs is given up, and told again.
func TestChannelThatHangs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("stalled", slack)
	bad := queue("orders", protocol.HealthStalled, 5)
	d.none("at first", d.look(m, bad))
	release := make(chan struct{})
	defer close(release)
	d.pager.set(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler) // an answer, which a return makes, can overtake the client's giving up
	})
	d.one("it hangs", d.look(m, bad), "fires")
	d.pager.set(nil)
	d.one("it works", d.look(m, bad), "fires")
}

// TestRetryAfter: a channel that asks to be left alone is.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("stalled", slack)
	bad := queue("orders", protocol.HealthStalled, 5)
	d.none("at first", d.look(m, bad))
	d.pager.set(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	d.one("it is asked once", d.look(m, bad))
	d.pager.set(nil)
	d.none("and left alone", d.look(m, bad)) // no hour has passed by the machine's clock
	if log := d.log.String(); !strings.Contains(log, "it answered 429") {
		t.Errorf("the log has\n%s", log)
	}
}

// TestManyAlertsAreOneMessage, of ten lines and a count.
func TestManyAlertsAreOneMessage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("stalled, waiting>3", slack, discord, webhook)
	var queues []string
	for i := range 15 {
		queues = append(queues, queue(fmt.Sprintf("q%02d", i), protocol.HealthStalled, i))
	}
	d.none("at first", d.look(m, queues...))
	got := d.look(m, queues...)
	if len(got) != 3 {
		t.Fatalf("sent was %q", got)
	}
	for _, text := range got {
		host, body, _ := strings.Cut(text, " ")
		switch {
		case strings.HasPrefix(host, "alerts.example.com"):
			var doc struct{ Alerts []any }
			if err := json.Unmarshal([]byte(body), &doc); err != nil || len(doc.Alerts) != 26 {
				t.Errorf("%d alerts, %v", len(doc.Alerts), err)
			}
		case !strings.Contains(body, "26 alerts fire") || !strings.Contains(body, "and 16 more") || strings.Count(body, "🔴") != 10:
			t.Errorf("sent was %s", text)
		}
	}
}

// TestStormInOneAppHidesNoOther: of its alerts some are left out, and it is said; the others, and that its own reporter is
// lost, have room.
func TestStormInOneAppHidesNoOther(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("waiting>3, lost", slack, webhook)
	var rows []string
	for i := range 700 {
		rows = append(rows, fmt.Sprintf(`{"name":"q%d","driver":"sqs","metrics":{"waiting":9}}`, i))
	}
	var b view.Builder
	look := func(docs ...view.Document) []string {
		t.Helper()
		d.now = d.now.Add(time.Minute)
		for i := range docs {
			docs[i].Data = bytes.ReplaceAll(docs[i].Data, []byte("NOW"), fmt.Append(nil, d.now.UnixMilli()))
		}
		if err := m.Look(t.Context(), b.Build(d.now, docs), nil); err != nil {
			t.Fatal(err)
		}
		return d.pager.take()
	}
	storm := func(key string) view.Document {
		return view.Document{Key: "pulse:queues:" + key, Data: []byte(`{"timestamp":NOW,"app":"` + key + `","queues":[` + strings.Join(rows, ",") + `]}`)}
	}
	other := func() view.Document {
		return view.Document{Key: "pulse:queues:blog", Data: []byte(`{"timestamp":NOW,"app":"blog","queues":[{"name":"mail","driver":"sqs","metrics":{"waiting":9}}]}`)}
	}
	d.none("at first", look(storm("shop"), other()))
	got := look(storm("shop"), other())
	if len(got) != 2 || m.LeftOut()["shop"] != 200 || m.LeftOut()["blog"] != 0 {
		t.Fatalf("%d messages, left out are %v", len(got), m.LeftOut())
	}
	for _, text := range got {
		if strings.HasPrefix(text, "hooks.slack.com") && !strings.Contains(text, "501 alerts fire") {
			t.Errorf("sent was %.200s", text)
		}
		if strings.HasPrefix(text, "alerts.example.com") && (strings.Count(text, `"fingerprint"`) != 200 || !strings.Contains(text, `"truncatedAlerts":301`)) {
			t.Errorf("sent were %d alerts", strings.Count(text, `"fingerprint"`))
		}
	}
	gone := view.Document{Key: "pulse:queues:shop", SeenAt: d.now.UnixMilli()}
	d.none("its reporter is lost", look(gone, other()))
	if got := look(gone, other()); len(got) != 2 || !strings.Contains(got[0]+got[1], "the reporter of shop (lost)") {
		t.Errorf("sent was %.300q", got)
	}
}

// TestLostReporterInhibitsItsQueues: nothing is known of them, and that is said once.
func TestLostReporterInhibitsItsQueues(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("lost, stalled, shop/*:waiting>3, blog/*:lost", slack)
	var b view.Builder
	docs := []view.Document{{Key: "pulse:queues:shop:sqs", Data: []byte(`{"timestamp":1764000000000,"app":"shop","source":"sqs","queues":[{"name":"a","driver":"sqs","metrics":{"waiting":5}},{"name":"b","driver":"sqs","metrics":{"waiting":5}}]}`)}}
	b.Build(d.now, docs)
	docs[0].Data, docs[0].SeenAt = nil, d.now.UnixMilli()
	var got []string
	for range 3 {
		d.now = d.now.Add(time.Minute)
		if err := m.Look(t.Context(), b.Build(d.now, docs), nil); err != nil {
			t.Fatal(err)
		}
		got = append(got, d.pager.take()...)
	}
	// The view's problem has the same time, and not that of the last report's own clock.
	d.one("in three minutes", got, "1 alert fires", "the reporter sqs of shop (lost)", "nothing has been reported since 03:00:00 UTC, of 2 queues")
}

// TestPagerDutyGetsAnEventEach, and one that ends it.
func TestPagerDutyGetsAnEventEach(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("stalled", pagerDuty)
	a, b, good := queue("a", protocol.HealthStalled, 5), queue("b", protocol.HealthStalled, 5), queue("a", protocol.HealthOK, 0)
	d.none("at first", d.look(m, a, b))
	events := d.look(m, a, b)
	if len(events) != 2 || !strings.HasPrefix(events[0], "events.pagerduty.com/v2/enqueue ") {
		t.Fatalf("sent was %q", events)
	}
	type event struct {
		RoutingKey  string `json:"routing_key"`
		EventAction string `json:"event_action"`
		DedupKey    string `json:"dedup_key"`
		Payload     struct{ Summary, Source, Severity, Timestamp string }
	}
	read := func(text string) (e event) {
		_, body, _ := strings.Cut(text, " ")
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	first, second := read(events[0]), read(events[1])
	if first.EventAction != "trigger" || first.RoutingKey != "secretsecret" || first.DedupKey == second.DedupKey || first.Payload.Severity != "critical" ||
		first.Payload.Source != "shop" || !strings.Contains(first.Payload.Summary, "sqs/a") || first.Payload.Timestamp != "2026-11-27T03:01:00Z" {
		t.Errorf("the first event is %+v", first)
	}
	d.none("over for a minute", d.look(m, good, b))
	ends := d.look(m, good, b)
	d.one("over", ends)
	if end := read(ends[0]); end.EventAction != "resolve" || end.DedupKey != first.DedupKey {
		t.Errorf("its end is %+v", end)
	}
}

// TestPagerDutyIsNotFlooded: of many events some wait a minute.
func TestPagerDutyIsNotFlooded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("stalled", pagerDuty)
	var queues []string
	for i := range 25 {
		queues = append(queues, queue(fmt.Sprintf("q%02d", i), protocol.HealthStalled, 5))
	}
	d.none("at first", d.look(m, queues...))
	for minute, want := range []int{20, 5, 0} {
		if got := d.look(m, queues...); len(got) != want {
			t.Errorf("in minute %d it got %d events, want %d", minute, len(got), want)
		}
	}
}

// TestChannelThatIsNoMore keeps no alert from ending.
func TestChannelThatIsNoMore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	bad, good := queue("orders", protocol.HealthStalled, 5), queue("orders", protocol.HealthOK, 0)
	both := d.manager("stalled", slack, webhook)
	d.none("at first", d.look(both, bad))
	if got := d.look(both, bad); len(got) != 2 {
		t.Fatalf("sent was %q", got)
	}
	one := d.manager("stalled", slack)
	d.none("over for a minute", d.look(one, good))
	d.one("over", d.look(one, good), "hooks.slack.com", "is over")
	d.now = d.now.Add(time.Hour) // until then it may be another recorder's, which tells it that it is over
	d.none("an hour later", d.look(one, good))
	if n := d.redis.Client.HLen(t.Context(), protocol.AlertsKey).Val(); n != 1 || one.Untold() != "" {
		t.Errorf("Redis keeps %v; %q", d.redis.Client.HGetAll(t.Context(), protocol.AlertsKey).Val(), one.Untold())
	}
}

// TestRecorderWithOtherSettings takes over for some minutes: nobody is told twice, and who was told that an alert fires is
// told that it is over.
func TestRecorderWithOtherSettings(t *testing.T) {
	t.Parallel()
	const fewRules, moreRules = "stalled", "stalled, waiting>2"
	for name, c := range map[string]struct {
		rules    string
		channels []string
		isUntold bool
	}{
		"no channels":          {moreRules, nil, true},
		"fewer channels":       {moreRules, []string{slack}, true},
		"fewer rules":          {fewRules, []string{slack, webhook}, false},
		"neither":              {"lost", nil, true},
		"the same but another": {moreRules, []string{slack, webhook}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			bad, good := queue("orders", protocol.HealthStalled, 5), queue("orders", protocol.HealthOK, 0)
			mine := d.manager(moreRules, slack, webhook)
			d.none("at first", d.look(mine, bad))
			if got := d.look(mine, bad); len(got) != 2 {
				t.Fatalf("sent was %q", got)
			}
			other := d.manager(c.rules, c.channels...)
			for range 10 {
				d.none("another records", d.look(other, bad))
				if is := strings.Contains(other.Untold(), "PULSE_ALERTS of this recorder lacks"); is != c.isUntold {
					t.Errorf("it says %q", other.Untold())
				}
				for _, a := range other.Firing()["shop"] {
					if !strings.Contains(c.rules, a.Rule) {
						t.Errorf("it shows %+v as its own", a)
					}
				}
			}
			if n := strings.Count(d.log.String(), "level=WARN"); n != map[bool]int{true: 1}[c.isUntold] {
				t.Errorf("the log has\n%s", d.log)
			}
			d.none("mine goes on", d.look(mine, bad))
			if mine.Untold() != "" || len(mine.Firing()["shop"]) != 2 {
				t.Errorf("it says %q, and shows %v", mine.Untold(), mine.Firing())
			}
			var over []string
			for _, m := range []*alert.Manager{other, other, mine, mine} {
				over = append(over, d.look(m, good)...)
			}
			for _, host := range []string{"hooks.slack.com", "alerts.example.com"} {
				for _, rule := range []string{"(stalled) is over", "(waiting"} {
					if n := len(slices.DeleteFunc(slices.Clone(over), func(got string) bool {
						return !strings.HasPrefix(got, host) || !strings.Contains(got, rule)
					})); n != 1 {
						t.Errorf("%s was told %d times that %s is over: %q", host, n, rule, over)
					}
				}
			}
			if n := d.redis.Client.HLen(t.Context(), protocol.AlertsKey).Val(); n != 1 {
				t.Errorf("all is over, and Redis keeps %v", d.redis.Client.HGetAll(t.Context(), protocol.AlertsKey).Val())
			}
		})
	}
}

// TestRuleThatIsNoMore: the page no longer shows its alerts. An hour after nobody knows it they are over, and who was told of them is told.
func TestRuleThatIsNoMore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	bad := queue("orders", protocol.HealthStalled, 5)
	before := d.manager("stalled", slack)
	d.look(before, bad)
	d.one("it fires", d.look(before, bad), "1 alert fires")
	m := d.manager("lost", slack)
	m.Repeat = 10 * time.Minute // it repeats its own only
	for range 60 {
		d.none("within an hour", d.look(m, bad))
		if shown := m.Firing(); len(shown) > 0 {
			t.Fatalf("the page shows %v", shown)
		}
	}
	d.none("after an hour", d.look(m, bad))
	d.one("in two looks", d.look(m, bad), "1 alert is over")
	if n := d.redis.Client.HLen(t.Context(), protocol.AlertsKey).Val(); n != 1 {
		t.Errorf("Redis keeps %v", d.redis.Client.HGetAll(t.Context(), protocol.AlertsKey).Val())
	}
}

// TestQueueThatIsEmptiedIsOver: no job waits, so none has waited long.
func TestQueueThatIsEmptiedIsOver(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("oldest>10m", slack)
	look := func(row string) []string {
		t.Helper()
		d.now = d.now.Add(time.Minute)
		var b view.Builder
		v := b.Build(d.now, []view.Document{{Key: "pulse:queues:shop", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","queues":[{"name":"orders","driver":"sqs",%s}]}`, d.now.UnixMilli(), row)}})
		if err := m.Look(t.Context(), v, nil); err != nil {
			t.Fatal(err)
		}
		return d.pager.take()
	}
	const old, empty = `"metrics":{"waiting":5},"meta":{"oldest_at":1764000000000}`, `"metrics":{"waiting":0}`
	d.none("at first", look(old))
	d.one("it waits for long", look(old), "oldest")
	d.none("it is empty", look(empty))
	d.one("for two minutes", look(empty), "is over")
}

// TestEventsThatWereTakenAreNotSentAgain: the third of three fails.
func TestEventsThatWereTakenAreNotSentAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("stalled", pagerDuty)
	queues := []string{queue("a", protocol.HealthStalled, 5), queue("b", protocol.HealthStalled, 5), queue("c", protocol.HealthStalled, 5)}
	d.none("at first", d.look(m, queues...))
	n := 0
	d.pager.set(func(w http.ResponseWriter, _ *http.Request) {
		if n++; n == 3 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	if got := d.look(m, queues...); len(got) != 3 {
		t.Errorf("sent was %q", got)
	}
	d.one("the third again", d.look(m, queues...), "sqs/c")
}

// TestHostileNames: nothing that a queue is called reaches out of its line, is a link or formats it.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	const joiner = "\u2060"
	for name, want := range map[string]struct{ text, slack, discord string }{ // slack and discord where they differ from text
		"orders_high-2.fifo":           {text: "orders_high-2.fifo", discord: `orders\_high-2.fifo`},
		"<!channel> @everyone &":       {text: "<!channel> @everyone &", slack: "&lt;!channel&gt; @everyone &amp;", discord: `\<!channel\> @everyone &`},
		"a\nb\u2028c\u202ed\u009be":    {text: "a b c d e"},
		"a\u200bb\u200fc\u061cd\ufeff": {text: "abcd"},
		"https://evil.example/login":   {text: "https:" + joiner + "//evil.example/login"},
		"HTTP\u200b:\u2060//evil":      {text: "HTTP:" + joiner + "//evil"},
		"www.evil.example":             {text: "www" + joiner + ".evil.example"},
		"<https://evil|ok>":            {text: "<https:" + joiner + "//evil|ok>", slack: "&lt;https:" + joiner + "//evil|ok&gt;", discord: `\<https:` + joiner + `//evil\|ok\>`},
		"*x* _y_ ~z~ `v` a__b __c_":    {text: "*x* _y_ ~z~ `v` a__b __c_", slack: "∗x∗ ＿y＿ ∼z∼ 'v' a__b ＿＿c＿", discord: `\*x\* \_y\_ \~z\~ 'v' a\_\_b \_\_c\_`},
		`\*b\* [l](u)`:                 {text: `\*b\* [l](u)`, slack: `\∗b\∗ [l](u)`, discord: `\\\*b\\\* \[l](u)`},
		"&lt;b&gt; größe_x 注文_高":       {text: "&lt;b&gt; größe_x 注文_高", slack: "&amp;lt;b&amp;gt; größe_x 注文_高", discord: `&lt;b&gt; größe\_x 注文\_高`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if want.slack == "" {
				want.slack = want.text
			}
			if want.discord == "" {
				want.discord = want.text
			}
			d := newDesk(t)
			m := d.manager("waiting>3", slack, discord, webhook)
			quoted, err := json.Marshal(name)
			if err != nil {
				t.Fatal(err)
			}
			docs := map[string]string{"pulse:queues:shop:sqs": `{"timestamp":NOW,"app":"shop","source":"sqs","queues":[{"name":` + string(quoted) + `,"driver":"sqs","metrics":{"waiting":5}}]}`}
			d.none("at first", d.lookAt(m, docs))
			d.now = d.now.Add(time.Minute)
			got := d.lookAt(m, docs)
			if len(got) != 3 {
				t.Fatalf("sent was %q", got)
			}
			for _, text := range got {
				host, body, _ := strings.Cut(text, " ")
				var doc struct {
					Text, Content   string
					AllowedMentions struct{ Parse []string } `json:"allowed_mentions"`
					Alerts          []struct {
						Labels      struct{ Queue string }
						Annotations struct{ Summary string }
					}
				}
				if err := json.Unmarshal([]byte(body), &doc); err != nil {
					t.Fatal(err)
				}
				line := func(text string) string {
					lines := strings.Split(text, "\n")
					if len(lines) != 3 {
						t.Errorf("%s gets %q", host, text)
					}
					what, _, _ := strings.Cut(lines[1], " of shop")
					return what
				}
				var said, wanted string
				switch {
				case strings.HasPrefix(host, "hooks.slack.com"):
					said, wanted = line(doc.Text), "🔴 sqs/"+want.slack
				case strings.HasPrefix(host, "discord.com"):
					said, wanted = line(doc.Content), "🔴 sqs/"+want.discord
					if doc.AllowedMentions.Parse == nil || len(doc.AllowedMentions.Parse) > 0 {
						t.Errorf("Discord gets %q", body)
					}
				default:
					said, _, _ = strings.Cut(doc.Alerts[0].Annotations.Summary, " of shop")
					wanted = "sqs/" + want.text
					if doc.Alerts[0].Labels.Queue != name {
						t.Errorf("the label is %q", doc.Alerts[0].Labels.Queue)
					}
				}
				if said != wanted {
					t.Errorf("%s is told of %q, want %q", host, said, wanted)
				}
			}
		})
	}
}

// TestChannelsThatAreRefused: no error shows the secret.
func TestChannelsThatAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"http://hooks.slack.com/services/secret": "its channel 1: it takes https://",
		slack + ",ftp://secret":                  "its channel 2: it takes https://",
		"https://%zzsecret":                      "it takes https://",
		"secret":                                 "it takes https://",
		"sns:secret":                             "no ARN of a topic",
		"pagerduty:":                             "no integration key",
		"pagerduty:sec ret":                      "no integration key",
		slack + "," + slack:                      "there twice",
	} {
		if _, err := alert.ParseChannels(text, nil, nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestTest sends an alert, and its end, to each channel, and says to which.
func TestTest(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m := d.manager("stalled", slack, pagerDuty)
	test := func(m *alert.Manager) (said string, err error) {
		var out strings.Builder
		err = m.Test(t.Context(), &out)
		return out.String(), err
	}
	if said, err := test(m); err != nil || said != "a test alert, and its end, was sent to channel 1 (slack at hooks.slack.com), 2 (pagerduty)\n" {
		t.Errorf("it says %q, %v", said, err)
	}
	if got := d.pager.take(); len(got) != 4 || !strings.Contains(got[0], "this is a test") || !strings.Contains(got[3], `"resolve"`) {
		t.Errorf("sent was %q", got)
	}
	d.pager.set(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "hooks.slack.com" {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	const refused = "channel 1 (slack at hooks.slack.com): it answered 403"
	if said, err := test(m); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), refused) || !strings.HasSuffix(said, "to channel 2 (pagerduty)\n") {
		t.Errorf("it says %q, %v", said, err)
	}
	if said, err := test(d.manager("stalled", slack)); err == nil || said != "" {
		t.Errorf("nobody was told, and it says %q, %v", said, err)
	}
	if _, err := test(d.manager("stalled")); err == nil || !strings.Contains(err.Error(), "PULSE_ALERTS is not set") {
		t.Errorf("without channels it says %v", err)
	}
}

// TestConditions: what each looks at, of a queue with these numbers and of a server. The number that is not known is
// no look.
func TestConditions(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	sent := func(rule, row, server string) []string {
		t.Helper()
		d.redis.Client.Del(t.Context(), protocol.AlertsKey)
		m := d.manager(rule, slack)
		for range 2 {
			d.now = d.now.Add(time.Minute)
			now := d.now.UnixMilli()
			docs := []view.Document{
				{Key: "pulse:queues:shop:sqs", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","source":"sqs","queues":[{"name":"orders","driver":"sqs",%s}]}`, now, strings.ReplaceAll(row, "NOW", fmt.Sprint(now)))},
				{Key: "pulse:server:shop:web-1", Data: fmt.Appendf(nil, `{"timestamp":%d,"system":{%s},"meta":{"app_name":"shop"}}`, now, server)},
				{Key: "pulse:trend:shop", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","queues":{"sqs/orders":{"health":"growing","reason":"more wait","trend":{"drain_seconds":7200}}}}`, now)},
			}
			var b view.Builder
			if err := m.Look(t.Context(), b.Build(d.now, docs), nil); err != nil {
				t.Fatal(err)
			}
		}
		return d.pager.take()
	}
	const full, bare = `"metrics":{"waiting":5365,"active":0,"failed":12},"meta":{"oldest_at":1764000000000}`, `"metrics":{"waiting":0}`
	const busy, mute = `"cpu_usage":97.4,"memory_total":100,"memory_free":4`, `"hostname":"web-1"`
	for rule, says := range map[string]string{
		"waiting>5364": "sqs/orders of shop (waiting>5364), since", "waiting>5000": "5,365 wait, more than 5,000", "failed>10": "12 have failed, more than 10",
		"oldest>10m": "the oldest job has waited", "drain>1h": "it is empty in 2.0 h at this rate, later than 60 min", "growing": "more wait",
		"cpu>90": "web-1 of shop (cpu>90)", "mem>95": "96 % of its memory is used, more than 95 %", "shop/ord*:growing": "sqs/orders", "*/web-*:cpu>97": "web-1",
	} {
		d.one(rule, sent(rule, full, busy), strings.ReplaceAll(strings.ReplaceAll(says, ">", "&gt;"), "&", `\u0026`))
	}
	for _, rule := range []string{"waiting>5365", "failed>12", "stalled", "failing", "idle", "lost", "cpu>98", "mem>96", "shop/mail:growing", "blog/*:growing", "shop/web-2:cpu>1"} {
		d.none(rule, sent(rule, full, busy))
	}
	for _, rule := range []string{"waiting>0", "failed>0", "oldest>1s", "idle", "cpu>0", "mem>0"} {
		d.none(rule+" of what is not known", sent(rule, bare, mute))
	}
	d.one("idle", sent("idle", `"metrics":{"waiting":0,"active":0}`, mute), "no job waits and none is active")
}

// TestSNS: a topic gets a subject and the same text.
func TestSNS(t *testing.T) {
	t.Parallel()
	const topic = "arn:aws:sns:eu-west-1:123456789012:alerts"
	var got []string
	channels, err := alert.ParseChannels("sns:"+topic, nil, func(_ context.Context, topicARN, subject, text string) error {
		got = append(got, topicARN+"|"+subject+"|"+text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	m := &alert.Manager{Channels: channels, Log: slog.New(slog.DiscardHandler)}
	if err := m.Test(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !strings.HasPrefix(got[0], topic+"|Gravito Pulse: 1 alert fires|Gravito Pulse: 1 alert fires\n🔴 test/alerts of pulse") {
		t.Errorf("published was %q", got)
	}
}

// TestAlertStaysWithItsReportersQueue: of two reporters' queues with one key the view calls the one that of the reporter which
// sorts first, also where that comes later, and goes again. Which of them fires doesn't change with that.
func TestAlertStaysWithItsReportersQueue(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const rule = "waiting>3"
	look := func(m *alert.Manager, waiting map[string]int) []string {
		t.Helper()
		d.now = d.now.Add(time.Minute)
		docs := map[string]string{}
		for source, n := range waiting {
			docs["pulse:queues:shop:"+source] = fmt.Sprintf(`{"timestamp":NOW,"app":"shop","source":%q,"queues":[{"name":"orders","driver":"sqs","metrics":{"waiting":%d}}]}`, source, n)
		}
		return d.lookAt(m, docs)
	}
	fires := func(what string, m *alert.Manager, want ...string) {
		t.Helper()
		var got []string
		for _, a := range m.Firing()["shop"] {
			got = append(got, a.Key+": "+a.Reason)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s on the page (-want +got):\n%s", what, diff)
		}
	}
	m := d.manager(rule, slack)
	d.none("at first", look(m, map[string]int{"b": 5}))
	d.one("after a minute", look(m, map[string]int{"b": 5}), "🔴 sqs/orders of shop (waiting", "5 wait")
	for range 3 {
		d.none("another is there", look(m, map[string]int{"a": 0, "b": 6}))
		fires("another is there", m, "sqs/orders@b: 6 wait, more than 3")
		m = d.manager(rule, slack) // states are in Redis
	}
	d.none("it has trouble, too", look(m, map[string]int{"a": 7, "b": 6}))
	d.one("for a minute", look(m, map[string]int{"a": 7, "b": 6}), "1 alert fires", "🔴 sqs/orders@a of shop")
	fires("both have trouble", m, "sqs/orders: 7 wait, more than 3", "sqs/orders@b: 6 wait, more than 3")
	d.none("the first is fine", look(m, map[string]int{"a": 7, "b": 0}))
	d.one("for two looks", look(m, map[string]int{"a": 7, "b": 0}), "1 alert is over", "✅ sqs/orders of shop")
	d.none("it has trouble anew", look(m, map[string]int{"a": 7, "b": 5}))
	d.one("for a minute", look(m, map[string]int{"a": 7, "b": 5}), "🔴 sqs/orders@b of shop")
	d.none("the other is fine", look(m, map[string]int{"a": 0, "b": 5}))
	d.one("for two looks", look(m, map[string]int{"a": 0, "b": 5}), "1 alert is over", "✅ sqs/orders@a of shop")
	for range 3 {
		d.none("it is gone", look(m, map[string]int{"b": 5}))
		fires("it is gone", m, "sqs/orders: 5 wait, more than 3")
	}
	const unreadable = `{"timestamp":NOW,"app":"shop","source":"b","queues":[],"problems":[{"queue":"orders","reason":"NOPERM"}]}`
	for range 3 {
		d.now = d.now.Add(time.Minute)
		d.none("b cannot read its queue, c has one that is fine", d.lookAt(m, map[string]string{
			"pulse:queues:shop:b": unreadable,
			"pulse:queues:shop:c": `{"timestamp":NOW,"app":"shop","source":"c","queues":[{"name":"orders","driver":"sqs","metrics":{"waiting":0}}]}`,
		}))
	}
	fires("b cannot read its queue", m, "sqs/orders: 5 wait, more than 3")
	d.now = d.now.Add(time.Minute)
	d.none("c has trouble", d.lookAt(m, map[string]string{
		"pulse:queues:shop:b": unreadable,
		"pulse:queues:shop:c": `{"timestamp":NOW,"app":"shop","source":"c","queues":[{"name":"orders","driver":"sqs","metrics":{"waiting":9}}]}`,
	}))
	d.one("for a minute", look(m, map[string]int{"c": 9}), "🔴 sqs/orders of shop")
	d.none("all is well", look(m, map[string]int{"b": 0, "c": 0}))
	d.one("for two looks", look(m, map[string]int{"b": 0, "c": 0}), "2 alerts are over", "✅ sqs/orders of shop", "✅ sqs/orders@b of shop")
	if n := d.redis.Client.HLen(t.Context(), protocol.AlertsKey).Val(); n != 1 {
		t.Errorf("Redis keeps %v", d.redis.Client.HGetAll(t.Context(), protocol.AlertsKey).Val())
	}
}
