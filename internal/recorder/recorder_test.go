package recorder_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/alert"
	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/recorder"
	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

// desk is a Redis and what recorders there see, minute by minute.
type desk struct {
	t     *testing.T
	redis *servertest.RedisServer
	store *recorder.Store
	log   *bytes.Buffer
	now   time.Time
	docs  []view.Document
	err   error // of the next views
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	server := servertest.Redis(t)
	d, _ := deskAt(t, server.URL)
	d.redis = server
	return d
}

// deskAt is a desk at the Redis of a URL, and its client.
func deskAt(t *testing.T, url string) (*desk, redis.UniversalClient) {
	t.Helper()
	address, err := redisconn.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	client := address.Client(t.Context()) // as the programs have it: with bounds
	t.Cleanup(func() { _ = client.Close() })
	return &desk{
		t: t, store: recorder.NewStore(client, "redis", 24*time.Hour), log: &bytes.Buffer{}, now: time.Now().Truncate(time.Minute).Add(-30 * time.Minute),
	}, client
}

func (d *desk) recorder() *recorder.Recorder {
	var b view.Builder
	return &recorder.Recorder{
		View: func(context.Context) (*view.View, error) {
			if d.err != nil {
				return nil, d.err
			}
			return b.Build(d.now, d.docs), nil
		},
		Store: d.store, Log: slog.New(slog.NewTextHandler(d.log, nil)),
	}
}

// idle are queues beside the one that is looked at: in an app of many queues an entry is seldom a keyframe.
var idle = func() string {
	var rows strings.Builder
	for i := range 40 {
		fmt.Fprintf(&rows, `,{"name":"idle-%d","driver":"sqs","metrics":{"waiting":0}}`, i)
	}
	return rows.String()
}()

// shop are the documents of an app with a queue, orders, and idle ones.
func (d *desk) shop(metrics string) []view.Document {
	return []view.Document{{Key: "pulse:queues:shop:sqs", SeenAt: d.now.UnixMilli(), Data: fmt.Appendf(nil,
		`{"timestamp":%d,"app":"shop","source":"sqs","queues":[{"name":"orders","driver":"sqs","metrics":{%s},"meta":{"workers":0}}%s]}`, d.now.UnixMilli(), metrics, idle)}}
}

// look records a minute later.
func (d *desk) look(r *recorder.Recorder, metrics string) recorder.Summary {
	d.t.Helper()
	d.now = d.now.Add(time.Minute)
	if metrics != "" {
		d.docs = d.shop(metrics)
	}
	sum, err := r.Once(d.t.Context(), "me")
	if err != nil {
		d.t.Fatal(err)
	}
	return sum
}

// read are the histories from a time on.
func (d *desk) read(from time.Time, apps ...string) (decoders map[string]*history.Decoder, bad map[string]error) {
	d.t.Helper()
	wants := map[string]recorder.Wants{}
	for _, app := range apps {
		wants[app] = recorder.Wants{}
	}
	decoders = map[string]*history.Decoder{}
	bad, err := d.store.History(d.t.Context(), from.UnixMilli(), wants, func(app string, dec *history.Decoder) { decoders[app] = dec })
	if err != nil {
		d.t.Fatal(err)
	}
	return decoders, bad
}

// waiting is the column of the last minutes.
func (d *desk) waiting(app string, key history.Key, minutes int) history.Column {
	d.t.Helper()
	from := d.now.Add(-time.Duration(minutes-1) * time.Minute)
	got, _ := d.read(from, app)
	return got[app].Columns(key, from.UnixMilli(), minutes).Waiting
}

// trends are the recorder's verdicts on an app.
func (d *desk) trends(app string) protocol.Trends {
	d.t.Helper()
	text, err := d.redis.Client.Get(d.t.Context(), protocol.TrendKey(app)).Bytes()
	if err != nil {
		d.t.Fatal(err)
	}
	trends, err := protocol.DecodeTrends(text)
	if err != nil {
		d.t.Fatalf("the verdicts are %s, %v", text, err)
	}
	return trends
}

func (d *desk) verdict() protocol.Verdict {
	d.t.Helper()
	trends := d.trends("shop")
	if trends.App != "shop" || trends.Timestamp != d.now.UnixMilli() {
		d.t.Fatalf("the verdicts are %+v", trends)
	}
	if v := trends.Queues["sqs/orders"]; v != nil {
		return protocol.Verdict{Health: v.Health, Reason: v.Reason, Trend: v.Trend}
	}
	return protocol.Verdict{}
}

func counts(waiting int) string { return fmt.Sprintf(`"waiting":%d,"active":3,"failed":0`, waiting) }

