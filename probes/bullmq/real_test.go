package bullmq_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	sourceredis "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/bullmq"
	"github.com/gravito-framework/pulse/protocol"
)

// expected is what the harness says of a queue that it has made.
type expected struct {
	Name, Scenario                   string
	Waiting, Active, Delayed, Failed int64
	Meta                             map[string]any
	OldestTimestamp                  *int64 `json:"oldest_timestamp"`
	Workers                          int64
}

// seed makes queues with a real library and returns what is true of them. With hold their workers
// stay connected until the test ends.
func seed(t *testing.T, hold bool, script string, args ...string) []expected {
	t.Helper()
	cmd := servertest.Node(t, "testdata/node/"+script, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, readErr := bufio.NewReaderSize(stdout, 1<<20).ReadBytes('\n')
	end := func() {
		stdin.Close()
		_, _ = io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s ended with %v", script, err)
		}
	}
	if hold {
		t.Cleanup(end)
	} else {
		end()
	}
	if readErr != nil {
		t.Fatalf("%s printed %q: %v", script, line, readErr)
	}
	var want []expected
	if err := json.Unmarshal(line, &want); err != nil {
		t.Fatalf("%s printed %q: %v", script, line, err)
	}
	return want
}

func open(t testing.TB, settings adapter.Settings) adapter.Session {
	t.Helper()
	settings["app"] = "shop"
	session, err := bullmq.Adapter{}.Open(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// firstFailure is when the first of a queue's failed jobs failed, as their own hashes have it.
func firstFailure(t *testing.T, server *servertest.RedisServer, keys string) float64 {
	t.Helper()
	first := math.Inf(1)
	for _, id := range server.Client.ZRange(t.Context(), keys+"failed", 0, -1).Val() {
		at, err := server.Client.HGet(t.Context(), keys+id, "finishedOn").Float64()
		if err != nil {
			t.Fatal(err)
		}
		first = min(first, at)
	}
	return first
}

// check compares a snapshot with what is true.
func check(t *testing.T, server *servertest.RedisServer, prefix string, got *protocol.QueueSnapshot, now time.Time, want []expected) {
	t.Helper()
	found := map[string]protocol.Queue{}
	for _, q := range got.Queues {
		found[q.Name] = q
	}
	for _, p := range got.Problems {
		t.Errorf("problem: %v", p)
	}
	for _, w := range want {
		t.Run(w.Scenario, func(t *testing.T) {
			q, ok := found[w.Name]
			delete(found, w.Name)
			if !ok {
				t.Fatalf("queue %q was not found", w.Name)
			}
			wantMetrics := protocol.Metrics{Waiting: w.Waiting, Active: &w.Active, Delayed: &w.Delayed, Failed: &w.Failed}
			if diff := cmp.Diff(wantMetrics, q.Metrics); diff != "" {
				t.Errorf("queue %q (-want +got):\n%s", w.Name, diff)
			}
			wantMeta := map[string]any{"workers": float64(w.Workers), "prioritized": 0.0, "completed": 0.0, "waiting_children": 0.0}
			for k, v := range w.Meta {
				// Ours says only what is so, and a limit that only the worker knows is
				// nowhere in Redis: absent, whether it is reached or not.
				if v != false && (k != "rate_limited" || w.Scenario != "rate-limited") {
					wantMeta[k] = v
				}
			}
			if (wantMeta["paused"] == true || wantMeta["rate_limited"] == true) && w.Waiting > 0 {
				wantMeta["runnable"] = 0.0
			}
			if w.Failed > 0 {
				wantMeta["oldest_failed_at"] = firstFailure(t, server, prefix+":"+w.Name+":")
			}
			if w.OldestTimestamp != nil {
				wantMeta["oldest_at"] = float64(min(*w.OldestTimestamp, now.UnixMilli()))
			}
			if diff := cmp.Diff(wantMeta, q.Meta.Map()); diff != "" {
				t.Errorf("meta of queue %q (-want +got):\n%s", w.Name, diff)
			}
		})
	}
	for name := range found {
		t.Errorf("queue %q was found, but the test made none", name)
	}
}

func TestEveryVersionIsCountedAsItIs(t *testing.T) {
	t.Parallel()
	for _, lib := range []string{"bullmq6", "bullmq5", "bullmq4", "bullmq3", "bull4"} {
		for _, tc := range []struct {
			name, prefix string
			hold         bool
		}{
			{"at rest", "bull", false},
			{"with workers and a cluster's prefix", "{my:bull}", true},
		} {
			t.Run(lib+" "+tc.name, func(t *testing.T) {
				t.Parallel()
				server := servertest.Redis(t)
				args := []string{"--lib", lib, "--port", server.Port(), "--prefix", tc.prefix}
				if tc.hold {
					args = append(args, "--hold")
				}
				want := seed(t, tc.hold, "seed.mjs", args...)
				pollAndCheck(t, server, tc.prefix, want, !tc.hold)
			})
		}
	}
}

func TestWhatAnUpgradeLeavesBehind(t *testing.T) {
	server := servertest.Redis(t)
	want := seed(t, false, "upgrade.mjs", "--port", server.Port())
	pollAndCheck(t, server, "bull", want, true)
}

// pollAndCheck polls twice, the second time from what the session remembers. Where nobody else is
// connected it also proves that the polls changed nothing.
func pollAndCheck(t *testing.T, server *servertest.RedisServer, prefix string, want []expected, alone bool) {
	t.Helper()
	var before string
	if alone {
		before = server.Digest()
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2})
	defer client.Close()
	p := poll.Poller{
		Adapter: bullmq.Adapter{}.Describe(),
		Session: open(t, adapter.Settings{bullmq.SettingQueues: "*", bullmq.SettingPrefix: prefix}),
		Source:  sourceredis.New(client, "the test's redis"),
	}
	for range 2 {
		now := time.Now()
		got, err := p.Poll(context.Background(), now)
		if err != nil {
			t.Fatal(err)
		}
		check(t, server, prefix, got, now, want)
	}
	if alone {
		if diff := cmp.Diff(before, server.Digest()); diff != "" {
			t.Errorf("a poll changed the Redis that it reads (-before +after):\n%s", diff)
		}
	}
}
