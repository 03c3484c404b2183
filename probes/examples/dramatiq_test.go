package examples_test

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/adapter"
)

// seed has the real library put jobs into queues, and returns what it prints.
func (e example) seed(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(servertest.Python(t, e.folder), append([]string{filepath.Join(e.folder, "seed.py")}, args...)...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("seed.py of %s: %v\n%s", e.folder, err, said.String())
	}
	return out
}

func TestDramatiqIsCountedAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	for _, ns := range []string{"dramatiq", "d*a[m]:q"} {
		dramatiq.seed(t, server.Port(), ns)
		if n := server.Client.LLen(t.Context(), ns+":mail.DQ").Val(); n != 0 {
			t.Fatalf("%d delayed messages are in the list still: what is tested is that they aren't", n)
		}
		server.Client.HSet(t.Context(), "dxam:q:decoy.msgs", "1", "x") // what the second namespace would select as a glob
		before := server.Digest()
		p := dramatiq.poller(t, server.Client, adapter.Settings{"namespace": ns, "source": "dramatiq-1"})
		for range 3 {
			s := mustPoll(t, p, noon)
			// One message runs and one is fetched ahead.
			if diff := cmp.Diff(map[string]string{"mail": "3 2 2 2", "later": "0 0 1 0"}, counts(s)); diff != "" {
				t.Errorf("waiting, active, delayed, failed (-want +got):\n%s", diff)
			}
			if s.App != "shop" || s.Source != "dramatiq-1" || s.Timestamp != noon.UnixMilli() || len(s.Problems) > 0 || s.Queues[0].DriverName() != "dramatiq" {
				t.Errorf("%+v", s)
			}
		}
		for setting, want := range map[string]map[string]string{
			" mail ,, mail": {"mail": "3 2 2 2"},
			"mail,done":     {"mail": "3 2 2 2", "done": "0 0 0 0"},
			"mail, *":       {"mail": "3 2 2 2", "later": "0 0 1 0"},
		} {
			named := dramatiq.poller(t, server.Client, adapter.Settings{"namespace": ns, "queues": setting})
			if diff := cmp.Diff(want, counts(mustPoll(t, named, noon))); diff != "" {
				t.Errorf("queues %q (-want +got):\n%s", setting, diff)
			}
		}
		if diff := cmp.Diff(before, server.Digest()); diff != "" {
			t.Errorf("a poll changed the Redis that it reads (-before +after):\n%s", diff)
		}
	}
}

// dramatiqMessages writes one message as Dramatiq's enqueue does.
func dramatiqMessage(t *testing.T, client *redis.Client, queue string) {
	t.Helper()
	if err := errors.Join(client.HSet(t.Context(), "dramatiq:"+queue+".msgs", "id", "x").Err(), client.RPush(t.Context(), "dramatiq:"+queue, "id").Err()); err != nil {
		t.Fatal(err)
	}
}

func TestDramatiqQueuesAreFoundAndForgotten(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx, c := t.Context(), server.Client
	p := dramatiq.poller(t, c, nil)
	expect := func(after time.Duration, want map[string]string, said string) {
		t.Helper()
		s := mustPoll(t, p, noon.Add(after))
		if diff := cmp.Diff(want, counts(s)); diff != "" || !strings.HasPrefix(reasons(s), said) || said == "" && reasons(s) != "" {
			t.Errorf("after %s it says %q, want %q (-want +got):\n%s", after, reasons(s), said, diff)
		}
	}
	expect(0, map[string]string{}, "no key of a queue is there")
	dramatiqMessage(t, c, "a")
	c.HSet(ctx, "dramatiq:b.XQ.msgs", "1", "x") // only failed ones
	c.ZAdd(ctx, "dramatiq:b.XQ", redis.Z{Score: 1, Member: "1"})
	for _, key := range []string{"dramatiq:c", "dramatiqx:c.msgs", "xdramatiq:c.msgs", "dramatiq:c.msgsx"} {
		c.Set(ctx, key, "x", 0)
	}
	expect(29*time.Second, map[string]string{}, "no key of a queue is there") // the walk rests
	a, both := map[string]string{"a": "0 0 0 0"}, map[string]string{"a": "1 0 0 0", "b": "0 0 0 1"}
	expect(30*time.Second, both, "")
	c.Del(ctx, "dramatiq:b.XQ.msgs", "dramatiq:b.XQ", "dramatiq:a", "dramatiq:a.msgs")
	empty := map[string]string{"a": "0 0 0 0", "b": "0 0 0 0"}
	expect(time.Minute, empty, "")
	dramatiqMessage(t, c, "a")
	expect(2*time.Minute, map[string]string{"a": "1 0 0 0", "b": "0 0 0 0"}, "")
	c.Del(ctx, "dramatiq:a", "dramatiq:a.msgs")
	expect(24*time.Hour+30*time.Second, empty, "")
	expect(24*time.Hour+time.Minute+time.Second, a, "") // b was last seen more than a day ago
	expect(24*time.Hour+3*time.Minute, map[string]string{}, "no key of a queue is there")
	c.HSet(ctx, "dramatiq:"+strings.Repeat("x", 1025)+".msgs", "1", "x")
	c.HSet(ctx, "dramatiq:.msgs", "1", "x")
	expect(25*time.Hour, map[string]string{}, "queues are left out: a name has 1 to 1024 bytes")
}

