package redisstream

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

// stub is a stream of a Redis that is only what the adapter asks of it. Real ones are in real_test.go;
// this one can be wrong in ways that a real one seldom is.
type stub struct {
	entries []id
	body    int // bytes of each entry
	removed int64
	groups  []stubGroup
	other   bool // it is no stream
	refused map[string]adapter.Reply
}

type stubGroup struct {
	name                string
	last                id
	pending, consumers  int64
	lag                 any // nil: Redis doesn't know it; "none": it has no such field
	reversed, unheardOf bool
}

// ids are n ids, a second apart from a second before noon on.
func ids(n int) []id {
	all := make([]id, n)
	for i := range all {
		all[i] = id{uint64(noon.UnixMilli() - 1000*int64(n-i)), 0}
	}
	return all
}

type redis struct {
	streams map[string]*stub
	refused map[string]adapter.Reply // by command
	old     bool                     // its SCAN takes no TYPE, its XINFO STREAM has no counts
	asked   [][]adapter.Request
}

func (k *redis) answer(r adapter.Request) adapter.Reply {
	command := r.Command()
	if refusal, ok := k.refused[command]; ok {
		return refusal
	}
	if command == "SCAN" {
		return k.scan(r)
	}
	key := r[1]
	if r[0] == "XINFO" {
		key = r[2]
	}
	st := k.streams[key]
	switch {
	case st == nil && command == "XLEN":
		return adapter.Int(0)
	case st == nil && command == "XRANGE":
		return adapter.List()
	case st == nil:
		return adapter.Refusal("ERR no such key")
	case command == "TYPE" && st.other:
		return adapter.Text("list")
	case command == "TYPE":
		return adapter.Text("stream")
	case st.other:
		return adapter.Refusal("WRONGTYPE Operation against a key holding the wrong kind of value")
	}
	if refusal, ok := st.refused[command]; ok {
		return refusal
	}
	switch command {
	case "XLEN":
		return adapter.Int(int64(len(st.entries)))
	case "XINFO GROUPS":
		return st.infoGroups()
	case "XINFO STREAM":
		return st.info(k.old)
	}
	from, _ := parseID(r[2])
	count, _ := strconv.Atoi(r[5])
	var found []adapter.Reply
	for _, e := range st.entries {
		if to, ok := parseID(r[3]); e.compare(from) >= 0 && (!ok || e.compare(to) <= 0) && len(found) < count {
			found = append(found, st.entry(e))
		}
	}
	return adapter.List(found...)
}

func (st *stub) entry(e id) adapter.Reply {
	return adapter.List(adapter.Text(e.String()), adapter.List(adapter.Text("f"), adapter.Text(strings.Repeat("x", st.body))))
}

func (st *stub) infoGroups() adapter.Reply {
	var all []adapter.Reply
	for _, g := range st.groups {
		fields := [][2]adapter.Reply{
			{adapter.Text("name"), adapter.Text(g.name)},
			{adapter.Text("consumers"), adapter.Int(g.consumers)},
			{adapter.Text("pending"), adapter.Int(g.pending)},
			{adapter.Text("last-delivered-id"), adapter.Text(g.last.String())},
		}
		switch lag := g.lag.(type) {
		case nil:
			fields = append(fields, [2]adapter.Reply{adapter.Text("entries-read"), {}}, [2]adapter.Reply{adapter.Text("lag"), {}})
		case int:
			fields = append(fields, [2]adapter.Reply{adapter.Text("lag"), adapter.Int(int64(lag))})
		}
		if g.reversed {
			slices.Reverse(fields)
		}
		var flat []adapter.Reply
		if g.unheardOf {
			flat = append(flat, adapter.Text("idle"), adapter.List(adapter.Int(3)))
		}
		for _, f := range fields {
			flat = append(flat, f[:]...)
		}
		all = append(all, adapter.List(flat...))
	}
	return adapter.List(all...)
}

