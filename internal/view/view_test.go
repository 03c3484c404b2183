package view

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/protocol"
)

var noon = time.UnixMilli(1_764_000_000_000)

func doc(key, data string) Document {
	return Document{Key: key, SeenAt: noon.UnixMilli(), Data: []byte(data)}
}

// snapshot is what a reporter SETs, with its queues as JSON.
func snapshot(app, source, queues string) Document {
	return doc(protocol.QueuesKey(app, source), fmt.Sprintf(`{"timestamp":%d,"app":%q,"source":%q,"queues":[%s]}`, noon.UnixMilli(), app, source, queues))
}

func gone(d Document) Document { return Document{Key: d.Key, SeenAt: d.SeenAt} }

func build(docs ...Document) *View {
	var b Builder
	return b.Build(noon, docs)
}

const (
	orders   = `{"name":"orders","driver":"sqs","metrics":{"waiting":5,"active":1,"delayed":0,"failed":7},"meta":{"dlq":"dead","dlq_shared":true}}`
	invoices = `{"name":"invoices","driver":"sqs","metrics":{"waiting":2,"active":0,"delayed":0,"failed":7},"meta":{"dlq":"dead","dlq_shared":true}}`
	dead     = `{"name":"dead","driver":"sqs","metrics":{"waiting":6,"active":1,"delayed":0},"meta":{"dlq_for":["orders","invoices"]}}`
)

// counted are totals in which every number is known.
func counted(waiting, active, delayed, failed int64, queues int) Totals {
	return Totals{Waiting: &waiting, Active: &active, Delayed: &delayed, Failed: &failed, Queues: queues}
}

func TestSharedDeadLetterQueueCountsOnce(t *testing.T) {
	got := build(snapshot("shop", "sqs", orders+","+invoices+","+dead)).Totals
	want := counted(7, 1, 0, 7, 3)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func TestUnknownCountIsAbsentAndSaid(t *testing.T) {
	v := build(snapshot("shop", "", `{"name":"mail","driver":"gravito-stream","metrics":{"waiting":1,"active":null}}`))
	text, _ := json.Marshal(v)
	if strings.Contains(string(text), `"active":null`) || strings.Contains(string(text), `"metrics":{"waiting":1,"active"`) {
		t.Errorf("an unknown count is told: %s", text)
	}
	if v.Totals.Unknown["active"] != 1 {
		t.Errorf("unknown counts are %v", v.Totals.Unknown)
	}
}

func TestStaleAfter15Seconds(t *testing.T) {
	d := snapshot("shop", "", orders)
	for age, want := range map[time.Duration]Status{0: Fresh, 15 * time.Second: Fresh, 15001 * time.Millisecond: Stale, -time.Minute: Fresh} {
		var b Builder
		if got := b.Build(noon.Add(age), []Document{d}).Apps["shop"].Queues["sqs/orders"].Status; got != want {
			t.Errorf("%v old is %s, want %s", age, got, want)
		}
	}
}

func TestLostQueueKeepsItsLastNumbersAndIsInNoTotal(t *testing.T) {
	var b Builder
	d := snapshot("shop", "sqs", orders)
	b.Build(noon, []Document{d})
	v := b.Build(noon.Add(time.Minute), []Document{gone(d)})
	q := v.Apps["shop"].Queues["sqs/orders"]
	if q == nil || q.Status != Lost || q.Metrics.Waiting != 5 {
		t.Errorf("the lost queue is %+v", q)
	}
	if s := v.Apps["shop"].Sources["sqs"]; s == nil || s.Status != Lost || s.Timestamp != noon.UnixMilli() {
		t.Errorf("its reporter is %+v", s)
	}
	if v.Totals.Waiting != nil || v.Totals.Queues != 1 || v.Totals.Lost.Queues != 1 {
		t.Errorf("totals are %+v", v.Totals)
	}
	if len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Reason, "nothing has been reported since 2025-11-24 16:00:00 UTC") {
		t.Errorf("problems are %v", v.Problems)
	}
	if v = b.Build(noon.Add(time.Hour), []Document{d}); v.Apps["shop"].Queues["sqs/orders"].Status != Stale || len(v.Problems) > 0 {
		t.Errorf("when its key is back it is %+v, problems %v", v.Apps["shop"].Queues["sqs/orders"], v.Problems)
	}
}

func TestColdStartShowsWhatIsLost(t *testing.T) {
	v := build(Document{Key: "pulse:queues:shop:sqs", SeenAt: 1}, Document{Key: "pulse:server:shop:web-1", SeenAt: 2}, Document{Key: "pulse:rubbish"}, Document{Key: "pulse:queues:a:b:c"})
	if len(v.Apps) != 1 || v.Apps["shop"] == nil {
		t.Fatalf("apps are %v", v.Apps)
	}
	if s := v.Apps["shop"].Servers["web-1"]; s == nil || s.Status != Lost || s.Timestamp != 2 || s.System != nil {
		t.Errorf("the lost server is %+v", s)
	}
	if s := v.Apps["shop"].Sources["sqs"]; s == nil || s.Status != Lost || s.Timestamp != 1 {
		t.Errorf("the lost reporter is %+v", s)
	}
	if len(v.Problems) != 1 || v.Problems[0].Key != "pulse:queues:shop:sqs" {
		t.Errorf("problems are %v", v.Problems)
	}
}

