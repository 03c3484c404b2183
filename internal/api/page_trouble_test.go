package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/gravito-framework/pulse/internal/api"
	"github.com/gravito-framework/pulse/internal/servertest"
)

const liveState = "document.querySelector('#live-state').dataset.state"

func TestPageTellsOldNumbersFromNewOnes(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := serve(t, redis, "")
	old := time.Now().Add(-20 * time.Second).UnixMilli()
	redis.Client.Set(t.Context(), "pulse:queues:late", fmt.Sprintf(`{"timestamp":%d,"app":"late","queues":[{"name":"x","driver":"sqs","metrics":{"waiting":1}}]}`, old), time.Minute)
	redis.Client.Set(t.Context(), "pulse:server:late:web-1", fmt.Sprintf(`{"timestamp":%d,"system":{"hostname":"web-1"},"process":{},"meta":{"app_name":"late"}}`, old), time.Minute)
	set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"x","driver":"sqs","metrics":{"waiting":1}}]`)
	b := open(t, server.URL)
	b.until(
		row("late/sqs/x")+"?.dataset.status === 'stale'", row("shop/sqs/x")+"?.dataset.status === 'fresh'",
		"document.querySelector('[data-server=\"late/web-1\"]')?.dataset.status === 'stale'",
	)
	redis.Client.Del(t.Context(), "pulse:server:late:web-1")
	b.until("document.querySelector('[data-server=\"late/web-1\"]')?.dataset.status === 'lost'")
}

func TestPageTellsNumbersOfAnEarlierPoll(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := serve(t, redis, "")
	set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"idle","driver":"sqs","metrics":{"waiting":1},"meta":{"as_of":%d}},{"name":"busy","driver":"sqs","metrics":{"waiting":1}}]`,
		time.Now().Add(-10*time.Minute).UnixMilli())
	b := open(t, server.URL)
	b.until(
		row("shop/sqs/idle")+"?.querySelector('.c-updated').textContent === '10 min'", row("shop/sqs/idle")+".querySelector('.tag[title*=\"earlier poll\"]')",
		row("shop/sqs/busy")+".querySelector('.c-updated').textContent.endsWith(' s') && !"+row("shop/sqs/busy")+".querySelector('.tag[title*=\"earlier poll\"]')",
	)
}

