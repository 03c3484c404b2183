package pagetest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

// BenchmarkPage is the page of 10,000 queues of 50 apps in a real browser, as the aggregator serves it over a real
// Redis. One app after another is published again, one every 0.2 s, a third of its queues with other numbers, so
// that each patch has ten apps. What it reports, and what it should be:
//
//   - load: first-rows-ms, from the navigation's start until the first row is painted, the median of five loads
//     with nothing in the cache (≤ 700). requests (4), page-KB of them without the stream (≤ 75), and bundle-KB,
//     their scripts as gzip makes them (≤ 70). stream-KB until the rows, and stream-12s-KB in 12 s after that.
//   - tasks: longest-load-ms and longest-after-ms, the longest task of the main thread until the first row is painted
//     and in 12 s after that (≤ 100). heap-MiB, what JavaScript holds after that (≤ 30).
//   - scroll: frame-p95-ms, from frame to frame while the list is scrolled from its top to its end in 400 frames
//     (≤ 20), and busy-p95-ms, how much of that the main thread works. rows-reached is how many of the 10,000 rows
//     came by, and heap-MiB what JavaScript holds after all of them did.
//   - patch: median-ms of script, style and layout from one patch to the next, of 50 (≤ 6), with what the page does
//     every second meanwhile; mean-ms; patch-KB; and heap-MiB after them.
//
// KB is 1,000 bytes.
func BenchmarkPage(b *testing.B) {
	redis := servertest.Redis(b)
	busy(b, redis)
	url := Serve(b, redis, "").URL + "/"
	chromium := browser(b)
	chromium.do() // starts it

	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			var firsts []time.Duration
			for range 5 {
				blank(b, chromium, func(p *tab) { firsts = append(firsts, p.load(url)) })
			}
			b.ReportMetric(1000*servertest.Median(firsts), "first-rows-ms")
			blank(b, chromium, func(p *tab) { p.reportTraffic(b, url) })
		}
		b.ReportMetric(0, "ns/op") // says nothing: a run mostly waits
	})
	b.Run("tasks", func(b *testing.B) {
		for b.Loop() {
			blank(b, chromium, func(p *tab) { p.reportTasks(b, url) })
		}
		b.ReportMetric(0, "ns/op") // says nothing: a run mostly waits
	})
	b.Run("scroll", func(b *testing.B) {
		for b.Loop() {
			blank(b, chromium, func(p *tab) { p.reportScroll(b, url+"#group=off") })
		}
		b.ReportMetric(0, "ns/op") // says nothing: a run mostly waits
	})
	b.Run("patch", func(b *testing.B) {
		for b.Loop() {
			blank(b, chromium, func(p *tab) { p.reportPatches(b, url, 50) })
		}
		b.ReportMetric(0, "ns/op") // says nothing: a run mostly waits
	})
}

// window is how long a page is watched after its first rows.
const window = 12 * time.Second

// atStart notes in a page when its first row is painted: a ResizeObserver is called when a row that has just come
// has its place, before it is painted, and a message that is sent then arrives after that.
const atStart = `
	performance.mark('pulse-start');
	window.firstRows = new Promise(painted => {
		const changes = new MutationObserver(() => {
			const row = document.querySelector('[data-queue]');
			if (!row) return;
			changes.disconnect();
			const { port1, port2 } = new MessageChannel();
			port1.onmessage = () => {
				port1.close();
				performance.mark('pulse-rows');
				painted(performance.now());
			};
			const size = new ResizeObserver(() => {
				size.disconnect();
				port2.postMessage(null);
			});
			size.observe(row);
		});
		changes.observe(document, { childList: true, subtree: true, attributeFilter: ['data-queue'] });
	});
	window.frame = () => new Promise(requestAnimationFrame);
	// What is scrolled if the list is.
	window.scrolled = () => {
		let box = document.querySelector('[data-queue]').parentElement;
		while (box && !(box.scrollHeight > box.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(box).overflowY))) box = box.parentElement;
		return box ?? document.scrollingElement;
	};`

