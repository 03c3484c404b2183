package alert

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// DefaultRules are the rules where none are set.
const DefaultRules = "stalled 5m, lost 2m, failing 5m, drain>1h 10m"

// Rule is a condition that is worth an alert where it lasts.
type Rule struct {
	text string // as it was written
	// app selects by an app's name, name by that of a queue, or by a server's id; empty is all.
	app, name adapter.Patterns
	condition
	limit float64       // what the number must exceed; of a time, seconds
	lasts time.Duration // for how long, before the alert fires
}

// condition is what a rule looks at. One of the functions is set.
type condition struct {
	word   string
	unit   unit
	looks  int // how many looks in a row it takes to see it; 0 is one
	ofRow  func(q *view.Queue, now int64) look
	server func(s *view.Server) look
}

// unit is what the number of a condition is measured in.
type unit int

const (
	none unit = iota // there is no number: it is so or it is not
	jobs
	seconds
	percent
)

// look is what one look at one queue or server saw.
type look struct {
	known  bool
	isTrue bool // of a condition without a number
	value  float64
	reason string // why, in a sentence
}

var conditions = []condition{
	{word: "stalled", ofRow: isOfHealth(protocol.HealthStalled)},
	{word: "failing", looks: history.FailingLooks, ofRow: isOfHealth(protocol.HealthFailing)},
	{word: "growing", looks: history.GrowingLooks, ofRow: isOfHealth(protocol.HealthGrowing)},
	{word: lost}, // a reporter's, not a queue's: see Manager
	{word: "idle", ofRow: isIdle},
	{word: "waiting", unit: jobs, ofRow: func(q *view.Queue, _ int64) look { return number(&q.Metrics.Waiting) }},
	{word: "failed", unit: jobs, ofRow: func(q *view.Queue, _ int64) look { return number(q.Metrics.Failed) }},
	{word: "oldest", unit: seconds, ofRow: func(q *view.Queue, now int64) look {
		if q.Metrics.Waiting == 0 {
			return look{known: true} // none waits, so none waits long
		}
		return number(q.OldestSeconds(now))
	}},
	{word: "drain", unit: seconds, ofRow: func(q *view.Queue, _ int64) look { return number(q.Trend.DrainSeconds) }},
	{word: "cpu", unit: percent, server: func(s *view.Server) look {
		if s.System == nil || s.System.CPUUsage == nil {
			return look{}
		}
		return look{known: true, value: *s.System.CPUUsage}
	}},
	{word: "mem", unit: percent, server: func(s *view.Server) look {
		if s.System == nil || s.System.MemoryTotal == nil || s.System.MemoryFree == nil || *s.System.MemoryTotal == 0 {
			return look{}
		}
		total := float64(*s.System.MemoryTotal)
		return look{known: true, value: 100 * (total - float64(*s.System.MemoryFree)) / total}
	}},
}

// lost is the condition of a reporter whose key is gone.
const lost = "lost"

func isOfHealth(h protocol.Health) func(*view.Queue, int64) look {
	return func(q *view.Queue, _ int64) look {
		return look{known: q.Health != protocol.HealthUnknown, isTrue: q.Health == h, reason: q.Reason}
	}
}

func isIdle(q *view.Queue, _ int64) look {
	if q.Metrics.Active == nil {
		return look{}
	}
	return look{known: true, isTrue: q.Metrics.Waiting == 0 && *q.Metrics.Active == 0, reason: "no job waits and none is active"}
}

func number(n *int64) look {
	if n == nil {
		return look{}
	}
	return look{known: true, value: float64(*n)}
}

// ParseRules reads rules that are separated by commas: [app/queue-glob:]condition [duration]. A condition is
// stalled, lost, failing, growing or idle, or has a number: waiting>N, failed>N, oldest>D, drain>D, cpu>N, mem>N, where
// D is a duration such as 10m and N of cpu and mem are percent.
func ParseRules(text string) ([]Rule, error) {
	var rules []Rule
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.Join(strings.Fields(part), " "); part == "" {
			continue
		}
		r, err := parseRule(part)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", part, err)
		}
		for _, other := range rules {
			if other.text == r.text {
				return nil, fmt.Errorf("%q is there twice", part)
			}
		}
		rules = append(rules, r)
	}
	if len(rules) == 0 {
		return nil, fmt.Errorf("there is no rule in it: it takes rules such as %s", DefaultRules)
	}
	return rules, nil
}