// TestDramatiqAmongManyKeys: the walk takes several polls, which report what is found so far.
func TestDramatiqAmongManyKeys(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	if err := server.Client.Do(t.Context(), "DEBUG", "POPULATE", "250000", "k").Err(); err != nil {
		t.Fatal(err)
	}
	for i := range 1001 {
		dramatiqMessage(t, server.Client, fmt.Sprintf("q%d", i))
	}
	p := dramatiq.poller(t, server.Client, nil)
	s := mustPoll(t, p, noon)
	if len(s.Queues) == 0 || !strings.Contains(reasons(s), "still looking for queues") {
		t.Errorf("in the first poll it has %d queues, and says %s", len(s.Queues), reasons(s))
	}
	for range 3 {
		s = mustPoll(t, p, noon)
	}
	if len(s.Queues) != 1000 || reasons(s) != "queues are left out: there is room for 1000: set queues to those that matter" {
		t.Errorf("then %d, and says %s", len(s.Queues), reasons(s))
	}
}

// TestDramatiqWithFewRights: what a user may not read is absent, and said.
func TestDramatiqWithFewRights(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	dramatiqMessage(t, server.Client, "mail")
	server.Client.Set(t.Context(), "dramatiq:other", "no list", 0)
	s := mustPoll(t, dramatiq.poller(t, withRights(t, server, "+scan", "+llen", "+hlen"), nil), noon)
	if counts(s)["mail"] != "1 0 0 -" || !strings.Contains(fmt.Sprint(metaOf(t, s, "mail")["error"]), "failed is absent: ZCARD: NOPERM") {
		t.Errorf("without ZCARD: %+v", s)
	}
	s = mustPoll(t, dramatiq.poller(t, withRights(t, server, "+scan", "+llen"), adapter.Settings{"queues": "mail,other"}), noon)
	if counts(s)["mail"] != "1 - - -" || len(s.Queues) != 1 || !strings.Contains(reasons(s), `queue "other": it is left out: LLEN: WRONGTYPE`) {
		t.Errorf("with LLEN alone: %+v", s)
	}
	s = mustPoll(t, dramatiq.poller(t, withRights(t, server, "+llen"), nil), noon)
	if len(s.Queues) != 0 || !strings.HasPrefix(reasons(s), "queues cannot be looked for: SCAN: NOPERM") {
		t.Errorf("without SCAN: %+v", s)
	}
	if s, err := dramatiq.poller(t, withRights(t, server, "+scan"), nil).Poll(t.Context(), noon); err == nil || !strings.Contains(err.Error(), "no queue of Dramatiq's can be read: LLEN: NOPERM") {
		t.Errorf("without LLEN: %+v, %v", s, err)
	}
}

func TestDramatiqRefusesWrongSettings(t *testing.T) {
	for want, settings := range map[string]adapter.Settings{
		"none that is called namspace":                {"namspace": "x"},
		"comma-separated: a name has 1 to 1024 bytes": {"queues": "a," + strings.Repeat("x", 1025)},
		"comma-separated: its name is not UTF-8":      {"queues": "a,\xff"},
		"comma-separated: there is room for 1000":     {"queues": many(1001)},
	} {
		if _, _, err := dramatiq.open(t, settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80v: %v, want %q", settings, err, want)
		}
	}
}
