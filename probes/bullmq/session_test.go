package bullmq

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

// keys is a Redis of strings, lists, sets' sizes and hashes, as much of one as the adapter asks of.
// Real ones are in real_test.go; this one can be wrong in ways that a real one seldom is.
type keys map[string]any

func (k keys) answer(r adapter.Request) any {
	wrongType := adapter.Refusal("WRONGTYPE Operation against a key holding the wrong kind of value")
	if r[0] == "SCAN" {
		return k.scan(r)
	}
	if whole := strings.Join(r, " "); len(r) == 1 || r[0] == "CLIENT" || r[0] == "CLUSTER" {
		return k[whole]
	}
	if err, ok := k[r[1]].(adapter.Reply); ok {
		return err
	}
	switch r[0] {
	case "LLEN", "LRANGE", "LINDEX":
		list, ok := k[r[1]].([]any)
		if !ok && k[r[1]] != nil {
			return wrongType
		}
		switch {
		case r[0] == "LLEN":
			return int64(len(list))
		case r[0] == "LINDEX" && len(list) > 0:
			return list[0]
		case r[0] == "LRANGE":
			n, _ := strconv.Atoi(r[2])
			return list[max(len(list)+n, 0):]
		}
	case "ZRANGE":
		if at, ok := k[r[1]+" first"].(string); ok {
			return []any{"1", at}
		}
		return []any{}
	case "ZCARD":
		n, ok := k[r[1]].(int64)
		if !ok && k[r[1]] != nil {
			return wrongType
		}
		return n
	case "HMGET", "HGET":
		hash, ok := k[r[1]].(map[string]string)
		if !ok && k[r[1]] != nil {
			return wrongType
		}
		var values []any
		for _, field := range r[2:] {
			values = append(values, any(nil))
			if v, ok := hash[field]; ok {
				values[len(values)-1] = v
			}
		}
		if r[0] == "HGET" {
			return values[0]
		}
		return values
	case "GET":
		if text, ok := k[r[1]].(string); ok || k[r[1]] == nil {
			if !ok {
				return nil
			}
			return text
		}
		return wrongType
	}
	return nil
}

func (k keys) scan(r adapter.Request) any {
	if err, ok := k["SCAN"].(adapter.Reply); ok {
		return err
	}
	var all []string
	for key := range k {
		if !slices.Contains([]string{"CLIENT LIST", "CLIENT INFO", "CLUSTER INFO", "ROLE", "SCAN"}, key) {
			all = append(all, key)
		}
	}
	slices.Sort(all)
	return adaptertest.Scan(r, all, nil)
}

func (k keys) poll(t *testing.T, s adapter.Session, now time.Time) (*protocol.QueueSnapshot, int, error) {
	t.Helper()
	snapshot, asked, err := adaptertest.Poll(t, Adapter{}, s, now, func(r adapter.Request) adapter.Reply { return adaptertest.Reply(k.answer(r)) })
	return snapshot, adaptertest.Count(asked), err
}

func openFor(t testing.TB, queues string) *session {
	t.Helper()
	s, err := (Adapter{}).Open(t.Context(), adapter.Settings{"app": "shop", "source": "redis", SettingQueues: queues})
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

func list(ids ...any) []any { return ids }

var v4 = map[string]string{"version": "bullmq:4.18.3"}

func TestMarkerIsNotAJob(t *testing.T) {
	long := make([]any, 500)
	for i := range long {
		long[i] = fmt.Sprint(i + 1)
	}
	with := func(marker string, at int) []any { return slices.Insert(slices.Clone(long), at, any(marker)) }
	for _, tc := range []struct {
		name string
		k    keys
		want int64
	}{
		{"the only entry", keys{"bull:q:wait": list("0:1764000000000")}, 0},
		{"at the tail", keys{"bull:q:wait": list("3", "2", "0:1764000000000")}, 2},
		{"at the head, behind LIFO jobs", keys{"bull:q:wait": list("0:0", "2")}, 1},
		{"between jobs", keys{"bull:q:wait": list("3", "0:1764000000000.1", "2")}, 2},
		{"deep between jobs", keys{"bull:q:wait": with("0:0", 301)}, 500},
		{"in a paused list", keys{"bull:q:paused": list("3", "0:0", "2")}, 2},
		{"alone in a paused list", keys{"bull:q:paused": list("0:0")}, 0},
		{"a job of Bull 4 that looks a little like one", keys{"bull:q:wait": list("0:order")}, 1},
		{"and more like one", keys{"bull:q:wait": list("0:7.order")}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.k["bull:q:meta"] = v4
			s, _, err := tc.k.poll(t, openFor(t, "q"), noon)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Queues[0].Metrics.Waiting; got != tc.want {
				t.Errorf("waiting is %d, want %d", got, tc.want)
			}
		})
	}
}