func parseRule(text string) (Rule, error) {
	r := Rule{text: text}
	rest := text
	if i := strings.LastIndexByte(text, ':'); i >= 0 { // a queue's name may have a colon, a condition has none
		glob := text[:i]
		app, name, hasSlash := strings.Cut(glob, "/")
		if !hasSlash || !isGlob(app) || !isGlob(name) || strings.Contains(app, " ") {
			return r, errors.New("before the colon it takes an app, a slash and the name of a queue or server, each with * for any text, such as shop/orders-*")
		}
		r.app, r.name, rest = adapter.Patterns{app}, adapter.Patterns{name}, strings.TrimSpace(text[i+1:])
	}
	words := strings.Fields(rest)
	if len(words) == 0 || len(words) > 2 {
		return r, fmt.Errorf("it takes a condition and a duration, such as stalled 5m")
	}
	word, limit, hasLimit := strings.Cut(words[0], ">")
	for _, c := range conditions {
		if c.word == word {
			r.condition = c
		}
	}
	if r.word == "" {
		return r, fmt.Errorf("there is no condition %q: it takes stalled, lost, failing, growing, idle, waiting>N, failed>N, oldest>D, drain>D, cpu>N or mem>N; a comma separates rules", word)
	}
	if hasLimit != (r.unit != none) {
		return r, fmt.Errorf("%s takes %s", word, map[bool]string{true: "no number", false: "a number, such as " + word + ">" + example(r.unit)}[hasLimit])
	}
	var err error
	if r.limit, err = parseLimit(limit, r.unit); err != nil {
		return r, err
	}
	if len(words) == 2 {
		if r.lasts, err = parseDuration(words[1]); err != nil {
			return r, err
		}
	}
	return r, nil
}

func isGlob(text string) bool {
	_, err := path.Match(text, "")
	return err == nil && text != ""
}

func example(u unit) string {
	switch u {
	case seconds:
		return "10m"
	case percent:
		return "90"
	case none, jobs:
	}
	return "1000"
}

func parseLimit(text string, u unit) (float64, error) {
	switch u {
	case none:
		return 0, nil
	case seconds:
		d, err := parseDuration(text)
		return d.Seconds(), err
	case jobs, percent:
	}
	n, err := strconv.ParseUint(text, 10, 53)
	if err != nil || u == percent && n >= 100 {
		return 0, fmt.Errorf("%q is no number that it takes, such as %s", text, example(u))
	}
	return float64(n), nil
}

// longest bounds durations: what lasts longer than history cannot be seen.
const longest = 24 * time.Hour

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > longest {
		return 0, fmt.Errorf("%q is no duration that it takes: one with its unit, more than 0 and up to 24h, such as 5m", text)
	}
	return d, nil
}

func (r *Rule) selects(app, name string) bool {
	return r.app == nil || r.app.Match(app) && r.name.Match(name)
}

// verdict is what a look means to a rule: that it is so, that it isn't, or that it is too close to it to say that
// it is over.
type verdict int

const (
	unknown verdict = iota
	isSo
	isClose
	isNot
)

// deadBand is the part of the limit below which a number must fall before the alert is over, so that one that
// swings around the limit doesn't ring at each swing.
const deadBand = 0.9

func (r *Rule) judge(l look) verdict {
	switch {
	case !l.known:
		return unknown
	case r.unit == none && l.isTrue, r.unit != none && l.value > r.limit:
		return isSo
	case r.unit != none && l.value > r.limit*deadBand:
		return isClose
	}
	return isNot
}

// describe is the reason of an alert, in a sentence.
func (r *Rule) describe(l look) string {
	switch r.unit {
	case none:
		return l.reason
	case jobs:
		return fmt.Sprintf("%s %s, more than %s", history.Group(int64(l.value)), map[string]string{"waiting": "wait", "failed": "have failed"}[r.word], history.Group(int64(r.limit)))
	case seconds:
		said := map[string]string{"oldest": "the oldest job has waited %s, longer than %s", "drain": "it is empty in %s at this rate, later than %s"}[r.word]
		return fmt.Sprintf(said, span(l.value), span(r.limit))
	case percent:
	}
	return fmt.Sprintf("%.0f %% of its %s is used, more than %.0f %%", l.value, map[string]string{"cpu": "CPU", "mem": "memory"}[r.word], r.limit)
}

// span is a time in the unit that tells most, such as "34 min".
func span(s float64) string {
	switch {
	case s < 90:
		return fmt.Sprintf("%.0f s", s)
	case s < 90*60:
		return fmt.Sprintf("%.0f min", s/60)
	case s < 48*3600:
		return fmt.Sprintf("%.1f h", s/3600)
	}
	return fmt.Sprintf("%.0f d", s/86400)
}
