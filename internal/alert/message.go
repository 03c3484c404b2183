package alert

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

const (
	// mostLines is how many alerts a message that people read lists.
	mostLines = 10
	// discordLimit is how many characters Discord takes in a message, slackLimit how many bytes Slack shows well,
	// subjectLimit what SNS takes as a subject.
	discordLimit, slackLimit, subjectLimit = 2000, 4000, 100
)

// title says how many alerts there are.
func (m message) title() string {
	count := map[phase]int{}
	for _, n := range m.notices {
		count[n.as]++
	}
	var parts []string
	if n := count[firing]; n > 0 {
		parts = append(parts, plural(n, "alert fires", "alerts fire"))
	}
	if n := count[resolved]; n > 0 {
		parts = append(parts, plural(n, "alert is over", "alerts are over"))
	}
	return protocol.Shorten("Gravito Pulse: "+strings.Join(parts, ", "), subjectLimit-3)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return history.Group(int64(n)) + " " + many
}

// lines are what people read, each through escape: foreign text is in it.
func (m message) lines(escape func(string) string) []string {
	lines := []string{m.title()}
	for i, n := range m.notices {
		if i == mostLines {
			lines = append(lines, fmt.Sprintf("and %d more", len(m.notices)-mostLines))
			break
		}
		mark := "🔴"
		if n.as == resolved {
			mark = "✅"
		}
		lines = append(lines, mark+" "+escape(n.summary()))
	}
	if m.page != "" {
		lines = append(lines, m.page)
	}
	return lines
}

func (m message) text() string {
	return strings.Join(m.lines(func(s string) string { return s }), "\n")
}

// summary is an alert in a line.
func (n notice) summary() string {
	since := time.UnixMilli(n.Since).UTC().Format("15:04 UTC")
	what := fmt.Sprintf("%s of %s", n.Key, n.App)
	switch {
	case n.Kind == "reporter" && n.Key == view.NoSource:
		what = fmt.Sprintf("the reporter of %s", n.App)
	case n.Kind == "reporter":
		what = fmt.Sprintf("the reporter %s of %s", n.Key, n.App)
	}
	line := fmt.Sprintf("%s (%s), since %s", what, n.Rule, since)
	switch {
	case n.as == resolved:
		line = fmt.Sprintf("%s (%s) is over; it began at %s", what, n.Rule, since)
	case n.Reason != "":
		line += ": " + n.Reason
	}
	return unlinked(oneLine(line))
}

// oneLine is foreign text without what would break a line or hide in it.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0, r == '\u2028', r == '\u2029', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return ' '
		case r == '\u061c', r == '\u200b', r == '\u200e', r == '\u200f', r >= '\u2060' && r <= '\u2064', r == '\ufeff': // they take no room
			return -1
		}
		return r
	}, s)
}

// address is what programs make links of. In a queue's name it would lead anywhere.
var address = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)://|\bwww\.`) })

// unlinked is foreign text of which no program makes a link: a word joiner, which nobody sees, is in each address.
func unlinked(s string) string {
	const joiner = "\u2060"
	return address().ReplaceAllStringFunc(s, func(found string) string {
		if found[0] == ':' {
			return ":" + joiner + "//"
		}
		return strings.Replace(found, ".", joiner+".", 1)
	})
}

var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "∗", "~", "∼", "`", "'")

// forSlack is foreign text in which Slack finds nothing of its own. It has no escape for what formats a text: look-alikes
// take its place. A _ formats nothing within a word, as in orders_high.
func forSlack(s string) string {
	var b strings.Builder
	isWord := false // whether a letter or digit is before
	for s != "" {
		rest := strings.TrimLeft(s, "_")
		n := len(s) - len(rest)
		r, size := utf8.DecodeRuneInString(rest)
		isNext := unicode.IsLetter(r) || unicode.IsDigit(r)
		if isWord && isNext {
			b.WriteString(s[:n])
		} else {
			b.WriteString(strings.Repeat("＿", n))
		}
		b.WriteString(rest[:size])
		s, isWord = rest[size:], isNext
	}
	return slackText.Replace(b.String())
}

// slack is Slack's incoming webhook.
func (m message) slack() any {
	lines := m.lines(forSlack)
	return map[string]any{"text": protocol.Shorten(strings.Join(lines, "\n"), slackLimit), "unfurl_links": false}
}

