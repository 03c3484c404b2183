package redislist

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
	"github.com/gravito-framework/pulse/protocol"
)

var noon = time.UnixMilli(1_764_000_000_000)

// keys is a Redis: a list's length, or another type's name, by key. Real ones are in real_test.go;
// this one can be wrong in ways that a real one seldom is.
type keys struct {
	lists   map[string]int64
	others  map[string]string        // type by key
	refused map[string]adapter.Reply // by key, or "SCAN"
	old     bool                     // its SCAN takes no TYPE
	all     []string                 // all keys in order, where to sort them each time is slow
}

func (k keys) answer(r adapter.Request) adapter.Reply {
	if refusal, ok := k.refused[r[0]]; ok {
		return refusal
	}
	if r[0] == "SCAN" {
		return k.scan(r)
	}
	if refusal, ok := k.refused[r[1]]; ok {
		return refusal
	}
	if other, ok := k.others[r[1]]; ok {
		if r[0] == "TYPE" {
			return adapter.Text(other)
		}
		return adapter.Refusal("WRONGTYPE Operation against a key holding the wrong kind of value")
	}
	if r[0] == "TYPE" {
		return adapter.Text("list")
	}
	return adapter.Int(k.lists[r[1]])
}

// scan answers a SCAN; one that is old refuses a TYPE.
func (k keys) scan(r adapter.Request) adapter.Reply {
	if k.old && slices.Contains(r, "TYPE") {
		return adapter.Refusal("ERR syntax error")
	}
	all := k.all
	if all == nil {
		all = append(slices.Sorted(maps.Keys(k.lists)), slices.Sorted(maps.Keys(k.others))...)
	}
	return adaptertest.Scan(r, all, func(key string) string {
		if other, ok := k.others[key]; ok {
			return other
		}
		return "list"
	})
}

func (k keys) poll(t *testing.T, s adapter.Session, now time.Time) (*protocol.QueueSnapshot, int, error) {
	t.Helper()
	snapshot, asked, err := adaptertest.Poll(t, Adapter{}, s, now, k.answer)
	return snapshot, adaptertest.Count(asked), err
}

func openFor(t testing.TB, list string) *session {
	t.Helper()
	s, err := Adapter{}.Open(t.Context(), adapter.Settings{"app": "shop", "source": "redis", SettingKeys: list})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*session)
}

// waiting are a snapshot's queues and how many wait in each.
func waiting(s *protocol.QueueSnapshot) map[string]int64 {
	out := map[string]int64{}
	for _, q := range s.Queues {
		out[q.Name] = q.Metrics.Waiting
	}
	return out
}

func TestListIsItsLengthAndNothingElse(t *testing.T) {
	s, asked, err := keys{lists: map[string]int64{"jobs:mail": 3}}.poll(t, openFor(t, "jobs:mail"), noon)
	if err != nil {
		t.Fatal(err)
	}
	var meta protocol.Meta
	meta.SetText("driver", DriverName)
	want := []protocol.Queue{{Name: "jobs:mail", Driver: protocol.DriverOther, Metrics: protocol.Metrics{Waiting: 3}, Meta: meta}}
	if diff := cmp.Diff(want, s.Queues); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if asked != 1 || len(s.Problems) > 0 {
		t.Errorf("it asked %d requests and says %v", asked, s.Problems)
	}
}

