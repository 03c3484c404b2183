package wasmhost_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/reporter"
	"github.com/gravito-framework/pulse/internal/servertest"
	sourceredis "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/redislist"
	"github.com/gravito-framework/pulse/protocol"
)

// quick is a session with a clock that goes on by 0.6 s in each poll: after one that fails it waits in the next, and starts
// another instance in the one after that.
type quick struct {
	adapter.Session
	polls atomic.Int64
}

func (q *quick) Poll(ctx context.Context, _ time.Time) adapter.Step {
	return q.Session.Poll(ctx, noon.Add(time.Duration(q.polls.Add(1))*600*time.Millisecond))
}

// TestBesideAHostileModuleAReportHasItsQueuesAndTheLogOneLine runs a reporter for each, while the module is
// closed, waited for and started again.
func TestBesideAHostileModuleAReportHasItsQueuesAndTheLogOneLine(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	if err := server.Client.RPush(t.Context(), "jobs", "a", "b").Err(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for name, c := range hostile() {
		source := fmt.Sprintf("hostile-%d", n)
		n++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := redislist.Adapter{}.Open(t.Context(), adapter.Settings{"app": "shop", redislist.SettingKeys: "jobs"})
			if err != nil {
				t.Fatal(err)
			}
			module, err := load(t, c.made, limitsFor(c.want))
			if err != nil {
				t.Fatal(err)
			}
			bad, err := module.Open(t.Context(), adapter.Settings{"app": "shop"})
			if err != nil {
				t.Fatal(err)
			}
			hostile := &quick{Session: bad}
			from := sourceredis.New(server.Client, "redis")
			var log servertest.Output
			r := &reporter.Reporter{
				App: "shop", Source: source, Interval: 200 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil)),
				Store: publish.New(server.Client, "redis", 30*time.Second),
				Pollers: []*poll.Poller{
					{Adapter: redislist.Adapter{}.Describe(), Session: list, Source: from},
					{Adapter: module.Describe(), Session: hostile, Source: from},
				},
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan reporter.Summary)
			go func() { ended <- r.Run(ctx, "") }()
			servertest.Eventually(t, "six polls", func() bool { return hostile.polls.Load() > 6 })
			stop()
			sum := <-ended
			data, err := server.Client.Get(t.Context(), "pulse:queues:shop:"+source).Bytes()
			if err != nil {
				t.Fatal(err)
			}
			s, problems, err := protocol.DecodeSnapshot(data)
			if err != nil || len(s.Queues) != 1 || s.Queues[0].Name != "jobs" || s.Queues[0].Metrics.Waiting != 2 {
				t.Errorf("%+v, %v", s, err)
			}
			if len(problems) != 1 || !strings.Contains(problems[0].Reason, c.want) {
				t.Errorf("its problems are %v, want %s", problems, c.want)
			}
			if lines := strings.Count(log.String(), "\n"); lines != 1 || sum.Published < 3 {
				t.Errorf("%d lines in the log of %d reports:\n%s", lines, sum.Published, &log)
			}
		})
	}
}
