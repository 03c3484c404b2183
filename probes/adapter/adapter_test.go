package adapter

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPatternsSelectByNameAndGlob(t *testing.T) {
	for _, tc := range []struct {
		list, name string
		want       bool
	}{
		{"orders", "orders", true},
		{"orders", "orders-2", false},
		{"orders", "Orders", false},
		{"a, orders ,b", "orders", true},
		{"*", "anything", true},
		{"*", "", true},
		{"orders*", "orders", true},
		{"*-dead", "orders-dead", true},
		{"o?ders", "orders", true},
		{"o?ders", "oders", false},
		{"?", "ü", true},
		{"[a-c]x", "bx", true},
		{"[a-c]x", "dx", false},
		{"[^a-c]x", "dx", true},
		{`orders\*`, "orders*", true},
		{`orders\*`, "orders-1", false},
		{`a\\b`, `a\b`, true},
		// '/' and ':' are characters like any other, unlike in paths.
		{"*", "shop/orders", true},
		{"shop*", "shop/orders/eu", true},
		{"shop?orders", "shop/orders", true},
		{"shop/*", "shop/orders", true},
		{"shop/*", "shop-orders", false},
		{"[/:]x", "/x", true},
		{"shop:*", "shop:orders", true},
		{"*", "\xff", true},
	} {
		ps, err := ParsePatterns(tc.list)
		if err != nil {
			t.Fatalf("%s: %v", tc.list, err)
		}
		if got := ps.Match(tc.name); got != tc.want {
			t.Errorf("%s selects %q: %v", tc.list, tc.name, got)
		}
	}
}

func TestWrongPatternIsRefusedBeforeAnythingIsAsked(t *testing.T) {
	for _, list := range []string{"", " , ,", "a,[b", "[", "[]", "[a-]", "x[a", `a\`, "long-name-before-it[", "*[", "?["} {
		ps, err := ParsePatterns(list)
		if err == nil {
			t.Errorf("%q is taken as %q", list, ps)
		} else if !strings.HasPrefix(err.Error(), `"`) {
			t.Errorf("the error of %q does not show what is wrong: %v", list, err)
		}
	}
}

