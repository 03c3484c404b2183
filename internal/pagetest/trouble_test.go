package pagetest

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
	server := Serve(t, redis, "")
	old := time.Now().Add(-20 * time.Second).UnixMilli()
	redis.Client.Set(t.Context(), "pulse:queues:late", fmt.Sprintf(`{"timestamp":%d,"app":"late","queues":[{"name":"x","driver":"sqs","metrics":{"waiting":1}}]}`, old), time.Minute)
	redis.Client.Set(t.Context(), "pulse:server:late:web-1", fmt.Sprintf(`{"timestamp":%d,"system":{"hostname":"web-1"},"process":{},"meta":{"app_name":"late"}}`, old), time.Minute)
	Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"x","driver":"sqs","metrics":{"waiting":1}}]`)
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
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"idle","driver":"sqs","metrics":{"waiting":1},"meta":{"as_of":%d}}]`,
		time.Now().Add(-10*time.Minute).UnixMilli())
	Set(t, redis, "pulse:queues:blog", `"app":"blog","queues":[{"name":"busy","driver":"sqs","metrics":{"waiting":1}}]`)
	b := open(t, server.URL)
	b.until(row("shop/sqs/idle")+"?.querySelector('.aged').textContent === '10 min old'", "document.querySelector('[data-queue=\"blog/sqs/busy\"]')")
}

// Whatever somebody puts in meta, it is one queue's and not the page's trouble.
func TestOddMetaHidesNoQueue(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	var queues []string
	odd := []string{`{"code":"ECONNREFUSED"}`, `["a",{"b":[]}]`, `7`, `true`, `"text"`, `-1e300`, `{}`, `[]`}
	for i, v := range odd {
		queues = append(queues, fmt.Sprintf(`{"name":"q%d","driver":"sqs","metrics":{"waiting":1},"meta":{"error":%[2]s,"dlq":%[2]s,"dlq_for":%[2]s,"as_of":%[2]s,"oldest_at":%[2]s,"workers":%[2]s,"prioritized":%[2]s,"paused":%[2]s,"driver":%[2]s,"demo":%[2]s,"region":%[2]s}}`, i, v))
	}
	Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"well","driver":"sqs","metrics":{"waiting":1}},%s]`, strings.Join(queues, ","))
	b := open(t, server.URL)
	b.until(fmt.Sprintf("document.querySelectorAll('[data-queue]').length === %d", len(odd)+1))
	for i := range odd {
		b.until(fmt.Sprintf("document.querySelectorAll('[data-queue] a.name')[%d].click() || true", i), "document.querySelector('#detail')")
	}
	b.until("!document.querySelector('#broken')")
}

func TestPageTellsThatRedisIsDownAndWhenItIsBack(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"x","driver":"sqs","metrics":{"waiting":7}}]`)
	b := open(t, server.URL)
	const calm = verdict + " === 'ok: Nothing known to be in trouble · 1 queue'"
	b.until(cell("shop/sqs/x", "waiting")+" === '7'", liveState+" === 'live'", calm)
	redis.Stop()
	b.until(liveState+" === 'frozen'", "/^blind: Redis unreachable since (.* )?\\d\\d:\\d\\d:\\d\\d, numbers frozen \\d+ s ago$/.test("+verdict+")",
		"!document.querySelector('#attention')", // the bar has said it
		"document.title === 'Redis unreachable · Pulse'", "document.body.hasAttribute('data-frozen')", "document.querySelector('link[rel=icon]').href.includes('17202b')",
		cell("shop/sqs/x", "waiting")+" === '7'",
		// The row grows old, and that is not its reporter's fault.
		row("shop/sqs/x")+".dataset.status === 'stale'", state("shop/sqs/x")+" === 'frozen idle'", "!document.querySelector('#attention')")
	// The server was heard a moment ago, and that makes no number newer: they are from before Redis was unreachable.
	const seconds, since = `parseInt(document.querySelector('#sentence').textContent.match(/numbers frozen (\d+) s ago$/)[1])`,
		`new Date().setHours(...document.querySelector('#sentence time').textContent.match(/\d+/g))`
	if !b.is(seconds + " + 1 >= (Date.now() - " + since + ") / 1000 - 1 && Date.now() - " + since + " > 4000") {
		t.Error("the age of the numbers is less than the time that Redis has been unreachable")
	}
	redis.Start()
	Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"x","driver":"sqs","metrics":{"waiting":8}}]`)
	b.until(liveState+" === 'live'", cell("shop/sqs/x", "waiting")+" === '8'", "!document.body.hasAttribute('data-frozen')", calm)
}

func TestPageTellsWhatRedisAnswers(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"x","driver":"sqs","metrics":{"waiting":7}}]`)
	b := open(t, server.URL)
	b.until(cell("shop/sqs/x", "waiting") + " === '7'")
	if err := redis.Client.Do(t.Context(), "ACL", "SETUSER", "default", "-@all", "+acl").Err(); err != nil {
		t.Fatal(err)
	}
	b.until(liveState+" === 'frozen'", verdict+".startsWith('blind: Redis unreachable since')", cell("shop/sqs/x", "waiting")+" === '7'",
		"/Redis has answered NOPERM/.test(document.querySelector('#attention').textContent)")
}

