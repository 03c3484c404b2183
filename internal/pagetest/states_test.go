package pagetest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// troubled is two queues and a server, one queue in trouble.
func troubled(t *testing.T, redis *servertest.RedisServer) {
	t.Helper()
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"orders","driver":"sqs","metrics":{"waiting":12345,"active":2,"delayed":0,"failed":3},"meta":{"workers":2}},{"name":"stuck","driver":"bullmq","metrics":{"waiting":4}}]`)
	Set(t, redis, "pulse:server:shop:web-1", `"system":{"hostname":"web-1","cpu_usage":12.5,"memory_total":8000000000,"memory_free":4000000000,"load_avg":[1,1,1]},"process":{"pid":1},"meta":{"app_name":"shop","runtime":"node"}`)
	judge(t, redis, `"queues":{"sqs/orders":{"health":"ok"},"bullmq/stuck":{"health":"stalled","reason":"4 wait and nothing is active"}}`)
}

// emulate has the browser show a page as this medium, with these features: "forced-colors: active".
func (b *tab) emulate(media string, features ...string) {
	b.t.Helper()
	var list []*emulation.MediaFeature
	for _, f := range features {
		name, value, _ := strings.Cut(f, ": ")
		list = append(list, &emulation.MediaFeature{Name: name, Value: value})
	}
	command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media, Features: list})
}

func top(of string) string    { return of + ".getBoundingClientRect().top" }
func height(of string) string { return of + ".getBoundingClientRect().height" }

func TestPageFitsEveryScreen(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	troubled(t, redis)
	b := open(t, server.URL, wide)
	stuck, fits := row("shop/bullmq/stuck"), "document.documentElement.scrollWidth <= innerWidth"
	b.until(state("shop/bullmq/stuck")+" === 'stalled crit'", "document.querySelector('#attention')", "document.querySelector('[data-server]')")
	const bar, totals = "document.querySelector('#verdict')", "document.querySelector('#totals')"
	b.until(height(stuck)+" === 32", height(bar)+" === 56", height(totals)+" === 48", fits)
	for _, size := range [][2]int64{{2560, 1440}, {1024, 768}, {720, 450}, {320, 640}} { // 720 is 1440 at 200 %
		b.do(chromedp.EmulateViewport(size[0], size[1]))
		b.until(fmt.Sprintf("innerWidth === %d", size[0]), fits, stuck, height(bar)+" === 56", height(totals)+" === 48")
	}
	b.do(chromedp.EmulateViewport(390, 844))
	b.until("innerWidth === 390", fits, height(stuck)+" === 52", top(stuck)+" < 300", height(bar)+" === 56", height(totals)+" === 48")

	// On paper: no controls, all rows.
	b.do(chromedp.EmulateViewport(1440, 900))
	b.until(height(stuck) + " === 32")
	b.emulate("print")
	b.until("matchMedia('print').matches", "["+stuck+", "+row("shop/sqs/orders")+"].every(r => r.offsetHeight > 0 && r.textContent.includes(r.dataset.queue.split('/')[2]))",
		"getComputedStyle("+search+".closest('.search')).display === 'none'", "getComputedStyle("+bar+").position === 'static'", bar+".textContent.includes('stuck')")
}

func TestPageSpeaksTheReadersLanguage(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "sesame")
	troubled(t, redis)
	b := open(t, server.URL, chromedp.Flag("accept-lang", "zh-TW,en"))
	const chinese = "document.documentElement.lang === 'zh-Hant'"
	b.until(chinese, "document.querySelector('h1')?.textContent === '登入'", "document.title === '登入 · Pulse'")
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), "sesame\r"))
	title := func(text string) string {
		return fmt.Sprintf("document.querySelector('#queues-title')?.textContent.startsWith(%q)", text)
	}
	b.until(row("shop/sqs/orders"), chinese, title("佇列"), cell("shop/sqs/orders", "waiting")+" === '1.23萬'")

	// What the reader chooses in the menu stays.
	const chosen = "Object.assign(document.querySelectorAll('#menu select')[1], {value: 'en'}).dispatchEvent(new Event('change', {bubbles: true}))"
	b.run(chosen)
	english := []string{"document.documentElement.lang === 'en'", title("Queues"), cell("shop/sqs/orders", "waiting") + " === '12.3K'"}
	b.until(english...)
	b.do(chromedp.Reload())
	b.until(english...)
	b.do(chromedp.Submit(chromedp.CSS("form[action=logout]")))
	b.until("document.querySelector('h1')?.textContent === 'Sign in'", "document.documentElement.lang === 'en'")
}

func TestThemeAndWall(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	troubled(t, redis)
	b := open(t, server.URL, wide)
	const luminance = "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0)"
	const light, dark = luminance + " > 600", luminance + " < 200"
	b.until(row("shop/sqs/orders"), light)
	choose := func(theme string) {
		b.run("Object.assign(document.querySelector('#menu select'), {value: '" + theme + "'}).dispatchEvent(new Event('change', {bubbles: true}))")
	}
	choose("dark")
	b.until(dark)
	b.do(chromedp.Reload())
	b.until(row("shop/sqs/orders"), dark)
	b.emulate("", "prefers-color-scheme: dark")
	choose("light")
	b.until(light)
	choose("auto") // as the system
	b.until(dark)
	b.emulate("", "prefers-color-scheme: light")
	b.until(light)

	// A screen that nobody touches shows nothing to press, and its numbers larger.
	const controls = "document.querySelectorAll('#menu, #search, .skip, button.quiet, #queues .check')"
	b.until("[..." + controls + "].some(c => c.offsetHeight > 0)")
	size := b.text("getComputedStyle(document.querySelector('[data-total=waiting]')).fontSize")
	b.do(chromedp.Navigate(server.URL + "/?wall"))
	b.until(row("shop/sqs/orders"), "document.querySelector('#attention')", controls+".length > 3", "[..."+controls+"].every(c => c.offsetHeight === 0)",
		"parseInt(getComputedStyle(document.querySelector('[data-total=waiting]')).fontSize) > parseInt('"+size+"')", "document.documentElement.scrollWidth <= innerWidth")
}

func TestLoginSaysWhereAndWhyNot(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "sesame")
	troubled(t, redis)
	b := open(t, server.URL+"/#q=stuck")
	const alert = "document.querySelector('[role=alert]')?.textContent"
	b.until("document.querySelector('.host').textContent === 'to Pulse at ' + location.host", "!"+alert, focused("#token"))
	kind := "document.querySelector('#token').type"
	b.until(kind + " === 'password'")
	b.click("document.querySelector('#show')")
	b.until(kind + " === 'text'")
	b.click("document.querySelector('#show')")
	b.until(kind + " === 'password'")
	b.axe("html")
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), "open\r"))
	b.until(alert + " === 'That token is not the one this dashboard was started with.'")
	b.axe("html")

	// While others guess.
	var others sync.WaitGroup
	end := make(chan struct{})
	for range 64 {
		others.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/view", http.NoBody)
				if err != nil {
					return
				}
				r.Header.Set("Authorization", "Bearer guess")
				if answer, err := http.DefaultClient.Do(r); err == nil {
					_ = answer.Body.Close()
				}
			}
		})
	}
	servertest.Eventually(t, "too many guesses are said", func() bool {
		b.do(chromedp.SendKeys(chromedp.CSS("#token"), "open\r"))
		return b.is(alert + "?.startsWith('That token is wrong, as many others were just now.')")
	})
	close(end)
	others.Wait()
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), "sesame\r"))
	b.until(names+" === 'stuck'", "location.hash === '#q=stuck'") // what was linked to is behind the login
}

func TestNoStateBreaksARuleOfAccessibility(t *testing.T) { //nolint:tparallel // its subtests share one browser
	t.Parallel()
	redis, many, empty := servertest.Redis(t), servertest.Redis(t), servertest.Redis(t)
	troubled(t, redis)
	fleet(t, many)
	server, groups, first := Serve(t, redis, ""), Serve(t, many, ""), Serve(t, empty, "")
	all := open(t, server.URL, wide)
	looks := map[string][]string{
		"light":         {"prefers-color-scheme: light"},
		"dark":          {"prefers-color-scheme: dark"},
		"forced colors": {"forced-colors: active"},
		"less motion":   {"prefers-reduced-motion: reduce"},
	}
	for name, features := range looks {
		t.Run(name, func(t *testing.T) {
			b := &tab{t, all.ctx}
			b.emulate("", features...)
			troubled(t, redis) // again: what is older than a minute is judged no more
			fleet(t, many)
			at := func(state, url string, until ...string) {
				t.Helper()
				b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(url))
				b.until(until...)
				t.Log(state)
			}
			check := func() {
				t.Helper()
				b.axe("html")
				if name == "less motion" && !b.is("document.getAnimations().length === 0") {
					t.Error("something moves")
				}
			}
			stuck := state("shop/bullmq/stuck") + " === 'stalled crit'"
			at("the help", server.URL, stuck)
			b.press("?")
			b.until(dialog)
			check()
			b.press(kb.Escape)
			b.until(noDialog)
			b.palette()
			check()
			b.press(kb.Escape)
			b.until(noDialog)
			b.click("document.querySelector('#menu summary')")
			b.until("document.querySelector('#menu').open")
			check()
			at("a queue", server.URL+detailOf("queue:shop/bullmq/stuck"), stuck, titled("stuck"), "document.querySelector('.charts').ariaBusy === 'false'")
			check()
			at("a server", server.URL+detailOf("server:shop/web-1"), stuck, titled("web-1"))
			check()
			at("a search that finds nothing", server.URL+"/#q=nothing", "document.querySelector('#none-match')")
			check()
			at("groups", groups.URL, group("app07"), lines+"[1] === 'app07/sqs/q4'")
			check()
			at("the first run", first.URL, "document.querySelector('#first-run')")
			check()
			b.do(chromedp.EmulateViewport(390, 844))
			at("a narrow screen", server.URL, stuck, "innerWidth === 390")
			check()
			at("a queue on a narrow screen", server.URL+detailOf("queue:shop/bullmq/stuck"), stuck, titled("stuck"), drawer+".matches(':modal')")
			check()
			b.do(chromedp.EmulateViewport(1440, 900))
		})
	}
	redis.Stop()
	for name, features := range looks {
		b := &tab{t, all.ctx}
		b.emulate("", features...)
		b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(server.URL))
		b.until("document.body.hasAttribute('data-frozen') || document.querySelector('#verdict').dataset.verdict === 'blind'", row("shop/bullmq/stuck"))
		t.Log("Redis is down:", name)
		b.axe("html")
	}
}