// BullMQ 2 has another marker, and notes no version. To Bull 4 it is a job.
func TestMarkerOfBullMQ2IsNotAJob(t *testing.T) {
	v2 := map[string]string{"opts.maxLenEvents": "10000"}
	for _, tc := range []struct {
		name string
		meta any
		wait []any
		want int64
	}{
		{"the only entry", v2, list("0"), 0},
		{"at the head, behind LIFO jobs", v2, list("0", "2"), 1},
		{"between jobs", v2, list("4", "0", "3", "2", "1"), 4},
		{"a job of Bull 4", nil, list("0"), 1},
		{"a job of Bull 4 that is paused", map[string]string{"paused": "1"}, list("0"), 1},
		{"a job of BullMQ 3", map[string]string{"version": "bullmq:3.16.2", "opts.maxLenEvents": "10000"}, list("0"), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := keys{"bull:q:wait": tc.wait, "bull:q:meta": tc.meta}
			if tc.meta == nil {
				delete(k, "bull:q:meta")
			}
			session := openFor(t, "q")
			for range 2 { // it is there until a worker gets there
				s, _, err := k.poll(t, session, noon)
				if err != nil {
					t.Fatal(err)
				}
				if got := s.Queues[0].Metrics.Waiting; got != tc.want {
					t.Errorf("waiting is %d, want %d", got, tc.want)
				}
			}
		})
	}
}

