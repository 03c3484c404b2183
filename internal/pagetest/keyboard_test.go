package pagetest

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// focused is whether what a selector finds has the focus.
func focused(selector string) string { return "document.activeElement?.matches('" + selector + "')" }

const (
	dialog = "document.querySelector('dialog:modal')"
	// noDialog is whether none is left, but for the drawer: one that is closed is gone a moment later.
	noDialog = "!document.querySelector('dialog:not(#detail)')"

	search = "document.querySelector('#search')"
)

// slash presses the key as a keyboard does: the page can keep its character out of what gets the focus.
func (b *tab) slash() {
	b.t.Helper()
	command(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: "/", Code: "Slash", Text: "/"})
	command(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: "/", Code: "Slash"})
}

// palette opens the command palette by its keys.
func (b *tab) palette() {
	b.t.Helper()
	b.do(chromedp.KeyEvent("k", chromedp.KeyModifiers(kb.ModifierCtrl)))
	b.until(focused("dialog:modal [role=combobox]"))
}

func TestKeysLeadThroughThePage(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	var rest strings.Builder
	for _, name := range "bcdefghijklmnopqrstuvwxyz" {
		rest.WriteString(`,{"name":"` + string(name) + `","driver":"sqs","metrics":{"waiting":0}}`)
	}
	Set(t, redis, "pulse:queues:shop", `"app":"shop","interval_ms":600000,"queues":[{"name":"stuck","driver":"sqs","metrics":{"waiting":9}},{"name":"grows","driver":"bullmq","metrics":{"waiting":5}},{"name":"a","driver":"sqs","metrics":{"waiting":1}}%s]`, rest.String())
	Set(t, redis, "pulse:server:shop:web-1", `"system":{"hostname":"web-1"},"process":{},"meta":{"app_name":"shop"}`)
	judge(t, redis, `"queues":{"sqs/stuck":{"health":"stalled"},"bullmq/grows":{"health":"growing"}}`)
	b := open(t, server.URL, wide)
	b.until(names+".startsWith('stuck,grows,a,b')", "document.querySelector('#servers')")
	on := func(queue string) string {
		return row(queue) + "?.dataset.at === 'true' && document.activeElement === " + row(queue) + ".querySelector('a')"
	}

	// From line to line, and no further than the first.
	b.press("j")
	b.until(on("shop/sqs/stuck"))
	b.press("j")
	b.until(on("shop/bullmq/grows"), "document.querySelectorAll('[data-at]').length === 1")
	b.press("kkk")
	b.until(on("shop/sqs/stuck"))
	b.press("jj")
	b.until(on("shop/sqs/a"))
	b.press(kb.Enter)
	b.until(titled("a"))
	// The drawer stands beside the list, and follows the line.
	b.press("k")
	b.until(titled("grows"), row("shop/bullmq/grows")+".dataset.at")
	b.press(kb.Escape)
	b.until("!" + drawer)
	// What the line moves to comes into sight.
	b.press(strings.Repeat("j", 40))
	b.until(on("shop/sqs/z"), row("shop/sqs/z")+".getBoundingClientRect().bottom <= innerHeight")
	b.press(strings.Repeat("k", 40))
	b.until(on("shop/sqs/stuck"), row("shop/sqs/stuck")+".getBoundingClientRect().top + 0.5 >= document.querySelector('.headings').getBoundingClientRect().bottom")

	// What is wrong, one after another, and from the start again.
	for _, trouble := range []string{"stuck", "grows", "stuck"} {
		b.press("a")
		b.until(titled(trouble))
	}
	b.press(kb.Escape)
	b.until("!" + drawer)

	// A section by two keys.
	for key, section := range map[string]string{"gq": "queues", "gs": "servers", "gl": "slow"} {
		b.press(key)
		b.until(focused("#" + section + "-title"))
	}
	b.press("gq")
	b.until(focused("#queues-title"))
	b.press("gxs?") // a second key that there is not ends the pair
	b.until(dialog)
	b.press(kb.Escape)
	b.until(noDialog, focused("#queues-title"))

	// The button that skips what is above the list is the first that Tab comes to.
	b.do(chromedp.Evaluate[chromedp.Void]("document.activeElement.blur(), scrollTo(0, 0)"))
	b.do(chromedp.Navigate(server.URL))
	b.until(row("shop/sqs/stuck"), "document.querySelector('.skip').getBoundingClientRect().bottom < 0") // until then it is not in sight
	b.press(kb.Tab)
	b.until(focused(".skip"), "document.querySelector('.skip').getBoundingClientRect().top >= 0")
	b.press(kb.Enter)
	b.until(focused("#queues-title"))

	// The palette finds anything by its name.
	b.palette()
	b.press("shop grow")
	b.until("document.querySelectorAll('[role=option]').length === 1", "document.querySelector('[role=option][aria-selected=true]').textContent.includes('grows')")
	b.press(kb.Enter)
	b.until(noDialog, titled("grows"))
	b.palette() // beside the drawer
	b.press("shop " + kb.ArrowDown + kb.ArrowDown + kb.ArrowUp)
	b.until("document.querySelectorAll('[role=option]')[1].getAttribute('aria-selected') === 'true'",
		"document.querySelector('[role=combobox]').getAttribute('aria-activedescendant') === document.querySelectorAll('[role=option]')[1].id")
	b.press(kb.Escape)
	b.until(noDialog, titled("grows"))
	b.palette()
	b.press("no such thing")
	b.until("!document.querySelector('[role=option]')")
	b.press(kb.Enter) // does nothing but close it
	b.until(noDialog, titled("grows"))
}

