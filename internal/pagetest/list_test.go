package pagetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// fleet is 1,000 queues of 50 apps. In app07 one is stalled, in app03 one grows.
func fleet(t *testing.T, redis *servertest.RedisServer) {
	t.Helper()
	for app := range 50 {
		var queues []string
		for i := range 20 {
			queues = append(queues, fmt.Sprintf(`{"name":"q%d","driver":"sqs","metrics":{"waiting":%d,"active":%d,"delayed":0,"failed":%d}}`, i, app*20+i, i%3, i%7))
		}
		name := fmt.Sprintf("app%02d", app)
		Set(t, redis, "pulse:queues:"+name, `"app":%q,"interval_ms":600000,"queues":[%s]`, name, strings.Join(queues, ","))
	}
	Set(t, redis, "pulse:trend:app07", `"app":"app07","queues":{"sqs/q4":{"health":"stalled","reason":"144 wait and nothing is active"}}`)
	Set(t, redis, "pulse:trend:app03", `"app":"app03","queues":{"sqs/q2":{"health":"growing","reason":"62 wait"}}`)
}

const (
	// lines are the list's lines near the screen, groups by their app.
	lines = "[...document.querySelectorAll('#queues [data-line]')].map(l => l.dataset.line)"
	shown = "document.querySelector('#queues-count')?.textContent"
)

func group(app string) string { return fmt.Sprintf("document.querySelector('[data-group=%s]')", app) }

// heading is what sorts by a column.
func heading(column string) string {
	return "document.querySelector('#queues .headings .c-" + column + " button')"
}

func sorted(column string) string {
	return "document.querySelector('#queues .headings .c-" + column + "').ariaSort"
}

// click presses what an expression finds.
func (b *tab) click(expression string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](expression + ".click()"))
}

func TestAThousandQueuesAreGroupedByApp(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	fleet(t, redis)
	b := open(t, server.URL, chromedp.WindowSize(1440, 2000))
	b.until(shown+" === '1,000'", group("app07")+"?.dataset.level === 'crit'", group("app03")+"?.dataset.level === 'warn'",
		// The worst first, with what is in trouble; what is healthy by how much waits, folded.
		lines+".filter(l => l.endsWith('/')).slice(0, 4).join() === 'app07/,app03/,app49/,app48/'",
		lines+"[1] === 'app07/sqs/q4'", "document.querySelector('[data-rest=app07]').textContent === 'and 19 queues that are not in trouble'", lines+".length < 80",
		group("app07")+".textContent.includes('20 queues, 1 in trouble')", group("app07")+".querySelector('.state').textContent === 'stalled'",
		group("app07")+".querySelector('.c-waiting').textContent === '2,990'", group("app07")+".querySelector('.c-active').textContent === '19'",
		group("app07")+".querySelector('.c-failed').textContent === '57'", group("app07")+".querySelector('.c-delayed').textContent === '0'",
		group("app07")+".querySelector('button').ariaExpanded === 'true'", group("app49")+".querySelector('button').ariaExpanded === 'false'",
		"document.querySelector('#queues [role=table]').ariaRowCount === '55'") // 50 groups, two rows, two folds and the headings

	// A press turns a group; the link shows the same.
	b.click(group("app07") + ".querySelector('button')")
	b.click(group("app49") + ".querySelector('button')")
	turned := []string{group("app49") + "?.querySelector('button').ariaExpanded === 'true'", "!document.querySelector('[data-rest=app07]')",
		lines + ".slice(0, 3).join() === 'app07/,app07/sqs/q4,app07/sqs/q19'", lines + ".includes('app49/sqs/q19')", "location.hash === '#turned=app07&turned=app49'"}
	b.until(turned...)
	link := b.text("location.href")
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(link))
	b.until(turned...)
	b.click(group("app07") + ".querySelector('button')")
	b.click(group("app49") + ".querySelector('button')")
	b.until("location.hash === ''", "!"+lines+".includes('app49/sqs/q19')")

	// One list, or groups.
	const switched = "document.querySelector('#queues .check input')"
	b.click(switched)
	b.until("!document.querySelector('[data-group]')", "location.hash === '#group=off'", names+".startsWith('q4,q2,q19,q18')", "!"+switched+".checked")
	b.click(switched)
	b.until(group("app49"), "location.hash === '#group=on'", switched+".checked")
}

