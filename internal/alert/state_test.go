package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestMachine: each letter is a look in a minute: x it is so, c it is close, . it is not, ? it is not known, and -
// nobody looked, and B the clock is set back by an hour. After each look the alert is pending (p), firing (F), resolved (r) or not there (.).
func TestMachine(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lasts time.Duration
		looks string
		want  string
	}{
		"one look is none":                        {0, "x.", "p."},
		"two looks fire":                          {0, "xx", "pF"},
		"for its duration":                        {5 * time.Minute, "xxxxxx", "pppppF"},
		"it was not for a minute":                 {2 * time.Minute, "xx.xxx", "pp.ppF"},
		"close to it is not it":                   {0, "xcxx", "p.pF"},
		"not known is no look":                    {3 * time.Minute, "x?xx", "pppF"},
		"nor is a gap":                            {3 * time.Minute, "x-xx", "p-pF"},
		"but what is long ago doesn't count":      {3 * time.Minute, "x--xxxx", "p--pppF"},
		"nor is the time of a clock that is set":  {3 * time.Minute, "xxBxxxx", "ppBpppF"},
		"nor what was not known for long":         {3 * time.Minute, "x??xxxx", "ppppppF"},
		"over after two looks":                    {0, "xx..", "pFFr"},
		"one look without is nothing":             {0, "xx.x.x", "pFFFFF"},
		"close to it is not over":                 {0, "xx.c.c", "pFFFFF"},
		"not known is not over":                   {0, "xx.?.", "pFFFr"},
		"nor is it known again after a gap":       {0, "xx.----.", "pFF----r"},
		"back before all were told":               {0, "xx..xx", "pFFrpF"},
		"back for a moment before all were told":  {0, "xx..x.", "pFFrpr"},
		"over, and told":                          {0, "xx..?", "pFFrr"},
		"a duration of less than a minute, twice": {30 * time.Second, "xx", "pF"},
	} {
		s := &state{}
		got := ""
		clock := int64(1_764_000_000_000)
		for i, look := range tc.looks {
			now := clock + int64(i)*(time.Minute-90*time.Millisecond).Milliseconds() // looks are not quite a minute apart
			v := map[rune]verdict{'x': isSo, 'c': isClose, '.': isNot, '?': unknown}[look]
			switch {
			case look == '-':
				got += "-"
				continue
			case look == 'B':
				clock -= time.Hour.Milliseconds()
				got += "B"
				continue
			case s.Phase == "" && v == isSo:
				s = &state{Phase: pending, Since: now, Seen: now, Looks: 1}
			case s.Phase != "" && !s.advance(v, tc.lasts, now):
				s = &state{}
			}
			if s.Phase == firing && s.Sent == nil {
				s.tried("a", notice{as: firing}, true, now)
			}
			got += map[phase]string{"": ".", pending: "p", firing: "F", resolved: "r"}[s.Phase]
		}
		if got != tc.want {
			t.Errorf("%s: after %s it is %s, want %s", name, tc.looks, got, tc.want)
		}
	}
}

// TestDeadBand: a number must fall well below its limit before the alert is over.
func TestDeadBand(t *testing.T) {
	t.Parallel()
	rules, err := ParseRules("waiting>1000")
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[float64]verdict{1001: isSo, 1000: isClose, 901: isClose, 900: isNot, 0: isNot} {
		if got := rules[0].judge(look{known: true, value: value}); got != want {
			t.Errorf("%v is %v, want %v", value, got, want)
		}
	}
	if got := rules[0].judge(look{value: 5000}); got != unknown {
		t.Errorf("what is not known is %v", got)
	}
}

