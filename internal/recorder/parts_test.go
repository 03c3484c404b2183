package recorder_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/recorder"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

// TestHistoryCountsAsTheTotalsDo: however queues are each other's dead-letter queues and whoever reports them, the sum that
// history keeps of a minute is the view's totals of it.
func TestHistoryCountsAsTheTotalsDo(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Minute)
	names := []string{"a", "bb", "ccc", "dd"}
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.IntRange(0, 5)
		queue := func(name string) string {
			metrics, meta := fmt.Sprintf(`"waiting":%d`, number.Draw(t, "waiting")), `"url":"https://sqs.eu-west-1.amazonaws.com/1/`+name+`"`
			for _, count := range []string{"active", "delayed", "failed"} {
				if rapid.Bool().Draw(t, count+" is known") {
					metrics += fmt.Sprintf(`,%q:%d`, count, number.Draw(t, count))
				}
			}
			if dlq := rapid.SampledFrom(append(names, "")).Draw(t, "dlq"); dlq != "" && dlq != name {
				meta += fmt.Sprintf(`,"dlq":%q`, dlq)
			}
			if rapid.Bool().Draw(t, "says that it is one") {
				meta += `,"dlq_for":["x"]`
			}
			return fmt.Sprintf(`{"name":%q,"driver":"sqs","metrics":{%s},"meta":{%s}}`, name, metrics, meta)
		}
		var docs []view.Document
		for _, app := range []string{"shop", "blog"} {
			var queues []string
			for _, name := range names {
				if rapid.Bool().Draw(t, "is there") {
					queues = append(queues, queue(name))
				}
			}
			docs = append(docs, view.Document{Key: "pulse:queues:" + app, Data: fmt.Appendf(nil, `{"timestamp":%d,"app":%q,"queues":[%s]}`, now.UnixMilli(), app, strings.Join(queues, ","))})
		}
		v := new(view.Builder).Build(now, docs)
		sum, parts := history.NewSum(now.UnixMilli(), 1), v.Parts()
		for _, app := range v.Apps {
			entry, _ := history.NewEncoder(24*time.Hour, nil).Encode(now.UnixMilli(), recorder.SamplesOf(app, parts))
			if err := (&history.Decoder{From: now.UnixMilli(), Sum: sum}).Add(now.UnixMilli(), entry); err != nil {
				t.Fatal(err)
			}
		}
		want := history.Columns{}
		for column, total := range map[*history.Column]*int64{
			&want.Waiting: v.Totals.Waiting, &want.Active: v.Totals.Active, &want.Delayed: v.Totals.Delayed, &want.Failed: v.Totals.Failed,
		} {
			*column = history.Column{history.Absent}
			if total != nil && v.Totals.Queues > 0 {
				*column = history.Column{*total}
			}
		}
		if diff := cmp.Diff(want, sum.Columns()); diff != "" {
			t.Errorf("history (-totals +sum):\n%s\nof %s\n%s", diff, docs[0].Data, docs[1].Data)
		}
	})
}