// Whatever somebody puts in meta, it is one queue's and not the page's trouble.
func TestOddMetaHidesNoQueue(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := serve(t, redis, "")
	var queues []string
	odd := []string{`{"code":"ECONNREFUSED"}`, `["a",{"b":[]}]`, `7`, `true`, `"text"`, `-1e300`, `{}`, `[]`}
	for i, v := range odd {
		queues = append(queues, fmt.Sprintf(`{"name":"q%d","driver":"sqs","metrics":{"waiting":1},"meta":{"error":%[2]s,"dlq":%[2]s,"dlq_for":%[2]s,"as_of":%[2]s,"oldest_ms":%[2]s,"workers":%[2]s,"prioritized":%[2]s,"paused":%[2]s,"driver":%[2]s,"demo":%[2]s,"region":%[2]s}}`, i, v))
	}
	set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"well","driver":"sqs","metrics":{"waiting":1}},%s]`, strings.Join(queues, ","))
	b := open(t, server.URL)
	b.until(
		fmt.Sprintf("document.querySelectorAll('[data-queue]').length === %d", len(odd)+1),
		"[...document.querySelectorAll('[data-queue] .open')].map(b => b.click()).length > 0",
		"document.body.textContent.includes('ECONNREFUSED')",
		"document.querySelector('#broken').hidden",
	)
}

func TestPageTellsThatRedisIsDownAndWhenItIsBack(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := serve(t, redis, "")
	set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"x","driver":"sqs","metrics":{"waiting":7}}]`)
	b := open(t, server.URL)
	b.until(cell("shop/sqs/x", "waiting")+" === '7'", "document.querySelector('#problems').hidden")
	redis.Stop()
	b.until("!document.querySelector('#problems').hidden", "document.querySelector('#problems').textContent.includes('Redis has not answered since')",
		cell("shop/sqs/x", "waiting")+" === '7'", liveState+" === 'live'")
	redis.Start()
	set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"x","driver":"sqs","metrics":{"waiting":8}}]`)
	b.until("document.querySelector('#problems').hidden", cell("shop/sqs/x", "waiting")+" === '8'")
}

// swap is a handler that can be replaced under the page.
type swap struct{ handler atomic.Pointer[http.Handler] }

func (s *swap) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*s.handler.Load()).ServeHTTP(w, r) }

func (s *swap) to(h http.Handler) { s.handler.Store(&h) }

func TestPageTellsThatItHearsNothing(t *testing.T) {
	t.Parallel()
	s, way := &store{}, &swap{}
	s.set("pulse:queues:shop", oneQueue, 7)
	up := handler(s.read, slog.New(slog.DiscardHandler))
	way.to(up)
	server := httptest.NewServer(way)
	t.Cleanup(server.Close)
	b := open(t, server.URL)
	b.until(cell("shop/sqs/emails", "waiting")+" === '7'", liveState+" === 'live'")
	way.to(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	server.CloseClientConnections()
	b.until(liveState+" === 'reconnecting'", cell("shop/sqs/emails", "waiting")+" === '7'", "document.title.includes('No connection')")
	s.set("pulse:queues:shop", oneQueue, 8)
	way.to(up)
	b.until(cell("shop/sqs/emails", "waiting") + " === '8'")
}

func TestPageWhereNothingStreamsPolls(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.set("pulse:queues:shop", oneQueue, 7)
	h := handler(s.read, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(struct{ http.ResponseWriter }{w}, r) }))
	t.Cleanup(server.Close)
	b := open(t, server.URL)
	b.until(cell("shop/sqs/emails", "waiting")+" === '7'", liveState+" === 'polling'")
	s.set("pulse:queues:shop", oneQueue, 8)
	b.until(cell("shop/sqs/emails", "waiting") + " === '8'")
}

func TestPagePollsWhileAllStreamsAreTaken(t *testing.T) {
	t.Parallel()
	s := &store{}
	s.set("pulse:queues:shop", oneQueue, 7)
	h := handler(s.read, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var others sync.WaitGroup
	var wires [1000]wire
	for i := range wires {
		others.Go(func() { h.ServeHTTP(&wires[i], request(ctx, http.MethodGet, "/api/v1/stream")) })
	}
	for i := range wires {
		servertest.Eventually(t, "the streams have begun", func() bool { return wires[i].String() != "" })
	}
	b := open(t, server.URL)
	b.until(cell("shop/sqs/emails", "waiting")+" === '7'", liveState+" === 'polling'")
	s.set("pulse:queues:shop", oneQueue, 8)
	b.until(cell("shop/sqs/emails", "waiting") + " === '8'")
	end()
	others.Wait()
	b.until(liveState + " === 'live'")
}

func TestPageOfASessionThatEndedIsTheLogin(t *testing.T) {
	t.Parallel()
	s, way := &store{}, &swap{}
	s.set("pulse:queues:shop", oneQueue, 7)
	log := slog.New(slog.DiscardHandler)
	with := func(token string) http.Handler {
		server := &api.Server{Live: api.NewLive(s.read, 0, log), Ping: func(context.Context) error { return nil }, Token: token, Log: log}
		return server.Handler()
	}
	way.to(with("sesame"))
	server := httptest.NewServer(way)
	t.Cleanup(server.Close)
	b := open(t, server.URL)
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), "sesame\r"))
	b.until(cell("shop/sqs/emails", "waiting") + " === '7'")
	way.to(with("another"))
	server.CloseClientConnections()
	b.until("document.querySelector('#token')", "!document.querySelector('[data-queue]')")
}

// A browser takes no Secure cookie over plain HTTP: were the session's one, the login would lead
// back to itself.
func TestLoginWorksWithoutTLSUnderAnyName(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := serve(t, redis, "sesame")
	set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"emails","driver":"bullmq","metrics":{"waiting":5}}]`)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, "http://pulse.test:"+at.Port(), chromedp.Flag("host-resolver-rules", "MAP pulse.test 127.0.0.1"))
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), "sesame\r"))
	b.until(cell("shop/bullmq/emails", "waiting") + " === '5'")
	b.do(chromedp.Submit(chromedp.CSS("form[action=logout]")))
	b.until("document.querySelector('#token')")
}

func TestLongNamesStayWithinANarrowScreen(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := serve(t, redis, "")
	long, app := strings.Repeat("W", 1000), strings.Repeat("w", 128)
	set(t, redis, "pulse:queues:"+app, `"app":%q,"queues":[{"name":%q,"driver":%q,"metrics":{"waiting":9007199254740991,"active":9007199254740991,"delayed":9007199254740991,"failed":9007199254740991},"meta":{"region":%q,"dlq":%q,"error":%q,%q:1}}],"problems":[{"queue":%q,"reason":%q}]`,
		app, long, long, long, long, long, long, long, long)
	set(t, redis, "pulse:server:"+app+":"+app, `"system":{"hostname":%q,"platform":%q,"cpu_usage":1e300,"memory_total":9007199254740991,"memory_free":1},"process":{"uptime":1e15},"meta":{"app_name":%q,"environment":%q,"runtime":%q,"version":%q}`,
		long, long, app, long, long, long)
	b := open(t, server.URL)
	b.until("document.querySelectorAll('[data-queue]').length === 1", "document.querySelectorAll('[data-server]').length === 1",
		"[...document.querySelectorAll('[data-queue] .open, [data-server] .open')].map(b => b.click()).length === 2")
	for _, width := range []int64{320, 390, 768, 1024, 1920} {
		b.do(chromedp.EmulateViewport(width, 900))
		b.until("innerWidth === " + fmt.Sprint(width))
		if !b.is("document.documentElement.scrollWidth <= innerWidth") {
			wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.className + '#' + e.id).slice(0, 8).join(' ')`))
			t.Errorf("at %d pixels the page is wider than the screen: %s (%v)", width, wide, err)
		}
	}
}
