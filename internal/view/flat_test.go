package view

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/protocol"
)

// TestFlatRows guards what autoscalers and spreadsheets read: each row has each member, and what is not known is null.
func TestFlatRows(t *testing.T) {
	t.Parallel()
	docs := []Document{
		snapshot("shop", "sqs", fmt.Sprintf(`{"name":"orders","driver":"sqs","metrics":{"waiting":7,"active":2,"delayed":1,"failed":3},"meta":{"oldest_at":%d}}`, noon.Add(-90500*time.Millisecond).UnixMilli())+
			`,{"name":"a/b","driver":"celery","metrics":{"waiting":1}}`),
		judged("shop", 0, `"sqs/orders":{"health":"growing","trend":{"waiting_per_min":1.5,"drain_seconds":60}}`),
		snapshot("blog", "", fmt.Sprintf(`{"name":"mail","driver":"bullmq","metrics":{"waiting":4,"active":1},"meta":{"oldest_at":%d}}`, noon.UnixMilli()+5)),
	}
	var b Builder
	b.Build(noon, docs)
	v := b.Build(noon, append(docs[:2:2], gone(docs[2])))
	flat := func(f Filter) (rows []string) {
		data, n := v.AppendQueues(nil, f)
		var got struct {
			GeneratedAt int64 `json:"generated_at"`
			Queues      []json.RawMessage
		}
		if err := json.Unmarshal(data, &got); err != nil || got.GeneratedAt != noon.UnixMilli() || len(got.Queues) != n {
			t.Fatalf("%s: %v, said to be %d", data, err, n)
		}
		for _, row := range got.Queues {
			rows = append(rows, string(row))
		}
		return rows
	}
	mail := fmt.Sprintf(`{"app":"blog","queue":"mail","driver":"bullmq","source":"","status":"lost","health":"unknown","waiting":4,"active":1,"delayed":null,"failed":null,"backlog":null,"oldest_seconds":null,"waiting_per_min":null,"drain_seconds":null,"timestamp":%d}`, noon.UnixMilli())
	other := fmt.Sprintf(`{"app":"shop","queue":"a/b","driver":"celery","source":"sqs","status":"fresh","health":"unknown","waiting":1,"active":null,"delayed":null,"failed":null,"backlog":null,"oldest_seconds":null,"waiting_per_min":null,"drain_seconds":null,"timestamp":%d}`, noon.UnixMilli())
	orders := fmt.Sprintf(`{"app":"shop","queue":"orders","driver":"sqs","source":"sqs","status":"fresh","health":"growing","waiting":7,"active":2,"delayed":1,"failed":3,"backlog":9,"oldest_seconds":90,"waiting_per_min":1.5,"drain_seconds":60,"timestamp":%d}`, noon.UnixMilli())
	for name, tc := range map[string]struct {
		filter Filter
		want   []string
	}{
		"all":                 {Filter{}, []string{mail, other, orders}},
		"an app":              {Filter{App: "shop"}, []string{other, orders}},
		"a name":              {Filter{Queue: "orders"}, []string{orders}},
		"a name with a slash": {Filter{Queue: "a/b"}, []string{other}},
		"a key":               {Filter{Queue: "sqs/orders"}, []string{orders}},
		"no part of a name":   {Filter{Queue: "order"}, nil},
		"a driver":            {Filter{Driver: "sqs"}, []string{orders}},
		"the protocol's word": {Filter{Driver: "other"}, []string{other}},
		"the reporter's word": {Filter{Driver: "celery"}, []string{other}},
		"a status":            {Filter{Status: Lost}, []string{mail}},
		"all of them":         {Filter{App: "shop", Queue: "orders", Driver: "sqs", Status: Stale}, nil},
	} {
		if diff := cmp.Diff(tc.want, flat(tc.filter)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// TestWhatIsNotExactIsNull in a flat row.
func TestWhatIsNotExactIsNull(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		row             string
		backlog, oldest bool
	}{
		"all is well":              {fmt.Sprintf(`"metrics":{"waiting":5,"active":1},"meta":{"oldest_at":%d}`, noon.UnixMilli()+900), true, true},
		"a job of the future":      {fmt.Sprintf(`"metrics":{"waiting":5,"active":1},"meta":{"oldest_at":%d}`, noon.UnixMilli()+2000), true, false},
		"the largest count":        {fmt.Sprintf(`"metrics":{"waiting":%d,"active":0}`, int64(protocol.MaxCount)), true, false},
		"more than anybody counts": {fmt.Sprintf(`"metrics":{"waiting":%d,"active":1}`, int64(protocol.MaxCount)), false, false},
	} {
		q := build(snapshot("shop", "", `{"name":"q","driver":"sqs",`+c.row+`}`)).Apps["shop"].Queues["sqs/q"]
		if (q.backlog() != nil) != c.backlog || (q.OldestSeconds(noon.UnixMilli()) != nil) != c.oldest {
			t.Errorf("%s: backlog %v, oldest %v", name, q.backlog(), q.OldestSeconds(noon.UnixMilli()))
		}
	}
}
