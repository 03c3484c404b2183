package pagetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/tidwall/gjson"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// drawer is the page's detail of a queue or a server.
const drawer = "document.querySelector('#detail')"

// detailOf is the fragment of an address that opens it: "queue:app/key" or "server:app/id".
func detailOf(id string) string { return "/#open=" + url.QueryEscape(id) }

// entry is the text of one of the drawer's named entries.
func entry(name string) string {
	return fmt.Sprintf("[...%s.querySelectorAll('[data-of]')].find(e => e.dataset.of === %q)?.querySelector('dd').textContent.trim()", drawer, name)
}

// titled is whether the drawer shows what has this name.
func titled(name string) string {
	return fmt.Sprintf("%s?.querySelector('h2').textContent === %q", drawer, name)
}

// fetch is what a server answers, once it is 200.
func fetch(t *testing.T, address string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", address, resp.StatusCode, body, err)
	}
	return string(body)
}

func (b *tab) press(keys string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys))
}

// text is what a JavaScript expression is.
func (b *tab) text(expression string) string {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// wide is a screen on which the drawer stands beside the list.
var wide = chromedp.WindowSize(1440, 900)

const twoQueues = `"app":"shop","interval_ms":600000,"queues":[
	{"name":"orders","driver":"sqs","metrics":{"waiting":12345,"active":2,"failed":0}},{"name":"mails","driver":"sqs","metrics":{"waiting":1}}]`

func TestDetailOpensByAddressAndByPress(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", twoQueues)
	judge(t, redis, `"queues":{"sqs/orders":{"health":"growing","reason":"about 12 more a minute: 12345 wait",
		"trend":{"waiting_per_min":-12.4,"drain_seconds":340,"drain_range":[240,660],"wait_seconds":130,"arriving_per_min":7.5,"processed_per_min":20}}},
		"alerts":{"1":{"rule":"drain>1h 10m","kind":"queue","key":"sqs/orders","since":%d},"2":{"rule":"lost 2m","kind":"queue","key":"sqs/mails","since":1}}`,
		time.Now().Add(-20*time.Minute).UnixMilli())
	b := open(t, server.URL+detailOf("queue:shop/sqs/orders"), wide)
	link := row("shop/sqs/mails") + ".querySelector('a')"
	focused := "document.activeElement.id === 'detail-title'"
	b.until(titled("orders"), entry("waiting")+" === '12,345'", entry("active")+" === '2'",
		entry("delayed")+" === '—'", entry("workers")+" === '—'", entry("oldest")+" === '—'", entry("failed")+" === '0'", // unknown is not 0
		"document.querySelector('#detail-why').textContent === 'about 12 more a minute: 12345 wait'",
		entry("rate")+" === '−12.4'", entry("arriving")+" === '7.5'", entry("finished")+" === '20'",
		entry("drain")+" === '≈ 6 min (4–11)'", entry("wait")+" === '≈ 2 min'",
		drawer+".querySelectorAll('.alert').length === 1", "/drain>1h 10m fires since .*\\(20 min\\) · nobody was told/.test("+drawer+".querySelector('.alert').textContent)",
		"!("+focused+")", "!"+drawer+".matches(':modal')") // nobody asked for it
	if b.is("document.querySelector('.grid').getBoundingClientRect().right > " + drawer + ".getBoundingClientRect().left") {
		t.Error("the drawer lies over the list")
	}

	// Another row's press exchanges what it shows; closed, the focus is where it was.
	b.do(chromedp.Evaluate[chromedp.Void](link + ".focus(), " + link + ".click()"))
	b.until(titled("mails"), focused, "location.hash === '#open=queue%3Ashop%2Fsqs%2Fmails'", entry("waiting")+" === '1'")
	b.press(kb.Escape)
	b.until("!"+drawer, "location.hash === ''", "document.activeElement === "+link)
	b.do(chromedp.Evaluate[chromedp.Void](link + ".click()"))
	b.until(titled("mails"), focused, drawer+".querySelector('.close').click() || true", "!"+drawer, "document.activeElement === "+link)
	b.do(chromedp.Evaluate[chromedp.Void]("history.back()"))                      // closing was a step
	b.until(titled("mails"), "("+link+".focus(), "+link+".click(), "+focused+")") // a link to what is shown already leads into it

	// In a text field Escape is the field's.
	b.do(chromedp.Evaluate[chromedp.Void]("document.querySelector('#search').focus()"))
	b.press(kb.Escape)
	if !b.is(titled("mails")) {
		t.Error("Escape in the search has closed the drawer")
	}

	// What is not there is said, and shown once it is.
	b.do(chromedp.Evaluate[chromedp.Void]("location.hash = '#open=queue:shop/sqs/new'"))
	b.until(titled("shop/sqs/new"), "document.querySelector('#detail-missing').textContent.startsWith('No queue of this name')")
	Set(t, redis, "pulse:queues:shop:more", `"app":"shop","source":"more","queues":[{"name":"new","driver":"sqs","metrics":{"waiting":3}}]`)
	b.until(titled("new"), entry("waiting")+" === '3'", "!document.querySelector('#detail-missing')")
}

func TestDetailIsASheetOnANarrowScreen(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", twoQueues)
	b := open(t, server.URL)
	b.do(chromedp.EmulateViewport(390, 844))
	link := row("shop/sqs/orders") + "?.querySelector('a')"
	b.until("innerWidth === 390", link, link+".focus() || "+link+".click() || true", drawer+"?.matches(':modal')", titled("orders"),
		"document.activeElement.id === 'detail-title'", drawer+".getBoundingClientRect().width >= 375", drawer+".getBoundingClientRect().height === 844")
	for range 12 { // round and round: never to what is below
		b.press(kb.Tab)
		if !b.is("document.activeElement === document.body || " + drawer + ".contains(document.activeElement)") {
			t.Fatal("the focus has left the sheet")
		}
	}
	b.press(kb.Escape)
	b.until("!"+drawer, "location.hash === ''", "document.activeElement === "+link)
}

// strip counts the pixels of a column of a chart's plot, at a share of its width, that have the line's blue: not the grid's grey.
func strip(name string, at float64) string {
	return fmt.Sprintf(`(() => {
		const canvas = document.querySelector('[data-chart=%s] canvas'), over = document.querySelector('[data-chart=%[1]s] .u-over'), scale = canvas.width / canvas.clientWidth
		const x = Math.round((over.offsetLeft + %g * over.clientWidth) * scale)
		const { data } = canvas.getContext('2d').getImageData(x, over.offsetTop * scale, 1, (over.clientHeight + 2) * scale)
		return data.filter((v, i) => i %% 4 === 2 && v - data[i - 2] > 50).length
	})()`, name, at)
}

func TestDetailDrawsWhatIsRecorded(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", twoQueues)
	column := make([]int64, 360)
	for i := range column {
		column[i] = int64(100 + i)
		if i >= 160 && i < 220 {
			column[i] = -1
		}
	}
	column[40], column[190] = 1000, 300
	Record(t, redis.Client, "shop", map[string][]int64{"orders": column})
	b := open(t, server.URL+detailOf("queue:shop/sqs/orders")+"&hours=6", wide)
	plot := "document.querySelector('[data-chart=waiting] .plot')"
	b.until(plot, `/^Waiting: from 10[01] to 459 in 6 hours, at most 1,000, with gaps$/.test(`+plot+`.getAttribute('aria-label'))`,
		"!document.querySelector('[data-chart=delayed]')", // nothing is known of it
		"document.querySelector('[data-chart=waiting] figcaption b').textContent === '459'",
		strip("waiting", 0.2)+" > 5", strip("waiting", 0.8)+" > 20",
		strip("waiting", 0.48)+" === 0", strip("waiting", 0.58)+" === 0") // a gap is no line
	asked := func(minutes string) string {
		return "performance.getEntriesByType('resource').some(e => e.name.includes('minutes=" + minutes + "') && e.name.includes('sqs%2Forders'))"
	}
	b.until(asked("360"), "!"+asked("1440"), "document.querySelector('[data-hours=\"24\"]').click() || true", asked("1440"),
		"location.hash.endsWith('&hours=24')", "document.querySelector('[data-hours=\"24\"]').ariaPressed === 'true'",
		`/ in 24 hours, /.test(`+plot+`?.getAttribute('aria-label'))`, strip("waiting", 0.3)+" === 0", strip("waiting", 0.95)+" > 20",
		strip("waiting", 1270./1439+1.5/365)+" > 0") // a minute alone is a dot

	// The number under the pointer, and when that was.
	over, newest := "document.querySelector('[data-chart=waiting] .u-over').getBoundingClientRect()", "document.querySelector('[data-chart=waiting] figcaption b').textContent"
	x, _ := strconv.ParseFloat(b.text(over+".x + 0.97 * "+over+".width"), 64)
	y, _ := strconv.ParseFloat(b.text(over+".y + 20"), 64)
	b.do(chromedp.MouseEvent(chromedp.MouseMoved, x, y), chromedp.MouseEvent(chromedp.MouseMoved, x+1, y))
	b.until("/^\\d\\d\\d$/.test("+newest+") && "+newest+" !== '459'", "/UTC$/.test(document.querySelector('.charts .at time').title)")

	// Another theme is other colours, at once: not with the next minute's answer, which is held back.
	b.do(chromedp.Evaluate[chromedp.Void]("window.ask = window.fetch, window.fetch = () => new Promise(() => {})"))
	pixel := "document.querySelector('[data-chart=waiting] canvas').toDataURL()"
	before := b.text(pixel)
	b.do(chromedp.Evaluate[chromedp.Void]("document.documentElement.dataset.theme = 'dark'"))
	servertest.Eventually(t, "the chart is drawn in the dark's colours", func() bool { return b.text(pixel) != before })

	b.do(chromedp.Evaluate[chromedp.Void]("window.fetch = window.ask"))

	// It keeps to the drawer's width.
	b.do(chromedp.EmulateViewport(390, 844))
	b.until("document.querySelector('[data-chart=waiting] canvas').clientWidth <= 375 && document.querySelector('[data-chart=waiting] canvas').clientWidth > 320",
		"location.hash = '#open=queue:shop/sqs/mails&hours=6'", titled("mails"), drawer+".textContent.includes('Nothing is recorded of this time.')", "!document.querySelector('.uplot')")
}

func TestDetailLinksDeadLetterQueuesBothWays(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[
		{"name":"orders","driver":"sqs","metrics":{"waiting":1},"meta":{"dlq":"dead","dlq_shared":true}},
		{"name":"mails","driver":"sqs","metrics":{"waiting":1},"meta":{"dlq":"elsewhere"}},
		{"name":"dead","driver":"sqs","metrics":{"waiting":4},"meta":{"dlq_for":["orders","gone"]}}]`)
	b := open(t, server.URL+detailOf("queue:shop/sqs/orders"), wide)
	links := drawer + ".querySelectorAll('.meta a')"
	b.until(titled("orders"), links+".length === 1", entry("dlq")+" === 'dead'", entry("dlq_shared")+" === 'yes'", links+"[0].click() || true",
		titled("dead"), entry("dlq_for")+" === 'orders, gone'", links+".length === 1", links+"[0].click() || true", titled("orders"),
		"location.hash = '#open=queue:shop/sqs/mails'", titled("mails"), entry("dlq")+" === 'elsewhere'", links+".length === 0") // no row to lead to
}

func TestDetailSaysMetaInWords(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	ago := func(d time.Duration) int64 { return time.Now().Add(-d).UnixMilli() }
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"orders","driver":"bullmq","metrics":{"waiting":1},"meta":{
		"paused":true,"fifo":false,"completed":1234567,"oldest_at":%d,"oldest_failed_at":%d,"next_run_at":%d,"looked_at":7,"lag_ms":1925015,"clock_ahead_ms":-6500,"event_loop_delay_ms":12.3,
		"spool_bytes":5368709120,"workers":0,"stranded_priorities":["high","low"],"limits":{"max":5},"huge":9007199254740993,"error":"active: no permission"}}]`,
		ago(32*time.Minute+5*time.Second), ago(49*time.Hour), ago(-3*time.Hour-time.Minute))
	b := open(t, server.URL+detailOf("queue:shop/bullmq/orders"))
	name := func(member string) string {
		return fmt.Sprintf("%s.querySelector('[data-of=%q] dt').textContent", drawer, member)
	}
	b.until(titled("orders"), entry("paused")+" === 'yes'", entry("fifo")+" === 'no'", entry("completed")+" === '1,234,567'",
		entry("oldest")+" === '32 min'", "/^[\\d: -]+ \\(32 min ago\\)$/.test("+entry("oldest_at")+")", "/ \\(2 d 1 h ago\\)$/.test("+entry("oldest_failed_at")+")",
		"/ \\(in (3 h|2 h 59 min|3 h 1 min)\\)$/.test("+entry("next_run_at")+")", entry("looked_at")+" === '7'",
		entry("lag_ms")+" === '32 min'", entry("clock_ahead_ms")+" === '−6 s'", entry("event_loop_delay_ms")+" === '12.3 ms'", entry("spool_bytes")+" === '5 GiB'",
		entry("stranded_priorities")+` === '["high","low"]'`, entry("limits")+` === '{"max":5}'`, entry("huge")+".startsWith('≈ 9,007,199,254,74')",
		name("oldest_failed_at")+" === 'Oldest failed job since'", name("lag_ms")+" === 'lag_ms'", // as it is: nobody told the page
		drawer+".querySelector('[data-of=workers] .bad')", drawer+".querySelector('.error').textContent === 'active: no permission'")
}

