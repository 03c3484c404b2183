package adapter

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/protocol"
)

// keyWalk is a walk to lists that patterns select, over a Redis that answers by hand.
type keyWalk struct {
	*KeyWalk
	flow  Flow
	asked []string // what was asked of Redis at the last part
}

func newKeyWalk(t *testing.T, patterns string) *keyWalk {
	t.Helper()
	ps, ok := parsePatterns(patterns)
	if !ok {
		t.Fatalf("the patterns %q are wrong", patterns)
	}
	return &keyWalk{KeyWalk: NewKeyWalk(ps, "list", func(err error, command, key string) string {
		return fmt.Sprintf("%v; allow +%s on %s", err, command, key)
	})}
}

// part takes a part, at which each request is answered by what it asks; without an answer of its own
// TYPE says list.
func (w *keyWalk) part(t *testing.T, have Room, known []string, answers map[string]Reply) (found []string, err error) {
	t.Helper()
	w.asked = nil
	isKnown := func(key string) bool { return slices.Contains(known, key) }
	step := w.Find(&w.flow, time.UnixMilli(1_764_000_000_000), have, isKnown, func(keys []string, failed error) Step {
		found, err = keys, failed
		return Fail("the part is over")
	})
	for len(step.Requests) > 0 {
		replies := make([]Reply, len(step.Requests))
		for i, r := range step.Requests {
			asked := strings.Join(r, " ")
			w.asked = append(w.asked, asked)
			replies[i] = Text("list")
			for what, answer := range answers {
				if strings.HasPrefix(asked, what) {
					replies[i] = answer
				}
			}
		}
		step = w.flow.Next(t.Context(), replies)
	}
	return found, err
}

