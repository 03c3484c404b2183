package pagetest

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// door lets requests in to a handler, and knows of each.
type door struct {
	http.Handler

	mu      sync.Mutex
	asked   []string
	streams int
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	stream := r.URL.Path == "/api/v1/stream"
	d.mu.Lock()
	d.asked = append(d.asked, r.URL.Path)
	if stream {
		d.streams++
	}
	d.mu.Unlock()
	d.Handler.ServeHTTP(w, r)
	if stream {
		d.mu.Lock()
		d.streams--
		d.mu.Unlock()
	}
}

// paths are those that were asked for since n were, of those that begin like this.
func (d *door) paths(n int, prefixes ...string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(d.asked[n:]), func(path string) bool {
		return !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
	})
}

func (d *door) all() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asked)
}

// stream waits until so many are open.
func (d *door) stream(t *testing.T, n int) {
	t.Helper()
	servertest.Eventually(t, fmt.Sprintf("%d streams are open", n), func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.streams == n
	})
}

// byHand is a page whose tab is put out of sight and whose clock is moved by hand: hide(), show(), pass(ms).
const byHand = `{
	const now = Date.now
	let ahead = 0, hidden = false
	Date.now = () => now() + ahead
	Object.defineProperty(document, 'hidden', { get: () => hidden })
	const turn = (to) => { hidden = to; document.dispatchEvent(new Event('visibilitychange')) }
	Object.assign(window, { hide: () => turn(true), show: () => turn(false), pass: (ms) => { ahead += ms } })
}`

func (b *tab) script(source string) {
	b.t.Helper()
	command(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: source})
}

func (b *tab) run(expression string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void]("void (" + expression + ")"))
}

func TestATabOutOfSightLeavesItsConnectionToOthers(t *testing.T) {
	t.Parallel()
	s := &Store{}
	s.Set("pulse:queues:shop", OneQueue, 7)
	d := &door{Handler: Handler(s.Read, slog.New(slog.DiscardHandler))}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	b := browser(t)
	b.do()
	// A browser opens six connections to a host.
	tabs := []*tab{b}
	for range 6 {
		ctx, cancel := chromedp.NewContext(b.ctx, complaints(t))
		t.Cleanup(cancel)
		tabs = append(tabs, &tab{t, ctx})
	}
	waits := func(n int) string { return cell("shop/sqs/emails", "waiting") + fmt.Sprintf(" === '%d'", n) }
	for _, tab := range tabs[:6] {
		tab.script(byHand)
		tab.do(chromedp.Navigate(server.URL))
		tab.until(waits(7))
	}
	d.stream(t, 6)

	// For a moment out of sight is not out of mind.
	asked := d.all()
	for n := range 5 {
		b.run("hide(), pass(9_000)")
		s.Set("pulse:queues:shop", OneQueue, 4+n)
		b.until(waits(4+n), fmt.Sprintf("document.title === '%d waiting · Pulse'", 4+n))
		b.run("show()")
	}
	if again := d.paths(asked, "/api/v1/stream"); len(again) != 0 {
		t.Errorf("a tab that was out of sight for 9 seconds asked for %v", again)
	}

	for _, tab := range tabs[:6] {
		tab.run("hide(), pass(31_000)")
	}
	d.stream(t, 0)
	seventh := tabs[6]
	seventh.do(chromedp.Navigate(server.URL))
	seventh.until(waits(8), liveState+" === 'live'")

	// Their title is still read, now and then.
	s.Set("pulse:queues:shop", OneQueue, 9)
	seventh.until(waits(9))
	for _, tab := range tabs[:6] {
		tab.run("pass(61_000)")
	}
	for _, tab := range tabs[:6] {
		tab.until("document.title === '9 waiting · Pulse'")
	}
	d.stream(t, 1)

	// In sight again, one request makes a page live.
	s.Set("pulse:queues:shop", OneQueue, 10)
	seventh.until(waits(10))
	asked = d.all()
	b.run("show()")
	b.until(waits(10), liveState+" === 'live'")
	if again := d.paths(asked, "/api/v1/stream", "/api/v1/view"); !slices.Equal(again, []string{"/api/v1/stream"}) {
		t.Errorf("a tab that came into sight asked for %v", again)
	}
}

