package pagetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

// judge is what the recorder writes about the queues of the app shop; format is the rest of its JSON.
func judge(t *testing.T, redis *servertest.RedisServer, format string, args ...any) {
	t.Helper()
	Set(t, redis, "pulse:trend:shop", `"app":"shop",`+format, args...)
}

// state is the word and the level of a queue's row.
func state(queue string) string {
	return row(queue) + "?.querySelector('.state').textContent + ' ' + " + row(queue) + "?.dataset.level"
}

// says is whether a queue's row has a text.
func says(queue, text string) string {
	return fmt.Sprintf("%s?.textContent.includes(%q)", row(queue), text)
}

const (
	// verdict is how the whole of it does, and the sentence beside it.
	verdict = "document.querySelector('#verdict').dataset.verdict + ': ' + document.querySelector('#sentence').textContent"
	// names are the rows' queues, in their order.
	names = "[...document.querySelectorAll('[data-queue] a.name')].map(a => a.textContent).join()"
	// attention is what needs it, a line each.
	attention = "[...document.querySelectorAll('#attention [data-trouble] .what')].map(w => w.textContent).join('\\n')"
)

func TestPageShowsTheRecordersVerdictAndNoneOfItsOwn(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[
		{"name":"new","driver":"sqs","metrics":{"waiting":900,"failed":3},"meta":{"workers":0}},
		{"name":"held","driver":"sqs","metrics":{"waiting":50,"failed":3},"meta":{"workers":0,"paused":true}},
		{"name":"well","driver":"sqs","metrics":{"waiting":70,"failed":3}},
		{"name":"stuck","driver":"sqs","metrics":{"waiting":4}},
		{"name":"sick","driver":"sqs","metrics":{"waiting":10,"failed":7}},
		{"name":"grows","driver":"sqs","metrics":{"waiting":800}}]`)
	b := open(t, server.URL)
	b.until(state("shop/sqs/new")+" === 'unknown idle'", state("shop/sqs/well")+" === 'unknown idle'", state("shop/sqs/held")+" === 'paused idle'",
		verdict+" === 'ok: Nothing in trouble · 6 queues · 5 not judged yet'", "!document.querySelector('#attention')")
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
		verdict+" === 'crit: sick is failing: 7 failed, 10 waiting'", "document.querySelector('#more').textContent === '+2 more'",
		"document.title === '2 critical · sick · Pulse'",
		attention+" === 'sick: 5 more failed in the last 5 minutes: 7 in all\\nstuck is stalled: nothing is active: 4 waiting\\ngrows is growing: 800 waiting, +12.4 a minute'",
		cell("shop/sqs/well", "trend")+" === '−12/min'", cell("shop/sqs/well", "drain")+" === '≈ 6 min (4–11)'",
		cell("shop/sqs/grows", "trend")+" === '+12.4/min'",
		cell("shop/sqs/stuck", "trend")+" === ''",
		names+" === 'sick,stuck,grows,new,well,held'",
		// A number of failed jobs alone is not red.
		"!"+row("shop/sqs/well")+".querySelector('[data-metric=failed]').matches('[data-health=failing] *')", row("shop/sqs/sick")+".querySelector('[data-metric=failed]').matches('[data-health=failing] *')",
	)
	// Nobody works on them any more.
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[
		{"name":"stuck","driver":"sqs","metrics":{"waiting":5335},"meta":{"workers":0,"oldest_at":%d}}]`, time.Now().Add(-30*time.Minute).UnixMilli())
	judge(t, redis, `"queues":{"sqs/stuck":{"health":"stalled","reason":"4 wait","trend":{"waiting_per_min":180}}}`)
	b.until(verdict + " === 'crit: stuck has no workers: 5,335 waiting, oldest 30 min, +180 a minute'")
}