func TestDetailOfAServer(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:server:shop:web-1", `"system":{"hostname":"web-1.internal","platform":"linux","cpu_usage":12.5,"cpu_cores":2,"memory_total":8589934592,"memory_free":4294967296,"load_avg":[1,0.5,0.25]},
		"process":{"pid":4711,"uptime":5400,"cpu_usage":1,"memory_rss":1048576},"meta":{"app_name":"shop","environment":"production","runtime":"node 24","version":"1.2.3","shards":3}`)
	b := open(t, server.URL+detailOf("server:shop/web-1"))
	b.until(titled("web-1"), entry("cpu")+" === '12.5 % of 2 cores'", entry("memory")+" === '50 % 4 GiB of 8 GiB used'", entry("disk")+" === '—'",
		entry("load")+" === '1 / 0.5 / 0.3'", entry("hostname")+" === 'web-1.internal'", entry("pid")+" === '4711'", entry("uptime")+" === '1 h 30 min'",
		entry("rss")+" === '1 MiB'", entry("heap")+" === '—'", entry("environment")+" === 'production'", entry("version")+" === '1.2.3'", entry("shards")+" === '3'",
		"!document.querySelector('.charts')", "![...document.querySelectorAll('[data-copy]')].some(b => b.dataset.copy === 'KEDA')",
		"location.hash = '#open=server:shop/web-2'", "document.querySelector('#detail-missing').textContent.startsWith('No server of this name')")
}

// hostileName is one that each tool's quoting must keep text.
const hostileName = `o'r"d\e$(touch x)` + "`ls`\n#{a}: *&<img src=x onerror=window.hacked=1>\u202e"

func TestDetailCopiesForOtherTools(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	quoted, err := json.Marshal(hostileName)
	if err != nil {
		t.Fatal(err)
	}
	Set(t, redis, "pulse:queues:shop", `"app":"shop","source":"s","interval_ms":600000,"queues":[{"name":"orders","driver":"sqs","metrics":{"waiting":5,"active":2},"meta":{"fifo":true}},{"name":%s,"driver":"sqs","metrics":{"waiting":5,"active":2}}]`, quoted)
	b := open(t, server.URL)
	for _, name := range []string{"orders", hostileName} {
		b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(server.URL+detailOf("queue:shop/sqs/"+name)))
		b.until(drawer + "?.querySelector('[data-copy]')")
		copied := func(as string) string {
			b.do(chromedp.Evaluate[chromedp.Void]("window.took = undefined, Object.defineProperty(navigator, 'clipboard', { configurable: true, value: { writeText: async (text) => { window.took = text } } }), document.querySelector('[data-copy=" + as + "]').click()"))
			b.until("window.took !== undefined", "document.querySelector('.copy [role=status]').textContent === '"+as+" copied'", "!document.querySelector('.copy textarea')")
			return b.text("window.took")
		}
		if row := gjson.Parse(copied("JSON")); row.Get("name").Str != name || row.Get("metrics.waiting").Int() != 5 {
			t.Errorf("the JSON of %q is %s", name, row)
		}
		// What a shell makes of the command.
		args, err := exec.Command("sh", "-c", `curl() { printf '%s\0' "$@"; }; PULSE_TOKEN=sesame; `+copied("curl")).Output()
		words := strings.Split(string(args), "\x00")
		if err != nil || len(words) != 4 || words[1] != "Authorization: Bearer sesame" {
			t.Fatalf("a shell reads %q (%v)", words, err)
		}
		trigger := copied("KEDA")
		match := regexp.MustCompile(`(?m)^ {6}url: (".*")$`).FindStringSubmatch(trigger)
		if match == nil || !strings.Contains(trigger, "\n      valueLocation: \"queues.0.backlog\"\n") {
			t.Fatalf("the trigger is\n%s", trigger)
		}
		scaled, err := strconv.Unquote(match[1])
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{words[2], scaled} {
			answer := fetch(t, address)
			if rows := gjson.Get(answer, "queues"); len(rows.Array()) != 1 || rows.Get("0.queue").Str != name || rows.Get("0.backlog").Int() != 7 {
				t.Errorf("%s answers %s", address, answer)
			}
		}
		metrics := fetch(t, server.URL+"/metrics")
		selector := strings.TrimSuffix(copied("PromQL"), "}")
		if !strings.HasPrefix(selector, "pulse_queue_jobs{") || !slices.ContainsFunc(strings.Split(metrics, "\n"), func(line string) bool { return strings.HasPrefix(line, selector+`,state="waiting"} 5`) }) {
			t.Errorf("no metric begins with %s", selector)
		}
	}

	// Over plain HTTP there is no clipboard: the text is there to be taken.
	b.until("Object.defineProperty(navigator, 'clipboard', { configurable: true, value: undefined }) && true", "document.querySelector('[data-copy=curl]').click() || true",
		"document.activeElement.matches('.copy textarea[readonly]')", "document.activeElement.value.startsWith('curl -H ')",
		"document.activeElement.selectionEnd === document.activeElement.value.length && document.activeElement.selectionStart === 0",
		"document.querySelector('.copy [role=status]').textContent.includes('curl is selected')")
}