func TestNamedListThatIsNotThereIsEmptyWithAHint(t *testing.T) {
	k := keys{lists: map[string]int64{}}
	s := openFor(t, "mail")
	first, _, err := k.poll(t, s, noon)
	if err != nil || first.Queues[0].Metrics.Waiting != 0 || !strings.Contains(first.Queues[0].Meta.Text("error"), "no such key") {
		t.Errorf("%+v, %v: 0 and a hint are due", first, err)
	}
	k.lists["mail"] = 2
	if _, _, err := k.poll(t, s, noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	k.lists["mail"] = 0
	last, _, _ := k.poll(t, s, noon.Add(3*time.Hour))
	if got := last.Queues[0]; got.Metrics.Waiting != 0 || got.Meta.Has("error") || got.Meta.Text("driver") != DriverName {
		t.Errorf("%+v: a list that was seen is simply empty", got)
	}
}

func TestGlobsSelectLists(t *testing.T) {
	for _, old := range []bool{false, true} {
		k := keys{
			old:    old,
			lists:  map[string]int64{"jobs:a": 1, "jobs:b": 2, "work:c": 3, "pulse:x": 9, "jobs": 4, "jobs:\xff": 5, "jobs:ü": 6},
			others: map[string]string{"jobs:set": "set", "jobs:zset": "zset"},
		}
		for globs, want := range map[string]map[string]int64{
			"*":             {"jobs:a": 1, "jobs:b": 2, "work:c": 3, "jobs": 4, "jobs:ü": 6},
			"jobs:?":        {"jobs:a": 1, "jobs:b": 2, "jobs:ü": 6},
			"jobs:*,work:c": {"jobs:a": 1, "jobs:b": 2, "work:c": 3, "jobs:ü": 6},
			"[jw]o*:c,none": {"work:c": 3, "none": 0},
		} {
			s := openFor(t, globs)
			for i := range 3 {
				got, _, err := k.poll(t, s, noon.Add(time.Duration(i)*time.Minute))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, waiting(got)); diff != "" {
					t.Errorf("%s, old %v (-want +got):\n%s", globs, old, diff)
				}
				if problem := fmt.Sprint(got.Problems); strings.HasPrefix(globs, "[") != (problem == "[]") || len(got.Problems) > 1 ||
					len(got.Problems) == 1 && !strings.Contains(problem, "UTF-8") {
					t.Errorf("%s, old %v: problems are %v", globs, old, got.Problems)
				}
			}
		}
	}
}

func TestWhatGlobsBeginWithNarrowsTheSearch(t *testing.T) {
	for list, want := range map[string]string{
		"*": "*", "jobs:*": "jobs:*", "jobs:*,jobless?": "job*", "jobs:*,work:*": "*", "named,jobs:[a]": "jobs:*", `a\*b[c],a\*b?`: `a\*b*`,
	} {
		if got := openFor(t, list).walk.Request()[3]; got != want {
			t.Errorf("%s is looked for with MATCH %s, want %s", list, got, want)
		}
	}
}

func TestNamedListsAreNotLookedFor(t *testing.T) {
	if s := openFor(t, `orders,we\[i\]rd\*`); s.walk != nil {
		t.Error("keys start a walk through all keys")
	}
}

func TestFoundListThatEmptiesStaysForAnHour(t *testing.T) {
	k := keys{lists: map[string]int64{"a": 1, "b": 1}}
	s := openFor(t, "*")
	if _, _, err := k.poll(t, s, noon); err != nil {
		t.Fatal(err)
	}
	delete(k.lists, "b")
	for _, tc := range []struct {
		after time.Duration
		want  map[string]int64
	}{
		{10 * time.Second, map[string]int64{"a": 1, "b": 0}},
		{59 * time.Minute, map[string]int64{"a": 1, "b": 0}},
		{60 * time.Minute, map[string]int64{"a": 1, "b": 0}}, // and then it is forgotten
		{61 * time.Minute, map[string]int64{"a": 1}},
	} {
		got, _, err := k.poll(t, s, noon.Add(tc.after))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, waiting(got)); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", tc.after, diff)
		}
	}
}

// TestListThatIsTakenEmptyAsItIsFoundStays: between SCAN and its length a list may lose its last item.
func TestListThatIsTakenEmptyAsItIsFoundStays(t *testing.T) {
	k := keys{lists: map[string]int64{"a": 0, "b": 1}}
	s := openFor(t, "*")
	for i := range 3 {
		got, _, err := k.poll(t, s, noon.Add(time.Duration(i)*10*time.Second))
		if err != nil || len(got.Queues) != 2 || got.Queues[0].Meta.Has("error") {
			t.Fatalf("poll %d: %+v, %v", i, got, err)
		}
	}
}

