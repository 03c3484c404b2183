package poll_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	sourceredis "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// glutton asks for the whole list many times.
type glutton struct{}

func (glutton) Poll(context.Context, time.Time) adapter.Step {
	return adapter.Step{Requests: slices.Repeat([]adapter.Request{{"LRANGE", "jobs", "0", "-1"}}, 200)}
}

func (glutton) Next(context.Context, []adapter.Reply) adapter.Step {
	return adapter.Step{Snapshot: &protocol.QueueSnapshot{App: "shop"}}
}

func (glutton) Close() error { return nil }

// TestAStrangerEvictsNoJobs: what a Redis has to answer counts as its memory, and where that is full it removes keys.
func TestAStrangerEvictsNoJobs(t *testing.T) {
	t.Parallel()
	for _, isStranger := range []bool{true, false} {
		client := servertest.Redis(t, "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru").Client
		pipe := client.Pipeline()
		for range 1000 {
			pipe.RPush(t.Context(), "jobs", strings.Repeat("x", 1000))
		}
		pipe.Set(t.Context(), "job", "1", 0)
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		p := &poll.Poller{
			Adapter: adapter.Description{Name: "crow", Source: adapter.Redis, Commands: []string{"LRANGE"}, IsStranger: isStranger},
			Session: glutton{}, Source: sourceredis.New(client, "redis"),
		}
		_, err := p.Poll(t.Context(), time.Now())
		left := client.DBSize(t.Context()).Val()
		switch {
		case isStranger && (left != 2 || err == nil || !strings.Contains(err.Error(), "more than it may be answered in a round")):
			t.Errorf("%d keys are left, %v", left, err)
		case !isStranger && left == 2:
			t.Error("this test shows nothing: a thousand answers at once evict no key")
		}
	}
}