func TestASearchIsInTheAddress(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	fleet(t, redis)
	b := open(t, server.URL, wide)
	b.until(shown + " === '1,000'")
	b.do(chromedp.SendKeys(chromedp.CSS("#search"), `app:app49 waiting>=990 -q19`))
	found := []string{shown + " === 'showing 9 of 1,000'", names + " === 'q18,q17,q16,q15,q14,q13,q12,q11,q10'", search + ".value === 'app:app49 waiting>=990 -q19'"}
	b.until(found...)
	link := b.text("location.href")
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(link))
	b.until(found...)
	for query, count := range map[string]string{"is:trouble": "2", "is:stalled app:app07": "1", `"144 wait"`: "0", "driver:bullmq": "0", "waiting>9999": "0", "q1 -app:app07": "539"} {
		b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf("location.hash = 'q=' + encodeURIComponent(%q)", query)))
		b.until(fmt.Sprintf("%s === 'showing %s of 1,000'", shown, count), fmt.Sprintf("!!document.querySelector('#none-match') === %v", count == "0"))
	}
	b.do(chromedp.Evaluate[chromedp.Void]("location.hash = 'app=app07&state=stalled'")) // as links were once
	b.until(shown+" === 'showing 1 of 1,000'", search+".value === 'app:app07 is:stalled'")
	b.do(chromedp.Evaluate[chromedp.Void]("location.hash = 'q=nothing'"))
	b.until("document.querySelector('#none-match')")
	b.click("document.querySelector('#none-match button')")
	b.until(shown+" === '1,000'", "location.hash === ''", search+".value === ''")
}

