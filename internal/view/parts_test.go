package view

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPartsOfQueues: history counts by them, and so do the totals.
func TestPartsOfQueues(t *testing.T) {
	const unknown = -1
	queue := func(name string, waiting, failed int, meta string) string {
		metrics := fmt.Sprintf(`"waiting":%d,"active":0,"delayed":0`, waiting)
		if failed != unknown {
			metrics += fmt.Sprintf(`,"failed":%d`, failed)
		}
		return fmt.Sprintf(`{"name":%q,"driver":"sqs","metrics":{%s},"meta":{"url":"https://sqs.eu-west-1.amazonaws.com/1/%[1]s"%[3]s}}`, name, metrics, meta)
	}
	of := func(app string, queues ...string) Document {
		list := ""
		for i, q := range queues {
			if i > 0 {
				list += ","
			}
			list += q
		}
		return snapshot(app, "", list)
	}
	snapshotAt := func(at time.Time, app, queue string) Document {
		return doc("pulse:queues:"+app, fmt.Sprintf(`{"timestamp":%d,"app":%q,"queues":[%s]}`, at.UnixMilli(), app, queue))
	}
	const dlq, isDLQ = `,"dlq":"dead"`, `,"dlq_for":["orders"]`
	var (
		nothing     = Part{NotJobs: true, NotFailed: true}
		deadLetters = Part{DeadLetters: true}
		notFailed   = Part{NotFailed: true}
		told        = Part{DeadLetters: true, NotJobs: true} // another queue tells how many are in it
	)
	stopped := of("shop", queue("orders", 4, 9, dlq))
	for _, tc := range []struct {
		name string
		docs []Document
		want map[string]Part // by app and queue
	}{
		{"queues that have nothing to do with each other", []Document{of("shop", queue("orders", 4, 1, ""), queue("mail", 5, unknown, ""))}, nil},
		{"a queue of one name in two apps and accounts", []Document{snapshot("shop", "", `{"name":"orders","driver":"bullmq","metrics":{"waiting":1}}`), snapshot("blog", "", `{"name":"orders","driver":"bullmq","metrics":{"waiting":1}}`)}, nil},
		{"one that two apps report", []Document{of("shop", queue("orders", 4, 1, "")), of("blog", queue("orders", 3, 1, ""))}, map[string]Part{"shop/orders": nothing}},
		{"a dead-letter queue", []Document{of("shop", queue("orders", 4, unknown, dlq), queue("dead", 7, unknown, isDLQ))}, map[string]Part{"shop/dead": deadLetters}},
		{"one that says no less than the queue that fills it", []Document{of("shop", queue("orders", 4, 7, dlq), queue("dead", 7, unknown, isDLQ))}, map[string]Part{"shop/orders": notFailed, "shop/dead": deadLetters}},
		{"one that says less", []Document{of("shop", queue("orders", 4, 8, dlq), queue("dead", 7, unknown, isDLQ))}, map[string]Part{"shop/dead": told}},
		{"one that is not there, of two queues", []Document{of("shop", queue("mail", 4, 7, dlq), queue("orders", 4, 8, dlq))}, map[string]Part{"shop/mail": notFailed}},
		{"one of which a queue is paused", []Document{of("shop", queue("orders", 4, 7, dlq+`,"paused":true`), queue("dead", 7, unknown, isDLQ+`,"paused":true`))}, map[string]Part{"shop/orders": notFailed, "shop/dead": deadLetters}},
		{"one with a dead-letter queue and workers of its own", []Document{of("shop", queue("orders", 4, 7, `,"dlq":"retry"`), queue("retry", 7, 2, dlq), queue("dead", 2, unknown, ""))},
			map[string]Part{"shop/orders": notFailed, "shop/retry": notFailed, "shop/dead": deadLetters}},
		{"queues that are each other's", []Document{of("shop", queue("orders", 4, 5, `,"dlq":"orders-retry"`), queue("orders-retry", 5, 4, `,"dlq":"orders"`))},
			map[string]Part{"shop/orders-retry": {DeadLetters: true, NotFailed: true}, "shop/orders": notFailed}},
		{"one of which the newest report is lost", []Document{gone(stopped), doc("pulse:queues:blog", fmt.Sprintf(`{"timestamp":%d,"app":"blog","queues":[%s]}`, noon.UnixMilli()-5000, queue("orders", 4, 1, "")))},
			map[string]Part{"shop/orders": nothing}},
		{"one of which the newest report is stuck, by a clock that is ahead", []Document{snapshotAt(noon.Add(time.Hour), "old", queue("orders", 500, 1, "")), of("blog", queue("orders", 3, 1, ""))},
			map[string]Part{"old/orders": nothing}},
		{"one of which the queue that fills it is stuck", []Document{snapshotAt(noon.Add(-time.Hour), "old", queue("orders", 4, 9, dlq)), of("blog", queue("dead", 7, unknown, isDLQ))},
			map[string]Part{"old/orders": notFailed, "blog/dead": deadLetters}},
		{"one that is stuck, and so is the queue that fills it", []Document{snapshotAt(noon.Add(-time.Hour), "old", queue("orders", 4, 9, dlq)+","+queue("dead", 7, unknown, isDLQ))},
			map[string]Part{"old/dead": told}},
		{"one of which the queue that fills it is lost", []Document{gone(stopped), of("blog", queue("dead", 7, unknown, ""))},
			map[string]Part{"shop/orders": notFailed, "blog/dead": deadLetters}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := Builder{}
			b.Build(noon, []Document{stopped}) // a builder knows what a key held that is gone
			v := b.Build(noon, tc.docs)
			parts := v.Parts()
			got := map[string]Part{}
			for app, of := range v.Apps {
				for _, q := range of.Queues {
					if part, is := parts[q]; is {
						got[app+"/"+q.Name] = part
					}
				}
			}
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
		})
	}
}