func TestHostileTextInTheDetailIsText(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	text := func(s string) string {
		quoted, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(quoted)
	}
	long, deep := strings.Repeat("W", 1000), strings.Repeat(`{"a":`, 20)+"1"+strings.Repeat("}", 20)
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":%s,"driver":"sqs","metrics":{"waiting":1},"meta":{%s:%s,%s:1,"deep":%s,"constructor":5,"toString":"x","dlq":%s,"dlq_for":[%[2]s,7],"error":%[2]s}},
		{"name":%[5]s,"driver":"sqs","metrics":{"waiting":1},"meta":{"list":[%[8]s]}}]`,
		text(hostileName), text(hostileName), text(hostileName), text(long), deep, text("<b>x</b>"), strings.TrimSuffix(strings.Repeat(text(long)+",", 5), ","))
	judge(t, redis, `"queues":{%s:{"health":"stalled","reason":"<img src=x onerror=window.hacked=1>"}}`, text("sqs/"+hostileName))
	b := open(t, server.URL+detailOf("queue:shop/sqs/"+hostileName))
	b.until(drawer+"?.querySelector('h2').textContent.endsWith('\\\\u{202e}')", drawer+".querySelector('h2').textContent.includes('\\\\u{a}#{a}')",
		"document.querySelector('#detail-why')?.textContent === '<img src=x onerror=window.hacked=1>'",
		entry("deep")+`.startsWith('{"a":{"a":')`, entry("constructor")+" === '5'", entry("toString")+" === 'x'", entry("dlq")+" === '<b>x</b>'",
		"!document.querySelector('#page img, #page script, #page bdi b') && !window.hacked")
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(server.URL+detailOf("queue:shop/sqs/"+long)))
	b.until(titled(long), entry("list")+".length === 2001", entry("list")+".endsWith('…')")
	for _, width := range []int64{320, 390, 821, 1024, 1440} {
		b.do(chromedp.EmulateViewport(width, 900))
		b.until("innerWidth === " + fmt.Sprint(width))
		if !b.is("document.documentElement.scrollWidth <= innerWidth && " + drawer + ".scrollWidth <= " + drawer + ".clientWidth") {
			t.Errorf("at %d pixels the drawer is wider than the screen", width)
		}
	}
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(server.URL+"/#open=queue:<img src=x onerror=window.hacked=1>/"+url.QueryEscape("__proto__/\u202e")))
	b.until("document.querySelector('#detail-missing')?.textContent.startsWith('No queue')", drawer+".querySelector('h2').textContent === '<img src=x onerror=window.hacked=1>/__proto__/\\\\u{202e}'", "!window.hacked")
}