var discordText = strings.NewReplacer(`\`, `\\`, "`", "'", "*", `\*`, "_", `\_`, "~", `\~`, "|", `\|`, "<", `\<`, ">", `\>`, "[", `\[`)

// discord is Discord's webhook. It would ring for an @everyone in a queue's name.
func (m message) discord() any {
	lines := m.lines(discordText.Replace)
	// A character takes at least a byte.
	return map[string]any{"content": protocol.Shorten(strings.Join(lines, "\n"), discordLimit-3), "allowed_mentions": map[string]any{"parse": []string{}}}
}

// alertmanager is the webhook JSON of Prometheus' Alertmanager, version 4.
func (m message) alertmanager() any {
	status := "resolved"
	alerts := []map[string]any{}
	for i, n := range m.notices {
		if n.as == firing {
			status = "firing"
		}
		if i >= mostListed {
			continue
		}
		alerts = append(alerts, map[string]any{
			"status":       string(n.as),
			"labels":       n.labels(),
			"annotations":  map[string]string{"summary": n.summary(), "description": oneLine(n.Reason)},
			"startsAt":     rfc3339(n.Since),
			"endsAt":       n.endsAt(),
			"generatorURL": m.page,
			"fingerprint":  n.fingerprint(),
		})
	}
	return map[string]any{
		"version": "4", "groupKey": "{}:{}", "status": status, "receiver": "gravito-pulse", "truncatedAlerts": max(0, len(m.notices)-mostListed),
		"groupLabels": map[string]string{}, "commonLabels": m.commonLabels(), "commonAnnotations": map[string]string{},
		"externalURL": m.page, "alerts": alerts,
	}
}

// labels of a queue are those that it has in /metrics, so that both can be grouped and silenced together.
func (n notice) labels() map[string]string {
	l := map[string]string{"alertname": n.Rule, "app": n.App, n.Kind: n.Key, "severity": n.severity()}
	if driver, name, ok := strings.Cut(cmp.Or(n.Plain, n.Key), "/"); ok && n.Kind == "queue" {
		l["driver"], l["queue"] = driver, name
		if n.Source != "" && n.Source != view.NoSource {
			l["source"] = n.Source
		}
	}
	return l
}

// commonLabels are those that all alerts have.
func (m message) commonLabels() map[string]string {
	common := m.notices[0].labels()
	for _, n := range m.notices[1:] {
		labels := n.labels()
		for name, value := range common {
			if labels[name] != value {
				delete(common, name)
			}
		}
	}
	return common
}

// severity is critical where no job is worked at, or nobody knows.
func (n notice) severity() string {
	if slices.Contains([]string{"stalled", lost}, n.word()) {
		return "critical"
	}
	return "warning"
}

// word is the condition of the alert's rule.
func (n notice) word() string {
	rule := n.Rule[strings.LastIndexByte(n.Rule, ':')+1:]
	word, _, _ := strings.Cut(rule, " ")
	word, _, _ = strings.Cut(word, ">")
	return word
}

func rfc3339(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

func (n notice) endsAt() string {
	if n.as == resolved {
		return rfc3339(cmp.Or(n.Over, n.Seen)) // an earlier version kept no end
	}
	return "0001-01-01T00:00:00Z" // as Alertmanager writes that it goes on
}

// pagerDuty sends to PagerDuty's Events API v2, one event an alert.
func (p poster) pagerDuty(address, key string) func(context.Context, message) (int, error) {
	return func(ctx context.Context, m message) (int, error) {
		for i, n := range m.notices {
			event := map[string]any{"routing_key": key, "event_action": "trigger", "dedup_key": n.fingerprint()}
			if n.as == resolved {
				event["event_action"] = "resolve"
			} else {
				event["payload"] = map[string]any{
					"summary": protocol.Shorten(n.summary(), 1000), "source": n.App, "severity": n.severity(), "timestamp": rfc3339(n.Since),
					"component": n.Key, "group": n.App, "class": n.Rule, "custom_details": n.labels(),
				}
				if link, err := url.Parse(m.page); err == nil && m.page != "" {
					event["links"] = []map[string]string{{"href": link.String(), "text": "Gravito Pulse"}}
				}
			}
			if err := p.post(ctx, address, event); err != nil {
				return i, err
			}
		}
		return len(m.notices), nil
	}
}
