package view

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gravito-framework/pulse/protocol"
)

// beat is a server's heartbeat, of an app that key names.
func beat(app, id, more string) Document {
	return doc(protocol.ServerKey(app, id), fmt.Sprintf(`{"timestamp":%d,"system":{"hostname":%q},"meta":{"app_name":%q%s}}`, noon.UnixMilli(), id, app, more))
}

// node is an agent of the older namespace that reports one queue.
func node(id string, at int64, waiting int) Document {
	return doc("gravito:quasar:node:shop:"+id, fmt.Sprintf(
		`{"id":%q,"service":"shop","timestamp":%d,"queues":[{"name":"q","driver":"redis","size":{"waiting":%d}}]}`, id, at, waiting))
}

func encoded(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What is not shown of a queue's meta is known all the same.
func TestDeadLetterQueueWithALargeMetaCountsOnce(t *testing.T) {
	large := fmt.Sprintf(`"x":%q`, strings.Repeat("x", maxRow))
	v := build(snapshot("shop", "sqs", `{"name":"orders","driver":"sqs","metrics":{"waiting":1,"active":0,"delayed":0,"failed":100},"meta":{"dlq":"dead",`+large+`}},
		{"name":"mail","driver":"sqs","metrics":{"waiting":1,"active":0,"delayed":0,"failed":100},"meta":{"dlq":"dead",`+large+`}},
		{"name":"dead","driver":"sqs","metrics":{"waiting":100,"active":0,"delayed":0},"meta":{"dlq_for":["orders"],`+large+`}}`))
	if diff := cmp.Diff(counted(2, 0, 0, 100, 3), v.Totals); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Reporters may share queues, and each may know only some of the queues that fill a dead-letter queue.
func TestQueueOfSeveralReportersCountsOnce(t *testing.T) {
	const url = "https://sqs.eu-west-1.amazonaws.com/123456789012/"
	queue := func(name string, waiting int, failed, more string) string {
		return fmt.Sprintf(`{"name":%q,"driver":"sqs","metrics":{"waiting":%d,"active":0,"delayed":0%s},"meta":{"url":%q%s}}`, name, waiting, failed, url+name, more)
	}
	orders := queue("orders", 5, `,"failed":3`, `,"dlq":"dead"`)
	mail := queue("mail", 1, `,"failed":3`, `,"dlq":"dead"`)
	dead := queue("dead", 3, "", "")
	want := counted(6, 0, 0, 3, 3)
	for name, docs := range map[string][]Document{
		"a source each": {snapshot("shop", "a", orders), snapshot("shop", "b", mail), snapshot("shop", "c", dead)},
		"an app each":   {snapshot("shop", "sqs", orders), snapshot("blog", "sqs", mail), snapshot("dead", "sqs", dead)},
	} {
		if diff := cmp.Diff(want, build(docs...).Totals); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
	all := orders + "," + mail + "," + dead
	want.Queues = 6
	if diff := cmp.Diff(want, build(snapshot("shop", "a", all), snapshot("shop", "b", all)).Totals); diff != "" {
		t.Errorf("all of them twice: -want +got:\n%s", diff)
	}
	other := strings.ReplaceAll(all, "eu-west-1", "us-east-1")
	if diff := cmp.Diff(counted(12, 0, 0, 6, 6), build(snapshot("shop", "a", all), snapshot("shop", "b", other)).Totals); diff != "" {
		t.Errorf("of two regions: -want +got:\n%s", diff)
	}
}

// A reporter's clock may be wrong, and its document may stay when it is gone.
func TestTimestampOfTheFutureIsNotFresh(t *testing.T) {
	for ahead, fresh := range map[time.Duration]bool{0: true, 59 * time.Second: true, 61 * time.Second: false, 24 * time.Hour: false} {
		at := noon.Add(ahead).UnixMilli()
		v := build(doc("pulse:queues:shop", fmt.Sprintf(`{"timestamp":%d,"app":"shop","queues":[%s]}`, at, orders)),
			doc("pulse:server:shop:web-1", fmt.Sprintf(`{"timestamp":%d,"system":{},"process":{},"meta":{"app_name":"shop"}}`, at)))
		want := Fresh
		if !fresh {
			want = Stale
		}
		if q, s := v.Apps["shop"].Queues["sqs/orders"], v.Apps["shop"].Servers["web-1"]; q.Status != want || s.Status != want {
			t.Errorf("%v ahead: the queue is %s and the server %s", ahead, q.Status, s.Status)
		}
		if n := len(v.Problems); n != 0 && fresh || n != 2 && !fresh {
			t.Errorf("%v ahead: problems are %v", ahead, v.Problems)
		}
	}
}

func TestLostReporterThatWasAheadIsOneProblem(t *testing.T) {
	var b Builder
	d := doc("pulse:queues:shop", fmt.Sprintf(`{"timestamp":%d,"app":"shop","queues":[%s]}`, noon.Add(time.Hour).UnixMilli(), orders))
	b.Build(noon, []Document{d})
	v := b.Build(noon.Add(time.Minute), []Document{gone(d)})
	if len(v.Problems) != 1 || !strings.HasPrefix(v.Problems[0].Reason, "nothing has been reported since") {
		t.Errorf("problems are %v", v.Problems)
	}
}

// TestQueueReportedTwiceAtOneMomentHasOneSum: which of the two counts must not change from view to view.
func TestQueueReportedTwiceAtOneMomentHasOneSum(t *testing.T) {
	queue := func(waiting int) string {
		return fmt.Sprintf(`{"name":"a","driver":"sqs","metrics":{"waiting":%d,"active":0,"delayed":0,"failed":0},"meta":{"url":"https://sqs.eu-west-1.amazonaws.com/1/a"}}`, waiting)
	}
	for range 50 {
		got := build(snapshot("shop", "eu", queue(1)), snapshot("blog", "eu", queue(2)), snapshot("shop", "us", queue(3))).Totals
		if diff := cmp.Diff(counted(1, 0, 0, 0, 3), got); diff != "" {
			t.Fatalf("totals (-want +got):\n%s", diff)
		}
	}
}

func TestAgeIsATimeUnlessTheTimeIsReported(t *testing.T) {
	const queue = `{"name":"a","driver":"sqs","metrics":{"waiting":1},"meta":{"oldest_ms":%s}}`
	for meta, want := range map[string]string{
		"5000,\"x\":1":                     fmt.Sprintf(`{"x":1,"oldest_at":%d}`, noon.UnixMilli()-5000),
		"5000,\"oldest_at\":1763999000000": `{"oldest_ms":5000,"oldest_at":1763999000000}`,
		`"text"`:                           `{"oldest_ms":"text"}`,
	} {
		row := build(snapshot("shop", "", fmt.Sprintf(queue, meta))).Apps["shop"].Queues["sqs/a"]
		if got := string(row.Meta.AppendJSON(nil)); got != want {
			t.Errorf("of %s it shows %s, want %s", meta, got, want)
		}
	}
}

func unknown(t Totals, name string) Totals {
	t.Unknown = map[string]int{name: 1}
	return t
}

// TestDeadLetterQueueIsNotAlsoWaiting guards that the totals count each job in a dead-letter queue once, as
// failed, with or without the other queues.
func TestDeadLetterQueueIsNotAlsoWaiting(t *testing.T) {
	const (
		unread  = `{"name":"orders","driver":"sqs","metrics":{"waiting":5,"active":1,"delayed":0},"meta":{"dlq":"dead"}}`
		earlier = `{"name":"invoices","driver":"sqs","metrics":{"waiting":2,"active":0,"delayed":0,"failed":3},"meta":{"dlq":"dead"}}`
		other   = `{"name":"mail","driver":"sqs","metrics":{"waiting":1,"active":0,"delayed":0,"failed":4},"meta":{"dlq":"mail-dead"}}`
		plain   = `{"name":"dead","driver":"bullmq","metrics":{"waiting":6,"active":1,"delayed":0,"failed":2}}`
	)
	const (
		main  = `{"name":"main","driver":"sqs","metrics":{"waiting":5,"active":0,"delayed":0,"failed":2},"meta":{"dlq":"main-retry","dlq_for":["main-retry"]}}`
		retry = `{"name":"main-retry","driver":"sqs","metrics":{"waiting":2,"active":0,"delayed":0,"failed":5},"meta":{"dlq":"main","dlq_for":["main"]}}`
	)
	named := func(name string, waiting, failed int, dlq string) string {
		return fmt.Sprintf(`{"name":%q,"driver":"sqs","metrics":{"waiting":%d,"active":0,"delayed":0,"failed":%d},"meta":{"dlq":%q}}`, name, waiting, failed, dlq)
	}
	for _, tc := range []struct {
		name   string
		docs   []Document
		totals Totals
	}{
		{"beside its source", []Document{snapshot("shop", "sqs", orders+","+dead)}, counted(5, 1, 0, 7, 2)},
		{"alone", []Document{snapshot("shop", "sqs", dead)}, Totals{Failed: new(int64(7)), Queues: 1}},
		{"where its source doesn't know what it holds", []Document{snapshot("shop", "sqs", unread+","+dead)}, unknown(counted(5, 1, 0, 7, 2), "failed")},
		{"shared, and read at different moments", []Document{snapshot("shop", "sqs", orders+","+earlier)}, counted(7, 1, 0, 7, 2)},
		{"beside another one", []Document{snapshot("shop", "sqs", orders+","+other)}, counted(6, 1, 0, 11, 2)},
		{"of another source with the same name", []Document{snapshot("shop", "eu", orders), snapshot("shop", "us", orders)}, counted(10, 2, 0, 14, 2)},
		{"of another app with the same name", []Document{snapshot("shop", "sqs", orders), snapshot("blog", "sqs", orders)}, counted(10, 2, 0, 14, 2)},
		{"beside a queue of another driver with its name", []Document{snapshot("shop", "sqs", dead+","+plain)}, counted(6, 1, 0, 9, 2)},
		{"that names its own dead-letter queue", []Document{snapshot("shop", "sqs", `{"name":"dead","driver":"sqs","metrics":{"waiting":6,"active":0,"delayed":0,"failed":2},"meta":{"dlq_for":["orders"],"dlq":"dead2"}}`)}, counted(6, 0, 0, 2, 1)},
		{"in a cycle with its source, named first", []Document{snapshot("shop", "sqs", main+","+retry)}, counted(5, 0, 0, 2, 2)},
		{"in a cycle with its source, named last", []Document{snapshot("shop", "sqs", retry+","+main)}, counted(5, 0, 0, 2, 2)},
		{"in a cycle, of which one queue is shown", []Document{snapshot("shop", "sqs", main)}, counted(5, 0, 0, 2, 1)},
		{"in a chain with workers in the middle", []Document{snapshot("shop", "sqs", main+","+strings.Replace(retry, `"dlq":"main"`, `"dlq":"end"`, 1))}, counted(7, 0, 0, 5, 2)},
		{"in a cycle of which the first sorts last", []Document{snapshot("shop", "sqs", named("z", 5, 2, "a-retry")+","+named("a-retry", 2, 5, "z"))}, counted(5, 0, 0, 2, 2)},
		{"in a cycle of names of one length", []Document{snapshot("shop", "sqs", named("b", 2, 5, "a")+","+named("a", 5, 2, "b"))}, counted(5, 0, 0, 2, 2)},
		{"in a chain that ends in a shorter name", []Document{snapshot("shop", "sqs", named("main", 5, 2, "main-retry")+","+named("main-retry", 2, 4, "end")+","+
			`{"name":"end","driver":"sqs","metrics":{"waiting":4,"active":0,"delayed":0}}`)}, counted(7, 0, 0, 4, 3)},
		{"that leads into a cycle", []Document{snapshot("shop", "sqs", `{"name":"orders","driver":"sqs","metrics":{"waiting":5,"active":0,"delayed":0,"failed":2},"meta":{"dlq":"a","dlq_for":["mail"]}},`+
			named("a", 2, 3, "b")+","+named("b", 3, 2, "a"))}, counted(7, 0, 0, 3, 3)},
		{"that its source saw fuller", []Document{snapshot("shop", "sqs", strings.Replace(orders, `"failed":7`, `"failed":9`, 1)+","+dead)}, counted(5, 1, 0, 9, 2)},
		{"with delayed jobs", []Document{snapshot("shop", "sqs", orders+","+strings.Replace(dead, `"delayed":0`, `"delayed":2`, 1))}, counted(5, 1, 0, 9, 2)},
		{"in which jobs fail", []Document{snapshot("shop", "", `{"name":"dead","driver":"bullmq","metrics":{"waiting":6,"active":1,"delayed":0,"failed":2},"meta":{"dlq_for":["orders"]}}`)}, Totals{Failed: new(int64(9)), Queues: 1}},
		{"in name only", []Document{snapshot("shop", "sqs", `{"name":"dead","driver":"sqs","metrics":{"waiting":6,"active":0,"delayed":0,"failed":0},"meta":{"dlq_for":[]}}`)}, counted(6, 0, 0, 0, 1)},
	} {
		// Often, because maps are gone through in another order each time.
		for range 20 {
			if diff := cmp.Diff(tc.totals, build(tc.docs...).Totals); diff != "" {
				t.Fatalf("%s, totals (-want +got):\n%s", tc.name, diff)
			}
		}
	}
}

func TestTotalsStayExactForEveryReader(t *testing.T) {
	huge := func(app string) Document {
		var queues []string
		for i := range 20 {
			queues = append(queues, fmt.Sprintf(`{"name":"q%d","driver":"bullmq","metrics":{"waiting":%[2]d,"active":%[2]d,"delayed":%[2]d,"failed":%[2]d}}`, i, int64(protocol.MaxCount)))
		}
		return snapshot(app, "", strings.Join(queues, ","))
	}
	var docs []Document
	for i := range 60 { // 1,200 times 2^53 passes 2^63
		docs = append(docs, huge(fmt.Sprintf("app-%d", i)))
	}
	got := build(docs...).Totals
	want := Totals{Queues: 1200, Unknown: map[string]int{"waiting": 1200, "active": 1200, "delayed": 1200, "failed": 1200}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// TestLostIsInNoTotal is about sums of jobs: a lost row still is a row.
func TestLostIsInNoTotal(t *testing.T) {
	var b Builder
	d, server := snapshot("shop", "sqs", orders+","+dead), beat("shop", "web-1", "")
	b.Build(noon, []Document{d, server})
	got := b.Build(noon.Add(time.Minute), []Document{gone(d), gone(server)}).Totals
	if diff := cmp.Diff(Totals{Queues: 2, Servers: 1, Lost: LostRows{2, 1}}, got); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func TestLostServerKeepsItsLastNumbers(t *testing.T) {
	var b Builder
	d := beat("shop", "web-1", `,"version":"7"`)
	b.Build(noon, []Document{d})
	v := b.Build(noon.Add(time.Minute), []Document{gone(d)})
	s := v.Apps["shop"].Servers["web-1"]
	if s == nil || s.Status != Lost || s.Timestamp != noon.UnixMilli() || s.System == nil || s.System.Hostname != "web-1" || s.Meta.Text("version") != "7" {
		t.Errorf("the lost server is %+v", s)
	}
	if len(v.Problems) != 0 {
		t.Errorf("a server that went is a row, no problem: %v", v.Problems)
	}
	// Out of the index after a day: then it goes.
	if v = b.Build(noon.Add(25*time.Hour), nil); len(v.Apps) != 0 {
		t.Errorf("apps are %v", v.Apps)
	}
}

// TestLostKeyWithoutAnAddress is about a key that tells no app. While it existed, its body did.
func TestLostKeyWithoutAnAddress(t *testing.T) {
	var b Builder
	d := snapshot("shop", "sqs", orders)
	d.Key = "pulse:queues:shop:eu:sqs"
	b.Build(noon, []Document{d})
	v := b.Build(noon.Add(time.Minute), []Document{gone(d)})
	if q := v.Apps["shop"].Queues["sqs/orders"]; q == nil || q.Status != Lost || len(v.Problems) != 1 {
		t.Errorf("the lost queue is %+v, problems are %v", q, v.Problems)
	}
}

func TestKeyThatCannotBeReadForAMomentKeepsItsNumbers(t *testing.T) {
	var b Builder
	d, neighbour := snapshot("shop", "sqs", orders), snapshot("blog", "", orders)
	refused := Document{Key: d.Key, SeenAt: d.SeenAt, Err: errors.New("NOPERM for GETRANGE")}
	at := func(after time.Duration, d Document) *View { return b.Build(noon.Add(after), []Document{d, neighbour}) }
	at(0, d)
	v := at(5*time.Second, refused)
	if q := v.Apps["shop"].Queues["sqs/orders"]; q == nil || q.Status != Fresh || *v.Totals.Waiting != 10 {
		t.Errorf("refused, it is %+v, totals %+v", q, v.Totals)
	}
	if len(v.Problems) != 1 || v.Problems[0] != (Problem{d.Key, "NOPERM for GETRANGE"}) {
		t.Errorf("problems are %v", v.Problems)
	}
	if v = at(time.Minute, refused); v.Apps["shop"].Queues["sqs/orders"].Status != Stale {
		t.Errorf("long refused, it is %s", v.Apps["shop"].Queues["sqs/orders"].Status)
	}
	if v = at(2*time.Minute, gone(d)); v.Apps["shop"].Queues["sqs/orders"].Status != Lost {
		t.Errorf("gone after that, it is %s", v.Apps["shop"].Queues["sqs/orders"].Status)
	}
	if v = at(3*time.Minute, d); v.Apps["shop"].Queues["sqs/orders"].Status != Stale || len(v.Problems) != 0 {
		t.Errorf("back again, it is %s, problems %v", v.Apps["shop"].Queues["sqs/orders"].Status, v.Problems)
	}
	// A reader that has never seen it has nothing but the refusal, and neither has one that finds
	// nothing in the key.
	if v = build(refused); len(v.Apps) != 0 || len(v.Problems) != 1 {
		t.Errorf("never read, apps are %v, problems %v", v.Apps, v.Problems)
	}
	at(0, refused)
	if v = at(0, Document{Key: d.Key, Data: []byte{}}); len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Reason, "it is empty") {
		t.Errorf("empty, its problems are %v", v.Problems)
	}
}

func TestBadKeyDoesNotHideItsNeighbours(t *testing.T) {
	good := []Document{snapshot("shop", "", orders), beat("shop", "web-1", ""), node("a", noon.UnixMilli(), 3)}
	want := build(good...)
	for name, bad := range map[string]Document{
		"text":            doc("pulse:queues:bad", "rubbish"),
		"an array":        doc("pulse:queues:bad", "[]"),
		"empty":           doc("pulse:queues:bad", ""),
		"no app":          doc("pulse:queues:bad", `{"timestamp":1764000000000}`),
		"seconds":         doc("pulse:queues:bad", `{"timestamp":1764000000,"app":"bad","queues":[]}`),
		"a wrong name":    doc("pulse:queues:a b", `{"timestamp":1764000000000,"app":"a b","queues":[]}`),
		"nested":          doc("pulse:server:bad:a", strings.Repeat(`{"meta":`, 20_000)),
		"a bad server":    doc("pulse:server:bad:a", `{"timestamp":1764000000000,"meta":{}}`),
		"a bad node":      doc("gravito:quasar:node:bad:a", `{"timestamp":1764000000000}`),
		"a refusal":       {Key: "pulse:queues:bad", Err: errors.New("WRONGTYPE")},
		"a lost reporter": {Key: "gravito:quasar:node:shop:a b"},
	} {
		got := build(append([]Document{bad}, good...)...)
		if len(got.Problems) != 1 || got.Problems[0].Key != bad.Key || got.Problems[0].Reason == "" {
			t.Errorf("%s: problems are %v", name, got.Problems)
		}
		delete(got.Apps["shop"].Servers, "a-b") // what is left of the lost one
		if diff := cmp.Diff(encoded(t, want.Apps), encoded(t, got.Apps)); diff != "" {
			t.Errorf("%s: its neighbours (-without +with):\n%s", name, diff)
		}
	}
}

func TestBadQueueDoesNotHideItsNeighbours(t *testing.T) {
	v := build(snapshot("shop", "", orders+`,7,{"name":"bad","driver":"sqs","metrics":{"waiting":-1}},`+invoices))
	if v.Totals.Queues != 2 || len(v.Problems) != 2 {
		t.Errorf("totals are %+v, problems %v", v.Totals, v.Problems)
	}
	for i, part := range []string{"queue 1 is left out", `queue "bad": it is left out: waiting is -1`} {
		if !strings.Contains(v.Problems[i].Reason, part) {
			t.Errorf("problem %d is %v, want one with %q", i, v.Problems[i], part)
		}
	}
}

// TestTwoSourcesWithTheSameQueueName is also about a queue with a name like the key that the view gives to
// another reporter's queue.
func TestTwoSourcesWithTheSameQueueName(t *testing.T) {
	queue := func(name string, waiting int) string {
		return fmt.Sprintf(`{"name":%q,"driver":"sqs","metrics":{"waiting":%d}}`, name, waiting)
	}
	for _, tc := range []struct {
		docs []Document
		want map[string]int64
	}{
		{[]Document{snapshot("shop", "eu", queue("a", 1)), snapshot("shop", "us", queue("a", 2)), snapshot("shop", "ap", queue("a", 3))},
			map[string]int64{"sqs/a": 3, "sqs/a@eu": 1, "sqs/a@us": 2}},
		{[]Document{snapshot("shop", "", queue("a", 1)), snapshot("shop", "us", queue("a", 2))},
			map[string]int64{"sqs/a": 1, "sqs/a@us": 2}},
		{[]Document{snapshot("shop", "eu", queue("a", 1)+","+queue("a@us", 4)), snapshot("shop", "us", queue("a", 2))},
			map[string]int64{"sqs/a": 1, "sqs/a@us": 4, "sqs/a@us@us": 2}},
		{[]Document{snapshot("shop", "eu", queue("a", 1)), snapshot("shop", "us", queue("a", 2)), snapshot("shop", "zz", queue("a@us", 4))},
			map[string]int64{"sqs/a": 1, "sqs/a@us": 2, "sqs/a@us@zz": 4}},
		{[]Document{snapshot("shop", "eu", queue("a", 1)), snapshot("blog", "us", queue("a", 2))},
			map[string]int64{"sqs/a": 1}},
	} {
		got := map[string]int64{}
		for key, q := range build(tc.docs...).Apps["shop"].Queues {
			got[key] = q.Metrics.Waiting
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("queues (-want +got):\n%s", diff)
		}
	}
}

func TestQuasarNodesShareAQueueNewestWins(t *testing.T) {
	at := noon.UnixMilli()
	older, newer := node("a", at-9000, 1), node("b", at-1000, 2)
	waiting := func(v *View) int64 { return v.Apps["shop"].Queues["redis/q"].Metrics.Waiting }
	for _, docs := range [][]Document{{older, newer}, {newer, older}} {
		v := build(docs...)
		if waiting(v) != 2 || len(v.Apps["shop"].Queues) != 1 || *v.Totals.Waiting != 2 {
			t.Errorf("the queue is %d, totals %+v", waiting(v), v.Totals)
		}
	}
	// All such nodes are one source. It is as fresh as the newest of them, in either order of the keys.
	if v := build(node("a", at-1000, 2), node("b", at-20_000, 1)); *v.Apps["shop"].Sources[protocol.QuasarSource] != (Source{Status: Fresh, Timestamp: at - 1000}) {
		t.Errorf("the source is %+v", v.Apps["shop"].Sources[protocol.QuasarSource])
	}
	var b Builder
	b.Build(noon, []Document{older, newer})
	if v := b.Build(noon, []Document{older, gone(newer)}); waiting(v) != 1 || v.Apps["shop"].Queues["redis/q"].Status == Lost {
		t.Errorf("the queue is %d: a snapshot that is there wins over a lost one", waiting(v))
	}
	if v := b.Build(noon, []Document{gone(older), gone(newer)}); waiting(v) != 2 || v.Apps["shop"].Queues["redis/q"].Status != Lost {
		t.Errorf("the queue is %d: the newest of two lost snapshots wins", waiting(v))
	}
	// Of two at the same moment always the same one, or the page would flicker.
	for range 20 {
		if v := build(node("a", at, 1), node("b", at, 2)); waiting(v) != 1 {
			t.Fatalf("the queue is %d", waiting(v))
		}
	}
}

func TestGravitoIsNotReadOnly(t *testing.T) {
	for driver, want := range map[string]string{
		"gravito-stream": `"origin":"gravito","read_only":false`,
		"bullmq":         `"origin":"external","read_only":true`, "sqs": `"origin":"external","read_only":true`,
		"laravel-horizon": `"origin":"external","read_only":true`, "celery": `"origin":"external","read_only":true`, "": `"origin":"external","read_only":true`,
	} {
		if got := encoded(t, build(snapshot("shop", "", fmt.Sprintf(`{"name":"q","driver":%q,"metrics":{"waiting":1}}`, driver)))); !strings.Contains(got, want) {
			t.Errorf("driver %q: want %s in %s", driver, want, got)
		}
	}
}

func TestPausedIsSaid(t *testing.T) {
	for meta, want := range map[string]protocol.Health{`{"paused":true}`: protocol.HealthPaused, `{"paused":false}`: protocol.HealthUnknown, `{"paused":"yes"}`: protocol.HealthUnknown, `{}`: protocol.HealthUnknown} {
		v := build(snapshot("shop", "", fmt.Sprintf(`{"name":"q","driver":"sqs","metrics":{"waiting":1},"meta":%s}`, meta)))
		if got := v.Apps["shop"].Queues["sqs/q"].Health; got != want {
			t.Errorf("with meta %s it is %s, want %s", meta, got, want)
		}
	}
}

// judged is the recorder's document about an app, made some time ago.
func judged(app string, ago time.Duration, verdicts string) Document {
	return doc(protocol.TrendKey(app), fmt.Sprintf(`{"timestamp":%d,"app":%q,"queues":{%s}}`, noon.Add(-ago).UnixMilli(), app, verdicts))
}

// TestRecorderIsTheJudge: a row shows the recorder's verdict while it is true, and none of its own.
func TestRecorderIsTheJudge(t *testing.T) {
	t.Parallel()
	const growing = `"sqs/q":{"health":"growing","reason":"180 more wait a minute","trend":{"waiting_per_min":180}}`
	rows := snapshot("shop", "", `{"name":"q","driver":"sqs","metrics":{"waiting":1}}`)
	paused := snapshot("shop", "", `{"name":"q","driver":"sqs","metrics":{"waiting":1},"meta":{"paused":true}}`)
	verdict := protocol.Verdict{Health: protocol.HealthGrowing, Reason: "180 more wait a minute", Trend: protocol.Trend{WaitingPerMin: new(180.0)}}
	unknown := protocol.Verdict{Health: protocol.HealthUnknown}
	for name, tc := range map[string]struct {
		docs []Document
		want protocol.Verdict
	}{
		"his verdict":              {[]Document{rows, judged("shop", 0, growing)}, verdict},
		"three minutes later":      {[]Document{rows, judged("shop", protocol.TrendTTL, growing)}, verdict},
		"and a moment":             {[]Document{rows, judged("shop", protocol.TrendTTL+time.Millisecond, growing)}, unknown},
		"no recorder":              {[]Document{rows}, unknown},
		"another app's":            {[]Document{rows, judged("blog", 0, growing)}, unknown},
		"a queue he has not seen":  {[]Document{rows, judged("shop", 0, "")}, unknown},
		"paused since":             {[]Document{paused, judged("shop", 0, growing)}, protocol.Verdict{Health: protocol.HealthPaused, Trend: verdict.Trend}},
		"the newest of two":        {[]Document{rows, judged("shop", time.Minute, ""), {Key: "pulse:trend:x", Data: judged("shop", 0, growing).Data}}, verdict},
		"what cannot be read":      {[]Document{rows, doc("pulse:trend:shop", "[]")}, unknown},
		"what it is of no more":    {[]Document{rows, gone(judged("shop", 0, growing))}, unknown},
		"a queue of two reporters": {[]Document{rows, snapshot("shop", "b", `{"name":"q","driver":"sqs","metrics":{"waiting":9}}`), judged("shop", 0, growing)}, verdict},
	} {
		q := build(tc.docs...).Apps["shop"].Queues["sqs/q"]
		if diff := cmp.Diff(tc.want, protocol.Verdict{Health: q.Health, Reason: q.Reason, Trend: q.Trend}); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// TestVerdictIsOfOneReportersQueue: of two reporters' queues of one name the one that sorts first has the plain key. Until the
// recorder looks again a queue that gets the other's key doesn't get its verdict.
func TestVerdictIsOfOneReportersQueue(t *testing.T) {
	t.Parallel()
	const q = `{"name":"q","driver":"sqs","metrics":{"waiting":1}}`
	a, b, none := snapshot("shop", "a", q), snapshot("shop", "b", q), snapshot("shop", "", q)
	both := judged("shop", 0, `"sqs/q":{"source":"a","health":"stalled"},"sqs/q@b":{"source":"b","health":"ok"}`)
	onlyB := doc(protocol.TrendKey("shop"), fmt.Sprintf(`{"timestamp":%d,"app":"shop","source":"b","queues":{"sqs/q":{"health":"ok"}}}`, noon.UnixMilli()))
	noSource := doc(protocol.TrendKey("shop"), fmt.Sprintf(`{"timestamp":%d,"app":"shop","source":"-","queues":{"sqs/q":{"health":"ok"}}}`, noon.UnixMilli()))
	for name, tc := range map[string]struct {
		docs []Document
		want map[string]protocol.Health
	}{
		"both":                     {[]Document{a, b, both}, map[string]protocol.Health{"sqs/q": "stalled", "sqs/q@b": "ok"}},
		"the first has it no more": {[]Document{b, both}, map[string]protocol.Health{"sqs/q": "ok"}},
		"the other has it no more": {[]Document{a, both}, map[string]protocol.Health{"sqs/q": "stalled"}},
		"another has it, too":      {[]Document{a, b, onlyB}, map[string]protocol.Health{"sqs/q": "unknown", "sqs/q@b": "ok"}},
		"one without a source":     {[]Document{none, noSource}, map[string]protocol.Health{"sqs/q": "ok"}},
		"another's":                {[]Document{none, onlyB}, map[string]protocol.Health{"sqs/q": "unknown"}},
	} {
		got := map[string]protocol.Health{}
		for key, q := range build(tc.docs...).Apps["shop"].Queues {
			got[key] = q.Health
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// TestOldNumbersSayNothing: a reporter may repeat what it cannot read now, or leave a key behind that doesn't expire. The
// numbers stay, and say how old they are; nothing is concluded from them.
func TestOldNumbersSayNothing(t *testing.T) {
	t.Parallel()
	row := func(ago time.Duration, more string) Document {
		return snapshot("shop", "", fmt.Sprintf(`{"name":"q","driver":"sqs","metrics":{"waiting":5,"active":1},"meta":{"oldest_at":%d,"as_of":%d%s}}`, noon.Add(-time.Hour).UnixMilli(), noon.Add(-ago).UnixMilli(), more))
	}
	old := func(ago time.Duration) Document {
		return doc("pulse:queues:shop", fmt.Sprintf(`{"timestamp":%d,"app":"shop","queues":[{"name":"q","driver":"sqs","metrics":{"waiting":5,"active":1},"meta":{"oldest_at":%d}}]}`,
			noon.Add(-ago).UnixMilli(), noon.Add(-time.Hour).UnixMilli()))
	}
	const failing = `,"error":"NOPERM"`
	for name, tc := range map[string]struct {
		doc     Document
		status  Status
		current bool
	}{
		"repeated from a moment ago":         {row(14*time.Second, failing), Fresh, true},
		"repeated":                           {row(16*time.Second, failing), Stale, true},
		"repeated for a minute":              {row(time.Minute, failing), Stale, true},
		"repeated for longer":                {row(61*time.Second, failing), Stale, false},
		"read seldom on purpose":             {row(10*time.Minute, ""), Fresh, true},
		"partial":                            {row(0, failing), Fresh, true},
		"a report of a minute ago":           {old(time.Minute), Stale, true},
		"a report of more than a minute ago": {old(61 * time.Second), Stale, false},
		"no report any more":                 {gone(old(0)), Lost, false},
	} {
		var b Builder
		if tc.status == Lost {
			b.Build(noon, []Document{old(time.Second)})
		}
		v := b.Build(noon, []Document{tc.doc, judged("shop", 0, `"sqs/q":{"health":"stalled","reason":"why","trend":{"drain_seconds":5}}`)})
		q := v.Apps["shop"].Queues["sqs/q"]
		if q.Status != tc.status || q.IsCurrent() != tc.current {
			t.Errorf("%s: it is %s, current: %v", name, q.Status, q.IsCurrent())
		}
		if said := q.Health == protocol.HealthStalled && !q.Trend.IsZero() && q.Reason != "" && q.backlog() != nil && q.OldestSeconds(noon.UnixMilli()) != nil; said != tc.current {
			t.Errorf("%s: its health is %s, its row %s", name, q.Health, q.appendJSON(nil))
		}
	}
}

// TestJudgedViewIsAsIfTheVerdictsHadBeenRead: what the recorder sees is what viewers will.
func TestJudgedRowsAreAsIfTheVerdictsHadBeenRead(t *testing.T) {
	t.Parallel()
	rows := snapshot("shop", "", `{"name":"q","driver":"sqs","metrics":{"waiting":1}},{"name":"new","driver":"sqs","metrics":{"waiting":1}},{"name":"off","driver":"sqs","metrics":{"waiting":1},"meta":{"paused":true}}`)
	newer := judged("shop", 0, `"sqs/q":{"health":"growing","reason":"more wait","trend":{"drain_seconds":5}},"sqs/off":{"health":"growing"}`)
	trends, err := protocol.DecodeTrends(newer.Data)
	if err != nil {
		t.Fatal(err)
	}
	before := build(rows, judged("shop", 0, `"sqs/q":{"health":"ok"},"sqs/new":{"health":"ok"}`))
	was := encoded(t, before)
	rowsOf := func(a *App, t *protocol.Trends) map[string]string {
		seen := map[string]string{}
		a.Judge(t, func(key string, q *Queue) { seen[key] = string(q.appendJSON(nil)) })
		return seen
	}
	got, want := rowsOf(before.Apps["shop"], &trends), rowsOf(build(rows, newer).Apps["shop"], nil)
	if diff := cmp.Diff(want, got); diff != "" || !strings.Contains(got["sqs/q"], "more wait") {
		t.Errorf("-want +got:\n%s", diff)
	}
	if is := encoded(t, before); is != was {
		t.Errorf("the view was\n%s\nand is\n%s", was, is)
	}
}

// TestDrainIsOfTheRow: what the recorder saw empty may have jobs by now, and the reverse.
func TestDrainIsOfTheRow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ waiting, drain int }{{0, 0}, {16, 0}, {16, 60}, {0, 60}} {
		v := build(snapshot("shop", "", fmt.Sprintf(`{"name":"q","driver":"sqs","metrics":{"waiting":%d}}`, c.waiting)),
			judged("shop", 0, fmt.Sprintf(`"sqs/q":{"health":"ok","trend":{"waiting_per_min":-1,"drain_seconds":%d,"drain_range":[%d,%d],"wait_seconds":%d}}`, c.drain, c.drain, c.drain, c.drain)))
		trend, want := v.Apps["shop"].Queues["sqs/q"].Trend, (c.waiting == 0) == (c.drain == 0)
		if trend.WaitingPerMin == nil || (trend.DrainSeconds != nil) != want || (trend.DrainRange != nil) != want || (trend.WaitSeconds != nil) != want {
			t.Errorf("%d wait, and it is empty in %d s: the trend is %s", c.waiting, c.drain, trend.AppendJSON(nil))
		}
	}
}

// TestLostQueueHasNoVerdict also guards that a verdict that is gone leaves the rows, and says why.
func TestLostQueueHasNoVerdict(t *testing.T) {
	t.Parallel()
	var b Builder
	rows := snapshot("shop", "", `{"name":"q","driver":"sqs","metrics":{"waiting":1}}`)
	ok := judged("shop", 0, `"sqs/q":{"health":"ok"}`)
	now := noon
	health := func(docs ...Document) (protocol.Health, []Problem) {
		v := b.Build(now, docs)
		return v.Apps["shop"].Queues["sqs/q"].Health, v.Problems
	}
	if got, _ := health(rows, ok); got != protocol.HealthOK {
		t.Errorf("it is %s", got)
	}
	if got, _ := health(gone(rows), ok); got != protocol.HealthUnknown {
		t.Errorf("lost, it is %s", got)
	}
	if v := b.Build(noon.Add(40*time.Second), []Document{rows, judged("shop", -time.Second, `"sqs/q":{"health":"ok"}`)}); len(v.Problems) > 0 {
		t.Errorf("verdicts of half a minute ago: %v", v.Problems)
	}
	if got, problems := health(rows, gone(ok)); got != protocol.HealthUnknown || len(problems) > 0 {
		t.Errorf("a moment after the verdicts were gone it is %s: %v", got, problems)
	}
	now = noon.Add(2 * time.Minute)
	got, problems := health(snapshot("shop", "", `{"name":"q","driver":"sqs","metrics":{"waiting":1}}`), gone(ok))
	if got != protocol.HealthUnknown || len(problems) != 1 || !strings.Contains(problems[0].Reason, "the recorder stopped") {
		t.Errorf("without a recorder it is %s: %v", got, problems)
	}
}

func TestServerIsStaleAndLostLikeAQueue(t *testing.T) {
	var b Builder
	d := beat("shop", "web-1", "")
	status := func(after time.Duration, d Document) Status {
		return b.Build(noon.Add(after), []Document{d}).Apps["shop"].Servers["web-1"].Status
	}
	for _, step := range []struct {
		after time.Duration
		doc   Document
		want  Status
	}{{15 * time.Second, d, Fresh}, {15001 * time.Millisecond, d, Stale}, {30 * time.Second, gone(d), Lost}, {10 * time.Second, d, Fresh}} {
		if got := status(step.after, step.doc); got != step.want {
			t.Errorf("after %v it is %s, want %s", step.after, got, step.want)
		}
	}
}

// TestStatusInTheJSONIsTheOneOfTheRow guards against a row that is encoded once and then reused.
func TestStatusInTheJSONIsTheOneOfTheRow(t *testing.T) {
	var b Builder
	docs := []Document{snapshot("shop", "", orders), beat("shop", "web-1", ""), node("a", noon.UnixMilli(), 1)}
	fresh := b.Build(noon, docs)
	before := encoded(t, fresh)
	if got := encoded(t, b.Build(noon.Add(time.Minute), docs)); strings.Contains(got, `"fresh"`) || strings.Count(got, `"stale"`) != 6 {
		t.Errorf("a minute later it is %s", got)
	}
	if after := encoded(t, fresh); after != before {
		t.Errorf("an older view has changed:\n%s\n%s", before, after)
	}
}

func TestColdStartShowsLostNodesOfTheOlderNamespace(t *testing.T) {
	v := build(Document{Key: "gravito:quasar:node:my app:host 1", SeenAt: 5})
	if s := v.Apps["my-app"].Servers["host-1"]; s == nil || s.Status != Lost || s.Timestamp != 5 {
		t.Errorf("apps are %s", encoded(t, v.Apps))
	}
	if len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Reason, "nothing has been reported since 1970") {
		t.Errorf("problems are %v", v.Problems)
	}
}

func withServer(t Totals) Totals {
	t.Servers = 1
	return t
}

func TestNarrowTakesNothingAway(t *testing.T) {
	v := build(snapshot("shop", "sqs", orders+","+invoices+","+dead), beat("shop", "web-1", ""), snapshot("blog", "", orders), doc("pulse:queues:bad", "rubbish"))
	before := encoded(t, v)
	if v.Narrow("", "", "") != v {
		t.Error("without a filter it is another view")
	}
	for _, tc := range []struct {
		app, driver, q string
		totals         Totals
	}{
		{"shop", "", "", withServer(counted(7, 1, 0, 7, 3))},
		{"shop", "sqs", "", counted(7, 1, 0, 7, 3)},
		{"", "", "DEAD", Totals{Failed: new(int64(7)), Queues: 1}}, // none that it shows waits for a worker
		{"", "", "invoices", counted(2, 0, 0, 7, 1)},
		{"", "", "web", withServer(counted(0, 0, 0, 0, 0))},
		{"shop", "", "blog", counted(0, 0, 0, 0, 0)},
		{"SHOP", "", "", counted(0, 0, 0, 0, 0)},
		{"", "bullmq", "", counted(0, 0, 0, 0, 0)},
		{"other", "", "", counted(0, 0, 0, 0, 0)},
	} {
		narrow := v.Narrow(tc.app, tc.driver, tc.q)
		if diff := cmp.Diff(tc.totals, narrow.Totals); diff != "" {
			t.Errorf("app %q, driver %q, q %q: totals (-want +got):\n%s", tc.app, tc.driver, tc.q, diff)
		}
		// A problem may be why something is missing.
		if diff := cmp.Diff(v.Problems, narrow.Problems); diff != "" {
			t.Errorf("app %q, driver %q, q %q: problems (-want +got):\n%s", tc.app, tc.driver, tc.q, diff)
		}
		if got := encoded(t, narrow); strings.Contains(got, "null") {
			t.Errorf("it has a null: %s", got)
		}
	}
	if after := encoded(t, v); after != before {
		t.Errorf("it has changed:\n%s\n%s", before, after)
	}
}

// TestOrderOfTheDocumentsDoesNotMatter guards against a page that flickers: Redis gives keys in any
// order.
func TestOrderOfTheDocumentsDoesNotMatter(t *testing.T) {
	docs := []Document{
		snapshot("shop", "eu", orders+","+dead), snapshot("shop", "us", orders+","+invoices), snapshot("shop", "", orders), snapshot("blog", "", orders),
		node("a", noon.UnixMilli(), 1), node("b", noon.UnixMilli(), 2), beat("shop", "web-1", ""), beat("shop", "web-1x", `,"id":"web-1","x":1`),
		doc("pulse:queues:x", "rubbish"), doc("pulse:queues:y", "[]"), gone(snapshot("old", "", "")), {Key: "pulse:queues:z", Err: errors.New("WRONGTYPE")},
	}
	want := encoded(t, build(docs...))
	rapid.Check(t, func(rt *rapid.T) {
		if got := encoded(t, build(rapid.Permutation(docs).Draw(rt, "docs")...)); got != want {
			rt.Fatalf("it is\n%s\nwant\n%s", got, want)
		}
	})
}

func TestProblemsOfOneKeyDoNotHideOthers(t *testing.T) {
	bad := strings.TrimSuffix(strings.Repeat("7,", 500), ",")
	docs := []Document{snapshot("aaa", "", bad), snapshot("aab", "", bad), snapshot("aac", "", bad), doc("pulse:queues:zzz", "rubbish")}
	v := build(docs...)
	of := map[string]int{}
	for _, p := range v.Problems {
		of[p.Key]++
	}
	want := map[string]int{"pulse:queues:aaa": 67, "pulse:queues:aab": 66, "pulse:queues:aac": 66, "pulse:queues:zzz": 1, "": 1}
	if diff := cmp.Diff(want, of); diff != "" {
		t.Errorf("problems by key (-want +got):\n%s", diff)
	}
	if last := v.Problems[len(v.Problems)-1].Reason; last != "104 more problems are not listed" {
		t.Errorf("the last says %q", last)
	}
}

func TestProblemIsASentenceWithAnyTextInIt(t *testing.T) {
	long := strings.Repeat("€", 1<<20)
	for _, d := range []Document{
		doc("pulse:queues:"+long, "rubbish"),
		{Key: "pulse:queues:x", Err: errors.New(long)},
		doc("pulse:queues:x", fmt.Sprintf(`{"timestamp":%d,"app":%q}`, noon.UnixMilli(), long)),
		doc("pulse:queues:x", fmt.Sprintf(`{"timestamp":%q,"app":"x"}`, long)),
		doc("pulse:queues:x", fmt.Sprintf(`{"timestamp":%d,"app":"x","queues":[],"problems":[{"queue":%q,"reason":%[2]q}]}`, noon.UnixMilli(), long)),
		doc("pulse:queues:"+long, fmt.Sprintf(`{"timestamp":%d,"app":"x","queues":[]}`, noon.UnixMilli())),
	} {
		v := build(d)
		if len(v.Problems) != 1 {
			t.Fatalf("%d problems", len(v.Problems))
		}
		if p := v.Problems[0]; len(p.Key) > 2*maxText || len(p.Reason) > 2*maxText || p.Reason == "" || !utf8.ValidString(p.Key+p.Reason) {
			t.Errorf("a key of %d and a reason of %d bytes", len(p.Key), len(p.Reason))
		}
	}
}

func TestRowHasAnEnd(t *testing.T) {
	long := strings.Repeat("x", maxRow)
	for name, d := range map[string]Document{
		"a queue's meta":         snapshot("shop", "", fmt.Sprintf(`{"name":"q","driver":"sqs","metrics":{"waiting":1},"meta":{"x":%q}}`, long)),
		"a server's meta":        beat("shop", "web-1", fmt.Sprintf(`,"x":%q`, long)),
		"a server's host":        doc("pulse:server:shop:web-1", fmt.Sprintf(`{"timestamp":%d,"system":{"hostname":%q,"platform":%[2]q},"meta":{"app_name":"shop"}}`, noon.UnixMilli(), long)),
		"a server's load":        doc("pulse:server:shop:web-1", fmt.Sprintf(`{"timestamp":%d,"system":{"load_avg":[1%s]},"meta":{"app_name":"shop"}}`, noon.UnixMilli(), strings.Repeat(",1", maxRow))),
		"an older node's host":   doc("gravito:quasar:node:shop:a", fmt.Sprintf(`{"id":"a","service":"shop","timestamp":%d,"hostname":%q}`, noon.UnixMilli(), long)),
		"an older node's others": doc("gravito:quasar:node:shop:a", fmt.Sprintf(`{"id":"a","service":"shop","timestamp":%d,"version":%q,"language":%[2]q}`, noon.UnixMilli(), long)),
	} {
		v := build(d)
		if got := encoded(t, v); len(got) > 4<<10 || v.Totals.Queues+v.Totals.Servers != 1 {
			t.Errorf("%s makes a view of %d bytes, with totals %+v", name, len(got), v.Totals)
		}
	}
}

func TestLargestRowIsShownAndOneByteMoreIsNot(t *testing.T) {
	queue := func(size int) *Queue {
		return build(snapshot("shop", "", fmt.Sprintf(`{"name":"q","driver":"sqs","metrics":{"waiting":1},"meta":{"x":%q}}`, strings.Repeat("x", size)))).Apps["shop"].Queues["sqs/q"]
	}
	server := func(size int) *Server {
		return build(beat("shop", "web-1", fmt.Sprintf(`,"x":%q`, strings.Repeat("x", size)))).Apps["shop"].Servers["web-1"]
	}
	fits := maxRow - len(queue(0).appendJSON(nil))
	if q := queue(fits); len(q.appendJSON(nil)) != maxRow || q.Meta.Has("error") {
		t.Errorf("a queue's row of %d bytes says %q", len(q.appendJSON(nil)), q.Meta.Text("error"))
	}
	if q := queue(fits + 1); q.Meta.Text("error") != tooLarge {
		t.Errorf("a queue's row of a byte more says %q", q.Meta.Text("error"))
	}
	fits = maxRow - len(server(0).appendJSON(nil))
	if s := server(fits); len(s.appendJSON(nil)) != maxRow || s.Meta.Has("error") {
		t.Errorf("a server's row of %d bytes says %q", len(s.appendJSON(nil)), s.Meta.Text("error"))
	}
	if s := server(fits + 1); s.Meta.Text("error") != tooLarge {
		t.Errorf("a server's row of a byte more says %q", s.Meta.Text("error"))
	}
}

// TestMetaMayNotNestWithoutEnd is about one key that would make the view unreadable for all clients:
// JSON readers have bounds, and some of them are low.
func TestMetaMayNotNestWithoutEnd(t *testing.T) {
	nested := func(levels int, open, end string) string {
		return strings.Repeat(open, levels) + "1" + strings.Repeat(end, levels)
	}
	for _, tc := range []struct {
		levels    int
		open, end string
		shown     bool
	}{
		{maxDepth - 1, `{"a":`, "}", true}, {maxDepth, `{"a":`, "}", false}, {maxDepth - 1, "[", "]", true}, {maxDepth, "[", "]", false}, {9000, "[", "]", false}, {9000, `{"a":`, "}", false},
	} {
		meta := fmt.Sprintf(`"x":%s`, nested(tc.levels, tc.open, tc.end))
		v := build(snapshot("shop", "", `{"name":"q","driver":"sqs","metrics":{"waiting":1},"meta":{`+meta+`}}`), beat("shop", "web-1", ","+meta))
		for what, got := range map[string]protocol.Meta{"queue": v.Apps["shop"].Queues["sqs/q"].Meta, "server": v.Apps["shop"].Servers["web-1"].Meta} {
			if shown := !got.Has("error"); shown != tc.shown || !shown && tc.levels < 100 && got.Text("error") != tooDeep {
				t.Errorf("of a %s %d levels of %s below its meta are shown: %v", what, tc.levels, tc.open, shown)
			}
		}
	}
}

// TestViewHasNoNulls guards what a merge patch relies on: null there means "remove". Only what a
// list holds may be null, because a list is replaced whole.
func TestViewHasNoNulls(t *testing.T) {
	v := build(
		snapshot("shop", "", `{"name":"q","driver":"sqs","metrics":{"waiting":1,"active":null},"meta":{"a":null,"b":{"c":null,"d":{}},"e":[null,{"f":null,"g":[{"h":null}]}]}}`),
		beat("shop", "web-1", `,"a":null,"b":{"c":null}`), doc("pulse:server:shop:web-2", fmt.Sprintf(`{"timestamp":%d,"system":{"load_avg":[1,null]},"meta":{"app_name":"shop"}}`, noon.UnixMilli())),
		node("a", noon.UnixMilli(), 1), Document{Key: "pulse:server:shop:web-3"}, Document{Key: "pulse:queues:old"},
	)
	got := encoded(t, v)
	if strings.Contains(got, ":null") {
		t.Errorf("it has a null: %s", got)
	}
	if !strings.Contains(got, `"meta":{"b":{"d":{}},"e":[null,{"g":[{}]}]}`) {
		t.Errorf("what is not null is gone, too: %s", got)
	}
}

// TestEmptyViewHasAllItsParts guards what a page relies on.
func TestEmptyViewHasAllItsParts(t *testing.T) {
	want := fmt.Sprintf(`{"generated_at":%d,"totals":{"waiting":0,"active":0,"delayed":0,"failed":0,"queues":0,"servers":0,"lost":{"queues":0,"servers":0}},"apps":{},"problems":[]}`, noon.UnixMilli())
	if got := encoded(t, build()); got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
}

// TestWrongClockCountsHoweverSeldomItIsRead: an aggregator reads every few seconds and a recorder once a minute, give or take
// some seconds. Both take the numbers of a reporter that is running for those of now, and neither does of one that has stopped.
func TestWrongClockCountsHoweverSeldomItIsRead(t *testing.T) {
	t.Parallel()
	const reports = 10 * time.Second
	for _, skew := range []time.Duration{-24 * time.Hour, -10 * time.Minute, -40 * time.Second, 0, 2 * time.Minute, 24 * time.Hour} {
		for _, every := range []time.Duration{2 * time.Second, 5 * time.Second, 20 * time.Second, time.Minute, 70 * time.Second} {
			var b Builder
			var last Document
			stops := noon.Add(6 * time.Minute)
			for now := noon; now.Before(noon.Add(12 * time.Minute)); now = now.Add(every) {
				if now.Before(stops) {
					made := now.Truncate(reports).Add(-time.Second)
					last = doc("pulse:queues:shop", fmt.Sprintf(`{"timestamp":%d,"app":"shop","queues":[{"name":"q","driver":"sqs","metrics":{"waiting":5,"active":1}}]}`,
						made.Add(skew).UnixMilli()))
				}
				q := b.Build(now, []Document{last}).Apps["shop"].Queues["sqs/q"]
				isFirst, ended := now.Equal(noon), now.Sub(stops) > 2*every+time.Minute
				runs := now.Before(stops) && now.Sub(noon) >= max(2*reports, every) // and a second document was found
				switch is := q.IsCurrent() && q.backlog() != nil; {
				case runs && !is, ended && is, isFirst && is && (skew > time.Minute || skew < -time.Minute):
					t.Errorf("%v off, read every %v: after %v its numbers are of now: %v", skew, every, now.Sub(noon), is)
				case runs && every <= 5*time.Second && q.Status != Fresh:
					t.Errorf("%v off, read every %v: after %v it is %s", skew, every, now.Sub(noon), q.Status)
				}
			}
		}
	}
}

// TestDeadDocumentOfTheFutureSaysNothing: its age is not known, however long it stays.
func TestDeadDocumentOfTheFutureSaysNothing(t *testing.T) {
	t.Parallel()
	d := doc("pulse:queues:shop", fmt.Sprintf(`{"timestamp":%d,"app":"shop","queues":[{"name":"q","driver":"sqs","metrics":{"waiting":5,"active":1},"meta":{"error":"x","as_of":%d}}]}`,
		noon.Add(time.Hour).UnixMilli(), noon.Add(time.Hour).UnixMilli()))
	var b Builder
	for i := range 3 {
		now := noon.Add(time.Duration(i) * 10 * time.Second)
		v := b.Build(now, []Document{d, judged("shop", 0, `"sqs/q":{"health":"stalled","reason":"why"}`)})
		if q := v.Apps["shop"].Queues["sqs/q"]; q.Status != Stale || q.IsCurrent() || q.backlog() != nil || q.Health != protocol.HealthUnknown {
			t.Errorf("it is %s, current: %v, %s", q.Status, q.IsCurrent(), q.appendJSON(nil))
		}
	}
}