func (st *stub) info(old bool) adapter.Reply {
	flat := []adapter.Reply{adapter.Text("length"), adapter.Int(int64(len(st.entries)))}
	if !old {
		flat = append(flat, adapter.Text("entries-added"), adapter.Int(int64(len(st.entries))+st.removed))
	}
	if n := len(st.entries); n > 0 {
		flat = append(flat, adapter.Text("last-generated-id"), adapter.Text(st.entries[n-1].String()),
			adapter.Text("first-entry"), st.entry(st.entries[0]), adapter.Text("last-entry"), st.entry(st.entries[n-1]))
	}
	return adapter.List(flat...)
}

// scan gives COUNT keys at a time, in order, with the place as its cursor.
func (k *redis) scan(r adapter.Request) adapter.Reply {
	if k.old && slices.Contains(r, "TYPE") {
		return adapter.Refusal("ERR syntax error")
	}
	return adaptertest.Scan(r, slices.Sorted(maps.Keys(k.streams)), func(key string) string {
		if k.streams[key].other {
			return "list"
		}
		return "stream"
	})
}

func (k *redis) poll(t *testing.T, s adapter.Session, now time.Time) (snapshot *protocol.QueueSnapshot, err error) {
	t.Helper()
	snapshot, k.asked, err = adaptertest.Poll(t, Adapter{}, s, now, k.answer)
	return snapshot, err
}

func openFor(t testing.TB, list string) *session {
	t.Helper()
	s, err := Adapter{}.Open(t.Context(), adapter.Settings{"app": "shop", "source": "redis", SettingStreams: list})
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

func TestGroupIsAQueue(t *testing.T) {
	all := ids(10)
	k := &redis{streams: map[string]*stub{"orders": {entries: all, groups: []stubGroup{
		{name: "mail", last: all[6], pending: 2, consumers: 3, lag: 3},
		{name: "audit", last: all[9], pending: 0, consumers: 1, lag: 0, unheardOf: true},
		{name: "new", last: id{}, lag: 10, reversed: true},
	}}}}
	s, err := k.poll(t, openFor(t, "orders"), noon)
	if err != nil {
		t.Fatal(err)
	}
	row := func(name string, waiting, active, consumers, oldest int64) protocol.Queue {
		q := protocol.Queue{Name: name, Driver: protocol.DriverOther, Metrics: protocol.Metrics{Waiting: waiting, Active: &active}}
		q.Meta.SetText("driver", DriverName)
		q.Meta.SetInt("consumers", consumers)
		if oldest > 0 {
			q.Meta.SetInt("oldest_at", oldest)
		}
		return q
	}
	want := []protocol.Queue{
		row("orders/mail", 3, 2, 3, int64(all[7].ms)),
		row("orders/audit", 0, 0, 1, 0),
		row("orders/new", 10, 0, 0, int64(all[0].ms)),
	}
	if diff := cmp.Diff(want, s.Queues); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if len(k.asked) != 2 || len(s.Problems) > 0 {
		t.Errorf("%d rounds, problems %v", len(k.asked), s.Problems)
	}
}

func TestWaitingIsExactWhereItCanBe(t *testing.T) {
	all := ids(20)
	for _, tc := range []struct {
		name    string
		st      stub
		old     bool
		waiting int64
		rounds  int
	}{
		{"lag of a stream that nothing was removed from", stub{entries: all, groups: []stubGroup{{last: all[4], lag: 15}}}, false, 15, 2},
		{"a lag beyond the stream's length", stub{entries: all, groups: []stubGroup{{last: all[4], lag: 99}}}, false, 20, 2},
		{"caught up", stub{entries: all, removed: 3, groups: []stubGroup{{last: all[19], lag: 0}}}, false, 0, 1},
		{"a lag where nothing waits", stub{entries: all, removed: 3, groups: []stubGroup{{last: all[19], lag: 3}}}, false, 0, 2},
		{"a lag that counts entries removed unread", stub{entries: all, removed: 3, groups: []stubGroup{{last: all[15], lag: 7}}}, false, 4, 3},
		{"a lag that is right though entries were removed", stub{entries: all, removed: 3, groups: []stubGroup{{last: all[15], lag: 4}}}, false, 4, 3},
		{"all trimmed but what waits", stub{entries: all[10:], removed: 10, groups: []stubGroup{{last: all[3], lag: 16}}}, false, 10, 2},
		{"a group at $ with a lag that Redis doesn't know", stub{entries: all, groups: []stubGroup{{last: all[9]}}}, false, 10, 3},
		{"a group at 0 with a lag that Redis doesn't know", stub{entries: all[1:], removed: 1, groups: []stubGroup{{}}}, false, 19, 2},
		{"before Redis 7", stub{entries: all, groups: []stubGroup{{last: all[9], lag: "none"}}}, true, 10, 3},
		{"before Redis 7, caught up", stub{entries: all, groups: []stubGroup{{last: all[19], lag: "none"}}}, true, 0, 2},
		{"before Redis 7, at 0", stub{entries: all, groups: []stubGroup{{lag: "none"}}}, true, 20, 2},
		{"empty, before Redis 7", stub{groups: []stubGroup{{last: all[19], lag: "none"}}}, true, 0, 1},
		{"XINFO STREAM refused", stub{entries: all, groups: []stubGroup{{last: all[9], lag: 10}}, refused: map[string]adapter.Reply{"XINFO STREAM": adapter.Refusal("NOPERM")}}, false, 10, 3},
		{"more than the first pages", stub{entries: ids(5000), groups: []stubGroup{{last: ids(5000)[0]}}}, false, 4999, 6},
		{"as many as are counted", stub{entries: ids(mostCounted + 1), groups: []stubGroup{{last: ids(mostCounted + 1)[0]}}}, false, mostCounted, 6},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.st.groups[0].name = "g"
			k := &redis{old: tc.old, streams: map[string]*stub{"s": &tc.st}}
			s, err := k.poll(t, openFor(t, "s"), noon)
			if err != nil || len(s.Queues) != 1 {
				t.Fatalf("%+v, %v", s, err)
			}
			if got := s.Queues[0]; got.Metrics.Waiting != tc.waiting || got.Meta.Has("error") || got.Meta.Has("oldest_at") != (tc.waiting > 0) {
				t.Errorf("waiting is %d, want %d; meta %s", got.Metrics.Waiting, tc.waiting, got.Meta.AppendJSON(nil))
			}
			if len(k.asked) != tc.rounds {
				t.Errorf("%d rounds, want %d", len(k.asked), tc.rounds)
			}
		})
	}
}

