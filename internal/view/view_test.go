package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

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

func TestSharedDeadLetterQueueCountsOnce(t *testing.T) {
	got := build(snapshot("shop", "sqs", orders+","+invoices+","+dead)).Totals
	want := Totals{Waiting: 7, Active: 1, Failed: 7, Queues: 3, Unknown: map[string]int{}}
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

func TestGravitoIsApartFromWhatIsExternal(t *testing.T) {
	v := build(snapshot("shop", "", `{"name":"a","driver":"gravito-stream","metrics":{"waiting":1}},{"name":"b","driver":"sqs","metrics":{"waiting":1}},{"name":"c","driver":"celery","metrics":{"waiting":1}}`))
	for key, want := range map[string]string{"gravito-stream/a": "gravito false", "sqs/b": "external true", "other/c": "external true"} {
		q := v.Apps["shop"].Queues[key]
		if got := fmt.Sprint(q.Origin, " ", q.ReadOnly); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
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
	if q == nil || q.Status != Lost || q.Metrics.Waiting != 5 || q.Timestamp != noon.UnixMilli() {
		t.Errorf("the lost queue is %+v", q)
	}
	if v.Totals.Waiting != 0 || v.Totals.Queues != 1 {
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
	if len(v.Problems) != 1 || v.Problems[0].Key != "pulse:queues:shop:sqs" {
		t.Errorf("problems are %v", v.Problems)
	}
}

func TestBadDocumentDoesNotHideItsNeighbours(t *testing.T) {
	v := build(doc("pulse:queues:a", "rubbish"), doc("pulse:server:b:c", `{"meta":{}}`), doc("gravito:quasar:node:x:y", "{}"),
		Document{Key: "pulse:queues:z", Err: fmt.Errorf("WRONGTYPE")}, snapshot("shop", "", orders))
	if len(v.Problems) != 4 || v.Totals.Queues != 1 {
		t.Errorf("problems are %v, totals %+v", v.Problems, v.Totals)
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

func TestTwoSourcesWithOneQueueNameAreTwoQueues(t *testing.T) {
	a, b := snapshot("shop", "sqs-eu", orders), snapshot("shop", "sqs-us", orders)
	for _, docs := range [][]Document{{a, b}, {b, a}} {
		queues := build(docs...).Apps["shop"].Queues
		if len(queues) != 2 || queues["sqs/orders"].Source != "sqs-eu" || queues["sqs/orders@sqs-us"].Source != "sqs-us" {
			t.Errorf("queues are %v", queues)
		}
	}
}

func TestAgentsOnSeveralHostsTellOfOneQueue(t *testing.T) {
	node := func(id string, at int64, waiting int) Document {
		return doc("gravito:quasar:node:shop:"+id, fmt.Sprintf(`{"id":%q,"service":"shop","timestamp":%d,"queues":[{"name":"q","driver":"redis","size":{"waiting":%d}}]}`, id, at, waiting))
	}
	v := build(node("a", noon.UnixMilli()-9000, 1), node("b", noon.UnixMilli()-1000, 2), node("c", noon.UnixMilli()-5000, 3))
	if q := v.Apps["shop"].Queues["other/q"]; len(v.Apps["shop"].Queues) != 1 || q.Metrics.Waiting != 2 {
		t.Errorf("queues are %v: the newest knows best", v.Apps["shop"].Queues)
	}
	if len(v.Apps["shop"].Servers) != 3 {
		t.Errorf("servers are %v", v.Apps["shop"].Servers)
	}
}

func TestLargeMetaIsNotShown(t *testing.T) {
	v := build(snapshot("shop", "", fmt.Sprintf(`{"name":"q","driver":"sqs","metrics":{"waiting":1},"meta":{"x":%q}}`, strings.Repeat("x", maxRow))))
	if q := v.Apps["shop"].Queues["sqs/q"]; q.Metrics.Waiting != 1 || q.Meta["error"] != tooLarge {
		t.Errorf("the queue is %+v", q)
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

func TestNarrowedViewHasTotalsOfItsOwn(t *testing.T) {
	v := build(snapshot("shop", "", orders+`,{"name":"mail","driver":"bullmq","metrics":{"waiting":3}}`), snapshot("blog", "", `{"name":"Mail","driver":"bullmq","metrics":{"waiting":4}}`),
		doc("pulse:server:blog:mail-1", fmt.Sprintf(`{"timestamp":%d,"meta":{"app_name":"blog"}}`, noon.UnixMilli())))
	for _, tc := range []struct {
		app, driver, q           string
		waiting, queues, servers int
	}{
		{"", "", "", 12, 3, 1}, {"shop", "", "", 8, 2, 0}, {"", "bullmq", "", 7, 2, 0}, {"", "", "MAIL", 7, 2, 1}, {"blog", "sqs", "", 0, 0, 0}, {"", "", "blog", 4, 1, 1},
	} {
		got := v.Narrow(tc.app, tc.driver, tc.q).Totals
		if got.Waiting != int64(tc.waiting) || got.Queues != tc.queues || got.Servers != tc.servers {
			t.Errorf("app %q, driver %q, q %q: totals are %+v", tc.app, tc.driver, tc.q, got)
		}
	}
}

func TestNothingButTheTimeIsNoPatch(t *testing.T) {
	var b Builder
	d := snapshot("shop", "", orders)
	first := b.Build(noon, []Document{d})
	if p, err := Patch(first, b.Build(noon.Add(time.Second), []Document{d})); p != nil || err != nil {
		t.Errorf("the patch is %s, %v", p, err)
	}
}

// TestPatchMakesTheNextView applies each patch with another implementation of RFC 7396.
func TestPatchMakesTheNextView(t *testing.T) {
	values := rapid.SampledFrom([]string{"null", "1", "9007199254740993", `"x"`, "[1,{\"a\":null}]", `{"a":null,"b":{"c":1}}`, `{"b":{"d":[null]}}`, "{}", "true"})
	keys := rapid.SampledFrom([]string{"paused", "x", "__proto__", "dlq", "a/b~c"})
	queues := rapid.Custom(func(t *rapid.T) string {
		return fmt.Sprintf(`{"name":%q,"driver":%q,"metrics":{"waiting":%d,"failed":%s},"meta":{%q:%s,%q:%s}}`,
			rapid.SampledFrom([]string{"a", "b", "__proto__", "<b>"}).Draw(t, "name"), rapid.SampledFrom([]string{"sqs", "bullmq", "x"}).Draw(t, "driver"),
			rapid.IntRange(-1, 3).Draw(t, "waiting"), rapid.SampledFrom([]string{"null", "2"}).Draw(t, "failed"),
			keys.Draw(t, "key"), values.Draw(t, "value"), keys.Draw(t, "key2"), values.Draw(t, "value2"))
	})
	documents := rapid.Custom(func(t *rapid.T) Document {
		d := snapshot(rapid.SampledFrom([]string{"shop", "blog", "constructor"}).Draw(t, "app"), rapid.SampledFrom([]string{"", "sqs"}).Draw(t, "source"),
			strings.Join(rapid.SliceOfN(queues, 0, 3).Draw(t, "queues"), ","))
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return gone(d)
		case 1:
			d.Data = []byte("rubbish")
		case 2:
			return doc("pulse:server:shop:constructor", fmt.Sprintf(`{"timestamp":%d,"system":{"load_avg":[1]},"meta":{"app_name":"shop","x":%s}}`, noon.UnixMilli(), values.Draw(t, "x")))
		}
		return d
	})
	rapid.Check(t, func(rt *rapid.T) {
		var b Builder
		now := noon
		var text []byte
		var before *View
		for range rapid.IntRange(2, 5).Draw(rt, "views") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(rt, "seconds")) * time.Second)
			after := b.Build(now, rapid.SliceOfNDistinct(documents, 0, 4, func(d Document) string { return d.Key }).Draw(rt, "documents"))
			want, err := json.Marshal(after)
			if err != nil {
				rt.Fatal(err)
			}
			if before != nil {
				p, err := Patch(before, after)
				if err != nil {
					rt.Fatal(err)
				}
				if p == nil {
					p = fmt.Appendf(nil, `{"generated_at":%d}`, after.GeneratedAt)
				}
				if text, err = jsonpatch.MergePatch(text, p); err != nil {
					rt.Fatal(err)
				}
				if diff := cmp.Diff(jsonValue(rt, want), jsonValue(rt, text)); diff != "" {
					rt.Fatalf("after the patch %s (-want +got):\n%s", p, diff)
				}
			}
			before, text = after, want
		}
	})
}

func jsonValue(t *rapid.T, data []byte) any {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
