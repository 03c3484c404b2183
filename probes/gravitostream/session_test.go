package gravitostream

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
	"github.com/gravito-framework/pulse/protocol"
)

var noon = time.UnixMilli(1_764_000_000_000)

type (
	list  int64
	zset  int64
	value string
	hash  struct{}
)

// keys is a Redis: lists and sorted sets by their length, texts, and refusals. "SCAN" and "TYPE" are what
// these commands answer if they are refused. A real one is in real_test.go; this one can be wrong in
// ways that a real one seldom is.
type keys map[string]any

func (k keys) answer(r adapter.Request) adapter.Reply {
	if refusal, ok := k[r[0]].(adapter.Reply); ok {
		return refusal
	}
	if r[0] == "SCAN" {
		return adaptertest.Scan(r, slices.Sorted(maps.Keys(k)), nil)
	}
	wrong := adapter.Refusal("WRONGTYPE Operation against a key holding the wrong kind of value")
	v, there := k[r[1]]
	if refusal, ok := v.(adapter.Reply); ok {
		return refusal
	}
	switch r[0] {
	case "TYPE":
		return adapter.Text(map[string]string{"list": "list", "zset": "zset", "value": "string", "hash": "hash"}[strings.TrimPrefix(fmt.Sprintf("%T", v), "gravitostream.")])
	case "LLEN":
		if n, ok := v.(list); ok || !there {
			return adapter.Int(int64(n))
		}
	case "ZCARD":
		if n, ok := v.(zset); ok || !there {
			return adapter.Int(int64(n))
		}
	case "GET":
		if text, ok := v.(value); ok {
			return adapter.Text(string(text))
		}
		if !there {
			return adapter.Reply{}
		}
	}
	return wrong
}

func (k keys) poll(t *testing.T, s adapter.Session, now time.Time) (*protocol.QueueSnapshot, int, error) {
	t.Helper()
	snapshot, asked, err := adaptertest.Poll(t, Adapter{}, s, now, k.answer)
	return snapshot, adaptertest.Count(asked), err
}

func openFor(t testing.TB, queues string) *session {
	t.Helper()
	s, err := Adapter{}.Open(t.Context(), adapter.Settings{"app": "shop", "source": "redis", SettingQueues: queues})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*session)
}

func names(s *protocol.QueueSnapshot) []string {
	var out []string
	for _, q := range s.Queues {
		out = append(out, q.Name)
	}
	return out
}

// numbers are a snapshot's queues as short texts: waiting, delayed, failed, meta.
func numbers(s *protocol.QueueSnapshot) map[string]string {
	out := map[string]string{}
	for _, q := range s.Queues {
		text := fmt.Sprint(q.Metrics.Waiting)
		for _, n := range []*int64{q.Metrics.Active, q.Metrics.Delayed, q.Metrics.Failed} {
			if n == nil {
				text += " -"
				continue
			}
			text += fmt.Sprint(" ", *n)
		}
		out[q.Name] = text + " " + string(q.Meta.AppendJSON(nil))
	}
	return out
}

func TestEveryListOfAQueueIsCountedAndActiveIsUnknown(t *testing.T) {
	k := keys{
		"queue:mail": list(1), "queue:mail:critical": list(2), "queue:mail:high": list(4), "queue:mail:low": list(8),
		"queue:mail:delayed": zset(16), "queue:mail:critical:delayed": zset(32), "queue:mail:high:delayed": zset(64), "queue:mail:low:delayed": zset(128),
		"queue:mail:failed": list(256), "queue:mail:paused": value("1"),
		"queue:sms": list(3), "queue:sms:paused": value("0"),
		"queue:fax:delayed": zset(1),
	}
	want := map[string]string{
		"mail": `15 - 240 256 {"paused":true}`,
		"sms":  `3 - 0 0 {}`,
		"fax":  `0 - 1 0 {}`,
	}
	for _, queues := range []string{"mail,sms,fax", "*"} {
		s, _, err := k.poll(t, openFor(t, queues), noon)
		if err != nil || len(s.Problems) > 0 {
			t.Fatalf("problems %v, %v", s.Problems, err)
		}
		if diff := cmp.Diff(want, numbers(s)); diff != "" {
			t.Errorf("%s: waiting, active, delayed, failed, meta (-want +got):\n%s", queues, diff)
		}
		if s.Queues[0].Driver != protocol.DriverGravitoStream {
			t.Errorf("the driver is %s", s.Queues[0].Driver)
		}
	}
}