func TestPageThatOpensWhileRedisIsDownSaysSo(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	redis.Stop()
	b := open(t, server.URL)
	b.until("/^blind: no numbers yet: .*Redis/.test("+verdict+")", "document.title === 'No numbers · Pulse'", "!document.querySelector('#first-run')")
	redis.Start()
	Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"x","driver":"sqs","metrics":{"waiting":8}}]`)
	b.until(cell("shop/sqs/x", "waiting") + " === '8'")
}

func TestTotalsTellWhatIsLost(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"x","driver":"sqs","metrics":{"waiting":7}},{"name":"y","driver":"sqs","metrics":{"waiting":0}}]`)
	Set(t, redis, "pulse:queues:blog", `"app":"blog","queues":[{"name":"x","driver":"sqs","metrics":{"waiting":2}}]`)
	b := open(t, server.URL)
	total := func(name, is, note string) string {
		tile := fmt.Sprintf("document.querySelector('[data-total=%s]')", name)
		return fmt.Sprintf("%[1]s.textContent === %[2]q && %[1]s.nextElementSibling.textContent === %[3]q", tile, is, note)
	}
	b.until("document.querySelector('[data-total]')", total("waiting", "9", ""), total("active", "—", "3 unknown"), total("queues", "3", ""))
	redis.Client.Del(t.Context(), "pulse:queues:shop")
	b.until(total("waiting", "2", "+ 2 lost, not counted"), total("active", "—", "1 unknown 2 lost"), total("queues", "3", "2 lost"))
	redis.Client.Del(t.Context(), "pulse:queues:blog")
	b.until(total("waiting", "—", "3 lost"), total("failed", "—", "3 lost"), total("queues", "3", "3 lost"), total("servers", "0", ""),
		"/^crit: the reporter of shop is silent for .*: 2 queues, last known 7 waiting$/.test("+verdict+")", // one cause, not one a queue
		"document.querySelectorAll('#attention [data-trouble]').length === 2")
	b.until("document.querySelector('#attention button').click() || true", "document.querySelectorAll('#attention > ul [data-trouble]').length === 1",
		"/^crit: the reporter of blog is silent/.test("+verdict+")", "document.querySelector('.muted-list summary').textContent === '1 muted in this browser'",
		"document.querySelector('.muted-list button').click() || true", "/^crit: the reporter of shop/.test("+verdict+")")
}