func TestWhatCannotBeCountedIsSaid(t *testing.T) {
	for _, tc := range []struct {
		name    string
		st      stub
		waiting int64
		says    string
	}{
		{"no lag and many", stub{entries: ids(mostCounted + 2), groups: []stubGroup{{last: ids(mostCounted + 2)[0]}}}, mostCounted, "10000 or more wait"},
		{"no lag and large entries", stub{entries: ids(200), body: 100_000, groups: []stubGroup{{last: ids(200)[0]}}}, 41, "41 or more wait"},
		{"no lag and an entry beyond all bounds", stub{entries: ids(200), body: 5 << 20, groups: []stubGroup{{last: ids(200)[0]}}}, 1, "1 or more wait"},
		{"a doubtful lag and many", stub{entries: ids(20_000), removed: 1, groups: []stubGroup{{last: ids(20_000)[0], lag: 20_000}}}, 20_000, "may be too high"},
		{"a lag beyond the stream's length and many", stub{entries: ids(20_000), removed: 90_000, groups: []stubGroup{{last: ids(20_000)[0], lag: 110_000}}}, 20_000, "may be too high"},
		{"a doubtful lag and large entries", stub{entries: ids(200), body: 100_000, removed: 1, groups: []stubGroup{{last: ids(200)[0], lag: 199}}}, 199, "may be too high"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.st.groups[0].name = "g"
			k := &redis{streams: map[string]*stub{"s": &tc.st}}
			s, err := k.poll(t, openFor(t, "s"), noon)
			if err != nil || len(s.Queues) != 1 {
				t.Fatalf("%+v, %v", s, err)
			}
			if got := s.Queues[0]; got.Metrics.Waiting != tc.waiting || !strings.Contains(got.Meta.Text("error"), tc.says) {
				t.Errorf("waiting is %d, want %d; meta %s", got.Metrics.Waiting, tc.waiting, got.Meta.AppendJSON(nil))
			}
			if doubtful := tc.st.groups[0].lag != nil; doubtful && len(k.asked) != 2 {
				t.Errorf("counting is begun: %d rounds", len(k.asked))
			}
		})
	}
}