func TestKeyWalkFindsWhatItsPatternsSelectAndIsNew(t *testing.T) {
	w := newKeyWalk(t, "jobs:*,named,puls*,job?")
	found, err := w.part(t, Room{}, []string{"jobs:known"}, map[string]Reply{
		"SCAN 0": scanned("7", "jobs:b", "jobs:known", "pulse:queues:shop", "pulsar", "named", "mail", "joby"),
		"SCAN 7": scanned("0", "jobs:a", "jobs:b"),
	})
	if want := []string{"jobs:a", "jobs:b", "joby", "named", "pulsar"}; err != nil || !slices.Equal(found, want) {
		t.Errorf("found %q, %v, want %q", found, err, want)
	}
	if diff := cmp.Diff([]string{"SCAN 0 MATCH * TYPE list COUNT 10000", "SCAN 7 MATCH * TYPE list COUNT 10000"}, w.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if text := w.Problem(); text != "" {
		t.Errorf("it says %q", text)
	}
}

func TestWhatGlobsBeginWithNarrowsTheSearch(t *testing.T) {
	for patterns, want := range map[string]string{
		"*": "*", "jobs:*": "jobs:*", "jobs:*,jobless?": "job*", "jobs:*,work:*": "*", "named,jobs:[a]": "jobs:*", `a\*b[c],a\*b?`: `a\*b*`,
	} {
		if got := newKeyWalk(t, patterns).Request()[3]; got != want {
			t.Errorf("%s is looked for with MATCH %s, want %s", patterns, got, want)
		}
	}
}

func TestKeyWalkAsksAnOldRedisWhatEachNewKeyIs(t *testing.T) {
	w := newKeyWalk(t, "jobs:*")
	answers := map[string]Reply{
		"SCAN 0 MATCH jobs:* TYPE":  Refusal("ERR syntax error"),
		"SCAN 0 MATCH jobs:* COUNT": scanned("0", "jobs:b", "jobs:a", "jobs:set", "jobs:secret", "jobs:known", "jobs:a"),
		"TYPE jobs:set":             Text("set"),
		"TYPE jobs:secret":          Refusal("NOPERM no permissions"),
	}
	found, err := w.part(t, Room{}, []string{"jobs:known"}, answers)
	if err != nil || !slices.Equal(found, []string{"jobs:a", "jobs:b"}) {
		t.Errorf("found %q, %v", found, err)
	}
	want := []string{
		"SCAN 0 MATCH jobs:* TYPE list COUNT 10000", "SCAN 0 MATCH jobs:* COUNT 10000",
		"TYPE jobs:a", "TYPE jobs:b", "TYPE jobs:secret", "TYPE jobs:set",
	}
	if diff := cmp.Diff(want, w.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if text := w.Problem(); text != `list "jobs:secret" is left out, and perhaps others: NOPERM: no permissions; allow +type on jobs:secret` {
		t.Errorf("it says %q", text)
	}
	// It has learned that this Redis is old.
	if _, err := w.part(t, Room{}, nil, answers); err != nil || w.asked[0] != "SCAN 0 MATCH jobs:* COUNT 5000" {
		t.Errorf("the next part asks %q, %v", w.asked, err)
	}
}

func TestKeyWalkThatIsRefusedSaysWhatItLacks(t *testing.T) {
	for refusal, want := range map[string]string{
		"NOPERM no permissions": "find lists: NOPERM: no permissions; allow +scan on ",
		"ERR syntax error":      "find lists: ERR: syntax error; allow +scan on ", // without TYPE, too
		"ERR unknown command":   "find lists: ERR: unknown command; allow +scan on ",
	} {
		w := newKeyWalk(t, "*")
		if found, err := w.part(t, Room{}, nil, map[string]Reply{"SCAN": Refusal(refusal)}); errorText(err) != want || found != nil || len(w.asked) > 2 {
			t.Errorf("%s: found %q, %v, asked %q", refusal, found, err, w.asked)
		}
	}
}

func TestKeyThatCannotBeReportedDoesNotHideItsNeighbours(t *testing.T) {
	w := newKeyWalk(t, "*")
	found, err := w.part(t, Room{names: protocol.MaxQueues - 2}, nil, map[string]Reply{"SCAN": scanned("0", "a", "a\xff", "b")})
	if err != nil || !slices.Equal(found, []string{"a", "b"}) || !strings.Contains(w.Problem(), "its name is not UTF-8") {
		t.Errorf("found %q, %v, it says %q", found, err, w.Problem())
	}
	found, err = w.part(t, Room{names: protocol.MaxQueues - 1}, nil, map[string]Reply{"SCAN": scanned("0", "a", "b", "c")})
	if err != nil || !slices.Equal(found, []string{"a"}) || w.Problem() != `list "b" is left out, and perhaps others: 100000 lists are the most that one reporter reports; select fewer` {
		t.Errorf("found %q, %v, it says %q", found, err, w.Problem())
	}
}

// TestNamesAreBoundedInBytesToo: a session keeps each name many times.
func TestNamesAreBoundedInBytesToo(t *testing.T) {
	w := newKeyWalk(t, "*")
	long := strings.Repeat("x", 1000)
	known := map[string]bool{}
	for i := range 1048 {
		known[fmt.Sprintf("%04d%s", i, long[4:])] = true
	}
	found, err := w.part(t, RoomBeside(known), nil, map[string]Reply{"SCAN": scanned("0", "a", "b"+long, "c")})
	if want := "the names of 1049 lists have 1048001 bytes, and one driver keeps 1048576; select fewer"; err != nil || !slices.Equal(found, []string{"a"}) || !strings.HasSuffix(w.Problem(), want) {
		t.Errorf("found %q, %v, it says %q", found, err, w.Problem())
	}
}

// TestPartTakesOnlySoManyBytesOfNewKeys: they wait, with what is asked of them, until all are there.
func TestPartTakesOnlySoManyBytesOfNewKeys(t *testing.T) {
	w := newKeyWalk(t, "*")
	if _, err := w.part(t, Room{}, nil, map[string]Reply{"SCAN": scanned("7", strings.Repeat("x", newBytesAtOnce))}); err != nil || len(w.asked) != 1 {
		t.Errorf("it asked %d times, %v", len(w.asked), err)
	}
}

func TestPartTakesOnlySoManyNewKeys(t *testing.T) {
	page := func(cursor string, first, n int) Reply {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = fmt.Sprintf("%06d", first+i)
		}
		return scanned(cursor, keys...)
	}
	answers := map[string]Reply{
		"SCAN 0 ": page("1", 0, newAtOnce-1), "SCAN 1 ": page("2", newAtOnce, 5), "SCAN 2 ": page("3", 2*newAtOnce, 5), "SCAN 3 ": page("0", 3*newAtOnce, 5),
	}
	w := newKeyWalk(t, "*")
	if found, err := w.part(t, Room{}, nil, answers); err != nil || len(found) != newAtOnce+4 || len(w.asked) != 2 || w.Problem() != StillLooking {
		t.Errorf("%d keys are found by %q, %v, it says %q", len(found), w.asked, err, w.Problem())
	}
	// Known keys are not among them.
	if found, err := w.part(t, Room{}, []string{"040000"}, answers); err != nil || len(found) != 9 || len(w.asked) != 2 || !strings.HasSuffix(w.asked[0], "COUNT 5000") || w.Problem() != "" {
		t.Errorf("then %d keys are found by %q, %v, it says %q", len(found), w.asked, err, w.Problem())
	}
}

// TestWhatIsLeftOutIsSaidUntilAWholeWalkFindsNone: a walk may take many polls, and begin anew.
func TestWhatIsLeftOutIsSaidUntilAWholeWalkFindsNone(t *testing.T) {
	noon := time.UnixMilli(1_764_000_000_000)
	w := NewWalk("*")
	for i, step := range []struct {
		reply   Reply
		leftOut string
		want    string
	}{
		{scanned("5"), "", StillLooking},
		{scanned("6"), "one", "one"},
		{Refusal("NOPERM"), "", "one"}, // the walk begins anew
		{scanned("5"), "", "one"},
		{scanned("0"), "two", "two"},
		{scanned("5"), "three", "two"}, // of the last whole walk
		{scanned("0"), "", "three"},
		{scanned("5"), "", "three"},
		{scanned("0"), "", ""},
		{scanned("5"), "", ""},
		{scanned("5"), "four", "four"},
	} {
		_, _ = w.Take(step.reply, noon, func(string) {})
		if step.leftOut != "" {
			w.LeaveOut(step.leftOut)
		}
		if got := w.Problem(); got != step.want {
			t.Errorf("part %d: it says %q, want %q", i+1, got, step.want)
		}
	}
}
