package examples_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/adapter"
)

// rqQueue is what RQ itself counts in a queue.
type rqQueue struct {
	Waiting, Active, Delayed, Failed, Deferred int64
	OldestAt                                   *int64 `json:"oldest_at"`
}

func (q rqQueue) words() string { return words(&q.Waiting, &q.Active, &q.Delayed, &q.Failed) }

func TestRQIsCountedAsItCountsItselfAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx, c := t.Context(), server.Client
	var own map[string]rqQueue
	if out := rq.seed(t, server.Port()); json.Unmarshal(out, &own) != nil {
		t.Fatalf("seed.py prints %s", out)
	}
	const odd = `a:b "ü\`
	want := map[string]string{"mail": own["mail"].words(), odd: own[odd].words()}
	if diff := cmp.Diff(map[string]string{"mail": "3 1 4 2", odd: "1 0 0 0"}, want); diff != "" {
		t.Fatalf("the library's queues are in another state than they were put in (-want +got):\n%s", diff)
	}
	before := server.Digest()
	p := rq.poller(t, c, adapter.Settings{"source": "rq-1"})
	for range 3 {
		s := mustPoll(t, p, noon)
		if diff := cmp.Diff(want, counts(s)); diff != "" {
			t.Errorf("waiting, active, delayed, failed (-want +got):\n%s", diff)
		}
		if s.App != "shop" || s.Source != "rq-1" || s.Timestamp != noon.UnixMilli() || len(s.Problems) > 0 {
			t.Errorf("%+v", s)
		}
		for name, workers := range map[string]float64{"mail": 1, odd: 0} {
			meta := map[string]any{"driver": "rq", "deferred": float64(own[name].Deferred), "oldest_at": float64(*own[name].OldestAt), "workers": workers}
			if diff := cmp.Diff(meta, metaOf(t, s, name)); diff != "" {
				t.Errorf("meta of %s (-want +got):\n%s", name, diff)
			}
		}
	}
	named := rq.poller(t, c, adapter.Settings{"queues": " mail ,, mail,none"})
	if diff := cmp.Diff(map[string]string{"mail": "3 1 4 2", "none": "0 0 0 0"}, counts(mustPoll(t, named, noon))); diff != "" {
		t.Errorf("by name (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, server.Digest()); diff != "" {
		t.Errorf("a poll changed the Redis that it reads (-before +after):\n%s", diff)
	}

	// The key of a worker that was killed ends, but not its place in the set.
	c.Del(ctx, c.SMembers(ctx, "rq:workers:mail").Val()...)
	c.Set(ctx, "rq:suspended", "1", 0)
	s := mustPoll(t, p, noon)
	if m := metaOf(t, s, "mail"); m["workers"] != 0.0 || m["paused"] != true || metaOf(t, s, odd)["paused"] != true {
		t.Errorf("with no worker, and suspended: %+v", s)
	}
}

func TestOldestOfRQIsExactOrAbsent(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx, c := t.Context(), server.Client
	c.SAdd(ctx, "rq:queues", "rq:queue:mail")
	c.RPush(ctx, "rq:queue:mail", "1", "2")
	p := rq.poller(t, c, nil)
	for text, want := range map[string]any{
		"2026-11-26T12:00:00.123456Z": 1795694400123.0, "2026-11-26T12:00:00Z": 1795694400000.0, // as RQ writes it, and as it once did
		"": nil, "yesterday": nil, "2026-13-26T12:00:00Z": nil, "1969-11-26T12:00:00Z": nil,
	} {
		c.HSet(ctx, "rq:job:1", "enqueued_at", text)
		if m := metaOf(t, mustPoll(t, p, noon), "mail"); m["oldest_at"] != want || m["error"] != nil {
			t.Errorf("enqueued_at %q: %v, want %v", text, m, want)
		}
	}
	c.Del(ctx, "rq:job:1")
	if m := metaOf(t, mustPoll(t, p, noon), "mail"); m["oldest_at"] != nil || m["error"] != nil {
		t.Errorf("of a job that is gone: %v", m)
	}
	c.Set(ctx, "rq:job:1", "no hash", 0)
	if m := metaOf(t, mustPoll(t, p, noon), "mail"); m["oldest_at"] != nil || !strings.HasPrefix(fmt.Sprint(m["error"]), "oldest_at is absent: HGET: WRONGTYPE") {
		t.Errorf("of a job that is no hash: %v", m)
	}
}

func TestRQWorkersAreExactOrAbsent(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx, c := t.Context(), server.Client
	add := func(queue string, first, last int) {
		c.SAdd(ctx, "rq:queues", "rq:queue:"+queue)
		for i := first; i < last; i++ {
			key := fmt.Sprintf("rq:worker:%d", i)
			c.SAdd(ctx, "rq:workers:"+queue, key)
			c.HSet(ctx, key, "birth", "x")
		}
	}
	add("mail", 0, 600)
	add("sms", 400, 1000) // 200 of them are the same
	p := rq.poller(t, c, nil)
	if s := mustPoll(t, p, noon); metaOf(t, s, "mail")["workers"] != 600.0 || metaOf(t, s, "sms")["workers"] != 600.0 || reasons(s) != "" {
		t.Errorf("1000 workers: %+v", s)
	}
	add("sms", 1000, 1001)
	if s := mustPoll(t, p, noon); metaOf(t, s, "mail")["workers"] != nil || reasons(s) != "workers is absent: there are too many to ask for" {
		t.Errorf("1001 workers: %+v", s)
	}
}

// TestRQWithFewRights: what a user may not read is absent, and said.
func TestRQWithFewRights(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx, c := t.Context(), server.Client
	c.SAdd(ctx, "rq:queues", "rq:queue:mail", "rq:queue:other", "rq:queue:"+strings.Repeat("x", 1025), "rq:queue:")
	c.RPush(ctx, "rq:queue:mail", "1")
	c.SAdd(ctx, "rq:workers:mail", "rq:worker:1")
	c.Set(ctx, "rq:queue:other", "no list", 0)
	s := mustPoll(t, rq.poller(t, withRights(t, server, "+smembers", "+llen"), nil), noon)
	said := reasons(s) + fmt.Sprint(metaOf(t, s, "mail")["error"])
	for _, want := range []string{
		"paused is absent: EXISTS rq:suspended: NOPERM", "queues are left out: a name has 1 to 1024 bytes", `queue "other": it is left out: LLEN: WRONGTYPE`,
		"active is absent: ZCARD: NOPERM", "oldest_at is absent: LINDEX: NOPERM", "workers is absent: EXISTS: NOPERM",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it doesn't say %q: %s", want, said)
		}
	}
	if counts(s)["mail"] != "1 - - -" || len(s.Queues) != 1 || metaOf(t, s, "mail")["workers"] != nil {
		t.Errorf("with SMEMBERS and LLEN alone: %+v", s)
	}
	for want, rules := range map[string][]string{
		"RQ's queues cannot be found: SMEMBERS rq:queues: NOPERM": {"+llen"},
		"no queue of RQ's can be read: LLEN: NOPERM":              {"+smembers"},
	} {
		if s, err := rq.poller(t, withRights(t, server, rules...), nil).Poll(ctx, noon); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %v: %+v, %v, want %q", rules, s, err, want)
		}
	}
}

func TestMoreRQQueuesThanThereIsRoomForAreSaid(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	p := rq.poller(t, server.Client, nil)
	if s := mustPoll(t, p, noon); len(s.Queues) > 0 || reasons(s) != "RQ has no queue yet: the set rq:queues is empty" {
		t.Errorf("of an empty Redis: %+v", s)
	}
	for i := range 1002 {
		server.Client.SAdd(t.Context(), "rq:queues", fmt.Sprintf("rq:queue:q%d", i))
	}
	s := mustPoll(t, p, noon.Add(time.Second))
	if len(s.Queues) != 1000 || reasons(s) != "queues are left out: there is room for 1000: set queues to those that matter" {
		t.Errorf("%d queues, %s", len(s.Queues), reasons(s))
	}
}

func TestRQRefusesWrongSettings(t *testing.T) {
	for want, settings := range map[string]adapter.Settings{
		"none that is called namespace":               {"namespace": "x"},
		"comma-separated: a name has 1 to 1024 bytes": {"queues": "a," + strings.Repeat("x", 1025)},
		"comma-separated: its name is not UTF-8":      {"queues": "a,\xff"},
		"comma-separated: there is room for 1000":     {"queues": many(1001)},
	} {
		if _, _, err := rq.open(t, settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80v: %v, want %q", settings, err, want)
		}
	}
}