// The level comes first, and in it what the most jobs wait for.
func TestATinyStaleQueueIsBelowOneWithoutWorkers(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	redis.Client.Set(t.Context(), "pulse:queues:late", fmt.Sprintf(`{"timestamp":%d,"app":"late","queues":[{"name":"a","driver":"sqs","metrics":{"waiting":3}},{"name":"b","driver":"sqs","metrics":{"waiting":0}}]}`,
		time.Now().Add(-20*time.Second).UnixMilli()), time.Minute)
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"notifications","driver":"bullmq","metrics":{"waiting":5335,"failed":118},"meta":{"workers":0}}]`)
	judge(t, redis, `"queues":{"bullmq/notifications":{"health":"stalled"}}`)
	b := open(t, server.URL)
	b.until(names+" === 'notifications,a,b'", verdict+" === 'crit: notifications has no workers: 5,335 waiting'",
		"document.querySelectorAll('#attention [data-trouble]').length === 2", // the late reporter is one cause
		"/^the reporter of late is late: its numbers are .* old: 2 queues, last known 3 waiting$/.test("+attention+".split('\\n')[1])")
}

// What lies in a queue of failed jobs is a number; what rises is coloured.
func TestFailedJobsThatLieThereAreNoTrouble(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"lies","driver":"sqs","metrics":{"waiting":1,"failed":475}},{"name":"rises","driver":"sqs","metrics":{"waiting":1,"failed":9}}]`)
	judge(t, redis, `"queues":{"sqs/lies":{"health":"ok"},"sqs/rises":{"health":"ok"}}`)
	lies, rises := make([]int64, 60), make([]int64, 60)
	for i := range lies {
		lies[i], rises[i] = 475, int64(i/10)
	}
	RecordAs(t, redis.Client, "shop", map[string][]int64{"lies": lies, "rises": rises}, func(n int64) protocol.Metrics { return protocol.Metrics{Failed: &n} })
	b := open(t, server.URL)
	b.until(verdict+" === 'ok: Nothing in trouble · 2 queues'", row("shop/sqs/rises")+"?.querySelector('.c-failed .rate')?.textContent === '+5/h'",
		"!"+row("shop/sqs/lies")+".querySelector('.c-failed .rate')", "!document.querySelector('[data-level=warn], [data-level=crit]')")
}

func TestPageCallsNothingWellThatNobodyHasJudged(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"a","driver":"sqs","metrics":{"waiting":812,"active":0},"meta":{"oldest_at":%d}},{"name":"b","driver":"sqs","metrics":{"waiting":0}}]`,
		time.Now().Add(-42*time.Minute).UnixMilli())
	b := open(t, server.URL)
	b.until(verdict+" === 'ok: Nothing known to be in trouble · 2 queues'", "!document.querySelector('[data-level=ok]')", cell("shop/sqs/a", "oldest")+" === '42 min'")
	judge(t, redis, `"queues":{"sqs/a":{"health":"ok"},"sqs/b":{"health":"ok","trend":{"waiting_per_min":-1,"drain_seconds":340}}}`)
	b.until(verdict+" === 'ok: Nothing in trouble · 2 queues'", "document.querySelectorAll('.state[data-level=ok]').length === 2",
		cell("shop/sqs/b", "trend")+" === '−1/min'", cell("shop/sqs/b", "drain")+" === ''") // it is empty already
}

// What the recorder writes is foreign text too.
func TestHostileVerdictsAreText(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"a","driver":"sqs","metrics":{"waiting":1}},{"name":"b","driver":"sqs","metrics":{"waiting":0}}]`)
	judge(t, redis, `"queues":{"sqs/a":{"health":"stalled","reason":"<img src=x onerror=window.hacked=1>"},"sqs/b":{"health":"constructor"}}`)
	b := open(t, server.URL)
	b.until(says("shop/sqs/a", "<img src=x onerror=window.hacked=1>"), state("shop/sqs/b")+" === 'unknown idle'", "!document.querySelector('#page img') && !window.hacked")
}