// blank has use a tab that shows nothing yet, of a profile with nothing in its cache, for at most four minutes.
func blank(b *testing.B, chromium *tab, use func(p *tab)) {
	b.Helper()
	ctx, cancel := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext(), complaints(b))
	defer cancel()
	p := &tab{b, ctx}
	p.do(chromedp.EmulateViewport(1440, 900))
	command(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: atStart})
	p.ctx, cancel = context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	use(p)
}

func command[P, R any](p *tab, c cdp.Command[P, R], params P) R {
	p.t.Helper()
	v, err := chromedp.Call(p.ctx, c, params)
	if err != nil {
		p.t.Fatalf("%s: %v", c.Method, err)
	}
	return v
}

// result is what the promise of an expression becomes.
func result[T any](p *tab, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// listen hands over what the browser tells of a tab.
func (b *tab) listen(hear func(event any)) {
	b.t.Helper()
	if err := chromedp.Listen(b.ctx, hear); err != nil {
		b.t.Fatal(err)
	}
}

// load opens a page, and returns how long its first rows took.
func (b *tab) load(url string) time.Duration {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
	return time.Duration(result[float64](b, "firstRows") * float64(time.Millisecond))
}

// watch waits while a page is watched.
func (b *tab) watch() {
	b.t.Helper()
	b.do(chromedp.Sleep(window))
}

// heap is what JavaScript holds, in MiB.
func (b *tab) heap() float64 {
	b.t.Helper()
	command(b, heapprofiler.CollectGarbage, cdp.Empty{})
	return command(b, runtime.GetHeapUsage, cdp.Empty{}).UsedSize / (1 << 20)
}

// reportTraffic is what a page asks for, and how much it is sent.
func (b *tab) reportTraffic(report *testing.B, url string) {
	report.Helper()
	var mu sync.Mutex
	requests := map[network.RequestID]*network.EventRequestWillBeSent{}
	var files, stream float64
	b.listen(func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			requests[e.RequestID] = e
		case *network.EventLoadingFinished:
			files += e.EncodedDataLength
		case *network.EventDataReceived:
			if r := requests[e.RequestID]; r != nil && r.Type == network.ResourceTypeEventSource {
				stream += float64(e.EncodedDataLength)
			}
		}
	})
	command(b, network.Enable, network.EnableParams{})
	b.load(url)
	mu.Lock()
	scripts, before := 0, stream
	for _, r := range requests {
		if r.Type == network.ResourceTypeScript {
			scripts += gzipped(report, r.Request.URL)
		}
	}
	report.ReportMetric(float64(len(requests)), "requests")
	report.ReportMetric(files/1000, "page-KB")
	report.ReportMetric(float64(scripts)/1000, "bundle-KB")
	report.ReportMetric(stream/1000, "stream-KB")
	mu.Unlock()
	b.watch()
	mu.Lock()
	defer mu.Unlock()
	report.ReportMetric((stream-before)/1000, "stream-12s-KB")
}