// TestDeadLetterQueueWithWorkers: one that has a dead-letter queue itself has workers of its own, and can be stalled. Nobody is
// meant to work on the last one, whoever reports it.
func TestDeadLetterQueueWithWorkers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	queue := func(name, meta string) string {
		return fmt.Sprintf(`{"name":%q,"driver":"sqs","metrics":{"waiting":5,"active":0},"meta":{"url":"https://sqs.eu-west-1.amazonaws.com/1/%[1]s"%s}}`, name, meta)
	}
	for range 3 {
		at := d.now.Add(time.Minute).UnixMilli()
		d.docs = []view.Document{
			{Key: "pulse:queues:shop", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","queues":[%s,%s,%s]}`, at,
				queue("orders", `,"dlq":"retry"`), queue("retry", `,"dlq":"dead","dlq_for":["orders"]`), queue("dead", `,"dlq_for":["retry"]`))},
			{Key: "pulse:queues:blog", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"blog","queues":[%s]}`, at-1, queue("dead", ""))},
		}
		d.look(r, "")
	}
	got := map[string]protocol.Health{}
	for _, app := range []string{"shop", "blog"} {
		for key, verdict := range d.trends(app).Queues {
			got[app+"/"+key] = verdict.Health
		}
	}
	want := map[string]protocol.Health{"shop/sqs/orders": "stalled", "shop/sqs/retry": "stalled", "shop/sqs/dead": "ok", "blog/sqs/dead": "ok"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("health (-want +got):\n%s", diff)
	}
}

// TestLostQueueTellsOfItsDeadLetterQueueAfterARestart: what a lost queue says of another is in history, so a program that has
// just started counts and judges as one does that saw it alive. It doesn't matter which of the two is lost.
func TestLostQueueTellsOfItsDeadLetterQueueAfterARestart(t *testing.T) {
	t.Parallel()
	const url = `"url":"https://sqs.eu-west-1.amazonaws.com/1/`
	for name, lost := range map[string]string{
		"the queue that fills it":           `{"name":"orders","driver":"sqs","metrics":{"waiting":4,"active":0,"failed":7},"meta":{` + url + `orders","dlq":"dead"}}`,
		"a report that it is one":           `{"name":"dead","driver":"sqs","metrics":{"waiting":7,"active":0},"meta":{` + url + `dead","dlq_for":["orders","mail"]}}`,
		"a queue that began to later":       `{"name":"orders","driver":"sqs","metrics":{"waiting":4,"active":0,"failed":7},"meta":{` + url + `orders"}}`,
		"one that another's reporter fills": `{"name":"orders","driver":"bullmq","metrics":{"waiting":4,"active":0,"failed":7},"meta":{"dlq":"dead"}},{"name":"dead","driver":"bullmq","metrics":{"waiting":2,"active":0}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			r := d.recorder()
			a := view.Document{Key: "pulse:queues:shop:a"}
			documents := func() []view.Document {
				return []view.Document{a, {Key: "pulse:queues:shop:b", Data: fmt.Appendf(nil,
					`{"timestamp":%d,"app":"shop","source":"b","queues":[{"name":"dead","driver":"sqs","metrics":{"waiting":7,"active":0},"meta":{%sdead"}},{"name":"bills","driver":"sqs","metrics":{"waiting":1,"active":1}}%s]}`,
					d.now.UnixMilli(), url, idle)}}
			}
			minute := func(r *recorder.Recorder) (*view.View, map[string]protocol.Verdict) {
				t.Helper()
				d.now = d.now.Add(time.Minute)
				if a.Data != nil {
					a.SeenAt, a.Data = d.now.UnixMilli(), fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","source":"a","queues":[%s]}`, d.now.UnixMilli(), lost)
				}
				d.docs = documents()
				v, err := r.View(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := r.Once(t.Context(), "me"); err != nil {
					t.Fatal(err)
				}
				verdicts := map[string]protocol.Verdict{}
				for key, verdict := range d.trends("shop").Queues {
					verdicts[key] = *verdict
				}
				return v, verdicts
			}
			a.Data = []byte("its first")
			minute(r)
			if strings.HasSuffix(name, "later") {
				lost = strings.Replace(lost, `orders"}`, `orders","dlq":"dead"}`, 1)
			}
			minute(r)
			a.Data = nil
			for range 4 { // then the trend is known
				minute(r)
			}
			v, judged := minute(r)
			cold := func() *recorder.Recorder {
				r, b := d.recorder(), view.Builder{}
				read := d.store.WithLastNumbers(func(_ context.Context, _ time.Time, add func(view.Document) bool) (time.Duration, error) {
					for _, doc := range d.docs {
						add(doc)
					}
					return 0, nil
				})
				r.View = func(ctx context.Context) (*view.View, error) {
					_, err := read(ctx, d.now, b.Add)
					return b.Finish(d.now), err
				}
				return r
			}
			for range 2 { // and one that reads what the first has written
				after, judgedAfter := minute(cold())
				if diff := cmp.Diff(v.Totals, after.Totals); diff != "" {
					t.Errorf("the totals (-before a restart +after):\n%s", diff)
				}
				if diff := cmp.Diff(judged["sqs/dead"], judgedAfter["sqs/dead"]); diff != "" {
					t.Errorf("dead (-before a restart +after):\n%s", diff)
				}
			}
		})
	}
}

// TestOldReportTakesNoPartOfACurrentOne: its key is there, but its numbers are old, or by a clock that is ahead. They are not in
// history, so the totals and history count the current ones.
func TestOldReportTakesNoPartOfACurrentOne(t *testing.T) {
	t.Parallel()
	queue := func(name, metrics, meta string) string {
		return fmt.Sprintf(`{"name":%q,"driver":"sqs","metrics":{%s},"meta":{"url":"https://sqs.eu-west-1.amazonaws.com/1/%[1]s"%[3]s}}`, name, metrics, meta)
	}
	for name, tc := range map[string]struct {
		madeAgo    time.Duration
		old, young string
		want       string // waiting and failed of the totals, and of history
	}{
		// The row of orders is old and counts in the totals; in history it is a gap.
		"a queue that fills it": {20 * time.Minute, queue("orders", `"waiting":4,"failed":9`, `,"dlq":"dead"`), queue("dead", `"waiting":7`, `,"dlq_for":["orders"]`) + "," + queue("mail", `"waiting":1`, ""), "5 7, [1] [7]"},
		"the same queue":        {-time.Hour, queue("orders", `"waiting":500,"failed":1`, ""), queue("orders", `"waiting":3,"failed":2`, ""), "3 2, [3] [2]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.now = d.now.Add(time.Minute)
			made := d.now.Add(-tc.madeAgo).UnixMilli()
			r := d.recorder()
			for range 3 {
				at := d.now.Add(time.Minute).UnixMilli()
				d.docs = []view.Document{
					{Key: "pulse:queues:shop:old", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","source":"old","queues":[%s]}`, made, tc.old)},
					{Key: "pulse:queues:shop:young", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","source":"young","queues":[%s]}`, at, tc.young)},
				}
				d.look(r, "")
			}
			v, err := r.View(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sum := history.NewSum(d.now.UnixMilli(), 1)
			wants := map[string]recorder.Wants{"shop": {Sum: sum}}
			if _, err := d.store.History(t.Context(), d.now.UnixMilli(), wants, func(_ string, dec *history.Decoder) { dec.EndSum() }); err != nil {
				t.Fatal(err)
			}
			c := sum.Columns()
			if got := fmt.Sprint(*v.Totals.Waiting, " ", *v.Totals.Failed, ", ", c.Waiting, " ", c.Failed); got != tc.want {
				t.Errorf("it is %s: want %s", got, tc.want)
			}
		})
	}
}
