package examples_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/adapter"
)

// arqKeys writes what ARQ would. ARQ 0.28 needs a redis-py older than what RQ 3 and Dramatiq 2 take, and its
// adapter is not built everywhere: so the library is not installed for it. The keys are those that its 0.28.0
// writes in enqueue_job and in Worker.start_jobs.
type arqKeys struct {
	t      testing.TB
	client *redis.Client
}

// enqueues makes a job that is due so many milliseconds after noon.
func (k arqKeys) enqueues(queue, id string, after int64) {
	k.t.Helper()
	k.client.Set(k.t.Context(), "arq:job:"+id, "pickled", 0)
	if err := k.client.ZAdd(k.t.Context(), queue, redis.Z{Score: float64(noon.UnixMilli() + after), Member: id}).Err(); err != nil {
		k.t.Fatal(err)
	}
}

// starts has a worker run a job. In Redis that key ends by itself, and so would be in no digest.
func (k arqKeys) starts(id string) {
	k.client.Set(k.t.Context(), "arq:in-progress:"+id, "1", 0)
}

func arqOn(t *testing.T) (*servertest.RedisServer, arqKeys) {
	t.Helper()
	arq.module(t) // skips the test before it starts a Redis
	server := servertest.Redis(t)
	return server, arqKeys{t, server.Client}
}

func TestARQIsCountedAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	server, k := arqOn(t)
	const odd = `a:b "ü\`
	for i := range 5 {
		k.enqueues("arq:queue", fmt.Sprint("now", i), int64(i)-4) // the last is due at noon itself
	}
	k.starts("now0")
	k.starts("now2")
	k.enqueues("arq:queue", "next", 1)
	k.enqueues("arq:queue", "later", 3_600_000)
	k.enqueues(odd, "x \xff\r\n", -7)
	before := server.Digest()
	p := arq.poller(t, server.Client, adapter.Settings{"queues": "arq:queue , none,, arq:queue," + odd, "source": "arq-1"})
	for range 3 {
		s := mustPoll(t, p, noon)
		if diff := cmp.Diff(map[string]string{"arq:queue": "3 2 2 -", "none": "0 0 0 -", odd: "1 0 0 -"}, counts(s)); diff != "" {
			t.Errorf("waiting, active, delayed, failed (-want +got):\n%s", diff)
		}
		for name, oldest := range map[string]any{"arq:queue": float64(noon.UnixMilli() - 3), "none": nil, odd: float64(noon.UnixMilli() - 7)} {
			want := map[string]any{"driver": "arq"}
			if oldest != nil {
				want["oldest_at"] = oldest
			}
			if diff := cmp.Diff(want, metaOf(t, s, name)); diff != "" {
				t.Errorf("meta of %s (-want +got):\n%s", name, diff)
			}
		}
		if s.App != "shop" || s.Source != "arq-1" || s.Timestamp != noon.UnixMilli() || len(s.Problems) > 0 {
			t.Errorf("%+v", s)
		}
	}
	if diff := cmp.Diff(map[string]string{"arq:queue": "3 2 2 -"}, counts(mustPoll(t, arq.poller(t, server.Client, nil), noon))); diff != "" {
		t.Errorf("without a setting (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, server.Digest()); diff != "" {
		t.Errorf("a poll changed the Redis that it reads (-before +after):\n%s", diff)
	}
}

// TestActiveOfARQIsExactOrAbsent: where more jobs are due than are asked for, waiting is told to be all of them.
func TestActiveOfARQIsExactOrAbsent(t *testing.T) {
	t.Parallel()
	server, k := arqOn(t)
	for i := range 1000 {
		k.enqueues("arq:queue", fmt.Sprint(i), int64(i)-5000)
	}
	k.enqueues("arq:queue", "later", 1)
	k.starts("999")
	p := arq.poller(t, server.Client, nil)
	if s := mustPoll(t, p, noon); counts(s)["arq:queue"] != "999 1 1 -" || metaOf(t, s, "arq:queue")["error"] != nil {
		t.Errorf("of 1000 due: %+v", s)
	}
	k.enqueues("arq:queue", "one more", 0)
	s := mustPoll(t, p, noon)
	if counts(s)["arq:queue"] != "1001 - 1 -" || metaOf(t, s, "arq:queue")["error"] != "active is absent, and waiting counts it, too: more jobs are due than can be asked for" {
		t.Errorf("of 1001 due: %+v", s)
	}
	if metaOf(t, s, "arq:queue")["oldest_at"] != nil {
		t.Errorf("the oldest may run: %+v", s)
	}
}

// TestManyARQQueues: what a poll asks of all queues together is bounded.
func TestManyARQQueues(t *testing.T) {
	t.Parallel()
	server, k := arqOn(t)
	var queues []string
	for q := range 11 {
		queues = append(queues, fmt.Sprint("q", q))
		for i := range 1000 {
			k.enqueues(queues[q], fmt.Sprint(q, "-", i), -1)
		}
	}
	s := mustPoll(t, arq.poller(t, server.Client, adapter.Settings{"queues": strings.Join(queues, ",")}), noon)
	if counts(s)["q0"] != "1000 0 0 -" || counts(s)["q9"] != "1000 0 0 -" || counts(s)["q10"] != "1000 - 0 -" {
		t.Errorf("%v", counts(s))
	}
}

// TestARQWithFewRights: what a user may not read is absent, and said.
func TestARQWithFewRights(t *testing.T) {
	t.Parallel()
	server, k := arqOn(t)
	k.enqueues("arq:queue", "1", -1)
	k.client.Set(t.Context(), "other", "no zset", 0)
	for _, tc := range []struct {
		rules       []string
		want, error string
	}{
		{[]string{"+zcount", "+zrange"}, "1 - 0 -", "EXISTS: NOPERM"},
		{[]string{"+zcount"}, "1 - 0 -", "ZRANGE: NOPERM"},
	} {
		s := mustPoll(t, arq.poller(t, withRights(t, server, tc.rules...), adapter.Settings{"queues": "arq:queue,other"}), noon)
		want := "active is absent, and waiting counts it, too: " + tc.error
		if counts(s)["arq:queue"] != tc.want || !strings.HasPrefix(fmt.Sprint(metaOf(t, s, "arq:queue")["error"]), want) {
			t.Errorf("with %v: %+v", tc.rules, s)
		}
		if len(s.Queues) != 1 || !strings.HasPrefix(reasons(s), `queue "other": it is left out: ZCOUNT: WRONGTYPE`) {
			t.Errorf("with %v beside: %s", tc.rules, reasons(s))
		}
	}
	if s, err := arq.poller(t, withRights(t, server, "+zrange"), nil).Poll(t.Context(), noon); err == nil || !strings.Contains(err.Error(), "no queue of ARQ's can be read: ZCOUNT: NOPERM") {
		t.Errorf("without ZCOUNT: %+v, %v", s, err)
	}
}

func TestARQRefusesWrongSettings(t *testing.T) {
	for want, settings := range map[string]adapter.Settings{
		"none that is called namespace":             {"namespace": "x"},
		"up to 1000 names of up to 1024 bytes":      {"queues": "a," + strings.Repeat("x", 1025)},
		"its settings are to be text in UTF-8":      {"queues": "a,\xff"},
		"1000 names":                                {"queues": many(1001)},
		"comma-separated: it cannot find them by *": {"queues": "*"},
	} {
		if _, _, err := arq.open(t, settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80v: %v, want %q", settings, err, want)
		}
	}
}