// gzipped is how large gzip makes a file, at its best.
func gzipped(b *testing.B, url string) int {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	var small bytes.Buffer
	w, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err == nil {
		_, err = io.Copy(w, answer.Body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil || answer.StatusCode != http.StatusOK {
		b.Fatalf("%s: %s, %v", url, answer.Status, err)
	}
	return small.Len()
}

// reportTasks is how long the main thread does nothing else, and what a page holds.
func (b *tab) reportTasks(report *testing.B, url string) {
	report.Helper()
	t := b.trace(func() {
		b.load(url)
		b.watch()
	})
	start, rows := t.mark("pulse-start"), t.mark("pulse-rows")
	if len(start) != 1 || len(rows) != 1 {
		report.Fatalf("the page was not traced: it began at %v, and its rows came at %v", start, rows)
	}
	var load, after float64
	for _, task := range t.tasks {
		switch {
		case task.end() < start[0]: // of the blank page
		case task.TS < rows[0]:
			load = max(load, task.Dur)
		default:
			after = max(after, task.Dur)
		}
	}
	report.ReportMetric(load/1000, "longest-load-ms")
	report.ReportMetric(after/1000, "longest-after-ms")
	report.ReportMetric(b.heap(), "heap-MiB")
}

// reportScroll is how a page keeps up while all its rows go by.
func (b *tab) reportScroll(report *testing.B, url string) {
	report.Helper()
	b.load(url)
	var frames []float64
	t := b.trace(func() {
		frames = result[[]float64](b, `(async () => {
			const box = scrolled();
			const step = (box.scrollHeight - box.clientHeight) / 400;
			const frames = [];
			let last = await frame();
			for (let i = 1; i <= 400; i++) {
				performance.mark('pulse-frame');
				box.scrollTop = i * step;
				const now = await frame();
				frames.push(now - last);
				last = now;
			}
			performance.mark('pulse-frame');
			return frames;
		})()`)
	})
	marks := t.mark("pulse-frame")
	if len(marks) != len(frames)+1 {
		report.Fatalf("%d frames, and %d marks in the trace", len(frames), len(marks))
	}
	busy := make([]float64, len(frames))
	for i := range busy {
		for _, task := range t.tasks {
			// A task is in two frames if it began before the second's callback, which it calls.
			busy[i] += max(0, min(task.end(), marks[i+1])-max(task.TS, marks[i]))
		}
	}
	report.ReportMetric(p95(frames), "frame-p95-ms")
	report.ReportMetric(p95(busy)/1000, "busy-p95-ms")
	// Slowly, and once more: what looks for rows would be in the measurement.
	report.ReportMetric(result[float64](b, `(async () => {
		const box = scrolled();
		const seen = new Set();
		for (let top = 0; ; top += 0.8 * box.clientHeight) {
			box.scrollTop = top;
			await frame();
			await frame();
			for (const row of document.querySelectorAll('[data-queue]')) seen.add(row.dataset.queue);
			if (top >= box.scrollHeight - box.clientHeight) return seen.size;
		}
	})()`), "rows-reached")
	report.ReportMetric(b.heap(), "heap-MiB")
}

func p95(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)*95/100]
}

// reportPatches is what n patches cost a page.
func (b *tab) reportPatches(report *testing.B, url string, n int) {
	report.Helper()
	patches := make(chan int, 1000) // their sizes; a listener must not wait
	b.listen(func(event any) {
		if e, ok := event.(*network.EventEventSourceMessageReceived); ok && e.EventName == "patch" {
			patches <- len(e.Data)
		}
	})
	b.load(url)
	command(b, network.Enable, network.EnableParams{})
	command(b, performance.Enable, performance.EnableParams{})
	var costs []float64
	var size int
	last := 0.0
	for i := range n + 1 { // from the first on
		select {
		case s := <-patches:
			size += s
		case <-b.ctx.Done():
			report.Fatalf("%d patches have come: %v", i, b.ctx.Err())
		}
		result[float64](b, "frame().then(frame)") // it is shown
		now := b.worked()
		if i > 0 {
			costs = append(costs, now-last)
		}
		last = now
	}
	sum := 0.0
	for _, c := range costs {
		sum += c
	}
	slices.Sort(costs)
	report.ReportMetric(1000*costs[n/2], "median-ms")
	report.ReportMetric(1000*sum/float64(n), "mean-ms")
	report.ReportMetric(float64(size)/float64(n+1)/1000, "patch-KB")
	report.ReportMetric(b.heap(), "heap-MiB")
}

// worked is how long a page has run scripts and computed styles and layouts, in seconds.
func (b *tab) worked() float64 {
	b.t.Helper()
	sum := 0.0
	for _, m := range command(b, performance.GetMetrics, cdp.Empty{}).Metrics {
		switch m.Name {
		case "ScriptDuration", "RecalcStyleDuration", "LayoutDuration":
			sum += m.Value
		}
	}
	return sum
}