func TestPageShowsWhatFires(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop:sqs", `"app":"shop","source":"sqs","interval_ms":600000,"queues":[{"name":"a","driver":"sqs","metrics":{"waiting":1}},{"name":"b","driver":"sqs","metrics":{"waiting":0}}]`)
	Set(t, redis, "pulse:server:shop:web-1", `"system":{"hostname":"web-1"},"process":{},"meta":{"app_name":"shop"}`)
	b := open(t, server.URL)
	b.until(row("shop/sqs/a"), "!document.querySelector('#alerts')")
	ago := func(d time.Duration) int64 { return time.Now().Add(-d).UnixMilli() }
	judge(t, redis, `"queues":{"sqs/a":{"health":"stalled"}},"alerts":{
		"1":{"rule":"stalled 5m","kind":"queue","key":"sqs/a","reason":"1 waits <b>and</b> nothing is active","since":%d,"sent":%d},
		"2":{"rule":"lost 2m","kind":"reporter","key":"sqs","since":%d},
		"3":{"rule":"cpu>90 5m","kind":"server","key":"web-1","since":%d}}`, ago(12*time.Minute), ago(7*time.Minute), ago(3*time.Hour), ago(5*time.Minute))
	alert := func(i int) string { return fmt.Sprintf("document.querySelectorAll('#alerts li')[%d]", i) }
	b.until("document.querySelector('#alerts-title')?.textContent === '3 alerts fire'",
		alert(0)+".textContent.startsWith('sqs · shop')", alert(0)+".textContent.includes('nobody was told')", // the oldest first
		alert(1)+".textContent.includes('1 waits <b>and</b> nothing is active')", alert(1)+".textContent.includes('stalled 5m')",
		"/since (.* )?\\d\\d:\\d\\d:\\d\\d · 12 min.*last told .*\\d:\\d\\d/.test("+alert(1)+".textContent)",
		"/since .* 12 min/.test(document.querySelector('#attention .since').textContent)", // what needs attention says so, too
		// It leads to what it is about.
		alert(1)+".querySelector('a').click() || true", "location.hash === '#open=queue%3Ashop%2Fsqs%2Fa'",
		alert(2)+".querySelector('a').click() || true", "location.hash === '#open=server%3Ashop%2Fweb-1'",
		alert(0)+".querySelector('a').click() || true", "location.hash.startsWith('#q=app%3Ashop+source%3Asqs')", "document.querySelectorAll('[data-queue]').length === 2")
	judge(t, redis, `"queues":{}`)
	b.until("!document.querySelector('#alerts')")
}

func TestRowsDrawTheLastHour(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"a/b c","driver":"sqs","metrics":{"waiting":1}},{"name":"new","driver":"sqs","metrics":{"waiting":0}}]`)
	column := make([]int64, 60)
	for i := range column {
		column[i] = int64(12 + 5*i)
	}
	column[20], column[21], column[22] = -1, -1, -1
	Record(t, redis.Client, "shop", map[string][]int64{"a/b c": column})
	b := open(t, server.URL)
	drawing := row("shop/sqs/a/b c") + "?.querySelector('.c-waiting svg.spark path')?.getAttribute('d')"
	b.until(drawing+"?.match(/M/g).length === 2", // a gap is no line
		"!"+row("shop/sqs/new")+".querySelector('svg.spark path[d^=M]')")
}

// A mute is of one cause: what comes after it is said.
func TestAMuteEndsWithItsCause(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"a","driver":"sqs","metrics":{"waiting":5}}]`)
	judge(t, redis, `"queues":{"sqs/a":{"health":"growing"}}`)
	b := open(t, server.URL)
	b.until("document.querySelector('#attention button')", "document.querySelector('#attention button').click() || true", verdict+" === 'ok: Nothing else in trouble · 1 muted · 1 queue'", "document.title === '1 muted · 5 waiting · Pulse'")
	judge(t, redis, `"queues":{"sqs/a":{"health":"stalled"}}`)
	b.until(verdict+" === 'crit: a is stalled: nothing is active: 5 waiting'", "document.title === 'critical · a · Pulse'")
	judge(t, redis, `"queues":{"sqs/a":{"health":"growing"}}`)
	b.until(verdict + " === 'ok: Nothing else in trouble · 1 muted · 1 queue'")
	// It takes hours to drain, and an alert says so.
	judge(t, redis, `"queues":{"sqs/a":{"health":"ok","trend":{"waiting_per_min":-1,"drain_seconds":28800}}},"alerts":{"1":{"rule":"drain>1h 10m","kind":"queue","key":"sqs/a","reason":"empty in about 8 h","since":1}}`)
	b.until(verdict + " === 'warn: a: empty in about 8 h'")
}

// A problem has no address: its link opens the list of them.
func TestALinkToAProblemOpensIt(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"a","driver":"sqs","metrics":{"waiting":5}}],"problems":[{"reason":"NOPERM"}]`)
	b := open(t, server.URL)
	b.until("document.querySelector('#sentence a')", "document.querySelector('#sentence a').click() || true", "document.querySelector('#problems').open", "document.activeElement.parentElement.id === 'problems'")
}