func TestExactNamesNeedNoDiscovery(t *testing.T) {
	for _, tc := range []struct {
		list  string
		names []string
		all   bool
	}{
		{"a,b", []string{"a", "b"}, true},
		{"a,b*", []string{"a"}, false},
		{"*", nil, false},
		{`a\*`, []string{"a*"}, true},
		{`a\\`, []string{`a\`}, true},
		{`\[x\]`, []string{"[x]"}, true},
		{"x]", []string{"x]"}, true},
		{"[x]", nil, false},
		{"a?,c", []string{"c"}, false},
	} {
		ps, err := ParsePatterns(tc.list)
		if err != nil {
			t.Fatalf("%s: %v", tc.list, err)
		}
		names, all := ps.Exact()
		if !slices.Equal(names, tc.names) || all != tc.all {
			t.Errorf("%s names %q, all %v; want %q, %v", tc.list, names, all, tc.names, tc.all)
		}
	}
}

// TestEscapedLiteralSelectsOnlyItself is what lets a queue's name be part of a MATCH pattern.
func TestEscapedLiteralSelectsOnlyItself(t *testing.T) {
	text := rapid.StringOf(rapid.RuneFrom([]rune(`ab*?[]\^-/:ü`)))
	rapid.Check(t, func(t *rapid.T) {
		literal, other := text.Draw(t, "literal"), text.Draw(t, "other")
		escaped := EscapeGlob(literal)
		if IsGlob(escaped) {
			t.Fatalf("%q, escaped, is the glob %q", literal, escaped)
		}
		if got := unescape(escaped); got != literal {
			t.Fatalf("%q, escaped and back, is %q", literal, got)
		}
		for _, name := range []string{literal, other} {
			if ok, err := match(escaped, name); err != nil || ok != (name == literal) {
				t.Fatalf("%q, escaped, selects %q: %v, %v", literal, name, ok, err)
			}
		}
	})
}

func TestEscapeForRedis(t *testing.T) {
	if got := EscapeGlob(`{bull}:a*b?[c]\d`); got != `{bull}:a\*b\?\[c\]\\d` {
		t.Errorf("it is %s", got)
	}
}

func requests(n int) []Request { return make([]Request, n) }

func TestFlowHandsTheRepliesToWhoAsked(t *testing.T) {
	var f Flow
	var got []string
	step := f.Ask(requests(1), func(r []Reply) Step {
		text, err := r[0].Text()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, text)
		return f.Ask(requests(2), func(r []Reply) Step {
			got = append(got, "second of", r[1].Value.(string))
			return Fail("the end")
		})
	})
	if len(step.Requests) != 1 {
		t.Fatalf("the first step is %+v", step)
	}
	if step = f.Next([]Reply{{"one"}}); len(step.Requests) != 2 {
		t.Fatalf("the second step is %+v", step)
	}
	if step = f.Next([]Reply{{"x"}, {"two"}}); step.Err == nil || step.Err.Error() != "the end" {
		t.Fatalf("the last step is %+v", step)
	}
	if want := []string{"one", "second of", "two"}; !slices.Equal(got, want) {
		t.Errorf("the replies went as %q, want %q", got, want)
	}
}

func TestFlowWithNothingToAskGoesOnAtOnce(t *testing.T) {
	var f Flow
	step := f.Ask(nil, func(r []Reply) Step {
		if len(r) != 0 {
			t.Errorf("%d replies to no request", len(r))
		}
		return Fail("went on")
	})
	if step.Err == nil || step.Err.Error() != "went on" {
		t.Errorf("the step is %+v", step)
	}
}

func TestHostThatDoesNotAnswerEachRequestOnceEndsThePoll(t *testing.T) {
	never := func([]Reply) Step { panic("replies that don't fit are handed on") }
	for name, next := range map[string]func(*Flow) Step{
		"before a poll": func(f *Flow) Step { return f.Next(nil) },
		"too few":       func(f *Flow) Step { f.Ask(requests(2), never); return f.Next(make([]Reply, 1)) },
		"too many":      func(f *Flow) Step { f.Ask(requests(1), never); return f.Next(make([]Reply, 2)) },
		"none":          func(f *Flow) Step { f.Ask(requests(1), never); return f.Next(nil) },
		"after the end": func(f *Flow) Step {
			f.Ask(requests(1), func([]Reply) Step { return Fail("the end") })
			f.Next(make([]Reply, 1))
			return f.Next(make([]Reply, 1))
		},
	} {
		if step := next(&Flow{}); !errors.Is(step.Err, ErrReplies) || step.Requests != nil || step.Snapshot != nil {
			t.Errorf("%s: the step is %+v", name, step)
		}
	}
}

func TestPollMayBeginAnewAfterOneThatWasLeft(t *testing.T) {
	var f Flow
	f.Ask(requests(3), func([]Reply) Step { return Fail("the old poll") })
	f.Ask(requests(1), func([]Reply) Step { return Fail("the new poll") })
	if step := f.Next(make([]Reply, 1)); step.Err == nil || step.Err.Error() != "the new poll" {
		t.Errorf("the step is %+v", step)
	}
}

func TestReplyIsReadAsWhatIsDue(t *testing.T) {
	refusal := Error{"NOPERM", "no LLEN for you"}
	for _, tc := range []struct {
		name  string
		value any
		// what reading it as each says; "" is no error
		asInt, asText, asList string
	}{
		{"integer", int64(3), "", "the answer is int64 where text is due", "the answer is int64 where a list is due"},
		{"text", "x", "the answer is string where an integer is due", "", "the answer is string where a list is due"},
		{"list", []any{"x"}, "the answer is []interface {} where an integer is due", "the answer is []interface {} where text is due", ""},
		// A missing list is empty and a missing text, too; a missing number is not 0.
		{"nothing", nil, "the answer is <nil> where an integer is due", "", ""},
		{"refusal", refusal, "NOPERM: no LLEN for you", "NOPERM: no LLEN for you", "NOPERM: no LLEN for you"},
		{"bare refusal", Error{Code: "AccessDenied"}, "AccessDenied", "AccessDenied", "AccessDenied"},
	} {
		r := Reply{tc.value}
		_, errInt := r.Int()
		_, errText := r.Text()
		_, errList := r.List()
		for i, got := range []error{errInt, errText, errList} {
			want := []string{tc.asInt, tc.asText, tc.asList}[i]
			if said := errorText(got); said != want {
				t.Errorf("%s as %s says %q, want %q", tc.name, []string{"an integer", "text", "a list"}[i], said, want)
			}
		}
	}
	if n, err := (Reply{int64(3)}).Int(); n != 3 || err != nil {
		t.Errorf("3 is %d, %v", n, err)
	}
	if r := (Reply{refusal}); r.Code() != "NOPERM" || !errors.Is(r.Err(), refusal) {
		t.Errorf("the refusal's code is %q, its error %v", r.Code(), r.Err())
	}
	if r := (Reply{"NOPERM"}); r.Code() != "" || r.Err() != nil {
		t.Error("text is no refusal")
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
