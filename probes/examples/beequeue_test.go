package examples_test

import (
	"encoding/json"
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

// fillBeeQueue has the real library put jobs into queues, and returns what it counts itself.
func fillBeeQueue(t *testing.T, server *servertest.RedisServer, prefix string) map[string]string {
	t.Helper()
	out, err := servertest.Node(t, filepath.Join("beequeue", "seed.cjs"), server.Port(), prefix).Output()
	if err != nil {
		if ended, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("seed.cjs: %v\n%s", err, ended.Stderr)
		}
		t.Fatal(err)
	}
	var own map[string]struct{ Waiting, Active, Delayed, Failed int64 }
	if err := json.Unmarshal(out, &own); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	all := map[string]string{}
	for name, n := range own {
		all[name] = words(&n.Waiting, &n.Active, &n.Delayed, &n.Failed)
	}
	return all
}

func TestBeeQueueIsCountedAsItCountsItselfAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	for _, prefix := range []string{"bq", "b*q[1]"} {
		want := fillBeeQueue(t, server, prefix)
		if diff := cmp.Diff(map[string]string{"mail": "3 1 4 2", `a:id "ü`: "1 0 0 0"}, want); diff != "" {
			t.Fatalf("the library's queues are in another state than they were put in (-want +got):\n%s", diff)
		}
		server.Client.Set(t.Context(), "bxq1:decoy:id", "1", 0) // what the second prefix would select as a glob
		before := server.Digest()
		p := beequeue.poller(t, server.Client, adapter.Settings{"prefix": prefix, "source": "bee-1"})
		for range 3 {
			s := mustPoll(t, p, noon)
			if diff := cmp.Diff(want, counts(s)); diff != "" {
				t.Errorf("waiting, active, delayed, failed (-want +got):\n%s", diff)
			}
			if s.App != "shop" || s.Source != "bee-1" || s.Timestamp != noon.UnixMilli() || len(s.Problems) > 0 || s.Queues[0].DriverName() != "bee-queue" {
				t.Errorf("%+v", s)
			}
		}
		named := beequeue.poller(t, server.Client, adapter.Settings{"prefix": prefix, "queues": " mail ,, mail"})
		if diff := cmp.Diff(map[string]string{"mail": "3 1 4 2"}, counts(mustPoll(t, named, noon))); diff != "" {
			t.Errorf("by name (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, server.Digest()); diff != "" {
			t.Errorf("a poll changed the Redis that it reads (-before +after):\n%s", diff)
		}
	}
}

// names are the queues of a snapshot, and its problems.
func names(t *testing.T, client *redis.Client, settings adapter.Settings) func(now time.Time) (string, string) {
	t.Helper()
	p := beequeue.poller(t, client, settings)
	return func(now time.Time) (string, string) {
		t.Helper()
		s := mustPoll(t, p, now)
		var all []string
		for _, q := range s.Queues {
			all = append(all, q.Name)
		}
		return strings.Join(all, " "), reasons(s)
	}
}

func TestBeeQueuesAreFoundAndForgotten(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx, c := t.Context(), server.Client
	poll := names(t, c, nil)
	if got, said := poll(noon); got != "" || !strings.HasPrefix(said, "no key is called bq:*:id") {
		t.Errorf("of an empty Redis: %q, %q", got, said)
	}
	for _, key := range []string{"bq:a:id", "bq::id", "bq:id", "xbq:c:id", "bq:b:ids"} {
		c.Set(ctx, key, "1", 0)
	}
	if got, _ := poll(noon.Add(29 * time.Second)); got != "" {
		t.Errorf("while the walk rests it finds %q", got)
	}
	if got, said := poll(noon.Add(30 * time.Second)); got != "a" || said != "" {
		t.Errorf("it finds %q, %q", got, said)
	}
	c.Set(ctx, "bq:\xff:id", "1", 0)
	c.Set(ctx, "bq:"+strings.Repeat("x", 1024)+":id", "1", 0)
	c.Del(ctx, "bq:a:id")
	c.Set(ctx, "bq:b:id", "1", 0)
	if got, said := poll(noon.Add(40 * time.Second)); got != "a" || said != "" {
		t.Errorf("while the walk rests it has %q, %q", got, said)
	}
	for _, after := range []time.Duration{60 * time.Second, 70 * time.Second} { // what the walk left out is said until the next
		got, said := poll(noon.Add(after))
		if want := "b " + strings.Repeat("x", 1024); len(got) != len(want) || said != "queues are left out: the name of one is not UTF-8" {
			t.Errorf("after %s it has %.50q, %q", after, got, said)
		}
	}
	c.Del(ctx, "bq:\xff:id")
	c.Set(ctx, "bq:"+strings.Repeat("x", 1025)+":id", "1", 0)
	if _, said := poll(noon.Add(90 * time.Second)); said != "queues are left out: the name of one has more than 1024 bytes" {
		t.Errorf("it says %q", said)
	}
}

