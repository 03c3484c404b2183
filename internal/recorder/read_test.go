package recorder_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

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

// largeKeyframe is one of some 320 KB, of 800 queues with long names.
func largeKeyframe(at time.Time) []byte { return keyframe(at, 800, strings.Repeat("x", 400)) }

// keyframe is an entry of so many queues, of which 3 wait in each. Their names end in end.
func keyframe(at time.Time, queues int, end string) []byte {
	samples := make([]history.Sample, queues)
	for i := range samples {
		name := fmt.Sprintf("q-%06d%s", i, end)
		samples[i] = history.Sample{Key: history.Key("sqs/" + name), Name: name, Driver: protocol.DriverSQS, Metrics: protocol.Metrics{Waiting: 3}}
	}
	entry, _ := history.NewEncoder(24*time.Hour, nil).Encode(at.UnixMilli(), samples)
	return entry
}

// add adds an entry as a recorder does.
func (d *desk) add(app string, at time.Time, entry []byte) {
	d.t.Helper()
	var fields []string
	for i := 0; len(entry) > 0; i++ {
		name := history.Field
		if i > 0 {
			name += fmt.Sprint(i)
		}
		n := min(len(entry), 32<<10)
		fields = append(fields, name, string(entry[:n]))
		entry = entry[n:]
	}
	d.addFields(app, at, fields...)
}

func (d *desk) addFields(app string, at time.Time, fields ...string) {
	d.t.Helper()
	if err := d.redis.Client.XAdd(d.t.Context(), &redis.XAddArgs{Stream: protocol.HistoryKey(app), ID: history.EntryID(at.UnixMilli()), Values: fields}).Err(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) live(app string) view.Document {
	return view.Document{Key: protocol.QueuesKey(app, ""), SeenAt: d.now.UnixMilli(), Data: fmt.Appendf(nil,
		`{"timestamp":%d,"app":%q,"queues":[{"name":"orders","driver":"sqs","metrics":{"waiting":5}}]}`, d.now.UnixMilli(), app)}
}

// TestHistoryThatIsMoreThanAConnectionReadsAtOnce has no gap, and costs its neighbours nothing.
func TestHistoryThatIsMoreThanAConnectionReadsAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const minutes = 100
	for name, begin := range map[string]int{"from its first entry": 0, "from one after small ones": 40} {
		small, large := keyframe(d.now, 1, strings.Repeat("x", 400)), largeKeyframe(d.now)
		if n := len(large) * (minutes - begin); n < 15<<20 {
			t.Fatalf("it has only %d bytes", n)
		}
		d.redis.Client.FlushAll(t.Context())
		first := d.now.Add(-(minutes - 1) * time.Minute)
		for i := range minutes {
			at, entry := first.Add(time.Duration(i)*time.Minute), large
			if i < begin {
				entry = small
			}
			d.add("big", at, entry)
			d.add("big2", at, entry)
			d.add("small", at, small)
		}
		got, bad := d.read(first, "big", "big2", "small")
		for _, app := range []string{"big", "big2", "small"} {
			for i, n := range got[app].Columns(history.Key("sqs/q-000000"+strings.Repeat("x", 400)), first.UnixMilli(), minutes).Waiting {
				if n != 3 {
					t.Fatalf("%s: in minute %d of %s %d wait", name, i, app, n)
				}
			}
		}
		if len(bad) > 0 {
			t.Errorf("%s: it says %v", name, bad)
		}
	}
}

// TestEntryThatIsTooLargeIsNamed, and only it is missing.
func TestEntryThatIsTooLargeIsNamed(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string][]string{
		"a value of 70000 bytes: at most 65536 are read":                  {"p", strings.Repeat("x", 70_000)},
		"with it the replies are larger than 20 MiB":                      strings.Split(strings.TrimSuffix(strings.Repeat("p\n"+strings.Repeat("x", 60_000)+"\n", 400), "\n"), "\n"),
		"a list of 1000000 elements: with it the replies are larger than": strings.Split(strings.Repeat("x\n", 999_999)+"x", "\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			if strings.HasPrefix(name, "with") {
				for i := 0; i < len(fields); i += 2 {
					if i > 0 {
						fields[i] = fmt.Sprint("p", i/2)
					}
				}
			}
			small := keyframe(d.now, 1, "")
			for i := range 5 {
				at := d.now.Add(time.Duration(i-4) * time.Minute)
				if i == 2 {
					d.addFields("shop", at, fields...)
				} else {
					d.add("shop", at, small)
				}
			}
			from := d.now.Add(-4 * time.Minute)
			got, bad := d.read(from, "shop")
			if got := fmt.Sprint(got["shop"].Columns("sqs/q-000000", from.UnixMilli(), 5).Waiting); got != "[3 3 -1 3 3]" {
				t.Errorf("its minutes are %v", got)
			}
			if err := bad["shop"]; err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("it says %v", err)
			}
		})
	}
}