func TestAHeadingSortsTurnsAndGoesBack(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"a","driver":"sqs","metrics":{"waiting":2}},{"name":"b","driver":"sqs","metrics":{"waiting":10}},
		{"name":"c","driver":"bullmq","metrics":{"waiting":1}},{"name":"d","driver":"sqs","metrics":{"waiting":0}}]`)
	judge(t, redis, `"queues":{"sqs/d":{"health":"stalled"}}`)
	b := open(t, server.URL, wide)
	b.until(names+" === 'd,b,a,c'", sorted("waiting")+" === 'none'")
	for _, press := range []struct{ column, rows, way, link string }{
		{"waiting", "b,a,c,d", "descending", "#sort=waiting&dir=desc"}, {"waiting", "d,c,a,b", "ascending", "#sort=waiting&dir=asc"}, {"waiting", "d,b,a,c", "none", ""},
		{"queue", "a,b,c,d", "ascending", "#sort=queue&dir=asc"}, {"queue", "d,c,b,a", "descending", "#sort=queue&dir=desc"}, {"driver", "c,d,b,a", "ascending", "#sort=driver&dir=asc"},
	} {
		b.click(heading(press.column))
		b.until(fmt.Sprintf("%s === %q", names, press.rows), fmt.Sprintf("%s === %q", sorted(press.column), press.way), fmt.Sprintf("location.hash === %q", press.link))
	}
	b.until(sorted("queue") + " === 'none'")
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(server.URL+"/#sort=waiting&dir=asc"))
	b.until(names+" === 'd,c,a,b'", sorted("waiting")+" === 'ascending'")
	// Where there are no headings there is a choice.
	b.do(chromedp.EmulateViewport(390, 844))
	b.until("document.querySelector('select.sort').value === 'waiting'", "document.querySelector('select.sort').offsetWidth > 0", "document.querySelector('#queues .headings').offsetHeight === 0")
	b.do(chromedp.Evaluate[chromedp.Void]("Object.assign(document.querySelector('select.sort'), {value: 'queue'}).dispatchEvent(new Event('change', {bubbles: true}))"))
	b.until(names+" === 'a,b,c,d'", "location.hash === '#sort=queue&dir=asc'")
}

func TestEveryRowCanBeReachedThoughFewExist(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	fleet(t, redis)
	b := open(t, server.URL+"/#group=off", wide)
	b.until(shown+" === '1,000'", names+".startsWith('q4,q2,q19')")
	seen := result[[]float64](b, `(async () => {
		const seen = new Set(), frame = () => new Promise(requestAnimationFrame)
		let most = 0, blank = 0
		for (let y = 0; y <= document.documentElement.scrollHeight; y += 500) {
			scrollTo(0, y)
			await frame(); await frame(); await frame()
			const rows = [...document.querySelectorAll('[data-queue]')]
			most = Math.max(most, rows.length)
			rows.forEach(r => seen.add(r.dataset.queue))
			rows.forEach(r => { if (!r.querySelector('[data-metric=waiting]').textContent) blank++ })
		}
		return [seen.size, most, blank]
	})()`)
	if seen[0] != 1000 || seen[1] >= 100 || seen[2] != 0 {
		t.Errorf("scrolling through 1,000 rows shows %v, at most %v at once, %v without a number", seen[0], seen[1], seen[2])
	}

	// The element of a row that has left shows another: a press of Enter must not open that one.
	b.do(chromedp.Evaluate[chromedp.Void]("scrollTo(0, 0)"))
	b.until(row("app07/sqs/q4"))
	b.do(chromedp.Evaluate[chromedp.Void](row("app07/sqs/q4") + ".querySelector('a').focus({preventScroll: true})"))
	b.until(focused("[data-queue] a"))
	b.do(chromedp.Evaluate[chromedp.Void]("scrollTo(0, 9000)"))
	b.until("!"+row("app07/sqs/q4"), "document.activeElement === document.body")

	// The list is as long as ever when there are fewer and then more rows.
	for query, n := range map[string]int{"app:app07": 20, "q19": 50} {
		b.do(chromedp.Evaluate[chromedp.Void]("location.hash = 'group=off&q=" + query + "'"))
		b.until(fmt.Sprintf("%s === 'showing %d of 1,000'", shown, n), fmt.Sprintf("document.querySelector('#queues .lines').offsetHeight === %d", n*32))
		b.do(chromedp.Evaluate[chromedp.Void]("location.hash = 'group=off'"))
		b.until(shown+" === '1,000'", "document.querySelector('#queues .lines').offsetHeight === 32000", lines+".length === new Set("+lines+").size")
	}
}

func TestDeadLettersAreBelowTheirQueueAndDriversAreTold(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"orders","driver":"sqs","metrics":{"waiting":20}},{"name":"orders-dlq","driver":"sqs","metrics":{"waiting":900},"meta":{"dlq_for":["orders"]}},
		{"name":"mail","driver":"bullmq","metrics":{"waiting":30}},{"name":"jobs","driver":"laravel-horizon","metrics":{"waiting":10}},{"name":"events","driver":"gravito-stream","metrics":{"waiting":5}},
		{"name":"rabbits","driver":"other","metrics":{"waiting":1},"meta":{"driver":"rabbitmq"}}]`)
	b := open(t, server.URL, wide)
	glyph := func(queue string) string { return row(queue) + ".querySelector('.glyph')" }
	b.until(names+" === 'mail,orders,orders-dlq,jobs,events,rabbits'",
		row("shop/sqs/orders-dlq")+".dataset.below === 'true'", "!"+row("shop/sqs/orders")+".dataset.below", says("shop/sqs/orders-dlq", "orders"),
		row("shop/sqs/orders-dlq")+".querySelector('a').getBoundingClientRect().left > "+row("shop/sqs/orders")+".querySelector('a').getBoundingClientRect().left",
		"document.querySelector('[data-total=waiting]').textContent === '66'") // no job twice
	for queue, is := range map[string]string{"sqs/orders": "SQ sqs external", "bullmq/mail": "BU bullmq external", "laravel-horizon/jobs": "LA laravel-horizon external", "gravito-stream/events": "GS gravito-stream gravito", "rabbitmq/rabbits": "RA rabbitmq external"} {
		g := glyph("shop/" + queue)
		b.until(fmt.Sprintf("[%[1]s.textContent, %[1]s.ariaLabel, %[1]s.dataset.origin].join(' ') === %[2]q", g, is))
	}
	// Gravito's own are told apart by more than the letters, here and in the legend.
	b.until("getComputedStyle("+glyph("shop/gravito-stream/events")+").backgroundColor !== getComputedStyle("+glyph("shop/sqs/orders")+").backgroundColor",
		"document.querySelector('.legend').textContent.includes('Gravito')", "document.querySelectorAll('.legend .glyph').length === 2")
}
