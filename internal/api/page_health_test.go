package api_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// judge is what the recorder writes about the queues of the app shop; format is the rest of its JSON.
func judge(t *testing.T, redis *servertest.RedisServer, format string, args ...any) {
	t.Helper()
	set(t, redis, "pulse:trend:shop", `"app":"shop",`+format, args...)
}

// state is the word and the level of a queue's row.
func state(queue string) string {
	return row(queue) + "?.querySelector('.state').textContent + ' ' + " + row(queue) + "?.dataset.level"
}

// says is whether a queue's row has a text.
func says(queue, text string) string {
	return fmt.Sprintf("%s?.textContent.includes(%q)", row(queue), text)
}

const verdict = "document.querySelector('#verdict').textContent"

func TestPageShowsTheRecordersVerdictAndNoneOfItsOwn(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := serve(t, redis, "")
	set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[
		{"name":"new","driver":"sqs","metrics":{"waiting":900,"failed":3},"meta":{"workers":0}},
		{"name":"held","driver":"sqs","metrics":{"waiting":50,"failed":3},"meta":{"workers":0,"paused":true}},
		{"name":"well","driver":"sqs","metrics":{"waiting":70,"failed":3}},
		{"name":"stuck","driver":"sqs","metrics":{"waiting":4}},
		{"name":"sick","driver":"sqs","metrics":{"waiting":10,"failed":7}},
		{"name":"grows","driver":"sqs","metrics":{"waiting":800}}]`)
	b := open(t, server.URL)
	b.until(state("shop/sqs/new")+" === 'unknown idle'", state("shop/sqs/well")+" === 'unknown idle'", state("shop/sqs/held")+" === 'paused idle'",
		verdict+" === '6 queues, none in trouble, 5 unknown'")
	judge(t, redis, `"queues":{"sqs/held":{"health":"stalled","reason":"nobody works"},
		"sqs/well":{"health":"ok","trend":{"waiting_per_min":-12,"drain_seconds":340,"drain_range":[240,660],"wait_seconds":130}},
		"sqs/stuck":{"health":"stalled","reason":"4 wait and nothing is active"},
		"sqs/sick":{"health":"failing","reason":"5 more failed in the last 5 minutes: 7 in all"},
		"sqs/grows":{"health":"growing","reason":"about 12 more a minute: 800 wait","trend":{"waiting_per_min":12.4}}}`)
	b.until(
		state("shop/sqs/stuck")+" === 'stalled crit'", says("shop/sqs/stuck", "4 wait and nothing is active"),
		state("shop/sqs/sick")+" === 'failing crit'", says("shop/sqs/sick", "5 more failed in the last 5 minutes: 7 in all"),
		state("shop/sqs/grows")+" === 'growing warn'", says("shop/sqs/grows", "about 12 more a minute: 800 wait"),
		state("shop/sqs/well")+" === 'ok ok'",
		state("shop/sqs/new")+" === 'unknown idle'",
		state("shop/sqs/held")+" === 'paused idle'", "!"+says("shop/sqs/held", "nobody works"),
		verdict+" === '3 of 6 queues in trouble'",
		cell("shop/sqs/well", "trend")+" === '−12/minempty in ≈ 6 min (4–11)'",
		cell("shop/sqs/grows", "trend")+" === '+12.4/min'",
		cell("shop/sqs/stuck", "trend")+" === ''",
		"[...document.querySelectorAll('[data-queue]')].map(r => r.dataset.queue.slice(9)).join() === 'sick,stuck,grows,new,well,held'",
		// A number of failed jobs alone is not red.
		"getComputedStyle("+row("shop/sqs/well")+".querySelector('[data-metric=failed]')).color !== getComputedStyle("+row("shop/sqs/sick")+".querySelector('[data-metric=failed]')).color",
		row("shop/sqs/stuck")+".querySelector('button.open').click() || true",
		"[..."+row("shop/sqs/stuck")+".querySelectorAll('dl div')].some(d => d.textContent === 'why4 wait and nothing is active')",
		row("shop/sqs/well")+".querySelector('button.open').click() || true", says("shop/sqs/well", "a new job waits≈ 2 min"),
	)
}

func TestPageCallsNothingWellThatNobodyHasJudged(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := serve(t, redis, "")
	set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"a","driver":"sqs","metrics":{"waiting":1}},{"name":"b","driver":"sqs","metrics":{"waiting":0}}]`)
	b := open(t, server.URL)
	b.until(verdict+" === '2 queues, health unknown'", "!document.querySelector('[data-level=ok]')")
	judge(t, redis, `"queues":{"sqs/a":{"health":"ok"},"sqs/b":{"health":"ok","trend":{"waiting_per_min":-1,"drain_seconds":340}}}`)
	b.until(verdict+" === '2 queues, none in trouble'", "document.querySelectorAll('.state[data-level=ok]').length === 2",
		cell("shop/sqs/b", "trend")+" === '−1/min'") // it is empty already
}