// A pipeline is not atomic: a marker may come between a list's length and its ends.
func TestMarkerThatComesBetweenTwoCommandsIsNoMinusOne(t *testing.T) {
	k := keys{"bull:q:meta": v4}
	s, _, err := adaptertest.Poll(t, Adapter{}, openFor(t, "q"), noon, func(r adapter.Request) adapter.Reply {
		if r[0] == "LRANGE" {
			k["bull:q:wait"] = list("0:1764000000000")
		}
		return adaptertest.Reply(k.answer(r))
	})
	if err != nil || s.Queues[0].Metrics.Waiting != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestQueueThatIsFoundAndMayNotBeReadIsSaid(t *testing.T) {
	noPerm := adapter.Refusal("NOPERM No permissions to access a key")
	k := keys{"bull:a:meta": v4, "bull:b:meta": noPerm, "bull:b:id": noPerm}
	s := openFor(t, "*")
	for i := range 8 {
		got, _, err := k.poll(t, s, noon.Add(time.Duration(i)*10*time.Second))
		if err != nil || len(got.Queues) != 1 || len(got.Problems) != 1 {
			t.Fatalf("poll %d: %+v, %v", i, got, err)
		}
		if reason := got.Problems[0].Reason; !strings.HasPrefix(reason, `queue "b" is left out, and perhaps others: NOPERM`) || !strings.Contains(reason, "on ~bull:*") {
			t.Errorf("poll %d: %s", i, reason)
		}
	}
}

func TestNameThatCannotBeReportedIsSaidAtEveryPollAndShort(t *testing.T) {
	k := keys{"bull:a:meta": v4, "bull:" + strings.Repeat("x", 1<<20) + ":meta": v4}
	s := openFor(t, "*")
	for i := range 8 {
		got, _, err := k.poll(t, s, noon.Add(time.Duration(i)*10*time.Second))
		if err != nil || len(got.Queues) != 1 || len(got.Problems) != 1 {
			t.Fatalf("poll %d: %d queues, problems %.500v, %v", i, len(got.Queues), got.Problems, err)
		}
		if reason := got.Problems[0].Reason; len(reason) > 300 || !strings.Contains(reason, "its name has 1048576 bytes") {
			t.Errorf("poll %d: %.500s", i, reason)
		}
	}
}

func TestNewVersionIsSearchedForAMarkerOnce(t *testing.T) {
	k := keys{"bull:q:meta": map[string]string{"version": "bullmq:5.81.5"}, "bull:q:wait": list("3", "2", "1")}
	s := openFor(t, "q")
	_, first, _ := k.poll(t, s, noon)
	_, second, _ := k.poll(t, s, noon.Add(time.Minute))
	if second != first-1 {
		t.Errorf("the polls asked %d and then %d requests; the second needs one less", first, second)
	}
}

func TestQueueIsFoundByItsMetaOrItsCounter(t *testing.T) {
	meta := map[string]string{"opts.maxLenEvents": "10000"}
	k := keys{
		"bull:orders:meta":        meta,
		"bull:a:b:meta":           meta, // names may hold a colon
		"bull:old:id":             "17", // Bull 4
		"bull:paused:meta":        map[string]string{"paused": "1"},
		"bull:job:order:7:meta":   map[string]string{"name": "ship", "data": "{}"},    // a job with an id of its own
		"bull:job:7:id":           map[string]string{"name": "ship", "timestamp": ""}, // another
		"bull:orders:de:x:id":     "12",                                               // deduplication
		"bull:orders:de:x:meta":   "12",
		"bull:old:limiter:id":     "3", // Bull 4's limiter by group
		"bull:word:id":            "not a number",
		"other:orders:meta":       meta,
		"bull:\xff\xfe:meta":      meta, // not UTF-8
		"bull:orders:identity":    "5",
		"bull:orders:metrics:cpu": "5",
	}
	s, _, err := k.poll(t, openFor(t, "*"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a:b", "old", "orders", "paused"}, names(s)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Reason, "UTF-8") {
		t.Errorf("problems are %v: the name that is not UTF-8 is due", s.Problems)
	}
}

func TestGlobsSelect(t *testing.T) {
	meta := map[string]string{"version": "bullmq:6.7.0"}
	k := keys{"bull:mail:meta": meta, "bull:mail-eu:meta": meta, "bull:audit:meta": meta}
	s, _, err := k.poll(t, openFor(t, "mail*, unheard"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"mail", "mail-eu", "unheard"}, names(s)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if text := s.Queues[2].Meta.Text("error"); !strings.Contains(text, "no job of this queue") {
		t.Errorf("a named queue that isn't there says %q", text)
	}
}

func TestNamedQueuesAreNotLookedFor(t *testing.T) {
	s := openFor(t, `orders,we\[i\]rd\*`)
	if s.walk != nil {
		t.Error("literal names start a walk through all keys")
	}
	if diff := cmp.Diff([]string{"orders", "we[i]rd*"}, s.named); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestDeletedQueueIsForgotten(t *testing.T) {
	meta := map[string]string{"version": "bullmq:6.7.0"}
	k := keys{"bull:a:meta": meta, "bull:b:meta": meta}
	s := openFor(t, "*")
	if _, _, err := k.poll(t, s, noon); err != nil {
		t.Fatal(err)
	}
	delete(k, "bull:b:meta")
	k["bull:c:meta"] = meta
	soon, _, _ := k.poll(t, s, noon.Add(time.Second)) // the walk rests
	if diff := cmp.Diff([]string{"a", "b"}, names(soon)); diff != "" {
		t.Errorf("before the next walk (-want +got):\n%s", diff)
	}
	later, _, _ := k.poll(t, s, noon.Add(time.Minute))
	if diff := cmp.Diff([]string{"a", "c"}, names(later)); diff != "" {
		t.Errorf("after it (-want +got):\n%s", diff)
	}
}

func TestWalkThroughALargeRedisIsDoneInParts(t *testing.T) {
	k := keys{"bull:a:meta": v4, "bull:z:meta": v4}
	for i := range 600_000 {
		k[fmt.Sprintf("c:%07d", i)] = "" // between bull:a and bull:z there is nothing; behind them, all of these
	}
	s := openFor(t, "*")
	first, asked, err := k.poll(t, s, noon)
	if err != nil {
		t.Fatal(err)
	}
	if asked > 50+4*perQueue+20 {
		t.Errorf("the first poll asked %d requests", asked)
	}
	for i := 1; len(first.Problems) > 0; i++ {
		if len(first.Problems) != 1 || first.Problems[0].Reason != adapter.StillLooking || i > 10 {
			t.Fatalf("poll %d: problems are %v", i, first.Problems)
		}
		first, _, _ = k.poll(t, s, noon.Add(time.Duration(i)*10*time.Second))
	}
	if diff := cmp.Diff([]string{"a", "z"}, names(first)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
}

func TestRefusedQueueDoesNotHideItsNeighbours(t *testing.T) {
	k := keys{
		"bull:a:wait":      adapter.Refusal("NOPERM no permissions"),
		"bull:b:wait":      "rubbish",
		"bull:c:wait":      list("1"),
		"bull:c:failed":    "rubbish",
		"bull:c:1":         "rubbish",
		"bull:c:limiter":   map[string]string{},
		"bull:c:completed": int64(5),
		"CLIENT LIST":      adapter.Refusal("NOPERM no permissions"),
	}
	s, _, err := k.poll(t, openFor(t, "a,b,c"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"c"}, names(s)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if len(s.Problems) != 2 || !strings.Contains(s.Problems[0].String(), "+llen") || !strings.Contains(s.Problems[1].String(), "WRONGTYPE") {
		t.Errorf("problems are %v", s.Problems)
	}
	c := s.Queues[0]
	if c.Metrics.Failed != nil || !strings.Contains(c.Meta.Text("error"), "failed: WRONGTYPE") {
		t.Errorf("failed is %v, error %q: it cannot be known, and that is said", c.Metrics.Failed, c.Meta.Text("error"))
	}
	if c.Meta.Has("workers") {
		t.Error("workers are told although Redis refused CLIENT LIST")
	}
}

func TestAllRefusedIsNoSnapshot(t *testing.T) {
	refused := adapter.Refusal("NOPERM no permissions")
	k := keys{"bull:a:wait": refused, "bull:b:wait": refused}
	s, _, err := k.poll(t, openFor(t, "a,b"), noon)
	if err == nil || s != nil || !strings.Contains(err.Error(), `read queue "a" of bull: NOPERM`) {
		t.Errorf("snapshot %v, error %v", s, err)
	}
}

func TestRefusedScanStillReadsWhatIsNamed(t *testing.T) {
	k := keys{"SCAN": adapter.Refusal("NOPERM no permissions"), "bull:a:wait": list("1")}
	s, _, err := k.poll(t, openFor(t, "a,b*"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a"}, names(s)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Reason, "find queues: NOPERM") {
		t.Errorf("problems are %v", s.Problems)
	}
}

// TestRefusedScanThatLeavesNothingIsNoSnapshot: nor does it say that it is still looking.
func TestRefusedScanThatLeavesNothingIsNoSnapshot(t *testing.T) {
	k := keys{"SCAN": adapter.Refusal("NOPERM no permissions")}
	if s, _, err := k.poll(t, openFor(t, "b*"), noon); err == nil || !strings.HasPrefix(err.Error(), "find queues: NOPERM") {
		t.Errorf("snapshot %v, error %v", s, err)
	}
}

func client(name, more string) string { return "id=1 addr=1 name=" + name + " age=1 " + more }

const (
	ordersInBase64 = "b3JkZXJz"
	noCluster      = "ERR This instance has cluster support disabled"
)

func TestWorkersAreCountedByTheirClientName(t *testing.T) {
	worker := "bull:" + ordersInBase64
	us := client("", "flags=N db=2 cmd=client|list")
	primary := []any{"master", int64(0), []any{}}
	for _, tc := range []struct {
		name   string
		list   []string
		more   keys
		active int
		want   int64 // -1 is absent
	}{
		{"each of its names", []string{us, client(worker, "db=2"), client(worker+":w:one", "db=2"), client(worker+":qe", "db=2"), client("", "db=2"),
			client(worker+"x", "db=2"), client("bullet:"+ordersInBase64, "db=2")}, nil, 1, 2},
		{"none", []string{us}, nil, 0, 0},
		{"another database's", []string{us, client(worker, "db=0"), client(worker, "db=22")}, nil, 0, 0},
		{"another database's, while a job runs", []string{us, client(worker, "db=0")}, nil, 1, -1},
		{"none seen while a job runs: its name may not have been sent", []string{us}, nil, 1, -1},
		{"without CLIENT INFO", []string{us, client(worker, "db=2")}, keys{"CLIENT INFO": nil}, 0, 1},
		{"without it, and two clients ask", []string{us, client(worker, "db=2"), client("", "db=3 cmd=client|list")}, keys{"CLIENT INFO": nil}, 0, -1},
		{"without it, and two clients of one database ask", []string{us, client(worker, "db=2"), us}, keys{"CLIENT INFO": nil}, 0, 1},
		{"without it, of an older Redis", []string{client("", "db=2 cmd=client"), client(worker, "db=2")}, keys{"CLIENT INFO": nil}, 0, 1},
		{"without a list", []string{us}, keys{"CLIENT LIST": ""}, 0, -1},
		{"on a replica by its role", []string{us, client(worker, "db=2")}, keys{"ROLE": []any{"slave", "10.0.0.1", int64(6379)}}, 0, -1},
		{"on a replica by its link", []string{us, client("", "flags=M db=0")}, keys{"ROLE": adapter.Refusal("NOPERM")}, 0, -1},
		{"in a cluster with clients that have no such name", []string{us}, keys{"CLUSTER INFO": "cluster_enabled:1"}, 0, -1},
		{"in a cluster with clients that have one", []string{us, client("bull:b3RoZXI=", "db=2")}, keys{"CLUSTER INFO": "cluster_enabled:1"}, 0, 0},
		{"in a cluster, connected to two of its servers", []string{us, client(worker, "db=2 laddr=10.0.0.1:1"), client(worker+":w:one", "db=2 laddr=10.0.0.1:1"), client(worker, "db=2 laddr=10.0.0.2:1")},
			keys{"CLUSTER INFO": "cluster_enabled:1"}, 1, 2},
		{"alone, connected to two of its addresses", []string{us, client(worker, "db=2 laddr=10.0.0.1:1"), client(worker, "db=2 laddr=10.0.0.2:1")}, nil, 1, 2},
		{"where it may be a cluster", []string{us}, keys{"CLUSTER INFO": adapter.Refusal("NOPERM")}, 0, -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := keys{"bull:orders:wait": list("1"), "CLIENT LIST": strings.Join(tc.list, "\n") + "\n",
				"CLIENT INFO": us, "CLUSTER INFO": adapter.Refusal(noCluster), "ROLE": primary}
			maps.Copy(k, tc.more)
			for range tc.active {
				k["bull:orders:active"] = list("9")
			}
			s, _, err := k.poll(t, openFor(t, "orders"), noon)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := s.Queues[0].Meta.Int("workers")
			if !ok {
				got = -1
			}
			if got != tc.want {
				t.Errorf("workers are %d, want %d", got, tc.want)
			}
		})
	}
}

func TestWorkersOfAPrefixThatNoClientNameCanHaveAreUnknown(t *testing.T) {
	for _, prefix := range []string{"my app", "büll"} {
		s, err := (Adapter{}).Open(t.Context(), adapter.Settings{"app": "shop", SettingQueues: "orders", SettingPrefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		us := client("", "db=0 cmd=client|list")
		got, _, err := keys{prefix + ":orders:wait": list("1"), "CLIENT LIST": us, "CLIENT INFO": us, "CLUSTER INFO": adapter.Refusal(noCluster)}.poll(t, s, noon)
		if err != nil || got.Queues[0].Meta.Has("workers") {
			t.Errorf("prefix %q: %v, %v", prefix, got, err)
		}
	}
}

// TestBasicCounts holds the numbers where no BullMQ is installed: each list counts where it belongs.
func TestBasicCounts(t *testing.T) {
	k := keys{
		"bull:q:meta": map[string]string{"version": "bullmq:6.7.0", "paused": "1", "concurrency": "3"}, "bull:q:wait": list("3", "2", "1"), "bull:q:paused": list("5", "4"),
		"bull:q:active": list("9", "8", "7", "6"), "bull:q:delayed": int64(11), "bull:q:prioritized": int64(13), "bull:q:failed": int64(17), "bull:q:failed first": "1763999000000",
		"bull:q:completed": int64(19), "bull:q:waiting-children": int64(23), "bull:q:1": map[string]string{"timestamp": "1763999999000"},
	}
	s, _, err := k.poll(t, openFor(t, "q"), noon)
	if err != nil {
		t.Fatal(err)
	}
	want := protocol.Queue{Name: "q", Driver: protocol.DriverBullMQ, Metrics: protocol.Metrics{Waiting: 18, Active: new(int64(4)), Delayed: new(int64(11)), Failed: new(int64(17))}}
	if diff := cmp.Diff(want.Metrics, s.Queues[0].Metrics); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	meta := map[string]any{"prioritized": 13.0, "completed": 19.0, "waiting_children": 23.0, "paused": true, "concurrency": 3.0, "runnable": 0.0,
		"oldest_at": 1763999999000.0, "oldest_failed_at": 1763999000000.0}
	if diff := cmp.Diff(meta, s.Queues[0].Meta.Map()); diff != "" {
		t.Errorf("meta (-want +got):\n%s", diff)
	}
	if s.App != "shop" || s.Source != "redis" || s.Timestamp != noon.UnixMilli() {
		t.Errorf("the snapshot is of %s from %s at %d", s.App, s.Source, s.Timestamp)
	}
}

func TestRunnableIsWhatIsNotHeldBack(t *testing.T) {
	for _, tc := range []struct {
		name            string
		meta            map[string]string
		limiter         any
		waiting, active int
		want            int64 // -1 is absent: all that wait may run
	}{
		{"nothing holds it back", nil, nil, 5, 2, -1},
		{"paused", map[string]string{"paused": "1"}, nil, 5, 0, 0},
		{"at its limit", map[string]string{"max": "3"}, "3", 5, 0, 0},
		{"below its limit", map[string]string{"max": "3"}, "2", 5, 0, -1},
		{"limited by hand", nil, "9007199254740991", 5, 0, 0},
		{"a worker's own limit, which Redis doesn't have", nil, "100", 5, 0, -1},
		{"some within its concurrency", map[string]string{"concurrency": "4"}, nil, 5, 1, 3},
		{"none within its concurrency", map[string]string{"concurrency": "4"}, nil, 5, 6, 0},
		{"all within its concurrency", map[string]string{"concurrency": "9"}, nil, 5, 4, -1},
		{"nothing waits", map[string]string{"paused": "1"}, "9007199254740991", 0, 0, -1},
	} {
		k := keys{"bull:q:meta": map[string]string{"version": "bullmq:6.7.0"}, "bull:q:limiter": tc.limiter}
		maps.Copy(k["bull:q:meta"].(map[string]string), tc.meta)
		many := func(n int) (ids []any) {
			for i := range n {
				ids = append(ids, fmt.Sprint(i+1))
			}
			return ids
		}
		k["bull:q:wait"], k["bull:q:active"] = many(tc.waiting), many(tc.active)
		s, _, err := k.poll(t, openFor(t, "q"), noon)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := s.Queues[0].Meta.Int("runnable")
		if !ok {
			got = -1
		}
		if got != tc.want {
			t.Errorf("%s: runnable is %d, want %d", tc.name, got, tc.want)
		}
	}
}

// requestsFor are what a poll asks, for each key that is asked of.
func requestsFor(t *testing.T, k keys, s adapter.Session) map[string]int {
	t.Helper()
	asked := map[string]int{}
	_, rounds, err := adaptertest.Poll(t, Adapter{}, s, noon, func(r adapter.Request) adapter.Reply { return adaptertest.Reply(k.answer(r)) })
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range slices.Concat(rounds...) {
		asked[strings.Join(r, " ")]++
	}
	return asked
}

// TestNothingIsAskedInVain is about what a poll of thousands of queues costs.
func TestNothingIsAskedInVain(t *testing.T) {
	s := openFor(t, "idle")
	requestsFor(t, keys{"bull:idle:meta": v4}, s) // looks for counters
	asked := requestsFor(t, keys{"bull:idle:meta": v4}, s)
	if len(asked) != perQueue+len(whoIsConnected) {
		t.Errorf("of an idle queue it asks %v", asked)
	}
	asked = requestsFor(t, keys{"bull:q:meta": v4, "bull:q:paused": list("2", "1")}, openFor(t, "q"))
	if asked["HGET bull:q:1 timestamp"] != 1 {
		t.Errorf("the age of the next job is asked %d times", asked["HGET bull:q:1 timestamp"])
	}
	asked = requestsFor(t, keys{"bull:q:meta": v4, "bull:q:wait": list("1"), "bull:q:paused": list("2")}, openFor(t, "q"))
	if asked["HGET bull:q:1 timestamp"] != 1 || asked["HGET bull:q:2 timestamp"] != 0 {
		t.Errorf("of two lists' next jobs it asks %v", asked)
	}
	for request, n := range asked {
		if n > 1 {
			t.Errorf("%s is asked %d times", request, n)
		}
	}
}

// TestOldestIsNotInTheFuture: a producer's clock may be ahead.
func TestOldestIsNotInTheFuture(t *testing.T) {
	k := keys{"bull:q:wait": list("1"), "bull:q:1": map[string]string{"timestamp": fmt.Sprint(noon.UnixMilli() + 5000)}}
	s, _, err := k.poll(t, openFor(t, "q"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if at, _ := s.Queues[0].Meta.Int("oldest_at"); at != noon.UnixMilli() {
		t.Errorf("the oldest job was made at %d, after %d", at, noon.UnixMilli())
	}
}

// TestOldestIsATimeOrAbsent: a producer may set any timestamp.
func TestOldestIsATimeOrAbsent(t *testing.T) {
	for _, timestamp := range []string{"0", "-5", "soon", "", "9223372036854775808"} {
		k := keys{"bull:q:wait": list("1"), "bull:q:1": map[string]string{"timestamp": timestamp}}
		s, _, err := k.poll(t, openFor(t, "q"), noon)
		if err != nil {
			t.Fatal(err)
		}
		if s.Queues[0].Meta.Has("oldest_at") {
			t.Errorf("a job of the time %q is the oldest: %v", timestamp, s.Queues[0].Meta.Map())
		}
	}
}

// TestMarkerOfAnUpgradeIsRememberedUntilItIsGone: BullMQ 5 and later make no marker, but keep one that
// version 4 left between jobs until a worker gets there.
func TestMarkerOfAnUpgradeIsRememberedUntilItIsGone(t *testing.T) {
	jobs := func(from, n int) (ids []any) {
		for i := range n {
			ids = append(ids, fmt.Sprint(from+i))
		}
		return ids
	}
	const marker = "0:1764000000000"
	join := slices.Concat[[]any]
	k := keys{"bull:q:meta": map[string]string{"version": "bullmq:5.81.5"}}
	s := openFor(t, "q")
	for i, step := range []struct {
		wait []any
		want int64
	}{
		{list("4", "3", marker, "1"), 3},
		{list("4", "3", marker, "1"), 3},
		{list("5", "4", "3", marker, "1"), 4},
		{join(list("5", "4", "3", marker), jobs(1000, 300)), 303}, // too many LIFO jobs behind it to be found
		{list("5", "4", "3", marker, "1"), 4},
		{list("5", "4", "3"), 3}, // a worker got there
		{join(jobs(1000, 300)), 300},
	} {
		k["bull:q:wait"] = step.wait
		got, _, err := k.poll(t, s, noon.Add(time.Duration(i)*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if n := got.Queues[0].Metrics.Waiting; n != step.want {
			t.Errorf("poll %d: %d wait, want %d", i+1, n, step.want)
		}
	}
}

// TestMarkerThatIsGoneIsNotTakenOffALongList: what is remembered of a marker ends with it, and a list that
// is longer than a search goes hides nothing else.
func TestMarkerThatIsGoneIsNotTakenOffALongList(t *testing.T) {
	const marker = "0:1764000000000"
	jobs := func(n int) (ids []any) {
		for i := range n {
			ids = append(ids, fmt.Sprint(1000+i))
		}
		return ids
	}
	hidden := list("4", marker, "3", "2", "1") // behind the head, before the last two
	v3, v4, v5 := map[string]string{"version": "bullmq:3.16.2"}, map[string]string{"version": "bullmq:4.18.3"}, map[string]string{"version": "bullmq:5.81.5"}
	type poll struct {
		meta         map[string]string
		wait, paused []any
		want         int64
	}
	for name, polls := range map[string][]poll{
		"it is still there":             {{v5, hidden, nil, 4}, {v5, hidden, nil, 4}, {v5, hidden, nil, 4}},
		"the queue was empty":           {{v5, hidden, nil, 4}, {v5, nil, nil, 0}, {v5, jobs(300), nil, 300}},
		"the queue was short":           {{v5, hidden, nil, 4}, {v5, jobs(2), nil, 2}, {v5, jobs(300), nil, 300}},
		"the whole list was searched":   {{v5, hidden, nil, 4}, {v5, jobs(200), nil, 200}, {v5, jobs(300), nil, 300}},
		"it is in a paused list":        {{v5, nil, hidden, 4}, {v5, nil, list(marker, "1"), 1}, {v5, nil, append(list("5", marker, "1"), jobs(300)...), 302}},
		"a version that makes them":     {{v4, hidden, nil, 4}, {v4, jobs(300), nil, 300}},
		"a version that makes them new": {{v3, jobs(4), nil, 4}, {v3, hidden, nil, 4}},
		"it came before an upgrade":     {{v4, jobs(4), nil, 4}, {v5, hidden, nil, 4}},
	} {
		k, s := keys{}, openFor(t, "q")
		for i, p := range polls {
			k["bull:q:meta"], k["bull:q:wait"], k["bull:q:paused"] = p.meta, p.wait, p.paused
			got, _, err := k.poll(t, s, noon.Add(time.Duration(i)*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if n := got.Queues[0].Metrics.Waiting; n != p.want {
				t.Errorf("%s: at poll %d %d wait, want %d", name, i+1, n, p.want)
			}
		}
	}
}

// TestBothListsAreSearchedForAMarker: looking at wait must not end the search of paused.
func TestBothListsAreSearchedForAMarker(t *testing.T) {
	k := keys{"bull:q:meta": map[string]string{"version": "bullmq:5.81.5"}, "bull:q:wait": list("3", "2", "1"), "bull:q:paused": list("7", "6", "0:0", "5")}
	s := openFor(t, "q")
	for range 3 {
		got, _, err := k.poll(t, s, noon)
		if err != nil || got.Queues[0].Metrics.Waiting != 6 {
			t.Errorf("%+v, %v: 6 wait", got.Queues, err)
		}
	}
}

// TestQueueThatHasAnythingIsThere: the hint is for a name that is wrong.
func TestQueueThatHasAnythingIsThere(t *testing.T) {
	for _, part := range []string{"failed", "delayed", "prioritized", "completed", "waiting-children"} {
		s, _, err := keys{"bull:q:" + part: int64(3)}.poll(t, openFor(t, "q"), noon)
		if err != nil || s.Queues[0].Meta.Has("error") {
			t.Errorf("with %s jobs: %+v, %v", part, s, err)
		}
	}
	s, _, err := keys{"bull:q:groups": int64(3)}.poll(t, openFor(t, "q"), noon)
	if err != nil || strings.Contains(s.Queues[0].Meta.Text("error"), "no job of this queue") {
		t.Errorf("with groups: %+v, %v", s, err)
	}
	s, _, err = keys{"bull:q:id": "17"}.poll(t, openFor(t, "*"), noon)
	if err != nil || s.Queues[0].Meta.Has("error") {
		t.Errorf("found, and idle: %+v, %v", s, err)
	}
}

// TestActiveThatIsUnknownLeavesOthersUnknown is about how many more jobs may run, and that no worker is connected.
func TestActiveThatIsUnknownLeavesOthersUnknown(t *testing.T) {
	us := client("", "db=0")
	s, _, err := keys{
		"bull:q:meta": map[string]string{"version": "bullmq:6.7.0", "concurrency": "3"}, "bull:q:wait": list("1", "2", "3", "4"), "bull:q:active": "rubbish",
		"CLIENT LIST": us, "CLIENT INFO": us, "CLUSTER INFO": adapter.Refusal(noCluster),
	}.poll(t, openFor(t, "q"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if q := s.Queues[0]; q.Metrics.Active != nil || q.Meta.Has("runnable") || q.Meta.Has("workers") {
		t.Errorf("%+v", q.Meta.Map())
	}
}

func TestOldestFailureIsATimeOrAbsent(t *testing.T) {
	for score, want := range map[string]int64{"1763999000000": 1763999000000, "1763999000000.5": 1763999000000, "1e+30": maxTime, "inf": maxTime, "-5": 0, "-inf": 0, "0": 0, "x": 0} {
		s, _, err := keys{"bull:q:failed": int64(1), "bull:q:failed first": score}.poll(t, openFor(t, "q"), noon)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Queues[0].Meta.Int("oldest_failed_at"); got != want || ok != (want > 0) {
			t.Errorf("of the score %s it is %d, want %d", score, got, want)
		}
	}
}

func TestGroupsOfBullMQProAreSaid(t *testing.T) {
	s, _, err := keys{"bull:q:wait": list("1"), "bull:q:groups": int64(2)}.poll(t, openFor(t, "q"), noon)
	if err != nil || !strings.Contains(s.Queues[0].Meta.Text("error"), "it has 2 groups of BullMQ Pro") {
		t.Errorf("%v, %v", s, err)
	}
}

func TestPrefixUnderWhichNothingIsFoundIsSaid(t *testing.T) {
	s := openFor(t, "*")
	for i := range 3 {
		got, _, err := keys{"other:q:meta": v4}.poll(t, s, noon.Add(time.Duration(i)*time.Minute))
		if err != nil || len(got.Queues) > 0 || len(got.Problems) != 1 || !strings.Contains(got.Problems[0].Reason, "no queue was found under the prefix bull") {
			t.Errorf("poll %d: %+v, %v", i, got, err)
		}
	}
}

// TestImpossibleLengthSpoilsOneQueue: a broken Redis, or what stands between, may answer anything.
func TestImpossibleLengthSpoilsOneQueue(t *testing.T) {
	for _, n := range []int64{-78, protocol.MaxCount + 1, protocol.MaxCount} {
		k := keys{"bull:bad:prioritized": n, "bull:bad:wait": list("1"), "bull:good:wait": list("1"), "bull:good:delayed": int64(-1)}
		s, _, err := k.poll(t, openFor(t, "bad,good"), noon)
		if err != nil {
			t.Fatal(err)
		}
		if got := names(s); !slices.Equal(got, []string{"good"}) || len(s.Problems) != 1 || s.Problems[0].Queue != "bad" || !strings.Contains(s.Problems[0].Reason, "this Redis is broken") {
			t.Errorf("with a length of %d: queues are %q, problems %v", n, got, s.Problems)
		}
		if q := s.Queues[0]; q.Metrics.Delayed != nil || !strings.Contains(q.Meta.Text("error"), "delayed: the answer is -1") {
			t.Errorf("delayed is %v, %s", q.Metrics.Delayed, q.Meta.Text("error"))
		}
	}
}

func TestHostThatAnswersWrongEndsThePoll(t *testing.T) {
	s := openFor(t, "a")
	s.Poll(t.Context(), noon)
	if step := s.Next(t.Context(), nil); step.Err == nil {
		t.Error("too few replies were taken")
	}
	if step := s.Next(t.Context(), nil); step.Err == nil {
		t.Error("replies were taken that nothing was asked for")
	}
}

func TestBadSettingsAreRefused(t *testing.T) {
	for _, queues := range []string{"", " , ", "a[", `a\`} {
		if _, err := (Adapter{}).Open(t.Context(), adapter.Settings{"app": "shop", SettingQueues: queues}); err == nil {
			t.Errorf("queues %q were taken", queues)
		}
	}
}

// FuzzReplies answers with anything: a poll may fail, but not panic, hang or break the protocol.
func FuzzReplies(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, "0:1")
	f.Fuzz(func(t *testing.T, shape []byte, text string) {
		s := openFor(t, "*,q")
		page := adaptertest.Reply([]any{"bull:" + text + ":meta", "bull:" + text + ":id"})
		anything := adaptertest.Anything{Shape: shape, Also: adaptertest.Fixed(
			adapter.Text(text), adapter.Refusal(text), adapter.Text("bull:"+text+":meta"), adapter.Text("bullmq:4.18.3"), adapter.Text("17"),
			adapter.List(adapter.Text("0"), page), adapter.List(adapter.Text("1"), page),
		)}
		for round := range 3 {
			_, _, _ = adaptertest.Poll(t, Adapter{}, s, noon.Add(time.Duration(round)*time.Hour), anything.Reply)
		}
	})
}