// The widest number that is exact is shown in a few digits, and breaks nothing.
func TestTotalsTakeNoMoreRoomThanTheyHave(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"x","driver":"sqs","metrics":{"waiting":9007199254740991,"active":9007199254740991,"failed":9007199254740991}},{"name":"y","driver":"sqs","metrics":{"waiting":9007199254740991}}]`)
	b := open(t, server.URL)
	b.until("document.querySelector('[data-total=waiting]')?.textContent.length < 10",
		"document.querySelector('[data-total=active]').title === '9,007,199,254,740,991'",
		"document.querySelector('#totals').getBoundingClientRect().height === 48",
		"document.documentElement.scrollWidth <= innerWidth")
}

func TestServersInTroubleCount(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	beat := func(id string, cpu, diskFree int) {
		Set(t, redis, "pulse:server:shop:"+id, `"system":{"hostname":%q,"cpu_usage":%d,"disk_total":1000,"disk_free":%d},"process":{},"meta":{"app_name":"shop"}`, id, cpu, diskFree)
	}
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"x","driver":"sqs","metrics":{"waiting":7}}]`)
	judge(t, redis, `"queues":{"sqs/x":{"health":"ok"}}`)
	beat("well", 95, 50)
	beat("busy", 95, 50)
	beat("full", 95, 50)
	b := open(t, server.URL)
	state := func(id string) string {
		return fmt.Sprintf("document.querySelector('[data-server=\"shop/%s\"] .state')?.textContent", id)
	}
	b.until(verdict+" === 'ok: Nothing in trouble · 1 queue'", state("well")+" === 'reports'", "document.title === '7 waiting · Pulse'")
	beat("busy", 96, 50)
	beat("full", 96, 49)
	b.until(state("busy")+" === 'CPU busy'", state("full")+" === 'disk full'", state("well")+" === 'reports'",
		verdict+" === 'warn: server busy of shop: CPU at 96 %'", "document.title === '2 warning · busy · Pulse'")
	redis.Client.Del(t.Context(), "pulse:server:shop:well")
	b.until(state("well")+" === 'lost'", "/^crit: server well of shop is silent for/.test("+verdict+")", "document.querySelector('[data-total=servers]').textContent === '2/3'",
		"document.querySelector('[data-server]').dataset.server === 'shop/well'")
	redis.Client.Del(t.Context(), "pulse:server:shop:busy", "pulse:server:shop:full")
	b.until(verdict + " === 'crit: 3 servers of shop are silent'")
}

// A reporter that runs and can't report is not told to be started.
func TestFirstRunShowsWhatAReporterCannotDo(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	b := open(t, server.URL)
	b.until("document.querySelector('#first-run')?.textContent.includes('No reporter was heard')", "document.querySelector('#first-run pre').textContent.includes('PULSE_BULLMQ_QUEUES')",
		verdict+" === 'ok: No queue has reported yet'", "document.querySelectorAll('.checks [data-done]').length === 1")
	Set(t, redis, "pulse:queues:shop:sqs", `"app":"shop","source":"sqs","interval_ms":600000,"queues":[],"problems":[{"reason":"no AWS credentials were found"}]`)
	b.until("/Reporters heard: sqs · shop.*no AWS credentials were found/.test(document.querySelector('#first-run').textContent)", "!document.querySelector('#first-run pre')",
		"/^warn: .*no AWS credentials were found$/.test("+verdict+")")
	Set(t, redis, "pulse:queues:shop:sqs", `"app":"shop","source":"sqs","interval_ms":600000,"queues":[{"name":"x","driver":"sqs","metrics":{"waiting":8}}]`)
	b.until(cell("shop/sqs/x", "waiting")+" === '8'", "!document.querySelector('#first-run')")
}

// swap is a handler that can be replaced under the page.
type swap struct{ handler atomic.Pointer[http.Handler] }

func (s *swap) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*s.handler.Load()).ServeHTTP(w, r) }

func (s *swap) to(h http.Handler) { s.handler.Store(&h) }

func TestPageTellsThatItHearsNothing(t *testing.T) {
	t.Parallel()
	s, way := &Store{}, &swap{}
	s.Set("pulse:queues:shop", OneQueue, 7)
	s.Set("pulse:trend:shop", `"app":"shop","queues":{"sqs/emails":{"health":"ok"}}`)
	up := Handler(s.Read, slog.New(slog.DiscardHandler))
	way.to(up)
	server := httptest.NewServer(way)
	t.Cleanup(server.Close)
	b := open(t, server.URL)
	b.until(cell("shop/sqs/emails", "waiting")+" === '7'", liveState+" === 'live'", verdict+" === 'ok: Nothing in trouble · 1 queue'")
	way.to(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	server.CloseClientConnections()
	b.until(liveState+" === 'reconnecting'", cell("shop/sqs/emails", "waiting")+" === '7'", "!document.body.hasAttribute('data-frozen')")
	// In time nothing on the page says that all is well.
	b.until("document.body.hasAttribute('data-frozen')", state("shop/sqs/emails")+" === 'frozen idle'", "/^blind: No connection to the server.*numbers frozen .* ago$/.test("+verdict+")",
		"document.title === 'No connection · Pulse'", "!document.querySelector('[data-level=ok]')")
	s.Set("pulse:queues:shop", OneQueue, 8)
	way.to(up)
	b.until(cell("shop/sqs/emails", "waiting")+" === '8'", state("shop/sqs/emails")+" === 'ok ok'")
}

func TestPageWhereNothingStreamsPolls(t *testing.T) {
	t.Parallel()
	s := &Store{}
	s.Set("pulse:queues:shop", OneQueue, 7)
	h := Handler(s.Read, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(struct{ http.ResponseWriter }{w}, r) }))
	t.Cleanup(server.Close)
	b := open(t, server.URL)
	b.until(cell("shop/sqs/emails", "waiting")+" === '7'", liveState+" === 'polling'")
	s.Set("pulse:queues:shop", OneQueue, 8)
	b.until(cell("shop/sqs/emails", "waiting") + " === '8'")
}