// TestHistoryFullOfRubbishIsNoOtherAppsTrouble: the others are recorded, and so is this one.
func TestHistoryFullOfRubbishIsNoOtherAppsTrouble(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var fields []string
	for i := range 12 {
		fields = append(fields, strings.TrimSuffix(fmt.Sprint("p", i), "0"), strings.Repeat("z", 30_000))
	}
	for i := range 90 {
		d.redis.Client.XAdd(t.Context(), &redis.XAddArgs{Stream: "pulse:history:aa", ID: fmt.Sprint(d.now.UnixMilli() - 900_000 + int64(i)*8000), Values: fields})
	}
	r := d.recorder()
	for range 2 {
		d.now = d.now.Add(time.Minute)
		d.docs = []view.Document{d.live("aa"), d.live("shop")}
		if sum, err := r.Once(t.Context(), "me"); err != nil || sum.Apps != 2 {
			t.Errorf("%+v, %v", sum, err)
		}
	}
	for _, app := range []string{"aa", "shop"} {
		if got := fmt.Sprint(d.waiting(app, "sqs/orders", 2)); got != "[5 5]" {
			t.Errorf("%s has %v", app, got)
		}
	}
	if _, bad := d.read(d.now.Add(-20*time.Minute), "aa", "shop"); len(bad) != 1 || !strings.Contains(fmt.Sprint(bad["aa"]), "version 122") {
		t.Errorf("it says %v", bad)
	}
}