func TestNothingIsLookedForWhileTheWalkRests(t *testing.T) {
	k := keys{lists: map[string]int64{"a": 1, "b": 1}}
	s := openFor(t, "*")
	for i, want := range []int{3, 2, 2, 3} {
		if _, asked, err := k.poll(t, s, noon.Add(time.Duration(i)*10*time.Second)); err != nil || asked != want {
			t.Errorf("poll %d asks %d requests, %v; want %d", i, asked, err, want)
		}
	}
}

func TestEmptyListsAreRememberedUpToABound(t *testing.T) {
	k := keys{lists: map[string]int64{}}
	for i := range mostEmpty + 5 {
		k.lists[fmt.Sprintf("full:%05d", i)] = 1
		k.lists[fmt.Sprintf("task:%05d", i)] = 1
	}
	s := openFor(t, "*")
	for i := range 3 {
		if _, _, err := k.poll(t, s, noon.Add(time.Duration(i)*10*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	last := "task:00000" // it empties last
	maps.DeleteFunc(k.lists, func(key string, _ int64) bool { return strings.HasPrefix(key, "task:") && key != last })
	if _, _, err := k.poll(t, s, noon.Add(time.Minute)); err != nil { // after which the first are forgotten
		t.Fatal(err)
	}
	delete(k.lists, last)
	if _, _, err := k.poll(t, s, noon.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	got, _, _ := k.poll(t, s, noon.Add(3*time.Minute))
	n, kept := waiting(got)[last]
	if len(got.Queues) != mostEmpty+5+mostEmpty || n != 0 || !kept {
		t.Errorf("%d lists are reported, the last that emptied is one: %v; all that hold something and %d empty ones are due", len(got.Queues), kept, mostEmpty)
	}
}

func TestKeyThatIsNoListIsSaid(t *testing.T) {
	k := keys{lists: map[string]int64{"a": 1}, others: map[string]string{"b": "set"}, refused: map[string]adapter.Reply{"c": adapter.Refusal("NOPERM no permissions")}}
	s, _, err := k.poll(t, openFor(t, "a,b,c"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"a": 1}, waiting(s)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if len(s.Problems) != 2 || !strings.Contains(s.Problems[0].String(), `queue "b": WRONGTYPE`) || !strings.Contains(s.Problems[0].Reason, "is no list") ||
		!strings.Contains(s.Problems[1].Reason, "allow +llen on ~c (docs/acl.md)") {
		t.Errorf("problems are %v", s.Problems)
	}
}

func TestFoundListIsForgottenWhenItsKeyBecomesSomethingElse(t *testing.T) {
	k := keys{lists: map[string]int64{"a": 1, "b": 1}, others: map[string]string{}}
	s := openFor(t, "*")
	if _, _, err := k.poll(t, s, noon); err != nil {
		t.Fatal(err)
	}
	delete(k.lists, "b")
	k.others["b"] = "string"
	for i := range 3 {
		got, _, err := k.poll(t, s, noon.Add(time.Duration(i+1)*time.Minute))
		if err != nil || len(got.Queues) != 1 || len(got.Problems) > 0 {
			t.Errorf("%+v, %v: the list a and no problem are due", got, err)
		}
	}
}

func TestAllRefusedIsNoSnapshot(t *testing.T) {
	k := keys{refused: map[string]adapter.Reply{"LLEN": adapter.Refusal("NOPERM no permissions")}}
	s, _, err := k.poll(t, openFor(t, "a,b"), noon)
	if err == nil || s != nil || !strings.Contains(err.Error(), `read list "a": NOPERM`) {
		t.Errorf("snapshot %v, error %v", s, err)
	}
}

// TestRefusedScanThatLeavesNothingIsNoSnapshot: nor does it say that it is still looking.
func TestRefusedScanThatLeavesNothingIsNoSnapshot(t *testing.T) {
	k := keys{refused: map[string]adapter.Reply{"SCAN": adapter.Refusal("NOPERM no permissions")}}
	if s, _, err := k.poll(t, openFor(t, "b*"), noon); err == nil || !strings.HasPrefix(err.Error(), "find lists: NOPERM") {
		t.Errorf("snapshot %v, error %v", s, err)
	}
}

func TestRefusedScanStillReadsWhatIsNamed(t *testing.T) {
	k := keys{lists: map[string]int64{"a": 1}, refused: map[string]adapter.Reply{"SCAN": adapter.Refusal("NOPERM no permissions")}}
	s, _, err := k.poll(t, openFor(t, "a,b*"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"a": 1}, waiting(s)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Reason, "find lists: NOPERM: no permissions; allow +scan (docs/acl.md)") {
		t.Errorf("problems are %v", s.Problems)
	}
}

func TestListThatMayNotBeLookedAtIsSaid(t *testing.T) {
	k := keys{old: true, lists: map[string]int64{"a": 1, "b": 1}, refused: map[string]adapter.Reply{"b": adapter.Refusal("NOPERM no permissions")}}
	s := openFor(t, "*")
	for i := range 4 {
		got, _, err := k.poll(t, s, noon.Add(time.Duration(i)*10*time.Second))
		if err != nil || len(got.Queues) != 1 || len(got.Problems) != 1 || !strings.HasPrefix(got.Problems[0].Reason, `list "b" is left out, and perhaps others: NOPERM`) {
			t.Fatalf("poll %d: %+v, %v", i, got, err)
		}
	}
}

func TestNothingFoundIsSaid(t *testing.T) {
	s, _, err := keys{}.poll(t, openFor(t, "jobs:*"), noon)
	if err != nil || len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Reason, `no list was found that "jobs:*" selects`) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWalkThroughALargeRedisIsDoneInParts(t *testing.T) {
	k := keys{lists: map[string]int64{"a": 1}, others: map[string]string{}, all: []string{"a"}}
	for i := range 520_000 {
		key := fmt.Sprintf("c:%07d", i)
		k.others[key] = "string"
		k.all = append(k.all, key)
	}
	s := openFor(t, "*")
	first, asked, err := k.poll(t, s, noon)
	if err != nil || asked > 60 || !strings.Contains(fmt.Sprint(first.Problems), "still looking") {
		t.Errorf("%d requests, problems %v, %v", asked, first.Problems, err)
	}
	if second, _, _ := k.poll(t, s, noon.Add(10*time.Second)); len(second.Problems) > 0 || len(second.Queues) != 1 {
		t.Errorf("%+v after the walk's end", second)
	}
}

func TestBadSettingsAreRefused(t *testing.T) {
	for _, list := range []string{"", " , ", "a[", `a\`, "a\xff", strings.Repeat("x", 1025)} {
		if _, err := (Adapter{}).Open(t.Context(), adapter.Settings{"app": "shop", SettingKeys: list}); err == nil || !strings.HasPrefix(err.Error(), SettingKeys+" is ") {
			t.Errorf("keys %.80q: %v", list, err)
		}
	}
}

// FuzzReplies answers with anything: a poll may fail, but not panic, hang or break the protocol.
func FuzzReplies(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, "list")
	f.Add([]byte{5, 2, 1, 0, 5, 3, 3, 1}, "ERR syntax error")
	f.Fuzz(func(t *testing.T, shape []byte, text string) {
		s := openFor(t, "*,q")
		page := adaptertest.Reply([]any{text, 1, "x" + text})
		anything := adaptertest.Anything{Shape: shape, Also: adaptertest.Fixed(
			adapter.Text(text), adapter.Refusal(text), adapter.List(adapter.Text("0"), page), adapter.List(adapter.Text("1"), page),
		)}
		for round := range 3 {
			_, _, _ = adaptertest.Poll(t, Adapter{}, s, noon.Add(time.Duration(round)*time.Hour), anything.Reply)
		}
	})
}

// BenchmarkPoll is what a poll of a thousand lists costs beside Redis.
func BenchmarkPoll(b *testing.B) {
	var list strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&list, "jobs:%d,", i)
	}
	s := openFor(b, list.String())
	replies := make([]adapter.Reply, 1000)
	for i := range replies {
		replies[i] = adapter.Int(int64(i + 1))
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Poll(b.Context(), noon)
		if step := s.Next(b.Context(), replies); len(step.Snapshot.Queues) != 1000 {
			b.Fatal(step.Err)
		}
	}
}