// begun is a client that drops what it gets; first is closed once there is something.
type begun struct {
	*httptest.ResponseRecorder
	once  sync.Once
	first chan struct{}
}

func (b *begun) Write(p []byte) (int, error) {
	b.once.Do(func() { close(b.first) })
	return len(p), nil
}

func TestPagePollsWhileAllStreamsAreTaken(t *testing.T) {
	t.Parallel()
	s := &Store{}
	s.Set("pulse:queues:shop", OneQueue, 7)
	h := Handler(s.Read, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var others sync.WaitGroup
	for range 1000 {
		w := &begun{ResponseRecorder: httptest.NewRecorder(), first: make(chan struct{})}
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/stream", http.NoBody)
		others.Go(func() { h.ServeHTTP(w, r) })
		select {
		case <-w.first:
		case <-time.After(time.Minute):
			t.Fatal("a stream has not begun")
		}
	}
	b := open(t, server.URL)
	b.until(cell("shop/sqs/emails", "waiting")+" === '7'", liveState+" === 'polling'")
	s.Set("pulse:queues:shop", OneQueue, 8)
	b.until(cell("shop/sqs/emails", "waiting") + " === '8'")
	end()
	others.Wait()
	b.until(liveState + " === 'live'")
}

func TestPageOfASessionThatEndedIsTheLogin(t *testing.T) {
	t.Parallel()
	s, way := &Store{}, &swap{}
	s.Set("pulse:queues:shop", OneQueue, 7)
	log := slog.New(slog.DiscardHandler)
	with := func(token string) http.Handler {
		server := &api.Server{Live: api.NewLive(s.Read, 0, log), Ping: func(context.Context) error { return nil }, Token: token, Log: log}
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
	server := Serve(t, redis, "sesame")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"emails","driver":"bullmq","metrics":{"waiting":5}}]`)
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
	server := Serve(t, redis, "")
	long, app := strings.Repeat("W", 1000), strings.Repeat("w", 128)
	Set(t, redis, "pulse:queues:"+app, `"app":%q,"queues":[{"name":%q,"driver":%q,"metrics":{"waiting":9007199254740991,"active":9007199254740991,"delayed":9007199254740991,"failed":9007199254740991},"meta":{"region":%q,"dlq":%q,"error":%q,%q:1}}],"problems":[{"queue":%q,"reason":%q}]`,
		app, long, long, long, long, long, long, long, long)
	Set(t, redis, "pulse:server:"+app+":"+app, `"system":{"hostname":%q,"platform":%q,"cpu_usage":1e300,"memory_total":9007199254740991,"memory_free":1},"process":{"uptime":1e15},"meta":{"app_name":%q,"environment":%q,"runtime":%q,"version":%q}`,
		long, long, app, long, long, long)
	b := open(t, server.URL)
	b.until("document.querySelectorAll('[data-queue]').length === 1", "document.querySelectorAll('[data-server]').length === 1",
		"document.querySelector('[data-queue] a.name').click() || true", "document.querySelector('#detail')")
	for _, width := range []int64{320, 390, 768, 1024, 1920} {
		b.do(chromedp.EmulateViewport(width, 900))
		b.until("innerWidth === " + fmt.Sprint(width))
		if !b.is("document.documentElement.scrollWidth <= innerWidth") {
			wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.className + '#' + e.id).slice(0, 8).join(' ')`))
			t.Errorf("at %d pixels the page is wider than the screen: %s (%v)", width, wide, err)
		}
	}
}
