package adapter_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/bullmq"
)

// Driving a session by hand, as any program with a Redis client can. Here the answers are
// those of a queue with three waiting jobs and nothing else.
func Example() {
	session, err := bullmq.Adapter{}.Open(context.Background(), adapter.Settings{"app": "shop", bullmq.SettingQueues: "emails"})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := func(requests []adapter.Request) []adapter.Reply {
		replies := make([]adapter.Reply, len(requests))
		for i, r := range requests {
			fmt.Println(r)
			switch {
			case r[0] == "LLEN" && r[1] == "bull:emails:wait":
				replies[i] = adapter.Int(3)
			case r[0] == "LLEN", r[0] == "ZCARD":
				replies[i] = adapter.Int(0)
			case r[0] == "CLIENT":
				replies[i] = adapter.Refusal("NOPERM") // so workers are absent, not 0
			}
		}
		return replies
	}

	step := session.Poll(context.Background(), time.UnixMilli(1764000000000))
	for step.Requests != nil {
		step = session.Next(context.Background(), answer(step.Requests))
	}
	if step.Err != nil {
		fmt.Println(step.Err)
		return
	}
	for _, q := range step.Snapshot.Queues {
		counted := q.Meta.Has("workers")
		fmt.Println(q.Name, "waiting:", q.Metrics.Waiting, "workers counted:", counted)
	}
	// Output:
	// [LLEN bull:emails:wait]
	// [LLEN bull:emails:paused]
	// [LLEN bull:emails:active]
	// [ZCARD bull:emails:delayed]
	// [ZCARD bull:emails:prioritized]
	// [ZCARD bull:emails:waiting-children]
	// [ZCARD bull:emails:completed]
	// [ZCARD bull:emails:failed]
	// [ZCARD bull:emails:groups]
	// [HMGET bull:emails:meta version opts.maxLenEvents paused concurrency max]
	// [LRANGE bull:emails:wait -2 -1]
	// [LINDEX bull:emails:wait 0]
	// [CLIENT LIST]
	// [CLIENT INFO]
	// [CLUSTER INFO]
	// [ROLE]
	// [LRANGE bull:emails:wait -200 -1]
	// [GET bull:emails:limiter]
	// [HMGET bull:emails:metrics:completed count prevTS]
	// [HMGET bull:emails:metrics:failed count prevTS]
	// emails waiting: 3 workers counted: false
}
