package pagetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// tab is a page of a real browser.
type tab struct {
	t   testing.TB
	ctx context.Context
}

func open(t testing.TB, url string, flags ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	b := browser(t, flags...)
	b.do(chromedp.Navigate(url))
	return b
}

// browser is a tab that shows nothing yet.
func browser(t testing.TB, flags ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(t.Context(),
		chromedp.WithAllocatorOptions(append([]chromedp.ExecAllocatorOption{
			chromedp.ExecPath(servertest.Chromium(t)), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.WindowSize(1440, 900),
			chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
			chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		}, flags...)...),
		complaints(t))
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("close the browser: %v", err)
		}
		cancel()
	})
	return &tab{t, ctx}
}

// complaints makes whatever the browser complains of the test's failure.
func complaints(t testing.TB) chromedp.ContextOption {
	t.Helper()
	return chromedp.WithListener(func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("the page threw: %+v", e.ExceptionDetails)
		case *runtime.EventConsoleAPICalled:
			if e.Type == "error" || e.Type == "warning" {
				t.Errorf("the page complains of itself: %+v", e.Args)
			}
		case *page.EventJavascriptDialogOpening:
			t.Errorf("a dialog opened: %s", e.Message)
		case *log.EventEntryAdded:
			// That a request was refused, such as a login, the browser says by itself.
			if e.Entry.Level == "error" && e.Entry.Source != "network" {
				t.Errorf("the page complains: %s", e.Entry.Text)
			}
		}
	})
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// is reports whether a JavaScript expression is true. It is asked from outside: the page itself may
// evaluate nothing.
func (b *tab) is(expression string) bool {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for each expression to be true.
func (b *tab) until(expressions ...string) {
	b.t.Helper()
	for _, e := range expressions {
		servertest.Eventually(b.t, e, func() bool { return b.is(e) })
	}
}

// row is a queue's row.
func row(queue string) string { return fmt.Sprintf("document.querySelector('[data-queue=%q]')", queue) }

// cell is the text of one of its numbers.
func cell(queue, metric string) string {
	return fmt.Sprintf("document.querySelector('[data-queue=%q] [data-metric=%q]')?.textContent.trim()", queue, metric)
}

func TestTheSumOfNothingIsNotZero(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"mail","driver":"gravito-stream","metrics":{"waiting":3}}]`)
	b := open(t, server.URL)
	b.until(row("shop/gravito-stream/mail"), "document.querySelector('[data-total=active]').textContent.trim() === '—'") // the sum of nothing is not 0
}

func TestPageShowsQueuesAndServersLive(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[
		{"name":"emails","driver":"bullmq","metrics":{"waiting":1204,"active":2,"delayed":0,"failed":0}},
		{"name":"mail","driver":"gravito-stream","metrics":{"waiting":3,"active":null,"delayed":1,"failed":0}}]`)
	Set(t, redis, "pulse:queues:broken", `"app":"broken","queues":[{"name":"x","driver":"sqs","metrics":{}}]`)
	Set(t, redis, "pulse:server:shop:web-1", `"system":{"hostname":"web-1","platform":"linux","cpu_usage":12.5,"cpu_cores":2,"memory_total":8000000000,"memory_free":4000000000,"load_avg":[1,1,1]},"process":{"pid":1,"uptime":60,"cpu_usage":1,"memory_rss":1000000,"memory_heap":1000},"meta":{"app_name":"shop","environment":"production","runtime":"node","version":"20"}`)
	b := open(t, server.URL)
	b.until(
		cell("shop/bullmq/emails", "waiting")+" === '1,204'",
		cell("shop/gravito-stream/mail", "active")+" === '—'", // unknown, not 0
		cell("shop/gravito-stream/mail", "failed")+" === '0'",
		row("shop/bullmq/emails")+".dataset.origin === 'external'",
		row("shop/gravito-stream/mail")+".dataset.origin === 'gravito'",
		"document.querySelector('.legend').textContent.includes('external, only read')",
		"document.querySelector('[data-server=\"shop/web-1\"]').textContent.includes('12.5')",
		"document.querySelector('#problems').textContent.includes('waiting is missing')",
		"document.querySelector('#live-state').dataset.state === 'live'",
		"!document.querySelector('form[action=logout]')", // there was no login
		"document.querySelector('[data-total=waiting]').title === '1,207'",
	)
	// Without a reload: a number changes, a queue comes.
	Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[
		{"name":"emails","driver":"bullmq","metrics":{"waiting":7,"active":2,"delayed":0,"failed":0}},
		{"name":"new","driver":"sqs","metrics":{"waiting":1}}]`)
	b.until(cell("shop/bullmq/emails", "waiting")+" === '7'", cell("shop/sqs/new", "waiting")+" === '1'")
	// Its reporter dies: the last numbers stay, and are told to be lost.
	redis.Client.Del(t.Context(), "pulse:queues:shop")
	b.until(row("shop/bullmq/emails")+".dataset.status === 'lost'", cell("shop/bullmq/emails", "waiting")+" === '7'")
	for _, width := range []int64{390, 1440} {
		b.do(chromedp.EmulateViewport(width, 900))
		b.until("document.documentElement.scrollWidth <= innerWidth")
	}
}

func TestHostileTextNeverExecutes(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	hostile := []string{
		`<img src=x onerror=document.title='hacked';window.hacked=1>`, `<script>window.hacked=1</script>`, `javascript:window.hacked=1`,
		`"onmouseover="window.hacked=1`, `__proto__`, `constructor`, "a\u202egnp.exe", `</title><svg/onload=window.hacked=1>`, `{{constructor.constructor('window.hacked=1')()}}`,
	}
	var queues []string
	for _, h := range hostile {
		queues = append(queues, fmt.Sprintf(`{"name":%q,"driver":%q,"metrics":{"waiting":1},"meta":{%q:%q,"error":%q,"region":%q,"url":%q,"dlq":%q}}`, h, h, h, h, h, h, h, h))
	}
	Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[%s],"problems":[{"queue":%q,"reason":%q}]`, strings.Join(queues, ","), hostile[0], hostile[1])
	Set(t, redis, "pulse:server:shop:constructor", `"system":{"hostname":%q,"platform":%q,"load_avg":[]},"process":{},"meta":{"app_name":"shop","environment":%q,"runtime":%q,"version":%q,"__proto__":{"x":1}}`,
		hostile[0], hostile[1], hostile[0], hostile[1], hostile[7])
	redis.Client.Set(t.Context(), "pulse:queues:"+hostile[0], hostile[1], time.Minute)
	b := open(t, server.URL)
	b.until(
		fmt.Sprintf("document.querySelectorAll('[data-queue]').length === %d", len(hostile)),
		"document.querySelector('[data-server=\"shop/constructor\"]')",
		"document.body.textContent.includes('<script>window.hacked=1</script>')",
		"document.body.textContent.includes('__proto__')",
	)
	for i := range hostile {
		b.until(fmt.Sprintf("document.querySelectorAll('[data-queue] a.name')[%d].click() || true", i), "document.querySelector('#detail')")
	}
	b.until("document.querySelector('[data-server] a.name').click() || true", "document.querySelector('#detail').textContent.includes('constructor')")
	if b.is("window.hacked || document.title.includes('hacked') || document.querySelector('#page img, #page script, [onerror], [onload], [onmouseover], a[href^=javascript]') || ({}).x") {
		t.Error("hostile text became more than text")
	}
}

func TestLoginLetsInWhoHasTheToken(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "open sesame")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"emails","driver":"bullmq","metrics":{"waiting":5}}]`)
	b := open(t, server.URL)
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), "sesame\r"))
	b.until("document.querySelector('[role=alert]')?.textContent.length > 0")
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), "open sesame\r"))
	b.until(cell("shop/bullmq/emails", "waiting")+" === '5'",
		"document.cookie === ''") // no script can read the session
}
