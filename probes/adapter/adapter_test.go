package adapter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gravito-framework/pulse/protocol"
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
		ps, ok := parsePatterns(tc.list)
		if !ok {
			t.Fatalf("%s is refused", tc.list)
		}
		if got := ps.Match(tc.name); got != tc.want {
			t.Errorf("%s selects %q: %v", tc.list, tc.name, got)
		}
	}
}

func TestWrongPatternIsRefusedWithTheSettingsName(t *testing.T) {
	for _, list := range []string{"", " , ,", "a,[b", "[", "[]", "[a-]", "x[a", `a\`, "long-name-before-it[", "*[", "?[", strings.Repeat("x", 1025), "a,\xff"} {
		ps, err := Settings{"queues": list}.Patterns("queues")
		var wrong *SettingError
		if !errors.As(err, &wrong) || wrong.Setting != "queues" {
			t.Errorf("%.80q is taken as %.80q, %v", list, ps, err)
			continue
		}
		if said := wrong.Named("PULSE_QUEUES"); !strings.HasPrefix(said, "PULSE_QUEUES is ") || !strings.Contains(said, ": it takes names") || len(said) > 800 {
			t.Errorf("of %.80q it says %q", list, said)
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
		ps, ok := parsePatterns(tc.list)
		if !ok {
			t.Fatalf("%s is refused", tc.list)
		}
		names, all := ps.Names(), !ps.HasGlob()
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

func replies(texts ...string) []Reply {
	out := make([]Reply, len(texts))
	for i, s := range texts {
		out[i] = Text(s)
	}
	return out
}

func TestFlowHandsTheRepliesToWhoAsked(t *testing.T) {
	var f Flow
	var got []string
	step := f.Ask(requests(1), func(r []Reply) Step {
		first, _ := r[0].Text()
		got = append(got, first)
		return f.Ask(requests(2), func(r []Reply) Step {
			second, _ := r[1].Text()
			got = append(got, "second of", second)
			return Fail("the end")
		})
	})
	if len(step.Requests) != 1 {
		t.Fatalf("the first step is %+v", step)
	}
	if step = f.Next(t.Context(), replies("one")); len(step.Requests) != 2 {
		t.Fatalf("the second step is %+v", step)
	}
	if step = f.Next(t.Context(), replies("x", "two")); step.Err == nil || step.Err.Error() != "the end" {
		t.Fatalf("the last step is %+v", step)
	}
	if want := []string{"one", "second of", "two"}; !slices.Equal(got, want) {
		t.Errorf("the replies went as %q, want %q", got, want)
	}
}

// TestFlowAsksInRoundsThatAHostTakes: 33,000 busy queues once failed every poll.
func TestFlowAsksInRoundsThatAHostTakes(t *testing.T) {
	for _, tc := range []struct {
		requests, size int // how many, and how long each key is
		rounds         int
	}{
		{1, 10, 1}, {requestsAtOnce, 10, 1}, {requestsAtOnce + 1, 10, 2}, {7*requestsAtOnce + 3, 10, 8}, {10_000, 1000, 3}, {2, bytesAtOnce, 2},
	} {
		asked := make([]Request, tc.requests)
		for i := range asked {
			asked[i] = Request{"LLEN", strings.Repeat("x", tc.size) + fmt.Sprint(i)}
		}
		var f Flow
		var got []Reply
		step := f.Ask(asked, func(r []Reply) Step { got = r; return Fail("the end") })
		rounds := 0
		for ; step.Requests != nil; rounds++ {
			answers := make([]Reply, len(step.Requests))
			bytes := 0
			for i, r := range step.Requests {
				answers[i] = Text(r[1])
				bytes += len(r[1])
			}
			if bytes > 2*bytesAtOnce || len(answers) > requestsAtOnce {
				t.Fatalf("a round of %d requests and %d bytes", len(answers), bytes)
			}
			step = f.Next(t.Context(), answers)
		}
		if rounds != tc.rounds || len(got) != tc.requests {
			t.Errorf("%d requests took %d rounds, want %d; %d replies came", tc.requests, rounds, tc.rounds, len(got))
		}
		for i, r := range got {
			if text, _ := r.Text(); text != asked[i][1] {
				t.Fatalf("of %d requests number %d is answered with %.40q", tc.requests, i, text)
			}
		}
	}
}

// TestFlowLeftInTheMiddleOfItsRoundsKeepsNoReply: the next poll's replies are its own.
func TestFlowLeftInTheMiddleOfItsRoundsKeepsNoReply(t *testing.T) {
	var f Flow
	step := f.Ask(requests(requestsAtOnce+1), func([]Reply) Step { return Fail("the poll that was left") })
	f.Next(t.Context(), make([]Reply, len(step.Requests)))
	f.Ask(requests(1), func(r []Reply) Step { return Fail(fmt.Sprintf("%d replies", len(r))) })
	if step = f.Next(t.Context(), replies("a")); errorText(step.Err) != "1 replies" {
		t.Errorf("the next poll has %v", step.Err)
	}
}

// TestFlowsRequestsMayBeAppendedTo: what is still to be asked lies behind them.
func TestFlowsRequestsMayBeAppendedTo(t *testing.T) {
	var f Flow
	all := requests(requestsAtOnce + 1)
	all[requestsAtOnce] = Request{"the last"}
	step := f.Ask(all, func([]Reply) Step { return Fail("done") })
	_ = append(step.Requests, Request{"rubbish"})
	if step = f.Next(t.Context(), make([]Reply, len(step.Requests))); len(step.Requests) != 1 || step.Requests[0][0] != "the last" {
		t.Errorf("it asks %v", step.Requests)
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
	ctx := t.Context()
	for name, next := range map[string]func(*Flow) Step{
		"before a poll": func(f *Flow) Step { return f.Next(ctx, nil) },
		"too few":       func(f *Flow) Step { f.Ask(requests(2), never); return f.Next(ctx, make([]Reply, 1)) },
		"too many":      func(f *Flow) Step { f.Ask(requests(1), never); return f.Next(ctx, make([]Reply, 2)) },
		"none":          func(f *Flow) Step { f.Ask(requests(1), never); return f.Next(ctx, nil) },
		"after the end": func(f *Flow) Step {
			f.Ask(requests(1), func([]Reply) Step { return Fail("the end") })
			f.Next(ctx, make([]Reply, 1))
			return f.Next(ctx, make([]Reply, 1))
		},
		"after too few": func(f *Flow) Step {
			f.Ask(requests(2), never)
			f.Next(ctx, make([]Reply, 1))
			return f.Next(ctx, make([]Reply, 2))
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
	if step := f.Next(t.Context(), make([]Reply, 1)); step.Err == nil || step.Err.Error() != "the new poll" {
		t.Errorf("the step is %+v", step)
	}
}

func TestReplyIsReadAsWhatIsDue(t *testing.T) {
	for _, tc := range []struct {
		name  string
		reply Reply
		// what reading it as each says; "" is no error
		asInt, asText, asList string
	}{
		{"integer", Int(3), "", "the answer is an integer where text is due", "the answer is an integer where a list is due"},
		{"text", Text("x"), "the answer is text where an integer is due", "", "the answer is text where a list is due"},
		{"list", List(Text("x")), "the answer is a list where an integer is due", "the answer is a list where text is due", ""},
		// A missing list is empty and a missing text, too; a missing number is not 0.
		{"nothing", Reply{}, "the answer is nothing where an integer is due", "", ""},
		{"refusal", Refusal("NOPERM no LLEN for you"), "NOPERM: no LLEN for you", "NOPERM: no LLEN for you", "NOPERM: no LLEN for you"},
		{"bare refusal", Refusal("AccessDenied"), "AccessDenied", "AccessDenied", "AccessDenied"},
	} {
		_, errInt := tc.reply.Int()
		_, errText := tc.reply.Text()
		_, errList := tc.reply.List()
		for i, got := range []error{errInt, errText, errList} {
			want := []string{tc.asInt, tc.asText, tc.asList}[i]
			if said := errorText(got); said != want {
				t.Errorf("%s as %s says %q, want %q", tc.name, []string{"an integer", "text", "a list"}[i], said, want)
			}
		}
	}
	if n, err := Int(3).Int(); n != 3 || err != nil {
		t.Errorf("3 is %d, %v", n, err)
	}
	r := Refusal("NOPERM no LLEN for you")
	if want := (Error{"NOPERM", "no LLEN for you"}); r.Code() != "NOPERM" || !errors.Is(r.Err(), want) || CodeOf(fmt.Errorf("asked: %w", r.Err())) != "NOPERM" {
		t.Errorf("the refusal's code is %q, its error %v", r.Code(), r.Err())
	}
	if r := Text("NOPERM"); r.Code() != "" || r.Err() != nil || CodeOf(errors.New("x")) != "" {
		t.Error("text is no refusal")
	}
}

func TestCountOfABrokenRedisIsNone(t *testing.T) {
	for n, ok := range map[int64]bool{0: true, 7: true, protocol.MaxCount: true, -1: false, -78: false, protocol.MaxCount + 1: false} {
		got, err := Int(n).Count()
		if ok != (err == nil) || ok && got != n {
			t.Errorf("%d is %d, %v", n, got, err)
		}
	}
	if _, err := Refusal("WRONGTYPE x").Count(); CodeOf(err) != "WRONGTYPE" {
		t.Errorf("a refusal is %v", err)
	}
}

func TestCommandIsTheNameOfItsDescription(t *testing.T) {
	for want, r := range map[string]Request{
		"": nil, "LLEN": {"llen", "x"}, "CLIENT LIST": {"Client", "list"}, "CLIENT": {"CLIENT"}, "XINFO GROUPS": {"XINFO", "GROUPS", "x"}, "GET": {"GET", "LIST"},
	} {
		if got := r.Command(); got != want {
			t.Errorf("%q is %q, want %q", r, got, want)
		}
	}
}

func scanned(cursor string, keys ...string) Reply {
	return List(Text(cursor), List(replies(keys...)...))
}

// walkPart makes one part of a walk, with a reply for each of its rounds.
func walkPart(t *testing.T, w *Walk, now time.Time, pages ...Reply) {
	t.Helper()
	for i, page := range pages {
		more, err := w.Take(page, now, func(key string) {
			if !w.Knows(key) {
				w.Add(key)
			}
		})
		if err != nil || more != (i < len(pages)-1) {
			t.Fatalf("after page %d of %d it wants more: %v, %v", i+1, len(pages), more, err)
		}
	}
}

func TestWalkForgetsWhatAWholeWalkDidNotSee(t *testing.T) {
	noon := time.UnixMilli(1_764_000_000_000)
	w := NewWalk("bull:*", "TYPE", "list")
	if got := strings.Join(w.Request(), " "); got != "SCAN 0 MATCH bull:* TYPE list COUNT 10000" {
		t.Errorf("it asks %s", got)
	}
	walkPart(t, w, noon, scanned("5", "a", "b"), scanned("0", "c"))
	if got := w.Names(); !slices.Equal(got, []string{"a", "b", "c"}) || !w.wholeWalk {
		t.Errorf("it has found %q, after a whole walk: %v", got, w.wholeWalk)
	}
	if !w.Rests(noon.Add(restAfterWalk-1)) || w.Rests(noon.Add(restAfterWalk)) {
		t.Error("it does not rest as long as it should")
	}
	// The next walk takes two polls; what it has not seen is there until its end.
	later := make([]Reply, laterRounds)
	for i := range later {
		later[i] = scanned("7", "a")
	}
	walkPart(t, w, noon.Add(time.Minute), later...)
	if got := w.Names(); !slices.Equal(got, []string{"a", "b", "c"}) || w.ended {
		t.Errorf("in the middle of a walk it has %q", got)
	}
	if got := w.Request(); got[1] != "7" || got[len(got)-1] != "5000" {
		t.Errorf("it goes on with %q", got)
	}
	walkPart(t, w, noon.Add(time.Minute), scanned("0", "d"))
	if got := w.Names(); !slices.Equal(got, []string{"a", "d"}) {
		t.Errorf("after it there are %q", got)
	}
	if got := w.Names(); !slices.Equal(got, []string{"a", "d"}) {
		t.Errorf("asked again there are %q", got)
	}
}

func TestWalkThatIsRefusedBeginsAnew(t *testing.T) {
	w := NewWalk("*")
	walkPart(t, w, time.Time{}, scanned("5", "a"), scanned("6"), scanned("0"))
	for _, r := range []Reply{Refusal("NOPERM no SCAN for you"), Int(7), List(), List(Int(1), Int(2)), Text("x")} {
		if more, err := w.Take(r, time.Time{}, func(string) { t.Error("a key") }); more || err == nil {
			t.Errorf("%+v is taken: %v, %v", r, more, err)
		}
		if got := w.Request(); got[1] != "0" {
			t.Errorf("it goes on with %q", got)
		}
		if got := w.Names(); !slices.Equal(got, []string{"a"}) {
			t.Errorf("it has %q", got)
		}
		// In the middle of a walk, too.
		if more, err := w.Take(scanned("5"), time.Time{}, func(string) {}); !more || err != nil {
			t.Fatalf("a page is taken: %v, %v", more, err)
		}
	}
}

// TestWalkIsGentleAfterItsFirstPart: the first poll may look at many keys at once, later ones may not,
// and that holds after a refusal too.
func TestWalkIsGentleAfterItsFirstPart(t *testing.T) {
	noon := time.UnixMilli(1_764_000_000_000)
	pages := func(n int) []Reply {
		out := make([]Reply, n)
		for i := range out {
			out[i] = scanned("5")
		}
		return out
	}
	for name, first := range map[string]func(*Walk){
		"a whole part": func(w *Walk) { walkPart(t, w, noon, pages(firstRounds)...) },
		"a whole walk": func(w *Walk) { walkPart(t, w, noon, scanned("0")) },
		"a refusal":    func(w *Walk) { _, _ = w.Take(Refusal("NOPERM"), noon, nil) },
		"an early end": func(w *Walk) { _, _ = w.Take(scanned("5"), noon, nil); w.pause() },
		"two refusals": func(w *Walk) {
			_, _ = w.Take(Refusal("NOPERM"), noon, nil)
			_, _ = w.Take(Refusal("NOPERM"), noon, nil)
		},
		"two walks": func(w *Walk) { walkPart(t, w, noon, scanned("0")); walkPart(t, w, noon, scanned("3"), scanned("0")) },
		"a whole later": func(w *Walk) {
			walkPart(t, w, noon, pages(firstRounds)...)
			walkPart(t, w, noon, pages(laterRounds)...)
		},
	} {
		w := NewWalk("*")
		first(w)
		later := noon.Add(time.Hour)
		for part := range 2 {
			if got := w.Request(); got[len(got)-1] != "5000" {
				t.Errorf("after %s: part %d asks %q", name, part, got)
			}
			walkPart(t, w, later, pages(laterRounds)...)
			if w.ended {
				t.Errorf("after %s: part %d is said to be a walk's end", name, part)
			}
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestQuestionsKeepTheirWords: many requests share lists of words, and none may take another's.
func TestQuestionsKeepTheirWords(t *testing.T) {
	var q Questions[int]
	var want []Request
	for i := range 1000 {
		r := Request{"LRANGE", fmt.Sprint("key", i)}
		if i%100 == 0 {
			r = append(r, make([]string, 3*wordsAtOnce)...)
		}
		q.Ask(i, r...)
		want = append(want, slices.Clone(r))
		r[1] = "reused by the caller"
	}
	for i := range q.Requests {
		_ = append(q.Requests[i], "more") // into no other's place
	}
	if !slices.EqualFunc(q.Requests, want, func(a, b Request) bool { return slices.Equal(a, b) }) {
		t.Error("the requests are not what was asked")
	}
	for i, what := range q.For {
		if what != i {
			t.Fatalf("request %d is for %d", i, what)
		}
	}
}
