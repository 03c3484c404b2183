package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/api"
	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/pagetest"
	"github.com/gravito-framework/pulse/internal/recorder"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

func TestHistory(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	url := pagetest.Serve(t, server, "").URL
	pagetest.Record(t, server.Client, "shop", map[string][]int64{"orders": {1, -1, 3, 4}, "a/b": {7, -1, 7, 7}})
	pagetest.Record(t, server.Client, "blog", map[string][]int64{"mail": {5}})
	type columns struct{ Waiting, Active []*int64 }
	var got struct {
		From   int64
		Step   int `json:"step_seconds"`
		Series map[string]columns
	}
	a := call(t, http.MethodGet, url+"/api/v1/history?key=shop/sqs/orders&key=shop/sqs/a/b&key=blog/sqs/mail&key=blog/sqs/none&key=shop/sqs/orders&minutes=5", nil)
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	if n := strings.Count(a.body, `"shop/sqs/orders":`); n != 1 {
		t.Errorf("a key that is asked for twice is there %d times", n)
	}
	n := func(i int64) *int64 { return &i }
	none := []*int64{nil, nil, nil, nil, nil}
	want := map[string]columns{
		"shop/sqs/orders": {[]*int64{nil, n(1), nil, n(3), n(4)}, none}, "shop/sqs/a/b": {[]*int64{nil, n(7), nil, n(7), n(7)}, none},
		"blog/sqs/mail": {[]*int64{nil, nil, nil, nil, n(5)}, none}, "blog/sqs/none": {none, none},
	}
	if age := time.Now().UnixMilli() - got.From; cmp.Diff(want, got.Series) != "" || got.Step != 60 || got.From%60_000 != 0 || age < 4*60_000 || age > 6*60_000 {
		if time.Now().Second() > 0 || time.Now().UnixMilli()-got.From > 5*60_000 { // else a minute began meanwhile
			t.Errorf("%s: -want +got:\n%s", a.body, cmp.Diff(want, got.Series))
		}
	}
}

// TestHistoryOfAllQueues is that of four queues: one is the dead-letter queue of another, and two apps report it, and two
// have the same name in two apps. History knows how each counted, so it is the same in a program that has started since
// two of them were lost.
func TestHistoryOfAllQueues(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	now, at := time.Now(), time.Time{}
	looks := map[int][5]int{0: {1, 7, 100, 5, 7}, 2: {3, 7, 100, 6, 7}, 3: {4, 8, 100, 6, 8}} // by minute
	var b view.Builder
	r := &recorder.Recorder{Store: recorder.NewStore(server.Client, "redis", 24*time.Hour), Log: slog.New(slog.DiscardHandler)}
	r.View = func(context.Context) (*view.View, error) {
		queue := func(name string, waiting int, meta string) string {
			return fmt.Sprintf(`{"name":%q,"driver":"sqs","metrics":{"waiting":%d},"meta":{"url":"https://sqs.eu-west-1.amazonaws.com/1/%[1]s"%[3]s}}`, name, waiting, meta)
		}
		document := func(app string, queues ...string) view.Document {
			return view.Document{Key: "pulse:queues:" + app, Data: fmt.Appendf(nil, `{"timestamp":%d,"app":%q,"queues":[%s]}`, at.UnixMilli(), app, strings.Join(queues, ","))}
		}
		n := looks[3-int(now.Sub(at)/time.Minute)]
		return b.Build(at, []view.Document{
			document("shop", queue("orders", n[0], `,"dlq":"dead"`), queue("dead", n[1], `,"dlq_for":["orders"]`), `{"name":"mail","driver":"sqs","metrics":{"waiting":`+fmt.Sprint(n[2])+`}}`),
			document("blog", `{"name":"mail","driver":"sqs","metrics":{"waiting":`+fmt.Sprint(n[3])+`}}`, queue("dead", n[4], "")),
		}), nil
	}
	for _, minute := range []int{0, 2, 3} {
		at = now.Add(time.Duration(minute-3) * time.Minute)
		if _, err := r.Once(t.Context(), "me"); err != nil {
			t.Fatal(err)
		}
	}
	url := pagetest.Serve(t, server, "").URL
	for _, app := range []string{"shop", "blog"} {
		pagetest.Set(t, server, "pulse:queues:"+app, fmt.Sprintf(`"app":%q,"queues":[{"name":"mail","driver":"sqs","metrics":{"waiting":5}}]`, app))
	}
	for range 2 { // the second is the one that is kept
		a := call(t, http.MethodGet, url+"/api/v1/history?key=*&key=shop/sqs/orders&minutes=6", nil)
		const want = `"*":{"waiting":[null,null,106,null,109,110],"active":[null,null,null,null,null,null],"delayed":[null,null,null,null,null,null],"failed":[null,null,7,null,7,8]},"shop/sqs/orders":{"waiting":[null,null,1,null,3,4]`
		if !strings.Contains(a.body, want) {
			if time.Now().Second() > 5 { // else a minute began meanwhile
				t.Errorf("%d %s", a.status, a.body)
			}
		}
	}
}

