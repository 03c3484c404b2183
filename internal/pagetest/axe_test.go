package pagetest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// axe fails the test for each element that breaks a rule of axe-core, of those that a selector finds and what is
// in them.
func (b *tab) axe(selector string) {
	b.t.Helper()
	script, err := os.ReadFile(filepath.Join(servertest.Root(), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		servertest.Missing(b.t, "axe-core is not installed: npm install --ignore-scripts: %v", err)
	}
	// From outside, as the page's policy lets in no script from elsewhere.
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[*runtime.RemoteObject](string(script))); err != nil {
		b.t.Fatal(err)
	}
	for _, broken := range result[[]string](b, fmt.Sprintf(`axe.run(%q, {
		resultTypes: ['violations'],
		runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
	}).then(({ violations }) => violations.flatMap(({ id, impact, help, nodes }) =>
		nodes.map(({ target, failureSummary }) => id + ' (' + impact + '), ' + target.flat().join(' ') + ': ' + help + '. ' + failureSummary)))`, selector)) {
		b.t.Error(broken)
	}
}

func TestPageBreaksNoRuleOfAccessibility(t *testing.T) {
	t.Parallel()
	for scheme, flags := range map[string][]chromedp.ExecAllocatorOption{
		"light": nil,
		"dark":  {chromedp.Flag("blink-settings", "preferredColorScheme=0")},
	} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			redis := servertest.Redis(t)
			server := Serve(t, redis, "")
			Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[
				{"name":"emails","driver":"bullmq","metrics":{"waiting":1204,"active":2,"delayed":0,"failed":3},"meta":{"workers":2}},
				{"name":"stuck","driver":"sqs","metrics":{"waiting":4},"meta":{"paused":false}}],"problems":[{"queue":"gone","reason":"NOPERM for LLEN"}]`)
			Set(t, redis, "pulse:server:shop:web-1", `"system":{"hostname":"web-1","platform":"linux","cpu_usage":12.5,"cpu_cores":2,"memory_total":8000000000,"memory_free":4000000000,"load_avg":[1,1,1]},"process":{"pid":1,"uptime":60,"cpu_usage":1,"memory_rss":1000000,"memory_heap":1000},"meta":{"app_name":"shop","environment":"production","runtime":"node","version":"20"}`)
			judge(t, redis, `"queues":{"bullmq/emails":{"health":"ok","trend":{"waiting_per_min":-12}},"sqs/stuck":{"health":"stalled","reason":"4 wait and nothing is active"}}`)
			b := open(t, server.URL, flags...)
			b.until("matchMedia('(prefers-color-scheme: "+scheme+")').matches",
				row("shop/bullmq/emails"), state("shop/sqs/stuck")+" === 'stalled crit'", "document.querySelector('[data-server=\"shop/web-1\"]')",
				"document.querySelector('#problems').textContent.includes('NOPERM for LLEN')")
			b.axe("html")
		})
	}
}
