package e2e

import (
	"strings"
	"testing"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// TestTheQueuesRedisIsDownAndTheDashboardsIsNot: their last numbers stay, and the reason is the true one.
func TestTheQueuesRedisIsDownAndTheDashboardsIsNot(t *testing.T) {
	t.Parallel()
	store, queues := servertest.Redis(t), servertest.Redis(t)
	queues.Client.LPush(t.Context(), "jobs", "1", "2")
	listen := address(t)
	program(t, redisReporter, "PULSE_REDIS_URL="+store.URL, "PULSE_MONITOR_REDIS_URL="+queues.URL, "PULSE_APP=shop", "PULSE_LIST_KEYS=jobs", "PULSE_INTERVAL=1s", "PULSE_TTL=5s")
	program(t, aggregator, "PULSE_REDIS_URL="+store.URL, "PULSE_LISTEN="+listen)
	row := func(status string) (v viewJSON, is bool) {
		v, err := view(t, listen)
		q := v.Apps["shop"].Queues["redis-list/jobs"]
		return v, err == nil && q.Status == status && q.Metrics["waiting"] == 2
	}
	servertest.Eventually(t, "the row", func() bool { _, is := row("fresh"); return is })
	queues.Stop()
	servertest.Eventually(t, "the reason, and the row beside it", func() bool {
		v, is := row("stale") // as old as its numbers are: in 15 s, long after a key without a reporter would have ended
		return is && len(v.Problems) == 1 && strings.Contains(v.Problems[0].Reason, "connection refused") && strings.Contains(v.Problems[0].Reason, queues.Addr)
	})
	queues.Start()
	queues.Client.LPush(t.Context(), "jobs", "1", "2")
	servertest.Eventually(t, "the row again", func() bool {
		v, is := row("fresh")
		return is && len(v.Problems) == 0
	})
}