func TestBodyIsTheAuthority(t *testing.T) {
	d := snapshot("shop", "sqs", orders)
	d.Key = "pulse:queues:other"
	v := build(d)
	if v.Apps["other"] != nil || v.Apps["shop"].Queues["sqs/orders"] == nil {
		t.Errorf("apps are %v", v.Apps)
	}
	if len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Reason, "its body belongs to pulse:queues:shop:sqs") {
		t.Errorf("problems are %v", v.Problems)
	}
}

func TestAReporterThatIsAloneNeedsNoSourceInItsKey(t *testing.T) {
	d := snapshot("shop", "cron", orders)
	d.Key = "pulse:queues:shop"
	if v := build(d); len(v.Problems) > 0 || v.Apps["shop"].Queues["sqs/orders"].Source != "cron" {
		t.Errorf("problems are %v", v.Problems)
	}
}

func TestProblemsHaveAnEnd(t *testing.T) {
	var docs []Document
	for i := range maxProblems + 50 {
		docs = append(docs, doc(fmt.Sprintf("pulse:queues:a%03d", i), "rubbish"))
	}
	if v := build(docs...); len(v.Problems) != maxProblems+1 || !strings.Contains(v.Problems[maxProblems].Reason, "50 more") {
		t.Errorf("%d problems, the last %v", len(v.Problems), v.Problems[len(v.Problems)-1])
	}
}

// TestFreshIsMeasuredInIntervals: a reporter that reports seldom is no older for that.
func TestFreshIsMeasuredInIntervals(t *testing.T) {
	of := func(interval string) Document {
		return doc("pulse:queues:shop", fmt.Sprintf(`{"timestamp":%d,"app":"shop"%s,"queues":[%s]}`, noon.UnixMilli(), interval, orders))
	}
	for _, tc := range []struct {
		interval string
		age      time.Duration
		want     Status
	}{
		{"", 15 * time.Second, Fresh}, {"", 15001 * time.Millisecond, Stale},
		{`,"interval_ms":60000`, 90 * time.Second, Fresh}, {`,"interval_ms":60000`, 90001 * time.Millisecond, Stale},
		{`,"interval_ms":2000`, 15 * time.Second, Fresh}, // slower than it says, and within what any reporter may take
	} {
		var b Builder
		app := b.Build(noon.Add(tc.age), []Document{of(tc.interval)}).Apps["shop"]
		if q, s := app.Queues["sqs/orders"], app.Sources["-"]; q.Status != tc.want || s.Status != tc.want || s.Timestamp != noon.UnixMilli() {
			t.Errorf("%s, %v old: the queue is %s and its reporter %+v, want %s", tc.interval, tc.age, q.Status, s, tc.want)
		}
	}
}

func TestSourceIsTheNewestOfThatName(t *testing.T) {
	v := build(node("a", noon.UnixMilli()-9000, 1), node("b", noon.UnixMilli()-1000, 2), gone(node("c", 0, 3)), snapshot("shop", "sqs", ""))
	want := map[string]*Source{"quasar": {Status: Fresh, Timestamp: noon.UnixMilli() - 1000}, "sqs": {Status: Fresh, Timestamp: noon.UnixMilli()}}
	if diff := cmp.Diff(want, v.Apps["shop"].Sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func TestQueueOfAnotherDriverIsKnownByThatDriversName(t *testing.T) {
	v := build(snapshot("shop", "", `{"name":"mail","driver":"celery","metrics":{"waiting":1}},{"name":"mail","driver":"other","metrics":{"waiting":2},"meta":{"driver":"rq"}},{"name":"mail","metrics":{"waiting":3}}`))
	got := map[string]int64{}
	for key, q := range v.Apps["shop"].Queues {
		got[key] = q.Metrics.Waiting
	}
	if diff := cmp.Diff(map[string]int64{"celery/mail": 1, "rq/mail": 2, "other/mail": 3}, got); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if n := len(v.Narrow("", "rq", "").Apps["shop"].Queues); n != 1 {
		t.Errorf("%d queues of rq", n)
	}
}

// TestAnIdleQueueIsInNoPatch is about what 10,000 idle queues cost each viewer.
func TestAnIdleQueueIsInNoPatch(t *testing.T) {
	const reports, queues = 1000, 10
	at := func(ms int64) []Document {
		docs := make([]Document, reports)
		for i := range docs {
			var rows []string
			for q := range queues {
				rows = append(rows, fmt.Sprintf(`{"name":"queue-%d","driver":"bullmq","metrics":{"waiting":3},"meta":{"oldest_ms":%d}}`, q, ms-1_700_000_000_000))
			}
			docs[i] = doc(fmt.Sprintf("pulse:queues:app-%d", i), fmt.Sprintf(`{"timestamp":%d,"app":"app-%d","source":"redis","queues":[%s]}`, ms, i, strings.Join(rows, ",")))
		}
		return docs
	}
	var b Builder
	before := b.Build(noon, at(noon.UnixMilli()))
	patch := Patch(before, b.Build(noon.Add(10*time.Second), at(noon.Add(10*time.Second).UnixMilli())))
	if n := len(patch); n > 60<<10 || !strings.Contains(string(patch), `"sources"`) || strings.Contains(string(patch), `"queue`) {
		t.Errorf("%d bytes: %.300s", n, patch)
	}
	if q := before.Apps["app-7"].Queues["bullmq/queue-1"]; !strings.Contains(string(q.appendJSON(nil)), `"meta":{"oldest_at":1700000000000}`) {
		t.Errorf("an age is %s: a time is due", q.appendJSON(nil))
	}
}
