package bullmq

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

var noon = time.UnixMilli(1_764_000_000_000)

// keys is a Redis of strings, lists, sets' sizes and hashes, as much of one as the adapter asks of.
// Real ones are in real_test.go; this one can be wrong in ways that a real one seldom is.
type keys map[string]any

// reply is a value of keys as a reply.
func reply(v any) adapter.Reply {
	switch v := v.(type) {
	case adapter.Reply:
		return v
	case int64:
		return adapter.Int(v)
	case string:
		return adapter.Text(v)
	case []any:
		items := make([]adapter.Reply, len(v))
		for i, item := range v {
			items[i] = reply(item)
		}
		return adapter.List(items...)
	}
	return adapter.Reply{}
}

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

// scan gives COUNT keys at a time, in order, with the place as its cursor.
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
	from, _ := strconv.Atoi(r[1])
	count, _ := strconv.Atoi(r[5])
	to := min(from+count, len(all))
	found := []any{}
	for _, key := range all[min(from, to):to] {
		if ok, err := path.Match(r[3], key); err != nil {
			return adapter.Refusal("ERR " + err.Error())
		} else if ok {
			found = append(found, key)
		}
	}
	next := strconv.Itoa(to)
	if to == len(all) {
		next = "0"
	}
	return []any{next, found}
}

func (k keys) poll(t *testing.T, s adapter.Session, now time.Time) (*protocol.QueueSnapshot, int, error) {
	t.Helper()
	asked := 0
	allowed := Adapter{}.Describe().Commands
	step := s.Poll(t.Context(), now)
	for len(step.Requests) > 0 {
		var replies []adapter.Reply
		for _, r := range step.Requests {
			name := r[0]
			if name == "CLIENT" || name == "CLUSTER" {
				name += " " + r[1]
			}
			if !slices.Contains(allowed, name) {
				t.Fatalf("%v was asked, but is not described", r)
			}
			replies = append(replies, reply(k.answer(r)))
		}
		asked += len(step.Requests)
		step = s.Next(t.Context(), replies)
	}
	if step.Snapshot != nil {
		if err := step.Snapshot.Validate(); err != nil {
			t.Fatalf("the snapshot breaks the protocol: %v", err)
		}
	}
	return step.Snapshot, asked, step.Err
}

func openFor(t *testing.T, queues string) *session {
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

// A pipeline is not atomic: a marker may come between a list's length and its ends.
func TestMarkerThatComesBetweenTwoCommandsIsNoMinusOne(t *testing.T) {
	k := keys{"bull:q:meta": v4}
	s := openFor(t, "q")
	step := s.Poll(t.Context(), noon)
	for len(step.Requests) > 0 {
		replies := make([]adapter.Reply, len(step.Requests))
		for i, r := range step.Requests {
			if r[0] == "LRANGE" {
				k["bull:q:wait"] = list("0:1764000000000")
			}
			replies[i] = reply(k.answer(r))
		}
		step = s.Next(t.Context(), replies)
	}
	if step.Err != nil || step.Snapshot.Queues[0].Metrics.Waiting != 0 {
		t.Errorf("%+v, %v", step.Snapshot, step.Err)
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
	_, second, _ := k.poll(t, s, noon.Add(time.Second))
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
	soon, _, _ := k.poll(t, s, noon.Add(restAfterWalk-time.Second))
	if diff := cmp.Diff([]string{"a", "b"}, names(soon)); diff != "" {
		t.Errorf("before the next walk (-want +got):\n%s", diff)
	}
	later, _, _ := k.poll(t, s, noon.Add(restAfterWalk))
	if diff := cmp.Diff([]string{"a", "c"}, names(later)); diff != "" {
		t.Errorf("after it (-want +got):\n%s", diff)
	}
}

func TestWalkThroughALargeRedisIsDoneInParts(t *testing.T) {
	k := keys{"bull:a:meta": v4, "bull:z:meta": v4}
	for i := range firstRounds*firstCount + 3*laterCount {
		k[fmt.Sprintf("c:%07d", i)] = "" // between bull:a and bull:z there is nothing; behind them, all of these
	}
	k["zz"] = ""
	k["bull:"] = ""
	s := openFor(t, "*")
	first, asked, err := k.poll(t, s, noon)
	if err != nil {
		t.Fatal(err)
	}
	if asked > firstRounds+4*perQueue+20 {
		t.Errorf("the first poll asked %d requests", asked)
	}
	if len(first.Problems) != 1 || !strings.Contains(first.Problems[0].Reason, "still looking") {
		t.Errorf("problems are %v: that it is still looking is due", first.Problems)
	}
	second, _, _ := k.poll(t, s, noon.Add(10*time.Second))
	if len(second.Problems) > 0 {
		t.Errorf("problems are %v after the walk's end", second.Problems)
	}
	if diff := cmp.Diff([]string{"a", "z"}, names(second)); diff != "" {
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

func TestWorkersAreCountedByTheirClientName(t *testing.T) {
	b64 := "b3JkZXJz" // "orders"
	k := keys{"bull:orders:wait": list("1"), "CLIENT LIST": strings.Join([]string{
		"id=1 addr=1 name=bull:" + b64 + " age=1",
		"id=2 addr=1 name=bull:" + b64 + ":w:one age=1",
		"id=3 addr=1 name=bull:" + b64 + ":qe age=1",
		"id=4 addr=1 name= age=1",
		"id=5 addr=1 name=bull:" + b64 + "x age=1",
		"id=6 addr=1 name=bullet:" + b64 + " age=1", ""}, "\n")}
	s, _, err := k.poll(t, openFor(t, "orders"), noon)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Queues[0].Meta["workers"]; got != int64(2) {
		t.Errorf("workers are %v, want 2", got)
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
		s, err := (Adapter{}).Open(t.Context(), adapter.Settings{"app": "shop", SettingQueues: "*,q"})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		next := func() byte {
			n++
			if len(shape) == 0 {
				return 0
			}
			return shape[n%len(shape)]
		}
		var value func(depth int) any
		value = func(depth int) any {
			switch next() % 6 {
			case 0:
				return nil
			case 1:
				return int64(int8(next()))
			case 2:
				return text
			case 3:
				return adapter.Refusal(text)
			case 4:
				return "bull:" + text + ":meta"
			}
			var list []any
			for i := byte(0); i < next()%8 && depth < 3; i++ {
				list = append(list, value(depth+1))
			}
			return list
		}
		for round := range 3 {
			step := s.Poll(t.Context(), noon.Add(time.Duration(round)*time.Hour))
			for range 64 {
				if step.Requests == nil {
					break
				}
				replies := make([]adapter.Reply, len(step.Requests))
				for i := range replies {
					replies[i] = reply(value(0))
				}
				step = s.Next(t.Context(), replies)
			}
			if step.Snapshot != nil {
				if err := step.Snapshot.Validate(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