// moment is an event of a trace, in µs.
type moment struct {
	Name     string  `json:"name"`
	Category string  `json:"cat"`
	Phase    string  `json:"ph"`
	TS       float64 `json:"ts"`
	Dur      float64 `json:"dur"`
	PID      int     `json:"pid"`
	TID      int     `json:"tid"`
}

func (m moment) end() float64 { return m.TS + m.Dur }

// timeline is what the main thread of a page did: its tasks and marks, in their order.
type timeline struct{ tasks, marks []moment }

// mark is when a script made the marks of that name.
func (t timeline) mark(name string) []float64 {
	var at []float64
	for _, m := range t.marks {
		if m.Name == name {
			at = append(at, m.TS)
		}
	}
	return at
}

// trace is what the main thread does during something that makes marks.
func (b *tab) trace(during func()) timeline {
	b.t.Helper()
	var moments []moment
	var bad error
	complete := make(chan *tracing.EventTracingComplete, 1)
	b.listen(func(event any) { // one after another
		switch e := event.(type) {
		case *tracing.EventDataCollected:
			for _, v := range e.Value {
				var m moment
				if err := json.Unmarshal(v, &m); err != nil {
					bad = err
				}
				if m.Name == "RunTask" || m.Category == "blink.user_timing" {
					moments = append(moments, m)
				}
			}
		case *tracing.EventTracingComplete:
			complete <- e
		}
	})
	command(b, tracing.Start, tracing.StartParams{TraceConfig: &tracing.TraceConfig{
		IncludedCategories: []string{"disabled-by-default-devtools.timeline", "blink.user_timing"}, ExcludedCategories: []string{"*"},
	}})
	during()
	command(b, tracing.End, cdp.Empty{})
	select {
	case e := <-complete:
		if e.DataLossOccurred || bad != nil {
			b.t.Fatalf("the trace has a gap, or cannot be read: %v", bad)
		}
	case <-b.ctx.Done():
		b.t.Fatalf("the trace does not end: %v", b.ctx.Err())
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return int(a.TS - b.TS) })
	var t timeline
	for _, m := range moments {
		if m.Category == "blink.user_timing" {
			t.marks = append(t.marks, m)
		}
	}
	for _, m := range moments {
		// The marks are of the page's own main thread; the browser has others.
		if m.Name == "RunTask" && len(t.marks) > 0 && m.PID == t.marks[0].PID && m.TID == t.marks[0].TID {
			t.tasks = append(t.tasks, m)
		}
	}
	return t
}

// busy is 50 apps of 200 queues, of which one is published again every 0.2 s until the benchmark ends.
func busy(b *testing.B, redis *servertest.RedisServer) {
	b.Helper()
	const apps = 50
	numbers := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same numbers in each run
	ctx, cancel := context.WithCancel(b.Context())
	all := make([]*published, apps)
	for i := range all {
		all[i] = newPublished(i, numbers)
		if err := all[i].publish(ctx, redis); err != nil {
			b.Fatal(err)
		}
	}
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			app := all[i%apps]
			app.work(numbers)
			if err := app.publish(ctx, redis); err != nil && ctx.Err() == nil {
				b.Errorf("publish %s: %v", app.snapshot.App, err)
				return
			}
		}
	})
	b.Cleanup(func() {
		cancel()
		done.Wait()
	})
}

// published is what a reporter and the recorder write of one app.
type published struct {
	snapshot protocol.QueueSnapshot
	verdicts protocol.Trends
}