func TestRecordsWhatItSees(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	want := history.Column{}
	for i := range 10 {
		d.look(r, counts(100-5*i))
		want = append(want, int64(100-5*i))
	}
	if diff := cmp.Diff(want, d.waiting("shop", "sqs/orders", 10)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	v := d.verdict()
	if v.Health != protocol.HealthOK || v.Trend.WaitingPerMin == nil || *v.Trend.WaitingPerMin != -5 || v.Trend.DrainSeconds == nil || *v.Trend.DrainSeconds != 660 {
		t.Errorf("the verdict is %+v, %v", v, v.Trend)
	}
	for key, least := range map[string]time.Duration{"pulse:history:shop": 23 * time.Hour, "pulse:trend:shop": 2 * time.Minute} {
		if ttl := d.redis.Client.TTL(t.Context(), key).Val(); ttl < least {
			t.Errorf("%s lives for %v", key, ttl)
		}
	}
	if _, err := d.redis.Client.ZScore(t.Context(), protocol.IndexKey, "pulse:trend:shop").Result(); err != nil {
		t.Errorf("the index doesn't have the verdicts: %v", err)
	}
}

// TestFinishedJobsGiveTheWait: where a driver counts them, the verdict has what is done and what comes a minute, and by
// Little's law how long a new job waits. A recorder that has just started knows it, too.
func TestFinishedJobsGiveTheWait(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	finished := 1000
	look := func(r *recorder.Recorder, waiting int) {
		t.Helper()
		finished += 20
		d.docs = []view.Document{{Key: "pulse:queues:shop", Data: fmt.Appendf(nil,
			`{"timestamp":%d,"app":"shop","queues":[{"name":"orders","driver":"sqs","metrics":{"waiting":%d,"active":1},"meta":{"processed":%d}}]}`, d.now.Add(time.Minute).UnixMilli(), waiting, finished)}}
		d.look(r, "")
	}
	holds := func(what string, processed, arriving float64, wait int64) {
		t.Helper()
		got := d.verdict().Trend
		want := protocol.Trend{ProcessedPerMin: &processed, ArrivingPerMin: &arriving, WaitSeconds: &wait}
		if diff := cmp.Diff(want, protocol.Trend{ProcessedPerMin: got.ProcessedPerMin, ArrivingPerMin: got.ArrivingPerMin, WaitSeconds: got.WaitSeconds}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	for i := range 10 {
		look(r, 100-5*i)
	}
	holds("after ten minutes", 20, 15, 165) // 55 wait
	look(d.recorder(), 50)
	holds("of another recorder", 20, 15, 150)
}

// TestRestartGoesOn: a recorder that starts anew, as a function does, has the trend at once.
func TestRestartGoesOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 8 {
		d.look(d.recorder(), counts(100-5*i))
	}
	if v := d.verdict(); v.Trend.WaitingPerMin == nil || *v.Trend.WaitingPerMin != -5 {
		t.Errorf("the verdict is %+v", v)
	}
	if diff := cmp.Diff(history.Column{80, 75, 70, 65}, d.waiting("shop", "sqs/orders", 4)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if n := d.redis.Client.XLen(t.Context(), "pulse:history:shop").Val(); n != 8 {
		t.Errorf("history has %d entries", n)
	}
}

// TestAQueueThatOneLookMissesKeepsItsTrend. After more than that it begins anew.
func TestAQueueThatOneLookMissesKeepsItsTrend(t *testing.T) {
	t.Parallel()
	for missed, want := range map[int]bool{1: true, 2: false} {
		d := newDesk(t)
		r := d.recorder()
		for i := range 8 {
			d.look(r, counts(100-5*i))
		}
		for range missed {
			d.docs = []view.Document{{Key: "pulse:queues:shop:sqs", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","source":"sqs","queues":[]}`, d.now.Add(time.Minute).UnixMilli())}}
			d.look(r, "")
		}
		d.look(r, counts(60-5*missed))
		if v := d.verdict(); (v.Trend.WaitingPerMin != nil) != want {
			t.Errorf("after %d looks without it, the verdict is %+v", missed, v)
		}
	}
}

// TestTwoRecordersWriteOneHistory, also where they take turns and each remembers what the other didn't see.
func TestTwoRecordersWriteOneHistory(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	a, b := d.recorder(), d.recorder()
	for i, r := range []*recorder.Recorder{a, a, b, b, b, a, b, a} {
		d.look(r, counts(10*i))
		if sum, err := a.Once(t.Context(), "a"); err != nil || sum.Apps != 0 { // a second look in one minute
			t.Errorf("it recorded %+v, %v", sum, err)
		}
	}
	if diff := cmp.Diff(history.Column{0, 10, 20, 30, 40, 50, 60, 70}, d.waiting("shop", "sqs/orders", 8)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

// TestAMinuteWithoutALookIsAGap, and so is one in which Redis refuses.
func TestAMinuteWithoutALookIsAGap(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	d.look(r, counts(1))
	d.now = d.now.Add(time.Minute)
	d.look(r, counts(3))
	d.now = d.now.Add(time.Minute)
	d.docs = d.shop(counts(4))
	full := func(bytes string) {
		t.Helper()
		if err := d.redis.Client.ConfigSet(t.Context(), "maxmemory", bytes).Err(); err != nil {
			t.Fatal(err)
		}
	}
	full("1")
	if _, err := r.Once(t.Context(), "me"); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("a full Redis: %v", err)
	}
	full("0")
	d.look(r, counts(5))
	d.look(r, counts(6))
	if diff := cmp.Diff(history.Column{1, history.Absent, 3, history.Absent, 5, 6}, d.waiting("shop", "sqs/orders", 6)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

// TestLargeHistory: an entry that is larger than a connection reads at once has several fields.
func TestLargeHistory(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	var rows []string
	for i := range 5000 {
		rows = append(rows, fmt.Sprintf(`{"name":"%d-%s","driver":"sqs","metrics":{"waiting":%d}}`, i*7919, strings.Repeat("x", i%50), i))
	}
	for minute := range 3 {
		rows[17] = fmt.Sprintf(`{"name":"last","driver":"sqs","metrics":{"waiting":%d}}`, minute)
		d.docs = []view.Document{{Key: "pulse:queues:shop:sqs", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","source":"sqs","queues":[%s]}`, d.now.UnixMilli(), strings.Join(rows, ","))}}
		d.look(r, "")
	}
	if diff := cmp.Diff(history.Column{0, 1, 2}, d.waiting("shop", "sqs/last", 3)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	first := d.redis.Client.XRangeN(t.Context(), "pulse:history:shop", "-", "+", 1).Val()
	if len(first) != 1 || len(first[0].Values) < 2 {
		t.Errorf("the first entry has %d fields", len(first[0].Values))
	}
}

// TestColdStartShowsLostQueues: a reader that has just started has their last numbers from history.
func TestColdStartShowsLostQueues(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.docs = d.shop(counts(5365))
	d.docs = append(d.docs, view.Document{Key: "pulse:queues:shop", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","queues":[{"name":"jobs","driver":"celery","metrics":{"waiting":2,"failed":1},"meta":{"paused":true}}]}`, d.now.UnixMilli())})
	d.look(d.recorder(), "")
	seen := d.now
	d.now = d.now.Add(time.Hour)
	gone := []view.Document{{Key: "pulse:queues:shop:sqs", SeenAt: seen.UnixMilli()}, {Key: "pulse:queues:shop", SeenAt: seen.UnixMilli()}, {Key: "pulse:queues:never", SeenAt: seen.UnixMilli()}}
	read := d.store.WithLastNumbers(func(_ context.Context, _ time.Time, add func(view.Document) bool) (time.Duration, error) {
		for _, doc := range gone {
			add(doc)
		}
		return 0, nil
	})
	var b view.Builder
	for range 2 { // the second reading is of a builder that remembers
		if _, err := read(t.Context(), d.now, b.Add); err != nil {
			t.Fatal(err)
		}
		v := b.Finish(d.now)
		orders, jobs := v.Apps["shop"].Queues["sqs/orders"], v.Apps["shop"].Queues["celery/jobs"]
		if orders == nil || jobs == nil {
			t.Fatalf("it shows %v", v.Apps["shop"].Queues)
		}
		if orders.Status != view.Lost || orders.Metrics.Waiting != 5365 || orders.Source != "sqs" || *orders.Metrics.Active != 3 || v.Totals.Lost.Queues != 42 {
			t.Errorf("orders is %+v", orders)
		}
		if jobs.Driver != protocol.DriverOther || !jobs.IsPaused() || jobs.Metrics.Active != nil || *jobs.Metrics.Failed != 1 {
			t.Errorf("jobs is %+v", jobs)
		}
		if s := v.Apps["shop"].Sources["sqs"]; s.Status != view.Lost || s.Timestamp != seen.Truncate(time.Minute).UnixMilli() {
			t.Errorf("its reporter is %+v", s)
		}
	}
}

// TestLostQueuesStayInHistory: a recorder that starts anew doesn't drop what it has never seen alive.
func TestLostQueuesStayInHistory(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.look(d.recorder(), counts(7))
	d.docs[0].Data = nil
	for range 3 {
		r := d.recorder()
		var b view.Builder
		read := d.store.WithLastNumbers(func(_ context.Context, _ time.Time, add func(view.Document) bool) (time.Duration, error) {
			add(d.docs[0])
			return 0, nil
		})
		r.View = func(ctx context.Context) (*view.View, error) {
			if _, err := read(ctx, d.now, b.Add); err != nil {
				return nil, err
			}
			return b.Finish(d.now), nil
		}
		d.look(r, "")
	}
	got, _ := d.read(d.now, "shop")
	n := 0
	for s := range got["shop"].Last() {
		n++
		if strings.HasPrefix(s.Name, "idle") {
			continue
		}
		if s.Key != "sqs/orders" || !s.Lost || s.Metrics.Waiting != 7 || s.Seen != d.now.Add(-3*time.Minute).UnixMilli() {
			t.Errorf("history has %+v", s)
		}
	}
	if n != 41 {
		t.Errorf("history has %d queues", n)
	}
}

// TestLostSourceOfAKeyWithoutOne: a reporter that is alone may leave its source out of its key. A program that starts anew
// shows its queues, too, and beside it those of a key that names its source.
func TestLostSourceOfAKeyWithoutOne(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.now = d.now.Add(time.Minute)
	document := func(key, source, queue string) view.Document {
		return view.Document{Key: key, SeenAt: d.now.UnixMilli(), Data: fmt.Appendf(nil,
			`{"timestamp":%d,"app":"shop","source":%q,"queues":[{"name":%q,"driver":"bullmq","metrics":{"waiting":5}}]}`, d.now.UnixMilli(), source, queue)}
	}
	d.docs = []view.Document{document("pulse:queues:shop", "redis", "mail"), document("pulse:queues:shop:a", "a", "orders"), document("pulse:queues:shop:z", "z", "bills")}
	d.look(d.recorder(), "")
	d.docs[0].Data, d.docs[1].Data = nil, nil // z is live
	var b view.Builder
	read := d.store.WithLastNumbers(func(_ context.Context, _ time.Time, add func(view.Document) bool) (time.Duration, error) {
		for _, doc := range d.docs {
			add(doc)
		}
		return 0, nil
	})
	if _, err := read(t.Context(), d.now, b.Add); err != nil {
		t.Fatal(err)
	}
	shop := b.Finish(d.now).Apps["shop"]
	for key, source := range map[string]string{"bullmq/mail": "redis", "bullmq/orders": "a"} {
		if q := shop.Queues[key]; q == nil || q.Source != source || q.Status != view.Lost || q.Metrics.Waiting != 5 {
			t.Errorf("%s is %+v", key, q)
		}
	}
	if len(shop.Queues) != 3 || len(shop.Sources) != 3 || shop.Sources["-"] != nil {
		t.Errorf("it has %d queues, and the sources %v", len(shop.Queues), shop.Sources)
	}
}

// TestRubbishInTheHistory: what others wrote keeps no app from being recorded, and no neighbour.
func TestRubbishInTheHistory(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(d *desk) error{
		"another's entry": func(d *desk) error {
			return d.redis.Client.Do(t.Context(), "XADD", "pulse:history:shop", fmt.Sprint(d.now.UnixMilli()), "p", "rubbish", "x", "y").Err()
		},
		"an entry of the future": func(d *desk) error {
			return d.redis.Client.Do(t.Context(), "XADD", "pulse:history:shop", fmt.Sprint(d.now.Add(24*time.Hour).UnixMilli()), "p", "rubbish").Err()
		},
		"a list": func(d *desk) error { return d.redis.Client.RPush(t.Context(), "pulse:history:shop", "x").Err() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			if err := write(d); err != nil {
				t.Fatal(err)
			}
			r := d.recorder()
			for i := range 6 {
				d.now = d.now.Add(time.Minute)
				d.docs = append(d.shop(counts(10*i)), view.Document{Key: "pulse:queues:blog", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"blog","queues":[{"name":"q","driver":"sqs","metrics":{"waiting":1}}]}`, d.now.UnixMilli())})
				if _, err := r.Once(t.Context(), "me"); (err != nil) != (name == "a list") {
					t.Errorf("it says %v", err)
				}
			}
			if got := d.waiting("blog", "sqs/q", 6); !cmp.Equal(got, history.Column{1, 1, 1, 1, 1, 1}) {
				t.Errorf("the neighbour has %v", got)
			}
			if v := d.verdict(); v.Trend.WaitingPerMin == nil || *v.Trend.WaitingPerMin != 10 {
				t.Errorf("the verdict is %+v", v)
			}
			if name != "a list" {
				if got := d.waiting("shop", "sqs/orders", 5); !cmp.Equal(got, history.Column{10, 20, 30, 40, 50}) {
					t.Errorf("it has %v", got)
				}
			}
		})
	}
}

// TestEntriesOfTheFutureAreRemoved, and the past is kept: of a recorder that goes on, and of one that starts anew.
func TestEntriesOfTheFutureAreRemoved(t *testing.T) {
	t.Parallel()
	for _, starts := range []bool{false, true} {
		for what, c := range map[string]struct {
			happens func(d *desk)
			want    history.Column
		}{
			"somebody else wrote one": {func(d *desk) {
				d.redis.Client.Do(t.Context(), "XADD", "pulse:history:shop", fmt.Sprint(d.now.Add(time.Hour).UnixMilli()), "p", "x")
			}, history.Column{105, 106, 107, 108, 109, 200, 201}},
			"the clock was set back": {func(d *desk) { d.now = d.now.Add(-4 * time.Minute) }, history.Column{101, 102, 103, 104, 105, 200, 201}},
		} {
			d := newDesk(t)
			r := d.recorder()
			for i := range 10 {
				d.look(r, counts(100+i))
			}
			c.happens(d)
			if starts {
				r = d.recorder()
			}
			for i := range 2 {
				d.look(r, counts(200+i))
			}
			if diff := cmp.Diff(c.want, d.waiting("shop", "sqs/orders", 7)); diff != "" {
				t.Errorf("%s, starts %v: history (-want +got):\n%s", what, starts, diff)
			}
			if v := d.verdict(); v.Trend.WaitingPerMin == nil {
				t.Errorf("%s, starts %v: the verdict is %+v", what, starts, v)
			}
			if n := strings.Count(d.log.String(), "entries of the future"); n != 1 {
				t.Errorf("%s, starts %v: it is said %d times:\n%s", what, starts, n, d.log)
			}
		}
	}
}

// TestHistoryThatSomebodyElseTrimsGoesOn with a keyframe, and what is newer is no gap. It is said once; not where the key is gone,
// as where Redis is empty again.
func TestHistoryThatSomebodyElseTrimsGoesOn(t *testing.T) {
	t.Parallel()
	const gone = history.Absent
	for left, want := range map[int64]history.Column{
		10: {100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 200, 201}, // nothing is gone
		9:  {gone, gone, gone, gone, gone, gone, gone, gone, gone, gone, 200, 201},
		3:  {gone, gone, gone, gone, gone, gone, gone, gone, gone, gone, 200, 201},
		0:  {gone, gone, gone, gone, gone, gone, gone, gone, gone, gone, 200, 201},
	} {
		d := newDesk(t)
		r := d.recorder()
		for i := range 10 {
			d.look(r, counts(100+i))
		}
		d.redis.Client.XTrimMaxLen(t.Context(), "pulse:history:shop", left)
		for i := range 2 {
			d.look(r, counts(200+i))
		}
		if diff := cmp.Diff(want, d.waiting("shop", "sqs/orders", 12)); diff != "" {
			t.Errorf("of 10 entries %d are left: history (-want +got):\n%s", left, diff)
		}
		if left == 3 { // once more
			d.redis.Client.XTrimMaxLen(t.Context(), "pulse:history:shop", 1)
			if d.look(r, counts(300)); d.waiting("shop", "sqs/orders", 1)[0] != 300 {
				t.Errorf("after another time it has %v", d.waiting("shop", "sqs/orders", 3))
			}
		}
		if said := strings.Count(d.log.String(), "was trimmed by somebody else"); (said == 1) != (left == 9 || left == 3) || said > 1 {
			t.Errorf("of 10 entries %d are left: it is said %d times", left, said)
		}
	}
}

// TestLongHistory is read page by page.
func TestLongHistory(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.now = d.now.Add(-12 * time.Hour)
	r := d.recorder()
	const minutes = 620
	for i := range minutes {
		d.look(r, counts(i))
	}
	got := d.waiting("shop", "sqs/orders", minutes)
	for i, n := range got {
		if n != int64(i) {
			t.Fatalf("in minute %d it has %d", i, n)
		}
	}
}

// TestHistoryIsTrimmed: what is older than its life goes, as far as nothing younger builds on it.
func TestHistoryIsTrimmed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.store = recorder.NewStore(d.redis.Client, "redis", time.Hour)
	r := d.recorder()
	for i := range 200 {
		d.look(r, counts(i%7+1))
	}
	n := d.redis.Client.XLen(t.Context(), "pulse:history:shop").Val()
	if n < 60 || n > 100 {
		t.Errorf("history has %d entries", n)
	}
	if got := d.waiting("shop", "sqs/orders", 60); got[0] == history.Absent || got[59] == history.Absent {
		t.Errorf("the last hour is %v", got)
	}
}

// TestAppThatIsGoneIsForgotten: nobody misses its verdicts.
func TestAppThatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	d.look(r, counts(1))
	d.docs = nil
	d.look(r, "")
	if n := d.redis.Client.Exists(t.Context(), "pulse:trend:shop").Val(); n > 0 {
		t.Error("the verdicts are still there, and a reader would note them again")
	}
	if members := d.redis.Client.ZRange(t.Context(), protocol.IndexKey, 0, -1).Val(); len(members) > 0 {
		t.Errorf("the index has %v", members)
	}
}

// alerts is a manager of alerts on stalled queues that tells nobody.
func (d *desk) alerts() *alert.Manager {
	d.t.Helper()
	rules, err := alert.ParseRules("stalled")
	if err != nil {
		d.t.Fatal(err)
	}
	return &alert.Manager{Rules: rules, Keeper: publish.New(d.redis.Client, "redis", time.Minute), Log: slog.New(slog.DiscardHandler)}
}

// TestAlertsSeeTheVerdictOfThisMinute, and what fires is part of it.
func TestAlertsSeeTheVerdictOfThisMinute(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	r.Alerts = d.alerts()
	const stuck = `"waiting":5,"active":0`
	for minute, want := range []int{0, 0, 1, 1} {
		if sum := d.look(r, stuck); sum.Firing != want {
			t.Errorf("in minute %d fire %d, want %d", minute, sum.Firing, want)
		}
	}
	d.now = d.now.Add(10*time.Second - time.Minute)
	if sum := d.look(r, stuck); sum.Firing != 1 || sum.Apps != 0 {
		t.Errorf("a second look in a minute says %+v", sum)
	}
	trends, err := protocol.DecodeTrends([]byte(d.redis.Client.Get(t.Context(), "pulse:trend:shop").Val()))
	if err != nil || len(trends.Alerts) != 1 {
		t.Fatalf("%+v, %v", trends, err)
	}
	for _, a := range trends.Alerts {
		if a.Rule != "stalled" || a.Key != "sqs/orders" || !strings.Contains(a.Reason, "5 wait, nothing is active and no worker is connected") {
			t.Errorf("what fires is %+v", a)
		}
	}
}

// TestAlertsOfTheLastAppEnd: they are looked at where no app is left.
func TestAlertsOfTheLastAppEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	r.Alerts = d.alerts()
	for _, want := range []int{0, 0, 1} {
		if sum := d.look(r, `"waiting":5,"active":0`); sum.Firing != want {
			t.Errorf("%d fire, want %d", sum.Firing, want)
		}
	}
	d.docs = nil
	if sum := d.look(r, ""); sum.Firing != 1 {
		t.Errorf("where the app is not there %d fire", sum.Firing)
	}
	d.now = d.now.Add(time.Hour)
	d.look(r, "")
	if sum := d.look(r, ""); sum.Firing != 0 {
		t.Errorf("an hour later %d fire", sum.Firing)
	}
}

// problems are those that the recorder has published about an app.
func (d *desk) problems(app string) string {
	d.t.Helper()
	trends, err := protocol.DecodeTrends([]byte(d.redis.Client.Get(d.t.Context(), protocol.TrendKey(app)).Val()))
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.Join(trends.Problems, "\n")
}

// TestAlertsThatCannotBeReadAreSaid, as long as it is so, in the view; and there is no all-clear before they can.
func TestAlertsThatCannotBeReadAreSaid(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	r.Alerts = d.alerts()
	d.redis.Client.RPush(t.Context(), protocol.AlertsKey, "x")
	for range 2 {
		d.now = d.now.Add(time.Minute)
		d.docs = d.shop(counts(1))
		for range 2 { // twice in a minute: the second look has nothing to record
			if _, err := r.Once(t.Context(), "me"); err == nil || !strings.Contains(err.Error(), "delete pulse:alerts") {
				t.Errorf("it says %v", err)
			}
		}
		if got := d.problems("shop"); !strings.Contains(got, "alerts are not looked at: read pulse:alerts at redis: WRONGTYPE") {
			t.Errorf("its problems are %q", got)
		}
	}
	d.redis.Client.Del(t.Context(), protocol.AlertsKey)
	if sum, err := r.Once(t.Context(), "me"); err != nil {
		t.Errorf("in the same minute, when they can be read again: %+v, %v", sum, err)
	}
	if got := d.problems("shop"); got != "" {
		t.Errorf("its problems are %q", got)
	}
}

// TestMoreAppsThanAreRecorded: neither apps without numbers nor new ones take the place of one that is recorded, and how many
// are left out is said.
func TestMoreAppsThanAreRecorded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	others := func(letter, queues string) (docs []view.Document) {
		for i := range 1005 {
			app := fmt.Sprintf("%s%04d", letter, i)
			docs = append(docs, view.Document{Key: "pulse:queues:" + app, SeenAt: d.now.UnixMilli(), Data: fmt.Appendf(nil, `{"timestamp":%d,"app":%q,"queues":[%s]}`, d.now.UnixMilli(), app, queues)})
		}
		return docs
	}
	for _, queues := range []string{"", `{"name":"mail","driver":"sqs","metrics":{"waiting":1}}`} {
		d.now = d.now.Add(time.Minute)
		d.docs = append(others("a", queues), d.shop(counts(7))...)
		if sum, err := r.Once(t.Context(), "me"); err != nil || sum.Apps != 1000 {
			t.Errorf("%d apps are recorded, %v", sum.Apps, err)
		}
		if v := d.verdict(); v.Health == "" {
			t.Errorf("beside apps with queues %q there is no verdict", queues)
		}
		if got := d.problems("a0000"); !strings.Contains(got, "6 apps more are not recorded") {
			t.Errorf("the problems are %q", got)
		}
	}
}

// TestRecorderWithoutTheChannelsOfAnotherSaysSo in the view, as long as it records.
func TestRecorderWithoutTheChannelsOfAnotherSaysSo(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	const stuck = `"waiting":5,"active":0`
	r.Alerts = d.alerts()
	for range 3 {
		d.look(r, stuck)
	}
	for field, text := range d.redis.Client.HGetAll(t.Context(), protocol.AlertsKey).Val() { // as one with a channel leaves it
		if strings.HasPrefix(text, "{") {
			d.redis.Client.HSet(t.Context(), protocol.AlertsKey, field, strings.TrimSuffix(text, "}")+`,"sent":{"x":1}}`)
		}
	}
	r.Alerts = d.alerts()
	for range 2 {
		if d.look(r, stuck); !strings.Contains(d.problems("shop"), "PULSE_ALERTS of this recorder lacks channels that were told of 1 alert: ") {
			t.Errorf("its problems are %q", d.problems("shop"))
		}
	}
}

// TestOneLookBesideAnotherRecorder leaves it its claim's place.
func TestOneLookBesideAnotherRecorder(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.docs = d.shop(counts(1))
	d.redis.Client.Set(t.Context(), "pulse:owner:recorder", "another", time.Minute)
	if sum, err := d.recorder().OnceBeside(t.Context(), "me"); err != nil || sum.Apps != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
	if owner := d.redis.Client.Get(t.Context(), "pulse:owner:recorder").Val(); owner != "" {
		t.Errorf("it has ended, and %q has the claim", owner)
	}
	if _, err := d.recorder().Once(t.Context(), "me"); err != nil || d.redis.Client.Get(t.Context(), "pulse:owner:recorder").Val() != "me" {
		t.Errorf("a function's claim must stand until its next event: %v", err)
	}
}

// TestHistoryThatIsNoStreamIsSaid, in the view and to who asks for it.
func TestHistoryThatIsNoStreamIsSaid(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.redis.Client.Set(t.Context(), protocol.HistoryKey("shop"), "x", 0)
	d.docs = d.shop(counts(1))
	if _, err := d.recorder().Once(t.Context(), "me"); err == nil || !strings.Contains(err.Error(), "pulse:history:shop") {
		t.Errorf("it says %v", err)
	}
	if got := d.problems("shop"); !strings.Contains(got, "its history cannot be kept: read pulse:history:shop at redis: WRONGTYPE") {
		t.Errorf("its problems are %q", got)
	}
	if _, bad := d.read(d.now, "shop", "blog"); len(bad) != 1 || bad["shop"] == nil {
		t.Errorf("who asks hears %v", bad)
	}
}

// TestPanicIsAnErrorOfOneLook: the program has more to do.
func TestPanicIsAnErrorOfOneLook(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	look := r.View
	r.View = func(context.Context) (*view.View, error) { panic("a defect") }
	if _, err := r.Once(t.Context(), "me"); err == nil || !strings.Contains(d.log.String(), "a defect") {
		t.Errorf("it says %v, and logs %s", err, d.log)
	}
	r.View = look
	d.look(r, counts(5))
	if got := d.waiting("shop", "sqs/orders", 1); got[0] != 5 {
		t.Errorf("history has %v", got)
	}
}

// TestRunSaysOnceAndGoesOn: a Redis that doesn't answer is logged once.
func TestRunSaysOnceAndGoesOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.docs, d.err = d.shop(counts(1)), errors.New("connection refused")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.recorder().Run(ctx, "me")
	}()
	servertest.Eventually(t, "a claim", func() bool { return d.redis.Client.Get(t.Context(), "pulse:owner:recorder").Val() == "me" })
	cancel()
	<-ended
	if owner := d.redis.Client.Get(t.Context(), "pulse:owner:recorder").Val(); owner != "" {
		t.Errorf("it has ended, and its claim is still there: %q", owner)
	}
	if strings.Count(d.log.String(), "cannot record; will try again") != 1 || !strings.Contains(d.log.String(), "connection refused") {
		t.Errorf("the log has\n%s", d.log)
	}
}

// TestVerdictsThatCouldNotBeWrittenAreTriedAgain in the same minute, of which history has its entry: until they are there it
// doesn't say that it records.
func TestVerdictsThatCouldNotBeWrittenAreTriedAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.now = d.now.Add(time.Minute)
	d.docs = d.shop(counts(7))
	r := d.recorder()
	may := func(keys ...any) {
		t.Helper()
		if err := d.redis.Client.Do(t.Context(), append([]any{"ACL", "SETUSER", "default", "resetkeys"}, keys...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	may("~pulse:owner:*", "~pulse:index", "~pulse:history:*")
	for range 3 {
		if _, err := r.Once(t.Context(), "me"); err == nil || !strings.Contains(err.Error(), "record pulse:trend:shop") {
			t.Errorf("it says %v", err)
		}
		d.now = d.now.Add(10 * time.Second)
	}
	may("~*")
	if _, err := r.Once(t.Context(), "me"); err != nil {
		t.Error(err)
	}
	if n, err := d.redis.Client.Exists(t.Context(), "pulse:trend:shop").Result(); n != 1 {
		t.Errorf("they are not there: %v", err)
	}
	d.redis.Client.Del(t.Context(), "pulse:trend:shop")
	if sum, err := r.Once(t.Context(), "me"); err != nil || sum.Apps != 0 || d.redis.Client.Exists(t.Context(), "pulse:trend:shop").Val() != 0 {
		t.Errorf("once written they are written again: %+v, %v", sum, err)
	}
	if got := fmt.Sprint(d.waiting("shop", "sqs/orders", 2)); got != "[-1 7]" {
		t.Errorf("history has %s", got)
	}
}

// TestVerdictsAreNeverTooLargeToRead: of an app with very many queues those are there that somebody has to know.
func TestVerdictsAreNeverTooLargeToRead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	const last = "z-dead"
	for range 4 {
		d.docs = nil
		for source := range 2 {
			queues := []string{fmt.Sprintf(`{"name":%q,"driver":"sqs","metrics":{"waiting":%d,"active":0},"meta":{"workers":0}}`, last, 5*source)}
			for i := range 12_000 {
				queues = append(queues, fmt.Sprintf(`{"name":"%d-%05d%0400d","driver":"sqs","metrics":{"waiting":0,"active":0}}`, source, i, 0))
			}
			d.docs = append(d.docs, view.Document{Key: fmt.Sprintf("pulse:queues:shop:%d", source), SeenAt: d.now.UnixMilli(), Data: fmt.Appendf(nil,
				`{"timestamp":%d,"app":"shop","source":"%d","queues":[%s]}`, d.now.Add(time.Minute).UnixMilli(), source, strings.Join(queues, ","))})
		}
		d.look(r, "")
	}
	text, err := d.redis.Client.Get(t.Context(), "pulse:trend:shop").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	trends, err := protocol.DecodeTrends(text)
	dead := trends.Queues["sqs/z-dead@1"]
	if err != nil || len(text) > protocol.MaxDocument || len(trends.Queues) < 5_000 || dead == nil || dead.Health != protocol.HealthStalled {
		t.Errorf("%d bytes, %d verdicts, the dead one is %+v, %v", len(text), len(trends.Queues), dead, err)
	}
}

// TestLooksStayWithTheirReportersQueue: of two reporters' queues with one key the view calls the one that of the reporter which
// sorts first, also where that comes later. Neither is judged by the other's looks.
func TestLooksStayWithTheirReportersQueue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		idle   string // queues beside it: of few, each entry is a keyframe
		isCold bool   // each look is of a recorder that has just started
	}{
		"one recorder":           {"", false},
		"cold ones":              {idle, true},
		"cold ones, by keyframe": {"", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			r := d.recorder()
			look := func(sources ...string) (plain, other protocol.Health) {
				t.Helper()
				if d.docs = nil; c.isCold {
					r = d.recorder()
				}
				for _, source := range sources {
					d.docs = append(d.docs, view.Document{Key: "pulse:queues:shop:" + source, Data: fmt.Appendf(nil,
						`{"timestamp":%d,"app":"shop","source":%q,"queues":[{"name":"orders","driver":"sqs","metrics":{"waiting":5,"active":0}}%s]}`,
						d.now.Add(time.Minute).UnixMilli(), source, map[bool]string{true: c.idle}[source == "b"])})
				}
				d.look(r, "")
				trends := d.trends("shop")
				health := func(key string) protocol.Health {
					if v := trends.Queues[key]; v != nil {
						return v.Health
					}
					return ""
				}
				return health("sqs/orders"), health("sqs/orders@b")
			}
			look("b")
			look("b")
			if plain, _ := look("b"); plain != protocol.HealthStalled {
				t.Errorf("at first it is %s", plain)
			}
			if plain, other := look("a", "b"); plain != protocol.HealthUnknown || other != protocol.HealthStalled {
				t.Errorf("the new one is %s, and the other %s", plain, other)
			}
			if plain, other := look("a", "b"); plain != protocol.HealthStalled || other != protocol.HealthStalled {
				t.Errorf("a minute later the new one is %s, and the other %s", plain, other)
			}
		})
	}
}

// TestQueueThatIsBackAfterAStart is in the keyframe that a recorder reads which has just started, but was in none of the looks of
// the last minutes.
func TestQueueThatIsBackAfterAStart(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.recorder()
	for minute := range 25 {
		queues := `{"name":"orders","driver":"sqs","metrics":{"waiting":5}}` + idle
		switch {
		case minute == 24:
			r = d.recorder()
		case minute > 1:
			queues = idle[1:]
		}
		d.docs = []view.Document{{Key: "pulse:queues:shop", Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","queues":[%s]}`, d.now.Add(time.Minute).UnixMilli(), queues)}}
		d.look(r, "")
	}
	if got := d.verdict(); got.Health != protocol.HealthUnknown { // its looks of 23 minutes ago are no trend
		t.Errorf("it is %+v", got)
	}
}