func TestEscapeClosesOneThingAfterAnother(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := Serve(t, redis, "")
	Set(t, redis, "pulse:queues:shop", twoQueues)
	b := open(t, server.URL+detailOf("queue:shop/sqs/orders"), wide)
	b.until(titled("orders"))

	// The help above the drawer, then the drawer.
	b.press("?")
	b.until(dialog, dialog+".querySelectorAll('kbd').length > 10", "[..."+dialog+".querySelectorAll('dt, dd')].every(e => e.textContent)")
	b.press("j") // moves nothing below it
	b.press(kb.Escape)
	b.until(noDialog, titled("orders"), "!document.querySelector('[data-at]')")
	b.press(kb.Escape)
	b.until("!" + drawer)

	// The text of the search, the field, the drawer.
	b.do(chromedp.Evaluate[chromedp.Void](row("shop/sqs/mails") + ".querySelector('a').click()"))
	b.until(titled("mails"))
	b.slash()
	b.until(focused("#search"))
	b.press("ja?gq/") // keys of the page are letters in a field
	b.until(search+".value === 'ja?gq/'", "document.querySelector('#none-match')", noDialog, focused("#search"), titled("mails"))
	b.press(kb.Escape)
	b.until(search+".value === ''", focused("#search"), row("shop/sqs/mails"), "!location.hash.includes('q=')", titled("mails"))
	b.press(kb.Escape)
	b.until("!"+focused("#search"), titled("mails"))
	b.press(kb.Escape)
	b.until("!" + drawer)

	// What was searched for is marked, to be typed over.
	b.slash()
	b.press("orders")
	b.until("!" + row("shop/sqs/mails"))
	b.do(chromedp.Evaluate[chromedp.Void](search + ".blur()"))
	b.slash()
	b.press("mails")
	b.until(search+".value === 'mails'", row("shop/sqs/mails"), "!"+row("shop/sqs/orders"))
	b.press(kb.Escape + kb.Escape)
	b.until("!"+focused("#search"), search+".value === ''")

	// The menu above the drawer. Its fields have their letters.
	b.do(chromedp.Evaluate[chromedp.Void](row("shop/sqs/mails") + ".querySelector('a').click()"))
	b.until(titled("mails"))
	b.do(chromedp.Evaluate[chromedp.Void]("document.querySelector('#menu summary').focus()"))
	b.press(kb.Enter)
	b.until("document.querySelector('#menu').open")
	b.press(kb.Tab + "?")
	b.until(focused("#menu select"), noDialog)
	b.press(kb.Escape)
	b.until("!document.querySelector('#menu').open", focused("#menu summary"), titled("mails"))
	b.press(kb.Escape)
	b.until("!" + drawer)

	// A press elsewhere closes the menu, too.
	b.do(chromedp.Click(chromedp.CSS("#menu summary")))
	b.until("document.querySelector('#menu').open")
	b.do(chromedp.Click(chromedp.CSS("#queues-title")))
	b.until("!document.querySelector('#menu').open")
	b.do(chromedp.Click(chromedp.CSS("#menu summary")))
	b.until("document.querySelector('#menu').open", "[...document.querySelectorAll('#menu button')].find(e => e.textContent.includes('?')).click() || true", dialog, "!document.querySelector('#menu').open")
}