// TestSumOfAMinuteThatOneAppLacksIsNotKnown: what the others hold is not all. An app that is new, and one that had only
// lost queues, lack nothing.
func TestSumOfAMinuteThatOneAppLacksIsNotKnown(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	url := pagetest.Serve(t, server, "").URL
	for _, app := range []string{"shop", "blog", "new", "newest", "stuck", "gone"} {
		pagetest.Set(t, server, "pulse:queues:"+app, fmt.Sprintf(`"app":%q,"queues":[{"name":"mail","driver":"sqs","metrics":{"waiting":5}}]`, app))
	}
	pagetest.Record(t, server.Client, "shop", map[string][]int64{"mail": {1, 1, 1, 1, 1, 1}})
	pagetest.Record(t, server.Client, "blog", map[string][]int64{"mail": {10, 10, -1, 10, 10, 10}})
	pagetest.Record(t, server.Client, "new", map[string][]int64{"mail": {-1, -1, -1, -1, 100, 100}})
	pagetest.Record(t, server.Client, "stuck", map[string][]int64{"mail": {1000, 1000, 1000, 1000, 1000, -1}})
	lost := history.Sample{Key: "sqs/mail", Name: "mail", Driver: protocol.DriverSQS, Lost: true}
	at := time.Now().Add(-4 * time.Minute).UnixMilli()
	entry, _ := history.NewEncoder(24*time.Hour, nil).Encode(at, []history.Sample{lost})
	server.Client.XAdd(t.Context(), &redis.XAddArgs{Stream: "pulse:history:gone", ID: history.EntryID(at), Values: []string{history.Field, string(entry)}})
	a := call(t, http.MethodGet, url+"/api/v1/history?key=*&minutes=6", nil)
	if !strings.Contains(a.body, `"*":{"waiting":[1011,1011,null,1011,1111,null]`) && time.Now().Second() > 5 { // else a minute began meanwhile
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestSumOfWhatCannotBeReadIsNotKnown, as far as it cannot.
func TestSumOfWhatCannotBeReadIsNotKnown(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil func(*testing.T, redis.UniversalClient)
		want  string
	}{
		"all of an app's": {func(t *testing.T, client redis.UniversalClient) {
			client.Set(t.Context(), "pulse:history:blog", "x", 0)
		}, "[null,null,null,null]"},
		"the beginning of an app's": {func(t *testing.T, client redis.UniversalClient) {
			at := time.Now().Add(-2 * time.Minute).UnixMilli()
			client.XAdd(t.Context(), &redis.XAddArgs{Stream: "pulse:history:blog", ID: history.EntryID(at), Values: []string{history.Field, "\x09K..."}})
			pagetest.Record(t, client, "blog", map[string][]int64{"mail": {10, 10}})
		}, "[null,null,11,11]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := servertest.Redis(t)
			for _, app := range []string{"shop", "blog"} {
				pagetest.Set(t, server, "pulse:queues:"+app, fmt.Sprintf(`"app":%q,"queues":[{"name":"mail","driver":"sqs","metrics":{"waiting":5}}]`, app))
			}
			pagetest.Record(t, server.Client, "shop", map[string][]int64{"mail": {1, 1, 1, 1}})
			tc.spoil(t, server.Client)
			a := call(t, http.MethodGet, pagetest.Serve(t, server, "").URL+"/api/v1/history?key=*&minutes=4", nil)
			if !strings.Contains(a.body, `"problems":[{"key":"pulse:history:blog"`) {
				t.Errorf("%d %s", a.status, a.body)
			}
			if !strings.Contains(a.body, `"*":{"waiting":`+tc.want) && time.Now().Second() > 5 { // else a minute began meanwhile
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}

// TestSumSaysThatItMayLackAppsThatAreNoMore, as far as it goes back further than the index.
func TestSumSaysThatItMayLackAppsThatAreNoMore(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	url := pagetest.Serve(t, server, "").URL
	pagetest.Set(t, server, "pulse:queues:shop", `"app":"shop","queues":[{"name":"mail","driver":"sqs","metrics":{"waiting":5}}]`)
	pagetest.Record(t, server.Client, "shop", map[string][]int64{"mail": {1, 1}})
	for query, want := range map[string]bool{"key=*&minutes=1440": false, "key=*&minutes=1500": true, "key=shop/sqs/mail&minutes=1500": false} {
		a := call(t, http.MethodGet, url+"/api/v1/history?"+query, nil)
		if got := strings.Contains(a.body, `"problems":[{"key":"*","reason":"what is more than 24 hours ago is the sum of the apps that are known now`); a.status != http.StatusOK || got != want {
			t.Errorf("%s: %d ends with %s", query, a.status, a.body[len(a.body)-300:])
		}
	}
}

// TestSumThatIsTooLargeIsNotKnown: no reader would keep it exact.
func TestSumThatIsTooLargeIsNotKnown(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	url := pagetest.Serve(t, server, "").URL
	pagetest.Set(t, server, "pulse:queues:shop", `"app":"shop","queues":[{"name":"mail","driver":"sqs","metrics":{"waiting":5}}]`)
	pagetest.Record(t, server.Client, "shop", map[string][]int64{"a": {protocol.MaxCount, protocol.MaxCount}, "b": {0, 1}})
	a := call(t, http.MethodGet, url+"/api/v1/history?key=*&minutes=2", nil)
	if !strings.Contains(a.body, `"*":{"waiting":[9007199254740991,null]`) && time.Now().Second() > 5 { // else a minute began meanwhile
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestHistoryOfAnotherVersionIsSaid: what a later program has written is a gap.
func TestHistoryOfAnotherVersionIsSaid(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	url := pagetest.Serve(t, server, "").URL
	pagetest.Record(t, server.Client, "shop", map[string][]int64{"orders": {1, 2, -1}})
	server.Client.XAdd(t.Context(), &redis.XAddArgs{Stream: "pulse:history:shop", ID: history.EntryID(time.Now().UnixMilli()), Values: []string{history.Field, "\x09K..."}})
	a := call(t, http.MethodGet, url+"/api/v1/history?key=shop/sqs/orders&minutes=2", nil)
	if !strings.Contains(a.body, `"problems":[{"key":"pulse:history:shop","reason":"some of pulse:history:shop at `) || !strings.Contains(a.body, "it is of version 9: this program reads version 2") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestHistoryEndsWithTheNewestLook: until the recorder has looked at the current minute there is no point of it, and none
// is missing. A sum that was made before that is made anew.
func TestHistoryEndsWithTheNewestLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, log := &pagetest.Store{}, slog.New(slog.DiscardHandler)
		s.Set("pulse:queues:shop", `"app":"shop","queues":[{"name":"orders","driver":"sqs","metrics":{"waiting":4}}]`)
		type entry struct {
			at   int64
			data []byte
		}
		var entries []entry
		encoder := history.NewEncoder(24*time.Hour, nil)
		look := func(waiting int64) {
			at := time.Now().UnixMilli()
			data, _ := encoder.Encode(at, []history.Sample{{Key: "sqs/orders", Name: "orders", Driver: protocol.DriverSQS, Metrics: protocol.Metrics{Waiting: waiting}}})
			entries = append(entries, entry{at, slices.Clone(data)})
		}
		server := &api.Server{
			Live: api.NewLive(s.Read, 0, log), Ping: func(context.Context) error { return nil }, Log: log,
			History: func(_ context.Context, from int64, apps map[string]recorder.Wants, each func(string, *history.Decoder)) (map[string]error, error) {
				for app, wants := range apps {
					decoder := &history.Decoder{From: from, Wants: wants.Queues, Sum: wants.Sum}
					for _, e := range entries {
						if err := decoder.Add(e.at-e.at%60_000, e.data); err != nil {
							return nil, err
						}
					}
					each(app, decoder)
				}
				return map[string]error{}, nil
			},
		}
		h := server.Handler()
		is := func(what string, from time.Time, points string) {
			t.Helper()
			a := get(t, h, "/api/v1/history?key=*&key=shop/sqs/orders&minutes=3").Body.String()
			begins := fmt.Sprintf(`{"from":%d,`, from.UnixMilli())
			if !strings.HasPrefix(a, begins) || strings.Count(a, `{"waiting":`+points) != 2 {
				t.Errorf("%s it is %s, want %s and twice %s", what, a, begins, points)
			}
		}
		time.Sleep(30 * time.Second) // a bubble's time begins at midnight
		first := time.Now().Truncate(time.Minute)
		look(7)
		time.Sleep(time.Minute)
		look(8)
		is("after the second look", first.Add(-time.Minute), "[null,7,8]")
		time.Sleep(45 * time.Second)
		is("before the third", first.Add(-time.Minute), "[null,7,8]")
		time.Sleep(15 * time.Second)
		look(9)
		is("after the third", first, "[7,8,9]")
		time.Sleep(2 * time.Minute)
		is("after two minutes without one", first.Add(time.Minute), "[8,9,null]")
	})
}

// TestHistoryOfAKeyThatNoQueueHas says so, and says it of no queue that is only new or that has gone.
func TestHistoryOfAKeyThatNoQueueHas(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	url := pagetest.Serve(t, server, "").URL
	pagetest.Set(t, server, "pulse:queues:shop", `"app":"shop","queues":[{"name":"new","driver":"sqs","metrics":{"waiting":4}}]`)
	pagetest.Record(t, server.Client, "shop", map[string][]int64{"gone": {1, 2}})
	a := call(t, http.MethodGet, url+"/api/v1/history?key=shop/sqs/new&key=shop/sqs/gone&key=shop/sqs/noew&key=blog/sqs/new&key=*&minutes=2", nil)
	var got struct {
		Series   map[string]any
		Problems []struct{ Key, Reason string }
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	var said []string
	for _, p := range got.Problems {
		said = append(said, p.Key)
		if !strings.HasPrefix(p.Reason, "no queue has this key") {
			t.Errorf("of %s it says %q", p.Key, p.Reason)
		}
	}
	if diff := cmp.Diff([]string{"shop/sqs/noew", "blog/sqs/new"}, said); diff != "" || len(got.Series) != 5 {
		t.Errorf("%s: -want +got:\n%s", a.body, diff)
	}
}

// TestHistoryThatCannotBeReadIsNoGap: it is said.
func TestHistoryThatCannotBeReadIsNoGap(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	url := pagetest.Serve(t, server, "").URL
	pagetest.Record(t, server.Client, "shop", map[string][]int64{"orders": {1}})
	if err := server.Client.Set(t.Context(), "pulse:history:blog", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	a := call(t, http.MethodGet, url+"/api/v1/history?key=shop/sqs/orders&key=blog/sqs/mail&minutes=1", nil)
	var got struct {
		Problems []struct{ Key, Reason string }
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || len(got.Problems) != 1 || got.Problems[0].Key != "pulse:history:blog" || !strings.Contains(got.Problems[0].Reason, "WRONGTYPE") {
		t.Errorf("%d %s, %v", a.status, a.body, err)
	}
	if !strings.Contains(a.body, `"shop/sqs/orders":{"waiting":[1]`) {
		t.Errorf("the neighbour is %s", a.body)
	}
}

// TestSumSaysWhichAppsARecorderLeavesOut: there are more than it keeps.
func TestSumSaysWhichAppsARecorderLeavesOut(t *testing.T) {
	t.Parallel()
	const said = `"problems":[{"key":"*","reason":"1004 of 1005 apps are not in the sum: they have no history. A recorder keeps that of 1000 apps"}]`
	for apps, want := range map[int]string{1000: "]}}}", 1005: "]}}," + said + "}"} { // of 1,000 the others are new
		server := servertest.Redis(t)
		pipe := server.Client.Pipeline()
		for i := range apps {
			app := fmt.Sprintf("app-%04d", i)
			pipe.Set(t.Context(), "pulse:queues:"+app, fmt.Sprintf(`{"timestamp":%d,"app":%q,"queues":[{"name":"mail","driver":"sqs","metrics":{"waiting":5}}]}`, time.Now().UnixMilli(), app), 0)
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		pagetest.Record(t, server.Client, "app-0003", map[string][]int64{"mail": {7, 7}})
		a := call(t, http.MethodGet, pagetest.Serve(t, server, "").URL+"/api/v1/history?key=*&minutes=1", nil)
		if a.status != http.StatusOK || !strings.HasSuffix(a.body, want) {
			t.Errorf("of %d apps it is %d %s", apps, a.status, a.body)
		}
	}
}

func TestHistoryQueriesThatAreRefused(t *testing.T) {
	t.Parallel()
	server := pagetest.Serve(t, servertest.Redis(t), "")
	many := url.Values{}
	for i := range 101 {
		many.Add("key", fmt.Sprintf("shop/sqs/%d", i))
	}
	for query, want := range map[string]string{
		"": "has 0 keys", "?" + many.Encode(): "has 101 keys", "?key=shop": "key is", "?key=shop/": "key is", "?key=a%20b/sqs/x": "key is",
		"?key=shop/sqs/a&minutes=0": "minutes is", "?key=shop/sqs/a&minutes=10081": "minutes is", "?key=shop/sqs/a&minutes=x": "minutes is", "?key=%": "cannot be read",
	} {
		if a := call(t, http.MethodGet, server.URL+"/api/v1/history"+query, nil); a.status != http.StatusBadRequest || !strings.Contains(a.body, want) {
			t.Errorf("%.60s: %d %s", query, a.status, a.body)
		}
	}
}

// BenchmarkHistory compares a day of 100 queues, in one call, with reading the same stream alone.
func BenchmarkHistory(b *testing.B) {
	server := servertest.Redis(b)
	url := pagetest.Serve(b, server, "").URL
	waiting := map[string][]int64{}
	query := "/api/v1/history?minutes=1440"
	for q := range 100 {
		column := make([]int64, 24*60)
		for i := range column {
			column[i] = int64(q + i*(q%10))
		}
		waiting[fmt.Sprintf("queue-%d", q)] = column
		query += fmt.Sprintf("&key=shop/sqs/queue-%d", q)
	}
	pagetest.Record(b, server.Client, "shop", waiting)
	var ours, raw []time.Duration
	for b.Loop() {
		start := time.Now()
		a := call(b, http.MethodGet, url+query, nil)
		ours = append(ours, time.Since(start))
		if a.status != http.StatusOK || strings.Count(a.body, ",") < 4*100*24*60 {
			b.Fatalf("%d, %d bytes", a.status, len(a.body))
		}
		start = time.Now()
		if err := server.Client.XRange(context.Background(), "pulse:history:shop", "-", "+").Err(); err != nil {
			b.Fatal(err)
		}
		raw = append(raw, time.Since(start))
	}
	b.ReportMetric(servertest.Median(ours)/servertest.Median(raw), "x_of_xrange")
	b.ReportMetric(servertest.Median(ours)*1000, "call-ms")
}
