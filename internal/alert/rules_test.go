package alert

import (
	"strings"
	"testing"
	"time"
)

func TestRulesThatAreTaken(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Rule{
		"stalled":                  {condition: condition{word: "stalled"}},
		"lost 2m":                  {condition: condition{word: "lost"}, lasts: 2 * time.Minute},
		"waiting>1000 5m":          {condition: condition{word: "waiting"}, limit: 1000, lasts: 5 * time.Minute},
		"drain>1h 10m":             {condition: condition{word: "drain"}, limit: 3600, lasts: 10 * time.Minute},
		"oldest>90s":               {condition: condition{word: "oldest"}, limit: 90},
		"cpu>90  10m":              {condition: condition{word: "cpu"}, limit: 90, lasts: 10 * time.Minute},
		"shop/orders-*:growing":    {condition: condition{word: "growing"}},
		"shop/jobs:mail:idle 2h":   {condition: condition{word: "idle"}, lasts: 2 * time.Hour},
		"*/imports: failed>10 30s": {condition: condition{word: "failed"}, limit: 10, lasts: 30 * time.Second},
	} {
		rules, err := ParseRules(" " + text + " ,")
		if err != nil || len(rules) != 1 {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if r := rules[0]; r.word != want.word || r.limit != want.limit || r.lasts != want.lasts || (r.app != nil) != strings.Contains(text, "/") {
			t.Errorf("%s is read as %s > %v for %v of %q/%q", text, r.word, r.limit, r.lasts, r.app, r.name)
		}
	}
	if rules, err := ParseRules(DefaultRules); err != nil || len(rules) != 4 {
		t.Errorf("the default is %v, %v", rules, err)
	}
}

func TestRulesThatAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       "no rule in it",
		" , ":                    "no rule in it",
		"dead 5m":                `there is no condition "dead"`,
		"stalled 5":              `"5" is no duration`,
		"stalled 25h":            "up to 24h",
		"stalled -5m":            "no duration",
		"stalled 0":              "more than 0",
		"drain>0s 10m":           "more than 0",
		"stalled>5 5m":           "stalled takes no number",
		"waiting 5m":             "waiting takes a number, such as waiting>1000",
		"waiting>many":           `"many" is no number`,
		"waiting>-1":             "no number",
		"cpu>100":                "such as 90",
		"shop/:stalled":          "an app, a slash and the name",
		"/x:stalled":             "an app, a slash and the name",
		"sh op/x:stalled":        "an app, a slash and the name",
		"shop/a,b:stalled":       "a comma separates rules",
		"oldest>10":              "no duration",
		"stalled 5m 6m":          "a condition and a duration",
		"orders:stalled":         "an app, a slash and the name",
		"shop/[:stalled":         "an app, a slash and the name",
		"shop/orders:":           "a condition and a duration",
		"stalled 5m, stalled 5m": "there twice",
	} {
		if _, err := ParseRules(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestPatterns: the first slash is between an app, which has none, and a name, which may have some.
func TestPatterns(t *testing.T) {
	t.Parallel()
	for pattern, c := range map[string]struct{ selects, not []string }{
		"*/mail":      {[]string{"shop/mail"}, []string{"shop/bulk/mail", "shop/mails", "shop/Mail"}},
		"*/*/mail":    {[]string{"shop/bulk/mail"}, []string{"shop/mail"}},
		"shop/*":      {[]string{"shop/a", "shop/a/b"}, []string{"shop2/a"}},
		"s*/a?":       {[]string{"shop/ab", "s/a/"}, []string{"shop/a", "blog/ab"}},
		"shop/[a-c]x": {[]string{"shop/ax"}, []string{"shop/[a-c]x", "shop/dx"}},
		`shop/\[a\]`:  {[]string{"shop/[a]"}, []string{"shop/a"}},
	} {
		rules, err := ParseRules(pattern + ":stalled")
		if err != nil {
			t.Fatal(err)
		}
		for want, all := range map[bool][]string{true: c.selects, false: c.not} {
			for _, text := range all {
				app, name, _ := strings.Cut(text, "/")
				if got := rules[0].selects(app, name); got != want {
					t.Errorf("%s selects %s: %v", pattern, text, got)
				}
			}
		}
	}
}

// FuzzParseRules guards that any text is read or refused, and that a rule that is read describes what it sees.
func FuzzParseRules(f *testing.F) {
	for _, text := range []string{DefaultRules, "shop/a:b*:waiting>5 1m,cpu>90", "a/[", "drain>1h1m", ">"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ParseRules(text)
		if (err == nil) != (len(rules) > 0) {
			t.Fatalf("%d rules, %v", len(rules), err)
		}
		for _, r := range rules {
			l := look{known: true, isTrue: true, value: r.limit + 1, reason: "why"}
			if r.judge(l) != isSo || r.describe(l) == "" || strings.Contains(r.describe(l), "%!") {
				t.Fatalf("%q: %v, %q", r.text, r.judge(l), r.describe(l))
			}
			r.selects("shop", "orders")
		}
	})
}