func TestPageIsSmallAndItsFilesAreKept(t *testing.T) {
	t.Parallel()
	s := &Store{}
	s.Set("pulse:queues:shop", OneQueue, 7)
	d := &door{Handler: Handler(s.Read, slog.New(slog.DiscardHandler))}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	b := open(t, server.URL)
	b.until(cell("shop/sqs/emails", "waiting") + " === '7'")

	// The rows come with the fourth request.
	first := d.paths(0, "/")[:4]
	slices.Sort(first)
	if first[0] != "/" || first[1] != "/api/v1/stream" || !strings.HasPrefix(first[2], "/assets/page-") || !strings.HasPrefix(first[3], "/assets/page-") {
		t.Errorf("the first requests are for %v", first)
	}
	if views := d.paths(0, "/api/v1/view", "/api/v1/stream"); len(views) != 1 {
		t.Errorf("the first view was asked for by %v", views)
	}
	const sizes = "performance.getEntries().filter(e => e.entryType === 'navigation' || e.name.includes('/assets/')).map(e => e.encodedBodySize)"
	b.until(sizes+".length === 3", sizes+".every(n => n > 0)", sizes+".reduce((a, b) => a + b) <= 75 * 1024", sizes+".reduce((a, b) => a + b) > 20_000")

	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(server.URL))
	b.until(cell("shop/sqs/emails", "waiting") + " === '7'")
	if files := d.paths(0, "/assets/"); len(files) != 2 {
		t.Errorf("opened twice, the page asked for %v", files)
	}
}

// shifts notes what moves by itself. What is aligned to one of its edges and grows towards the other does not.
const shifts = `
	window.shifted = []
	new PerformanceObserver((list) => {
		for (const e of list.getEntries()) for (const { node, previousRect: a, currentRect: b } of e.sources) {
			const same = (edge) => Math.abs(a[edge] - b[edge]) < 3 // a letter's ink may reach out of its box
			if (!same('top') || !(same('left') || same('right'))) shifted.push((node?.outerHTML ?? 'in ' + node?.parentElement?.outerHTML).slice(0, 120) + ' from ' + JSON.stringify(a) + ' to ' + JSON.stringify(b))
		}
	}).observe({ type: 'layout-shift' })`

func TestNothingMovesWhenNumbersChange(t *testing.T) {
	t.Parallel()
	s := &Store{}
	const queues = `"app":"shop","interval_ms":600000,"queues":[{"name":"emails","driver":"sqs","metrics":{"waiting":%[1]d,"active":%[1]d,"failed":%[1]d,"delayed":%[1]d}},{"name":"orders","driver":"bullmq","metrics":{"waiting":%[1]d}}]`
	s.Set("pulse:queues:shop", queues, 7)
	server := httptest.NewServer(Handler(s.Read, slog.New(slog.DiscardHandler)))
	t.Cleanup(server.Close)
	b := browser(t, wide)
	b.do()
	b.script(byHand)
	b.do(chromedp.Navigate(server.URL))
	const painted = `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0, true))))`
	for _, width := range []int64{1440, 390} {
		b.do(chromedp.EmulateViewport(width, 844))
		b.until(cell("shop/sqs/emails", "waiting")+" === '7'", liveState+" === 'live'")
		result[bool](b, painted)
		b.run("(() => {" + shifts + "})()")
		for _, n := range []int{123_456, 1, 987_654_321_012_345, 7} {
			s.Set("pulse:queues:shop", queues, n)
			b.until(fmt.Sprintf("document.querySelector('[data-total=waiting]').title === (%d).toLocaleString('en')", 2*n))
			b.run("pass(1500)") // ages grow
			result[bool](b, painted)
		}
		if moved := b.text("shifted.join('\\n')"); moved != "" {
			t.Errorf("at %d pixels the page moves when numbers change:\n%s", width, moved)
		}
	}
	// What does move is seen.
	b.run("document.querySelector('#totals').style.marginTop = '100px'")
	b.until("shifted.length > 0")
}