func newPublished(n int, numbers *rand.Rand) *published {
	product := []string{"billing", "catalog", "checkout", "identity", "ledger", "mailer", "media", "search", "shipping", "support"}[n%10]
	region := []string{"eu-west-1", "us-east-1", "us-west-2", "ap-south-1", "sa-east-1"}[n/10]
	a := &published{snapshot: protocol.QueueSnapshot{App: product + "-" + region}}
	drivers := []protocol.Driver{protocol.DriverBullMQ, protocol.DriverSQS, protocol.DriverLaravelHorizon, protocol.DriverGravitoStream}
	driver := drivers[n%len(drivers)]
	for _, subject := range []string{
		"accounts", "addresses", "audit", "campaigns", "customers", "documents", "events", "exports", "images", "imports",
		"invoices", "notifications", "orders", "payments", "prices", "refunds", "reports", "sessions", "stock", "webhooks",
	} {
		for _, action := range []string{"archive", "cleanup", "created", "deliver", "index", "notify", "priority", "retry", "sync", "validate"} {
			q := protocol.Queue{Name: subject + "." + action, Driver: driver, Metrics: protocol.Metrics{
				Waiting: numbers.Int64N(2000), Active: new(numbers.Int64N(20)), Delayed: new(numbers.Int64N(300)), Failed: new(numbers.Int64N(50)),
			}}
			members := map[string]any{"workers": 1 + numbers.IntN(8)}
			if driver == protocol.DriverSQS {
				members = map[string]any{
					"region": region, "url": "https://sqs." + region + ".amazonaws.com/123456789012/" + q.Name, "dlq": q.Name + "-dlq",
					"fifo": action == "priority",
				}
			}
			var err error
			if q.Meta, err = protocol.MetaOf(members); err != nil {
				panic(err) // of these, it can't
			}
			a.snapshot.Queues = append(a.snapshot.Queues, q)
		}
	}
	a.judge(numbers)
	return a
}

// work changes a third of its numbers, and once a minute its healths.
func (a *published) work(numbers *rand.Rand) {
	for i := range a.snapshot.Queues {
		if m := &a.snapshot.Queues[i].Metrics; numbers.IntN(3) == 0 {
			m.Waiting = max(0, m.Waiting+numbers.Int64N(101)-50)
			m.Active = new(numbers.Int64N(20))
		}
	}
	if time.Since(time.UnixMilli(a.verdicts.Timestamp)) > time.Minute {
		a.judge(numbers)
	}
}

// judge finds most of its queues well.
func (a *published) judge(numbers *rand.Rand) {
	a.verdicts = protocol.Trends{Timestamp: time.Now().UnixMilli(), App: a.snapshot.App, Queues: map[string]*protocol.Verdict{}}
	for _, q := range a.snapshot.Queues {
		change := float64(numbers.IntN(400)-200) / 10
		v := protocol.Verdict{Health: protocol.HealthOK, Trend: protocol.Trend{WaitingPerMin: &change}}
		switch numbers.IntN(100) {
		case 0:
			v = protocol.Verdict{Health: protocol.HealthStalled, Reason: fmt.Sprintf("%d wait and nothing is active", q.Metrics.Waiting)}
		case 1:
			v = protocol.Verdict{Health: protocol.HealthFailing, Reason: "5 more failed in the last 5 minutes"}
		case 2:
			v.Health, v.Reason = protocol.HealthGrowing, fmt.Sprintf("about 12 more a minute: %d wait", q.Metrics.Waiting)
		default:
			if seconds := int64(float64(q.Metrics.Waiting) / -change * 60); change < 0 {
				v.Trend.DrainSeconds, v.Trend.DrainRange = &seconds, &[2]int64{seconds * 2 / 3, seconds * 2}
			}
		}
		a.verdicts.Queues[string(q.Driver)+"/"+q.Name] = &v
	}
}

func (a *published) publish(ctx context.Context, redis *servertest.RedisServer) error {
	a.snapshot.Timestamp = time.Now().UnixMilli()
	queues, err := a.snapshot.Encode()
	if err != nil {
		return err
	}
	verdicts, err := a.verdicts.Encode()
	if err != nil {
		return err
	}
	return redis.Client.MSet(ctx, a.snapshot.Key(), queues, protocol.TrendKey(a.snapshot.App), verdicts).Err()
}