// TestDue: who is told when.
func TestDue(t *testing.T) {
	t.Parallel()
	const now = 1_764_000_000_000
	ago := func(d time.Duration) map[string]int64 { return map[string]int64{"a": now - d.Milliseconds()} }
	for name, tc := range map[string]struct {
		s    state
		want bool
	}{
		"pending":                              {state{Phase: pending}, false},
		"firing":                               {state{Phase: firing}, true},
		"firing, told another":                 {state{Phase: firing, Sent: map[string]int64{"b": now}}, true},
		"firing, told":                         {state{Phase: firing, Sent: ago(time.Hour)}, false},
		"firing, told long ago":                {state{Phase: firing, Sent: ago(4 * time.Hour), isSeen: true}, true},
		"and the look is a little early":       {state{Phase: firing, Sent: ago(4*time.Hour - jitter), isSeen: true}, true},
		"and a little more":                    {state{Phase: firing, Sent: ago(4*time.Hour - jitter - time.Millisecond), isSeen: true}, false},
		"told long ago, and now not known":     {state{Phase: firing, Sent: ago(4 * time.Hour)}, false},
		"never told, and now not known":        {state{Phase: firing}, true},
		"another is at it":                     {state{Phase: firing, Trying: ago(time.Minute)}, false},
		"another was, by a clock that was set": {state{Phase: firing, Trying: ago(-time.Hour)}, true},
		"another was, and ended":               {state{Phase: firing, Trying: ago(2 * time.Minute)}, true},
		"resolved":                             {state{Phase: resolved, Sent: ago(time.Minute)}, true},
		"resolved, and told so":                {state{Phase: resolved, Sent: map[string]int64{"b": now}}, false},
		"resolved, nobody knew":                {state{Phase: resolved}, false},
		"resolved, another is at it":           {state{Phase: resolved, Sent: ago(time.Hour), Trying: ago(0)}, false},
		"pending again, of what was not over":  {state{Phase: pending, Sent: ago(time.Hour)}, false},
	} {
		if got := tc.s.isDue("a", 4*time.Hour, now); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestTold: what is noted late is left where another manager has told the channel since.
func TestTold(t *testing.T) {
	t.Parallel()
	const began, later = 1_764_000_000_000, 1_764_000_060_000
	at := func(ms int64) map[string]int64 { return map[string]int64{"a": ms} }
	for name, tc := range map[string]struct {
		sent, trying map[string]int64
		n            notice
		isTold       bool
		want, still  int64 // what is then in Sent and in Trying
	}{
		"it fires":                {nil, at(began), notice{as: firing}, true, began, 0},
		"it fires still":          {at(1), at(began), notice{as: firing, sent: 1}, true, began, 0},
		"it is over":              {at(1), at(began), notice{as: resolved, sent: 1}, true, 0, 0},
		"over, by a clock set":    {at(later), at(began), notice{as: resolved, sent: later}, true, 0, 0},
		"it could not be told":    {at(1), at(began), notice{as: resolved, sent: 1}, false, 1, 0},
		"it fires anew":           {at(later), nil, notice{as: resolved, sent: 1}, true, later, 0},
		"told by another since":   {at(later), nil, notice{as: firing, sent: 1}, true, later, 0},
		"another is at it":        {at(1), at(later), notice{as: firing, sent: 1}, true, began, later},
		"another is at it, alone": {at(1), at(later), notice{as: firing, sent: 1}, false, 1, later},
	} {
		s := &state{Sent: tc.sent, Trying: tc.trying}
		s.tried("a", tc.n, tc.isTold, began)
		if s.Sent["a"] != tc.want || s.Trying["a"] != tc.still {
			t.Errorf("%s: sent %v, trying %v, want %d and %d", name, s.Sent, s.Trying, tc.want, tc.still)
		}
	}
}

// TestStatesOfOthersAreLeftOut: what is in Redis may be rubbish.
func TestStatesOfOthersAreLeftOut(t *testing.T) {
	t.Parallel()
	s := &state{Phase: firing, Rule: "lost", App: "shop", Kind: "reporter", Key: "sqs", Since: 1, Reason: strings.Repeat("x", 5000), Sent: map[string]int64{"a": 1}}
	text := s.encode()
	if diff := cmp.Diff(s, decodeState(s.fingerprint(), text), cmpopts.IgnoreUnexported(state{})); diff != "" || len(s.Reason) > maxReason+3 {
		t.Errorf("it is read as (-want +got):\n%s", diff)
	}
	for name, bad := range map[string][2]string{
		"no JSON": {s.fingerprint(), "{"}, "a list": {s.fingerprint(), "[]"}, "another's": {"0123456789abcdef", text},
		"no phase": {s.fingerprint(), strings.Replace(text, "firing", "burning", 1)}, "large": {s.fingerprint(), text + strings.Repeat(" ", maxState)},
	} {
		if got := decodeState(bad[0], bad[1]); got != nil {
			t.Errorf("%s is read as %+v", name, got)
		}
	}
}