// TestDeadNodeStopsOnlyTheAppsThere: of three masters one dies, and has no replica.
func TestDeadNodeStopsOnlyTheAppsThere(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	nodes := servertest.ClusterNodes(t, 0, "--cluster-require-full-coverage", "no")
	d, client := deskAt(t, nodes[0].URL)
	r := d.recorder()
	var apps []string
	for i := range 20 {
		apps = append(apps, fmt.Sprintf("app-%02d", i))
	}
	look := func() error {
		d.now, d.docs = d.now.Add(time.Minute), nil
		for _, app := range apps {
			d.docs = append(d.docs, d.live(app))
		}
		_, err := r.Once(ctx, "me")
		return err
	}
	if err := look(); err != nil {
		t.Fatal(err)
	}
	nodeOf := func(key string) string {
		t.Helper()
		node, err := redisconn.Current(client).(*redis.ClusterClient).MasterForKey(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		return node.Options().Addr
	}
	keeps := map[string]bool{nodeOf(protocol.IndexKey): true, nodeOf("pulse:owner:recorder"): true}
	at := map[string]string{}
	for _, app := range apps {
		at[app] = nodeOf(protocol.HistoryKey(app))
	}
	var dead string
	for _, node := range nodes {
		if !keeps[node.Addr] && dead == "" {
			dead = node.Addr
			node.Stop()
		}
	}
	if err := look(); err == nil || !strings.Contains(err.Error(), dead) {
		t.Errorf("it says %v", err)
	}
	// And so does one that starts now.
	r.View = func(context.Context) (*view.View, error) { return new(view.Builder).Build(d.now, d.docs), nil }
	r = &recorder.Recorder{View: r.View, Store: d.store, Log: r.Log}
	if err := look(); err == nil || !strings.Contains(err.Error(), dead) {
		t.Errorf("a new one says %v", err)
	}
	got, bad := d.read(d.now.Add(-5*time.Minute), apps...)
	there, gone := 0, 0
	for _, app := range apps {
		if at[app] == dead {
			if gone++; got[app] != nil || bad[app] == nil || !strings.Contains(bad[app].Error(), dead) {
				t.Errorf("of %s it says %v", app, bad[app])
			}
			continue
		}
		there++
		if got[app] == nil || bad[app] != nil {
			t.Errorf("%s cannot be read: %v", app, bad[app])
			continue
		}
		if got := fmt.Sprint(d.waiting(app, "sqs/orders", 3)); got != "[5 5 5]" {
			t.Errorf("%s has %v", app, got)
		}
	}
	if there == 0 || gone == 0 {
		t.Fatalf("%d apps are on living nodes, %d on the dead one", there, gone)
	}
}

// TestColdRecorderKeepsAllLostQueues, of however many apps, in the view and in history.
func TestColdRecorderKeepsAllLostQueues(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var apps []string
	for i := range 50 {
		apps = append(apps, fmt.Sprintf("app-%02d", i))
		d.docs = append(d.docs, d.live(apps[i]))
	}
	d.look(d.recorder(), "")
	for i := range d.docs {
		d.docs[i].Data = nil
	}
	var v *view.View
	cold := func() *recorder.Recorder {
		r := d.recorder()
		var b view.Builder
		read := d.store.WithLastNumbers(func(_ context.Context, _ time.Time, add func(view.Document) bool) (time.Duration, error) {
			for _, doc := range d.docs {
				add(doc)
			}
			return 0, nil
		})
		r.View = func(ctx context.Context) (*view.View, error) {
			if _, err := read(ctx, d.now, b.Add); err != nil {
				return nil, err
			}
			v = b.Finish(d.now)
			return v, nil
		}
		return r
	}
	holds := func(what string) {
		t.Helper()
		if v.Totals.Lost.Queues != 50 {
			t.Errorf("%s the view has %d", what, v.Totals.Lost.Queues)
		}
		got, _ := d.read(d.now, apps...)
		for _, app := range apps {
			if n := got[app].Len(); n != 1 {
				t.Errorf("%s the history of %s has %d queues", what, app, n)
			}
		}
	}
	d.look(cold(), "")
	holds("after a start")
	// As long as they cannot be read, none is recorded.
	r := cold()
	acl := func(rule string) {
		t.Helper()
		if err := d.redis.Client.Do(t.Context(), "ACL", "SETUSER", "default", rule).Err(); err != nil {
			t.Fatal(err)
		}
	}
	acl("-xrevrange")
	d.now = d.now.Add(time.Minute)
	if _, err := r.Once(t.Context(), "me"); err == nil || !strings.Contains(err.Error(), "the last numbers of 50 apps") {
		t.Errorf("it says %v", err)
	}
	acl("+xrevrange")
	d.look(r, "")
	holds("when history can be read again")
}

// TestLargeHistoriesAreReadInTurn: a decoder of one takes much memory. A small one waits for nobody.
func TestLargeHistoriesAreReadInTurn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.add("big", d.now, largeKeyframe(d.now))
	d.add("small", d.now, keyframe(d.now, 1, ""))
	_, err := d.store.History(t.Context(), d.now.UnixMilli(), map[string]recorder.Wants{"big": {}}, func(string, *history.Decoder) {
		if got, _ := d.read(d.now, "small"); got["small"].Len() != 1 {
			t.Errorf("it has %d queues", got["small"].Len())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := d.store.History(ctx, d.now.UnixMilli(), map[string]recorder.Wants{"big": {}}, func(string, *history.Decoder) {
			t.Error("there are two at a time")
		})
		if err == nil || !strings.Contains(err.Error(), "wait to read pulse:history:big") {
			t.Errorf("it says %v", err)
		}
	})
	if err != nil {
		t.Error(err)
	}
	if got, _ := d.read(d.now, "big"); got["big"].Len() != 800 {
		t.Errorf("it has %d queues", got["big"].Len())
	}
}

// TestARecorderRemembersOnlyTheQueuesThatAreThere: an app may have had many more. It is the only test that runs meanwhile.
func TestARecorderRemembersOnlyTheQueuesThatAreThere(t *testing.T) { //nolint:paralleltest // measures memory
	d := newDesk(t)
	entry := keyframe(d.now, 5_000, "")
	for i := range 40 {
		d.add(fmt.Sprintf("app-%02d", i), d.now, entry)
	}
	look := func(r *recorder.Recorder) {
		d.docs = nil
		for i := range 40 {
			d.docs = append(d.docs, d.live(fmt.Sprintf("app-%02d", i)))
		}
		d.look(r, "")
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	r := d.recorder()
	look(r)
	if took := int64(heap()) - int64(before); took > 10<<20 {
		t.Errorf("it takes %d MiB", took>>20)
	}
	look(r)
	if got := fmt.Sprint(d.waiting("app-07", "sqs/orders", 2), d.waiting("app-07", "sqs/q-000000", 3)); got != "[5 5] [3 -1 -1]" {
		t.Errorf("history has %s", got)
	}
}

// TestHistoryThatCannotBeReadStaysAsItIs: what it holds beside the queues of the view would be dropped.
func TestHistoryThatCannotBeReadStaysAsItIs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.add("aa", d.now, keyframe(d.now, 7, ""))
	acl := func(rules ...any) {
		t.Helper()
		if err := d.redis.Client.Do(t.Context(), append([]any{"ACL", "SETUSER", "default"}, rules...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	acl("resetkeys", "~pulse:trend:*", "~pulse:index", "~pulse:owner:*", "~pulse:history:shop", "%W~pulse:history:aa")
	r := d.recorder()
	look := func() error {
		d.now = d.now.Add(time.Minute)
		d.docs = []view.Document{d.live("aa"), d.live("shop")}
		_, err := r.Once(t.Context(), "me")
		return err
	}
	for range 2 {
		if err := look(); err == nil || !strings.Contains(err.Error(), "read pulse:history:aa at redis: NOPERM") {
			t.Errorf("it says %v", err)
		}
		if got := d.problems("aa"); !strings.Contains(got, "its history cannot be kept: read pulse:history:aa at redis: NOPERM") {
			t.Errorf("its problems are %q", got)
		}
	}
	acl("allkeys")
	if got := fmt.Sprint(d.waiting("shop", "sqs/orders", 2), d.redis.Client.XLen(t.Context(), "pulse:history:aa").Val()); got != "[5 5] 1" {
		t.Errorf("the neighbour's history, and how many entries it has, are %s", got)
	}
	if err := look(); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(d.waiting("aa", "sqs/orders", 1), d.waiting("aa", "sqs/q-000003", 4)); got != "[5] [3 -1 -1 -1]" {
		t.Errorf("when it can be read its history is %s", got)
	}
}

// TestClaimOnADeadNodeStopsNobody: of three masters that dies which has the claim of who records, and has no replica. Recorders
// that start, or had the claim, go on, and say so; they write one history, and tell of an alert once.
func TestClaimOnADeadNodeStopsNobody(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	nodes := servertest.ClusterNodes(t, 0, "--cluster-require-full-coverage", "no")
	d, client := deskAt(t, nodes[0].URL)
	told := make(chan string, 10)
	pager := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- string(body)
	}))
	defer pager.Close()
	one := func() *recorder.Recorder {
		rules, err := alert.ParseRules("stalled")
		if err != nil {
			t.Fatal(err)
		}
		channels, err := alert.ParseChannels(pager.URL, pager.Client().Transport.(*http.Transport), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := d.recorder()
		r.Alerts = &alert.Manager{Rules: rules, Channels: channels, Repeat: time.Hour, Keeper: publish.New(client, "redis", time.Minute), Log: r.Log}
		return r
	}
	first, second := one(), one()
	look := func(r *recorder.Recorder) {
		t.Helper()
		if _, err := r.Once(ctx, "me"); err != nil && !strings.Contains(err.Error(), protocol.IndexKey) { // that is there, too
			t.Error(err)
		}
	}
	minute := func() {
		t.Helper()
		d.now = d.now.Add(time.Minute)
		d.docs = []view.Document{{Key: "pulse:queues:web", Data: fmt.Appendf(nil, // of web no key is there
			`{"timestamp":%d,"app":"web","queues":[{"name":"orders","driver":"sqs","metrics":{"waiting":5,"active":0}}]}`, d.now.UnixMilli())}}
		look(first)
		look(second)
	}
	minute()
	dead, err := redisconn.Current(client).(*redis.ClusterClient).MasterForKey(ctx, "pulse:owner:recorder")
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		if node.Addr == dead.Options().Addr {
			node.Stop()
		}
	}
	for range 4 {
		minute()
	}
	if got := fmt.Sprint(d.waiting("web", "sqs/orders", 5)); got != "[5 5 5 5 5]" {
		t.Errorf("history has %v", got)
	}
	if n := len(told); n != 1 {
		t.Errorf("of an alert was told %d times", n)
	} else if got := <-told; !strings.Contains(got, "sqs/orders of web") {
		t.Errorf("told was %q", got)
	}
	text, err := client.Get(ctx, protocol.TrendKey("web")).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	trends, err := protocol.DecodeTrends(text)
	if said := strings.Join(trends.Problems, "\n"); err != nil || !strings.Contains(said, "records without its claim") || !strings.Contains(said, dead.Options().Addr) {
		t.Errorf("its problems are %q, %v", said, err)
	}
	if n := strings.Count(d.log.String(), "records without its claim"); n != 2 { // each of the two, once
		t.Errorf("the log has\n%s", d.log)
	}
}