// TestWalkThroughALargeRedisGoesOnOverPolls: of 150,000 keys a poll looks at two thirds.
func TestWalkThroughALargeRedisGoesOnOverPolls(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	if err := server.Client.Do(t.Context(), "DEBUG", "POPULATE", "150000", "c").Err(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		server.Client.Set(t.Context(), fmt.Sprintf("bq:q%d:id", i), "1", 0)
	}
	poll := names(t, server.Client, nil)
	first, said := poll(noon)
	if n := len(strings.Fields(first)); n == 20 || !strings.HasPrefix(said, "still looking for queues") {
		t.Errorf("in the first poll it finds %d of 20 queues and says %q", n, said)
	}
	second, said := poll(noon.Add(10 * time.Second))
	if n := len(strings.Fields(second)); n != 20 || said != "" {
		t.Errorf("in the second poll it has %d of 20 queues and says %q", n, said)
	}
	if third, _ := poll(noon.Add(20 * time.Second)); third != second {
		t.Errorf("it then has %q", third)
	}
	// The next walk begins; what is known stays.
	if fourth, said := poll(noon.Add(40 * time.Second)); len(fourth) != len(second) || said != "" {
		t.Errorf("while it looks again it has %q and says %q", fourth, said)
	}
}

func TestMoreBeeQueuesThanThereIsRoomForAreSaid(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	for i := range 2001 {
		server.Client.Set(t.Context(), fmt.Sprintf("bq:q%d:id", i), "1", 0)
	}
	got, said := names(t, server.Client, nil)(noon)
	if n := len(strings.Fields(got)); n != 2000 || !strings.HasPrefix(said, "queues are left out: there is room for 2000") {
		t.Errorf("%d queues, %s", n, said)
	}
}

// TestBeeQueueCountThatCannotBeReadIsAbsent and says why; without a length of what waits there is no queue.
func TestBeeQueueCountThatCannotBeReadIsAbsent(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx, c := t.Context(), server.Client
	c.LPush(ctx, "bq:mail:waiting", "1", "2")
	c.Set(ctx, "bq:mail:failed", "x", 0)
	c.Set(ctx, "bq:mail:delayed", "x", 0)
	c.Set(ctx, "bq:bad:waiting", "x", 0)
	s := mustPoll(t, beequeue.poller(t, c, adapter.Settings{"queues": "mail,bad"}), noon)
	if diff := cmp.Diff(map[string]string{"mail": "2 0 - -"}, counts(s)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	why := s.Queues[0].Meta.Text("error")
	if !strings.HasPrefix(why, "delayed is absent: ZCARD: WRONGTYPE") || !strings.Contains(why, "; failed is absent: SCARD: WRONGTYPE") {
		t.Errorf("of mail it says %q", why)
	}
	if !strings.HasPrefix(reasons(s), `queue "bad": it is left out: waiting is absent: LLEN: WRONGTYPE`) {
		t.Errorf("problems are %q", reasons(s))
	}
	if s, err := beequeue.poller(t, c, adapter.Settings{"queues": "bad"}).Poll(ctx, noon); err == nil || !strings.Contains(err.Error(), "no queue of Bee-Queue's can be read: waiting is absent: LLEN: WRONGTYPE") {
		t.Errorf("%+v, %v: nothing could be read", s, err)
	}
}

func TestBeeQueueWithoutTheRightToScan(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	server.Client.Set(t.Context(), "bq:mail:id", "1", 0)
	user := func(rights ...any) *redis.Client {
		args := append([]any{"ACL", "SETUSER", "few", "reset", "on", ">few", "~bq:*"}, rights...)
		if err := server.Client.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
		few := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, DisableIdentity: true, Username: "few", Password: "few"})
		t.Cleanup(func() { few.Close() })
		return few
	}
	if got, said := names(t, user("+llen", "+zcard", "+scard"), nil)(noon); got != "" || !strings.HasPrefix(said, "find queues: SCAN: NOPERM") || strings.Contains(said, "\n") {
		t.Errorf("it has %q and says %q", got, said)
	}
	if got, said := names(t, user("+llen", "+zcard", "+scard", "+scan"), nil)(noon); got != "mail" || said != "" {
		t.Errorf("with it, it has %q and says %q", got, said)
	}
}

func TestBeeQueueRefusesWrongSettings(t *testing.T) {
	for want, settings := range map[string]adapter.Settings{
		"none that is called prefx":            {"prefx": "x"},
		"queues takes up to 2000 names":        {"queues": many(2001)},
		"of up to 1024 bytes, comma-separated": {"queues": "a," + strings.Repeat("x", 1025)},
		"text in UTF-8":                        {"queues": "a,\xff"},
		"prefix takes at most 256 characters":  {"prefix": strings.Repeat("x", 257)},
		"256 characters, queues 256 Ki":        {"queues": strings.Repeat(",", 300_000)},
		"pulse_alloc refused 5":                {"queues": strings.Repeat(",", 5_000_000)},
	} {
		if _, _, err := beequeue.open(t, settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80v: %v, want %q", settings, err, want)
		}
	}
}