func TestFullListOfFailedJobsMeansOrMore(t *testing.T) {
	k := keys{"queue:a:failed": list(999), "queue:b:failed": list(1000)}
	s, _, err := k.poll(t, openFor(t, "a,b"), noon)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"a": `0 - 0 999 {}`,
		"b": `0 - 0 1000 {"failed_capped":true,"error":"1000 or more failed: Gravito Stream keeps the last 1000"}`,
	}
	if diff := cmp.Diff(want, numbers(s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestKeyBelongsToTheSelectedQueueThatKeepsIt(t *testing.T) {
	is := func(queue, kind string) string { return queue + " " + kind }
	for _, tc := range []struct{ queues, key, want string }{
		{"*", "mail", is("mail", "list")},
		{"*", "mail:high", is("mail", "list")},
		{"*", "mail:high:delayed", is("mail", "zset")},
		{"*", "mail:delayed", is("mail", "zset")},
		{"*", "mail:failed", is("mail", "list")},
		{"*", "mail:paused", is("mail", "string")},
		{"*", "a:b:c", is("a:b:c", "list")}, // names may hold a colon
		{"*", "a:b:low", is("a:b", "list")},
		{"*", "mail:highest", is("mail:highest", "list")},
		{"*", "mail:7", is("mail", "list") + " 7"},
		{"*", "mail:42", is("mail", "list") + " 42"},
		{"*", "mail:842", is("mail:842", "list")}, // an id
		{"*", "mail:07", is("mail:07", "list")},
		{"*", "mail:7:delayed", is("mail", "zset")},
		{"*", "tenant:42:failed", is("tenant:42", "list")}, // only queues have these
		{"*", "tenant:42:high", is("tenant:42", "list")},
		{"*", "mail:high:failed", is("mail:high", "list")}, // and is left out
		{"mail", "mail:high", is("mail", "list")},
		{"mail:*", "mail:high", is("mail:high", "list")}, // there is no other queue that it could be of
		{"mail:*", "mail:high:delayed", is("mail:high", "zset")},
		{"tenant:*", "tenant:42", is("tenant:42", "list")},
		{"*,tenant:42", "tenant:42", is("tenant:42", "list")}, // the settings say so
		{"*,tenant:42", "tenant:42:delayed", is("tenant:42", "zset")},
		{"mail*", "sms", ""},
		{"*", "high", is("high", "list")},
		{"*", "7", is("7", "list")},
		{"*", "active", ""},
		{"*", "activex", is("activex", "list")},
		{"*", "pending:x", ""},
		{"*", "worker:x:1", ""},
		{"*", "logs:x", ""},
		{"*", "schedules", ""},
		{"*", "schedule:x", ""},
		{"*", "lock:x", ""},
		{"*", "mail:ratelimit:1", ""},
	} {
		s := openFor(t, tc.queues)
		got := ""
		if c, ok := s.classify(tc.key); ok {
			got = is(c.queue, c.kind)
			if c.stranded != notStranded {
				got += fmt.Sprint(" ", c.stranded)
			}
		}
		if got != tc.want {
			t.Errorf("with %s selected, %s is of %q, want %q", tc.queues, tc.key, got, tc.want)
		}
	}
}

// Jobs of a numeric priority are written and never consumed.
func TestStrandedJobsAreToldAndAreNotWaiting(t *testing.T) {
	k := keys{"queue:mail": list(1), "queue:mail:7": list(2), "queue:mail:0": list(3), "queue:only:5": list(4)}
	want := map[string]string{
		"mail": `1 - 0 0 {"stranded":5,"stranded_priorities":["0","7"]}`,
		"only": `0 - 0 0 {"stranded":4,"stranded_priorities":["5"]}`,
	}
	for _, queues := range []string{"mail,only", "*"} {
		s := openFor(t, queues)
		for i := range 4 {
			got, _, err := k.poll(t, s, noon.Add(time.Duration(i)*20*time.Second))
			if err != nil || len(got.Problems) > 0 {
				t.Fatalf("problems %v, %v", got.Problems, err)
			}
			if diff := cmp.Diff(want, numbers(got)); diff != "" {
				t.Errorf("%s, poll %d (-want +got):\n%s", queues, i, diff)
			}
		}
	}
	delete(k, "queue:mail:7")
	s := openFor(t, "mail")
	got, _, _ := k.poll(t, s, noon)
	if n, _ := got.Queues[0].Meta.Int("stranded"); n != 3 {
		t.Errorf("%d are stranded, want 3", n)
	}
	// One that is empty again is asked once more, and then no longer.
	delete(k, "queue:mail:0")
	for i, want := range []int{perQueue + 1, perQueue} {
		if got, asked, err := k.poll(t, s, noon.Add(time.Duration(i+1)*time.Second)); err != nil || asked != want || got.Queues[0].Meta.Has("stranded") {
			t.Errorf("poll %d asks %d requests, want %d; %v, %v", i, asked, want, numbers(got), err)
		}
	}
}

func TestStrandedJobsOfAKnownQueueAreFound(t *testing.T) {
	k := keys{"queue:mail": list(1)}
	s := openFor(t, "*")
	if _, asked, err := k.poll(t, s, noon); err != nil || asked != 1+1+perQueue { // SCAN, TYPE
		t.Errorf("%d requests, %v: where there is a walk no priority is tried", asked, err)
	}
	k["queue:mail:7"] = list(2)
	got, _, err := k.poll(t, s, noon.Add(time.Minute))
	if n, _ := got.Queues[0].Meta.Int("stranded"); err != nil || n != 2 {
		t.Errorf("%v, %v", numbers(got), err)
	}
}

func TestStrandedJobsOfABrokenRedisStayExact(t *testing.T) {
	k := keys{"queue:mail": list(1), "queue:mail:7": list(protocol.MaxCount), "queue:mail:8": list(protocol.MaxCount)}
	got, _, err := k.poll(t, openFor(t, "mail"), noon)
	if n, _ := got.Queues[0].Meta.Int("stranded"); err != nil || n != protocol.MaxCount {
		t.Errorf("%v, %v", numbers(got), err)
	}
}

// TestLongNumberIsPartOfAName: it is an id, and no priority.
func TestLongNumberIsPartOfAName(t *testing.T) {
	k := keys{"queue:tenant:123": list(1), "queue:tenant:07": list(2)}
	got, _, err := k.poll(t, openFor(t, "*"), noon)
	if err != nil || !slices.Equal(names(got), []string{"tenant:07", "tenant:123"}) {
		t.Errorf("%v, %v", numbers(got), err)
	}
}

func TestQueueThatIsOnlyPausedIsThere(t *testing.T) {
	k := keys{"queue:mail:paused": value("1")}
	for _, queues := range []string{"mail", "*"} {
		s := openFor(t, queues)
		for i := range 4 {
			got, _, err := k.poll(t, s, noon.Add(time.Duration(i)*50*time.Minute))
			if want := map[string]string{"mail": `0 - 0 0 {"paused":true}`}; err != nil || cmp.Diff(want, numbers(got)) != "" {
				t.Errorf("%s, poll %d: %v, %v", queues, i, numbers(got), err)
			}
		}
	}
}

func TestMoreQueuesThanAReportHasRoomForAreSaid(t *testing.T) {
	s := openFor(t, "*")
	for i := range protocol.MaxQueues {
		s.queues[strconv.Itoa(i)] = nil
	}
	s.room = adapter.RoomBeside(s.queues)
	s.add(candidate{queue: "one-more", kind: "list", stranded: notStranded})
	if len(s.queues) != protocol.MaxQueues || !strings.Contains(s.walk.Problem(), "100000 queues are the most that one reporter reports") {
		t.Errorf("%d queues, it says %q", len(s.queues), s.walk.Problem())
	}
}

func TestPrioritiesOfNamedQueuesAreAskedNowAndThen(t *testing.T) {
	k := keys{"queue:mail": list(1)}
	s := openFor(t, "mail")
	for _, tc := range []struct {
		after time.Duration
		asked int
	}{{0, perQueue + probedPriorities}, {10 * time.Second, perQueue}, {59 * time.Second, perQueue}, {60 * time.Second, perQueue + probedPriorities}} {
		if _, asked, err := k.poll(t, s, noon.Add(tc.after)); err != nil || asked != tc.asked {
			t.Errorf("after %s: %d requests, %v; want %d", tc.after, asked, err, tc.asked)
		}
	}
}

func TestQueueWithANumberAtItsEndIsNotStranded(t *testing.T) {
	k := keys{"queue:tenant": list(1), "queue:tenant:4": list(2), "queue:tenant:5": list(4), "queue:tenant:5:failed": list(1)}
	for queues, want := range map[string]map[string]string{
		"*":               {"tenant": `1 - 0 0 {"stranded":2,"stranded_priorities":["4"]}`, "tenant:5": `4 - 0 1 {}`},
		"*,tenant:4":      {"tenant": `1 - 0 0 {}`, "tenant:4": `2 - 0 0 {}`, "tenant:5": `4 - 0 1 {}`},
		"tenant:*":        {"tenant:4": `2 - 0 0 {}`, "tenant:5": `4 - 0 1 {}`},
		"tenant,tenant:4": {"tenant": `1 - 0 0 {"stranded":4,"stranded_priorities":["5"]}`, "tenant:4": `2 - 0 0 {}`},
	} {
		s := openFor(t, queues)
		for i := range 2 {
			got, _, err := k.poll(t, s, noon.Add(time.Duration(i)*time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, numbers(got)); diff != "" {
				t.Errorf("%s, poll %d (-want +got):\n%s", queues, i, diff)
			}
		}
	}
}

func TestNoJobIsCountedTwice(t *testing.T) {
	for _, queues := range []string{"mail,mail:high", "*,mail:low", "mail,mail:failed", "ma*,mail:delayed"} {
		_, err := (Adapter{}).Open(t.Context(), adapter.Settings{"app": "shop", SettingQueues: queues})
		if err == nil || !strings.Contains(err.Error(), `queue "mail", which it selects, too, keeps its`) {
			t.Errorf("%s: %v", queues, err)
		}
	}
	k := keys{"queue:mail:high": list(2), "queue:mail:high:failed": list(1)}
	s, _, err := k.poll(t, openFor(t, "*"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"mail": `2 - 0 0 {}`}, numbers(s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(s.Problems) != 1 || s.Problems[0].Reason != `queue "mail:high" is left out, and perhaps others: its jobs are where queue "mail" keeps its high ones, and are counted there` {
		t.Errorf("problems are %v", s.Problems)
	}
}

func TestOtherKeysUnderThePrefixAreNoQueues(t *testing.T) {
	k := keys{
		"queue:mail": list(1), "queue:active": hash{}, "queue:pending:g": list(1), "queue:worker:w": hash{}, "queue:logs:x": list(5),
		"queue:schedules": zset(1), "queue:schedule:x": hash{}, "queue:lock:x": value("1"), "queue:mail:ratelimit:1": value("3"),
		"queue:somebodys": hash{}, "queue:text": value("x"), "queue:x:delayed": list(1), "queue:y:paused": hash{}, "queues:z": list(1),
		"queue:\xff": list(1),
	}
	s := openFor(t, "*")
	for i := range 2 {
		got, _, err := k.poll(t, s, noon.Add(time.Duration(i)*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"mail"}, names(got)); diff != "" {
			t.Errorf("queues (-want +got):\n%s", diff)
		}
		if len(got.Problems) != 1 || !strings.Contains(got.Problems[0].Reason, "not UTF-8") {
			t.Errorf("problems are %v", got.Problems)
		}
	}
}

func TestFoundQueueThatEmptiesStaysForAnHour(t *testing.T) {
	k := keys{"queue:a": list(1), "queue:b": list(1)}
	s := openFor(t, "*")
	if _, _, err := k.poll(t, s, noon); err != nil {
		t.Fatal(err)
	}
	delete(k, "queue:b")
	for _, tc := range []struct {
		after time.Duration
		want  []string
	}{{time.Minute, []string{"a", "b"}}, {59 * time.Minute, []string{"a", "b"}}, {60 * time.Minute, []string{"a", "b"}}, {61 * time.Minute, []string{"a"}}} {
		got, _, err := k.poll(t, s, noon.Add(tc.after))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, names(got)); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", tc.after, diff)
		}
	}
}

func TestPrefixUnderWhichNothingIsFoundIsSaidAsItIs(t *testing.T) {
	k := keys{}
	got, _, err := k.poll(t, openFor(t, "*"), noon)
	if err != nil || len(got.Problems) != 1 || !strings.HasPrefix(got.Problems[0].Reason, "no queue was found under the prefix queue:, as there is none yet") {
		t.Errorf("%v, %v", got, err)
	}
}

func TestNamedQueueThatIsNotThereIsEmptyWithAHint(t *testing.T) {
	k := keys{}
	s := openFor(t, "mail")
	first, _, err := k.poll(t, s, noon)
	if err != nil || first.Queues[0].Metrics.Waiting != 0 || !strings.Contains(first.Queues[0].Meta.Text("error"), "no key of this queue") {
		t.Errorf("%+v, %v", first, err)
	}
	k["queue:mail"] = list(1)
	if _, _, err := k.poll(t, s, noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	delete(k, "queue:mail")
	if last, _, _ := k.poll(t, s, noon.Add(2*time.Minute)); last.Queues[0].Meta.Has("error") {
		t.Errorf("%+v: a queue that was seen is simply empty", last)
	}
}

func TestRefusedQueueDoesNotHideItsNeighbours(t *testing.T) {
	noPerm := adapter.Refusal("NOPERM no permissions")
	k := keys{
		"queue:a:low": noPerm, "queue:b": hash{}, "queue:c": list(1), "queue:c:high:delayed": noPerm, "queue:c:failed": hash{}, "queue:c:paused": hash{},
		"queue:c:7": noPerm, "queue:d": adapter.Int(protocol.MaxCount), "queue:d:high": list(1), "queue:e": adapter.Int(-1),
	}
	s, _, err := k.poll(t, openFor(t, "a,b,c,d,e"), noon)
	if err != nil {
		t.Fatal(err)
	}
	got := s.Queues[0]
	if diff := cmp.Diff([]string{"c"}, names(s)); diff != "" || got.Metrics.Delayed != nil || got.Metrics.Failed != nil {
		t.Errorf("%+v; queues (-want +got):\n%s", got, diff)
	}
	for _, part := range []string{"delayed: NOPERM: no permissions; allow +llen +zcard", "failed: WRONGTYPE", "paused: WRONGTYPE"} {
		if !strings.Contains(got.Meta.Text("error"), part) {
			t.Errorf("the error of c lacks %q: %s", part, got.Meta.Text("error"))
		}
	}
	var said []string
	for _, p := range s.Problems {
		said = append(said, p.String())
	}
	for i, part := range []string{`"a": NOPERM: no permissions; allow +llen`, `"b": WRONGTYPE`, `"d": it has more jobs than can be`, `"e": the answer is -1`} {
		if i >= len(said) || !strings.Contains(said[i], part) {
			t.Errorf("problem %d lacks %s: %q", i, part, said)
		}
	}
}

func TestAllRefusedIsNoSnapshot(t *testing.T) {
	s, _, err := keys{"LLEN": adapter.Refusal("NOPERM no permissions")}.poll(t, openFor(t, "a,b"), noon)
	if err == nil || s != nil || !strings.Contains(err.Error(), `read queue "a" of queue:: NOPERM`) {
		t.Errorf("snapshot %v, error %v", s, err)
	}
}

// TestRefusedScanThatLeavesNothingIsNoSnapshot: nor does it say that it is still looking.
func TestRefusedScanThatLeavesNothingIsNoSnapshot(t *testing.T) {
	k := keys{"SCAN": adapter.Refusal("NOPERM no permissions")}
	if s, _, err := k.poll(t, openFor(t, "b*"), noon); err == nil || !strings.HasPrefix(err.Error(), "find queues: NOPERM") {
		t.Errorf("snapshot %v, error %v", s, err)
	}
}

func TestRefusedScanStillReadsWhatIsNamed(t *testing.T) {
	s, _, err := keys{"SCAN": adapter.Refusal("NOPERM no permissions"), "queue:a": list(1)}.poll(t, openFor(t, "a,b*"), noon)
	if err != nil || len(s.Queues) != 1 || len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Reason, "find queues: NOPERM") {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestRefusedTypeIsSaid(t *testing.T) {
	s := openFor(t, "*")
	for i := range 5 {
		got, _, err := keys{"TYPE": adapter.Refusal("NOPERM no permissions"), "queue:a": list(1)}.poll(t, s, noon.Add(time.Duration(i)*10*time.Second))
		if err != nil || len(got.Queues) != 0 || !strings.Contains(fmt.Sprint(got.Problems), `queue "a" is left out, and perhaps others: NOPERM`) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestBadSettingsAreRefused(t *testing.T) {
	for _, queues := range []string{"", " , ", "a[", `a\`, "a\xff"} {
		if _, err := (Adapter{}).Open(t.Context(), adapter.Settings{"app": "shop", SettingQueues: queues}); err == nil || !strings.HasPrefix(err.Error(), SettingQueues+" is ") {
			t.Errorf("queues %q: %v", queues, err)
		}
	}
}

// FuzzReplies answers with anything: a poll may fail, but not panic, hang or break the protocol.
func FuzzReplies(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, "mail", "*,q")
	f.Add([]byte{5, 2, 1, 0, 5, 3, 3, 1}, "a:7", "a,a:*")
	f.Add([]byte{5, 6, 1, 7, 5, 3, 3, 1}, "mail:high:failed", "*")
	f.Fuzz(func(t *testing.T, shape []byte, text, queues string) {
		s, err := Adapter{}.Open(t.Context(), adapter.Settings{"app": "shop", SettingQueues: queues})
		if err != nil {
			return
		}
		page := adaptertest.Reply([]any{"queue:" + text, 1, "queue:" + text + ":7", "queue:" + text + ":failed"})
		anything := adaptertest.Anything{Shape: shape, Also: adaptertest.Fixed(
			adapter.Text(text), adapter.Refusal(text), adapter.Text("list"), adapter.Text("zset"), adapter.Text("string"),
			adapter.List(adapter.Text("0"), page), adapter.List(adapter.Text("1"), page),
		)}
		for round := range 4 {
			_, _, _ = adaptertest.Poll(t, Adapter{}, s, noon.Add(time.Duration(round)*time.Hour/2), anything.Reply)
		}
	})
}

// BenchmarkPoll is what a poll of a thousand queues costs beside Redis.
func BenchmarkPoll(b *testing.B) {
	var queues strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&queues, "q%d,", i)
	}
	s := openFor(b, queues.String())
	answer := func(requests []adapter.Request) []adapter.Reply {
		replies := make([]adapter.Reply, len(requests))
		for i, r := range requests {
			if r[0] != "GET" {
				replies[i] = adapter.Int(int64(strings.Count(r[1], ":") % 2 * 3))
			}
		}
		return replies
	}
	step := s.Poll(b.Context(), noon)
	s.Next(b.Context(), answer(step.Requests))
	step = s.Poll(b.Context(), noon)
	replies := answer(step.Requests)
	s.Next(b.Context(), replies)
	b.ReportAllocs()
	for b.Loop() {
		s.Poll(b.Context(), noon)
		if step := s.Next(b.Context(), replies); step.Snapshot == nil || len(step.Snapshot.Queues) != 1000 {
			b.Fatal(step.Err)
		}
	}
}