// What the recorder writes is foreign text too.
func TestHostileVerdictsAreText(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := serve(t, redis, "")
	set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"a","driver":"sqs","metrics":{"waiting":1}},{"name":"b","driver":"sqs","metrics":{"waiting":0}}]`)
	judge(t, redis, `"queues":{"sqs/a":{"health":"stalled","reason":"<img src=x onerror=window.hacked=1>"},"sqs/b":{"health":"constructor"}}`)
	b := open(t, server.URL)
	b.until(says("shop/sqs/a", "<img src=x onerror=window.hacked=1>"), state("shop/sqs/b")+" === 'unknown idle'", "!document.querySelector('main img') && !window.hacked")
}

func TestPageShowsWhatFires(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := serve(t, redis, "")
	set(t, redis, "pulse:queues:shop:sqs", `"app":"shop","source":"sqs","queues":[{"name":"a","driver":"sqs","metrics":{"waiting":1}},{"name":"b","driver":"sqs","metrics":{"waiting":0}}]`)
	set(t, redis, "pulse:server:shop:web-1", `"system":{"hostname":"web-1"},"process":{},"meta":{"app_name":"shop"}`)
	b := open(t, server.URL)
	b.until(row("shop/sqs/a"), "document.querySelector('#alerts').hidden")
	ago := func(d time.Duration) int64 { return time.Now().Add(-d).UnixMilli() }
	judge(t, redis, `"queues":{},"alerts":{
		"1":{"rule":"stalled 5m","kind":"queue","key":"sqs/a","reason":"1 waits <b>and</b> nothing is active","since":%d,"sent":%d},
		"2":{"rule":"lost 2m","kind":"reporter","key":"sqs","since":%d},
		"3":{"rule":"cpu>90 5m","kind":"server","key":"web-1","since":%d}}`, ago(12*time.Minute), ago(7*time.Minute), ago(3*time.Hour), ago(5*time.Minute))
	alert := func(i int) string { return fmt.Sprintf("document.querySelectorAll('#alert-rows li')[%d]", i) }
	b.until("!document.querySelector('#alerts').hidden", "document.querySelector('#alerts-count').textContent === '3 alerts fire'",
		alert(0)+".textContent.startsWith('shop, reporter sqs')", alert(0)+".textContent.includes('nobody was told')", // the oldest first
		alert(1)+".textContent.includes('1 waits <b>and</b> nothing is active')", alert(1)+".textContent.includes('stalled 5m')",
		"/since .*, for 12 min.*last told .*\\d:\\d\\d/.test("+alert(1)+".textContent)",
		// It leads to its row, or if that is not shown, to the filters that show it.
		alert(1)+".querySelector('a').click() || true",
		row("shop/sqs/a")+".contains(document.activeElement) && !"+row("shop/sqs/a")+".querySelector('.c-details').hidden",
		alert(2)+".querySelector('a').click() || true", "document.querySelector('[data-server=\"shop/web-1\"]').contains(document.activeElement)",
		"location.hash === ''", alert(0)+".querySelector('a').click() || true", "location.hash === '#app=shop&q=sqs'", "document.querySelectorAll('[data-queue]').length === 2")
	judge(t, redis, `"queues":{}`)
	b.until("document.querySelector('#alerts').hidden")
}

func TestPageDrawsTheLastHour(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := serve(t, redis, "")
	set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"a/b c","driver":"sqs","metrics":{"waiting":1}},{"name":"new","driver":"sqs","metrics":{"waiting":0}}]`)
	column := make([]int64, 60)
	for i := range column {
		column[i] = int64(12 + 5*i)
	}
	column[10], column[20], column[21], column[22], column[59] = 1000, -1, -1, -1, 340
	recorded(t, redis.Client, "shop", map[string][]int64{"a/b c": column})
	b := open(t, server.URL)
	drawing := row("shop/sqs/a/b c") + ".querySelector('.chart.waiting svg')"
	b.until(row("shop/sqs/a/b c"), "!document.querySelector('.chart')",
		row("shop/sqs/a/b c")+".querySelector('button.open').click() || true", drawing,
		"/^waiting: from 1[27] to 340 in an hour, at most 1,000, with gaps$/.test("+drawing+".getAttribute('aria-label'))",
		drawing+".querySelector('.line').getAttribute('d').match(/M/g).length === 2", // a gap is no line
		"!document.querySelector('.chart.failed')",                                   // nothing is known of it
		row("shop/sqs/new")+".querySelector('button.open').click() || true", says("shop/sqs/new", "Nothing is recorded of the last hour."))
}