// TestRangeThatIsNoneIsSaid: a broken Redis may answer anything.
func TestRangeThatIsNoneIsSaid(t *testing.T) {
	all := ids(60)
	for name, change := range map[string]func(round int, entries []id) []id{
		"more than was asked for":             func(_ int, entries []id) []id { return append(entries, id{1 << 60, uint64(len(entries))}) },
		"out of order":                        func(_ int, entries []id) []id { slices.Reverse(entries); return entries },
		"the same twice":                      func(_ int, entries []id) []id { entries[len(entries)-1] = entries[0]; return entries },
		"from the beginning on the next page": func(int, []id) []id { return all[10:20] },
		"read already":                        func(_ int, entries []id) []id { entries[0] = all[0]; return entries },
	} {
		says := "something other than the entries of a range"
		if name == "more than was asked for" {
			says = "more entries than were asked for"
		}
		k := &redis{streams: map[string]*stub{"s": {entries: all, groups: []stubGroup{{name: "g", last: all[9]}}}, "t": {groups: []stubGroup{{name: "g"}}}}}
		round := 0
		s, _, err := adaptertest.Poll(t, Adapter{}, openFor(t, "s,t"), noon, func(r adapter.Request) adapter.Reply {
			if r[0] != "XRANGE" {
				return k.answer(r)
			}
			if round++; round == 1 && name != "read already" {
				return k.answer(r) // the first that waits
			}
			count, _ := strconv.Atoi(r[5])
			var found []adapter.Reply
			for _, e := range change(round, slices.Clone(all[11:min(11+count, len(all))])) {
				found = append(found, k.streams["s"].entry(e))
			}
			return adapter.List(found...)
		})
		if err != nil || len(s.Queues) != 1 || len(s.Problems) != 1 || !strings.Contains(s.Problems[0].String(), `queue "s/g": XRANGE answered `+says) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestGroupWithoutANameIsSaid(t *testing.T) {
	k := &redis{streams: map[string]*stub{"s": {groups: []stubGroup{{name: ""}, {name: "g"}}}}}
	s, err := k.poll(t, openFor(t, "s"), noon)
	if err != nil || len(s.Queues) != 1 || len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Reason, "one of its groups") {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestMoreGroupsThanAReportHasRoomForAreSaid(t *testing.T) {
	st := &stub{groups: make([]stubGroup, protocol.MaxQueues+2)}
	for i := range st.groups {
		st.groups[i].name = strconv.Itoa(i)
	}
	k := &redis{streams: map[string]*stub{"s": st}}
	s := openFor(t, "s")
	step := s.Poll(t.Context(), noon)
	for len(step.Requests) > 0 {
		replies := make([]adapter.Reply, len(step.Requests))
		for i, r := range step.Requests {
			replies[i] = k.answer(r)
		}
		step = s.Next(t.Context(), replies)
	}
	if step.Err != nil || len(step.Snapshot.Queues) != protocol.MaxQueues || len(step.Snapshot.Problems) != 1 || !strings.Contains(step.Snapshot.Problems[0].Reason, "100000 groups are the most") {
		t.Errorf("%v, %d queues, %v", step.Err, len(step.Snapshot.Queues), step.Snapshot.Problems)
	}
}

// TestOneStreamOfManyGroupsCrowdsOutNoOther: there is room for 1 MiB of names.
func TestOneStreamOfManyGroupsCrowdsOutNoOther(t *testing.T) {
	long := strings.Repeat("x", 900)
	many, two := &stub{}, &stub{groups: []stubGroup{{name: "a" + long}, {name: "b" + long}}}
	for i := range 3000 {
		many.groups = append(many.groups, stubGroup{name: fmt.Sprintf("%04d%s", i, long)})
	}
	k := &redis{streams: map[string]*stub{"a": many, "z": two}}
	session := openFor(t, "a,z")
	for range 2 {
		s, err := k.poll(t, session, noon)
		if err != nil {
			t.Fatal(err)
		}
		others := 0
		for _, q := range s.Queues {
			if strings.HasPrefix(q.Name, "z/") {
				others++
			}
		}
		if n := len(s.Queues); others != 2 || n < 1000 || n > 1200 {
			t.Errorf("of %d queues %d are the other stream's", n, others)
		}
		if len(s.Problems) != 1 || !strings.HasPrefix(s.Problems[0].Reason, `groups of stream "a" are left out, and perhaps others: the names of `) {
			t.Errorf("%.1000v", s.Problems)
		}
	}
	many.groups = many.groups[:10]
	if s, err := k.poll(t, session, noon); err != nil || len(s.Queues) != 12 || len(s.Problems) > 0 {
		t.Errorf("of a few groups %d queues, %.500v, %v", len(s.Queues), s.Problems, err)
	}
}

func TestBodiesReadForCountingAreBounded(t *testing.T) {
	k := &redis{streams: map[string]*stub{}}
	for i := range 20 {
		all := ids(2000)
		k.streams[fmt.Sprint("s", i)] = &stub{entries: all, body: 1000, groups: []stubGroup{{name: "g", last: all[0]}}}
	}
	if _, err := k.poll(t, openFor(t, "s*"), noon); err != nil {
		t.Fatal(err)
	}
	entries := 0
	for _, round := range k.asked {
		for _, r := range round {
			if r[0] == "XRANGE" {
				n, _ := strconv.Atoi(r[5])
				entries += n
			}
		}
	}
	if bytes := entries * 1000; bytes > bytesCounted {
		t.Errorf("%d entries, %d bytes were asked for", entries, bytes)
	}
}

// While no consumer reads, the backlog of a dead consumer is counted once, and then followed by what was added.
func TestBacklogWithoutAConsumerIsCountedOnce(t *testing.T) {
	all := ids(3000)
	st := &stub{entries: all[:2000], groups: []stubGroup{{name: "g", last: all[99]}}}
	k := &redis{streams: map[string]*stub{"s": st}}
	s := openFor(t, "s")
	for i, tc := range []struct {
		change  func()
		waiting int64
		counted bool
	}{
		{func() {}, 1900, true},
		{func() { st.entries = all }, 2900, false},
		{func() {}, 2900, false},
		{func() { st.entries, st.removed = slices.Delete(slices.Clone(all), 2500, 2501), 1 }, 2899, true},
		{func() { st.groups[0].last = all[199] }, 2799, true},
	} {
		tc.change()
		got, err := k.poll(t, s, noon.Add(time.Duration(i)*10*time.Second))
		if err != nil || got.Queues[0].Metrics.Waiting != tc.waiting || len(k.asked) > 2 != tc.counted {
			t.Errorf("poll %d: %d wait after %d rounds, %v; want %d", i, got.Queues[0].Metrics.Waiting, len(k.asked), err, tc.waiting)
		}
	}
}

// Before Redis 7 nothing tells how many entries were ever added, so that a length alone says nothing of
// what was removed.
func TestBacklogOfAnOldRedisIsCountedEachTime(t *testing.T) {
	all := ids(21)
	st := &stub{entries: all[:20], groups: []stubGroup{{name: "g", last: all[9], lag: "none"}}}
	k := &redis{old: true, streams: map[string]*stub{"s": st}}
	s := openFor(t, "s")
	for i, want := range []int64{10, 11} {
		got, err := k.poll(t, s, noon.Add(time.Duration(i)*10*time.Second))
		if err != nil || got.Queues[0].Metrics.Waiting != want {
			t.Errorf("poll %d: %+v, %v; want %d", i, got.Queues, err, want)
		}
		st.entries = all[1:] // as long as before
	}
}

// TestEntriesThatComeWhileOthersAreCountedAreNoJobsYet: all numbers of a poll are of one moment.
func TestEntriesThatComeWhileOthersAreCountedAreNoJobsYet(t *testing.T) {
	all := ids(100)
	st := &stub{entries: all[:60], groups: []stubGroup{{name: "g", last: all[0]}}}
	k := &redis{streams: map[string]*stub{"s": st}}
	s := openFor(t, "s")
	first, _, err := adaptertest.Poll(t, Adapter{}, s, noon, func(r adapter.Request) adapter.Reply {
		if r[0] == "XRANGE" && r[5] != "1" {
			st.entries = all
		}
		return k.answer(r)
	})
	if err != nil || first.Queues[0].Metrics.Waiting != 59 {
		t.Errorf("%+v, %v", first, err)
	}
	if second, err := k.poll(t, s, noon.Add(time.Second)); err != nil || second.Queues[0].Metrics.Waiting != 99 {
		t.Errorf("then %+v, %v", second, err)
	}
}

// A pipeline is not atomic: an entry may come between the answer about the stream and the first page.
func TestEntryThatComesBetweenTwoCommandsIsNoJobYet(t *testing.T) {
	all := ids(10)
	st := &stub{entries: all[:9], groups: []stubGroup{{name: "g", last: all[8]}}}
	k := &redis{streams: map[string]*stub{"s": st}}
	s, _, err := adaptertest.Poll(t, Adapter{}, openFor(t, "s"), noon, func(r adapter.Request) adapter.Reply {
		if r[0] == "XRANGE" {
			st.entries = all
		}
		return k.answer(r)
	})
	if err != nil || s.Queues[0].Metrics.Waiting != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestIDThatIsNoTimeIsNoAge(t *testing.T) {
	now := uint64(noon.UnixMilli())
	for at, want := range map[id]int64{
		{1, 1}: 0, {now - 5, 3}: int64(now) - 5, {now + 5000, 0}: int64(now), {now * 1000, 0}: 0, {1<<64 - 1, 5}: 0,
	} {
		k := &redis{streams: map[string]*stub{"s": {entries: []id{at}, groups: []stubGroup{{name: "g", lag: 1}}}}}
		s, err := k.poll(t, openFor(t, "s"), noon)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Queues[0].Meta.Int("oldest_at"); got != want || ok != (want > 0) {
			t.Errorf("%v: oldest_at is %d, want %d", at, got, want)
		}
	}
}

func TestNoTwoGroupsHaveOneName(t *testing.T) {
	k := &redis{streams: map[string]*stub{
		"a":   {groups: []stubGroup{{name: "b/c", lag: 0}, {name: "b%2Fc", lag: 0}, {name: "\xff", lag: 0}, {name: strings.Repeat("x", 1024), lag: 0}}},
		"a/b": {groups: []stubGroup{{name: "c", lag: 0}, {name: "c", lag: 0}}},
	}}
	s, err := k.poll(t, openFor(t, "a,a/b"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"a/b%2Fc": 0, "a/b%252Fc": 0, "a/b/c": 0}, waiting(s)); diff != "" || len(s.Queues) != 3 {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	// One that is left out stands for all: the last.
	if len(s.Problems) != 1 || !strings.HasPrefix(s.Problems[0].Reason, `group "xxx`) || !strings.Contains(s.Problems[0].Reason, "at most 1024") {
		t.Errorf("problems are %v", s.Problems)
	}
}

func TestIDs(t *testing.T) {
	const most = 1<<64 - 1
	for _, tc := range []struct {
		text string
		ok   bool
		next string
	}{{"5-1", true, "5-2"}, {"5-18446744073709551615", true, "6-0"}, {"0-0", true, "0-1"}, {"5", false, ""}, {"-1-2", false, ""}, {"x-1", false, ""}, {"", false, ""}, {"1-18446744073709551616", false, ""}} {
		i, ok := parseID(tc.text)
		if ok != tc.ok {
			t.Errorf("%q is an id: %v", tc.text, ok)
		}
		if n, _ := i.next(); ok && n.String() != tc.next {
			t.Errorf("after %s comes %s, want %s", tc.text, n, tc.next)
		}
	}
	if _, ok := (id{most, most}).next(); ok {
		t.Error("something comes after the last id")
	}
}

func TestGlobsSelectStreamsThatHaveGroups(t *testing.T) {
	for _, old := range []bool{false, true} {
		k := &redis{old: old, streams: map[string]*stub{
			"app:a": {groups: []stubGroup{{name: "g"}}}, "app:none": {}, "app:list": {other: true},
			"b": {groups: []stubGroup{{name: "g"}}}, "pulse:slow:shop": {groups: []stubGroup{{name: "g"}}}, "app:\xff": {},
		}}
		for globs, want := range map[string]map[string]int64{
			"*": {"app:a/g": 0, "b/g": 0}, "app:*": {"app:a/g": 0}, "[a]*,b": {"app:a/g": 0, "b/g": 0},
		} {
			s := openFor(t, globs)
			for i := range 3 {
				got, err := k.poll(t, s, noon.Add(time.Duration(i)*time.Minute))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, waiting(got)); diff != "" {
					t.Errorf("%s, old %v (-want +got):\n%s", globs, old, diff)
				}
				if len(got.Problems) != 1 || !strings.Contains(got.Problems[0].Reason, "UTF-8") {
					t.Errorf("%s, old %v: problems are %v", globs, old, got.Problems)
				}
			}
		}
	}
}

func TestDeletedStreamAndGroupAreForgotten(t *testing.T) {
	k := &redis{streams: map[string]*stub{"a": {groups: []stubGroup{{name: "g"}, {name: "h"}}}, "b": {groups: []stubGroup{{name: "g"}}}}}
	s := openFor(t, "*")
	if _, err := k.poll(t, s, noon); err != nil {
		t.Fatal(err)
	}
	delete(k.streams, "b")
	k.streams["a"].groups = k.streams["a"].groups[:1]
	for i := range 2 {
		got, err := k.poll(t, s, noon.Add(time.Duration(i)*time.Minute))
		if err != nil || len(got.Problems) > 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		if diff := cmp.Diff(map[string]int64{"a/g": 0}, waiting(got)); diff != "" {
			t.Errorf("queues (-want +got):\n%s", diff)
		}
	}
	if len(s.streams) != 1 || len(s.streams[0].known) != 1 {
		t.Error("what is gone is still remembered")
	}
}

func TestNamedStreamThatHoldsNoQueueIsSaid(t *testing.T) {
	noPerm := map[string]adapter.Reply{"XINFO GROUPS": adapter.Refusal("NOPERM no permissions")}
	k := &redis{streams: map[string]*stub{"ok": {groups: []stubGroup{{name: "g"}}}, "none": {}, "list": {other: true}, "shut": {refused: noPerm}}}
	s, err := k.poll(t, openFor(t, "ok,none,list,shut,gone"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"ok/g": 0}, waiting(s)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	said := map[string]string{}
	for _, p := range s.Problems {
		said[p.Queue] = p.Reason
	}
	for key, part := range map[string]string{"none": "no consumer group", "list": "is no stream", "shut": "allow +xlen +xinfo +xrange on ~shut", "gone": "no such key"} {
		if !strings.Contains(said[key], part) {
			t.Errorf("of %s it says %q", key, said[key])
		}
	}
}

func TestGroupWithEntriesThatMayNotBeReadHidesNoOther(t *testing.T) {
	all := ids(5)
	noPerm := map[string]adapter.Reply{"XRANGE": adapter.Refusal("NOPERM no permissions")}
	k := &redis{streams: map[string]*stub{
		"a": {entries: all, groups: []stubGroup{{name: "g", lag: 5}}, refused: noPerm},
		"b": {entries: all, groups: []stubGroup{{name: "g", lag: 5}}},
	}}
	s, err := k.poll(t, openFor(t, "a,b"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"b/g": 5}, waiting(s)); diff != "" || len(s.Problems) != 1 || s.Problems[0].Queue != "a/g" {
		t.Errorf("problems %v, queues (-want +got):\n%s", s.Problems, diff)
	}
}

func TestAllRefusedIsNoSnapshot(t *testing.T) {
	k := &redis{streams: map[string]*stub{"a": {}}, refused: map[string]adapter.Reply{"XINFO GROUPS": adapter.Refusal("NOPERM no permissions")}}
	s, err := k.poll(t, openFor(t, "a,b"), noon)
	if err == nil || s != nil || !strings.Contains(err.Error(), `read stream "a": NOPERM`) {
		t.Errorf("snapshot %v, error %v", s, err)
	}
}

// TestRefusedScanThatLeavesNothingIsNoSnapshot: nor does it say that it is still looking.
func TestRefusedScanThatLeavesNothingIsNoSnapshot(t *testing.T) {
	k := &redis{refused: map[string]adapter.Reply{"SCAN": adapter.Refusal("NOPERM no permissions")}}
	if s, err := k.poll(t, openFor(t, "b*"), noon); err == nil || !strings.HasPrefix(err.Error(), "find streams: NOPERM") {
		t.Errorf("snapshot %v, error %v", s, err)
	}
}

func TestRefusedScanStillReadsWhatIsNamed(t *testing.T) {
	k := &redis{streams: map[string]*stub{"a": {groups: []stubGroup{{name: "g"}}}}, refused: map[string]adapter.Reply{"SCAN": adapter.Refusal("NOPERM no permissions")}}
	s, err := k.poll(t, openFor(t, "a,b*"), noon)
	if err != nil || len(s.Queues) != 1 || len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Reason, "find streams: NOPERM") {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestBadSettingsAreRefused(t *testing.T) {
	for _, list := range []string{"", " , ", "a[", `a\`, "a\xff"} {
		if _, err := (Adapter{}).Open(t.Context(), adapter.Settings{"app": "shop", SettingStreams: list}); err == nil || !strings.HasPrefix(err.Error(), SettingStreams+" is ") {
			t.Errorf("streams %q: %v", list, err)
		}
	}
}

// FuzzReplies answers with anything: a poll may fail, but not panic, hang or break the protocol.
func FuzzReplies(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, "1-1")
	f.Add([]byte{6, 2, 6, 0, 7, 3, 8, 1, 1}, "1764000000000-3")
	f.Add([]byte{5, 2, 1, 0, 5, 3, 3, 1}, "ERR syntax error")
	f.Fuzz(func(t *testing.T, shape []byte, text string) {
		s := openFor(t, "*,q")
		page := adaptertest.Reply([]any{text, 1, "x" + text})
		id := func(next func() byte, seq string) string { return strconv.Itoa(int(next())) + seq }
		anything := adaptertest.Anything{Shape: shape, Also: append(adaptertest.Fixed(
			adapter.Text(text), adapter.Refusal(text), adapter.List(adapter.Text("0"), page), adapter.List(adapter.Text("1"), page),
		), func(next func() byte) adapter.Reply { // groups
			var groups []any
			for _, name := range []string{text, "x", text + "/"} {
				groups = append(groups, []any{"name", name, "pending", int64(int8(next())), "last-delivered-id", id(next, "-1"), "lag", int64(int8(next()))})
			}
			return adaptertest.Reply(groups)
		}, func(next func() byte) adapter.Reply { // a stream
			return adaptertest.Reply([]any{"length", int64(next()), "entries-added", int64(next()), "last-generated-id", id(next, "-1"), "first-entry", []any{text}})
		}, func(next func() byte) adapter.Reply { // entries
			return adaptertest.Reply([]any{[]any{id(next, "-2"), []any{text}}})
		})}
		for round := range 4 {
			_, _, _ = adaptertest.Poll(t, Adapter{}, s, noon.Add(time.Duration(round)*time.Hour), anything.Reply)
		}
	})
}

// BenchmarkPoll is what a poll of a thousand groups costs beside Redis, with something waiting in each.
func BenchmarkPoll(b *testing.B) {
	var list strings.Builder
	k := &redis{streams: map[string]*stub{}}
	all := ids(10)
	for i := range 1000 {
		fmt.Fprintf(&list, "s:%d,", i)
		k.streams[fmt.Sprint("s:", i)] = &stub{entries: all, groups: []stubGroup{{name: "g", last: all[4], lag: 5}}}
	}
	s := openFor(b, list.String())
	var rounds [][]adapter.Reply
	step := s.Poll(b.Context(), noon)
	for step.Requests != nil {
		replies := make([]adapter.Reply, len(step.Requests))
		for i, r := range step.Requests {
			replies[i] = k.answer(r)
		}
		rounds = append(rounds, replies)
		step = s.Next(b.Context(), replies)
	}
	b.ReportAllocs()
	for b.Loop() {
		step := s.Poll(b.Context(), noon)
		for _, replies := range rounds {
			step = s.Next(b.Context(), replies)
		}
		if step.Snapshot == nil || len(step.Snapshot.Queues) != 1000 {
			b.Fatal(step.Err)
		}
	}
}
