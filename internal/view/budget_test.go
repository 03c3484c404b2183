package view

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/protocol"
)

// queuesOf is a document with so many queues.
func queuesOf(app, source string, n int) Document {
	queues := make([]string, n)
	for i := range queues {
		queues[i] = fmt.Sprintf(`{"name":"%s-%05d","driver":"bullmq","metrics":{"waiting":%d,"active":3,"failed":7},"meta":{"oldest_at":1764000000000,"workers":4,"completed":%d}}`, source, i, i, i)
	}
	return snapshot(app, source, strings.Join(queues, ","))
}

// verdictsOf is a recorder's document about as many queues, each with all there is to say: the same, or something of its own.
func verdictsOf(app string, n int, isSame bool) Document {
	t := protocol.Trends{Timestamp: noon.UnixMilli(), App: app, Queues: make(map[string]*protocol.Verdict, n)}
	for i := range n {
		rate := 1.5
		if !isSame {
			rate += float64(i)
		}
		t.Queues[fmt.Sprintf("sqs/orders-%d", i)] = &protocol.Verdict{
			Health: protocol.HealthGrowing, Reason: "5,365 wait, nothing is active and no worker is connected",
			Trend: protocol.Trend{WaitingPerMin: &rate, DrainSeconds: new(int64(60)), DrainRange: &[2]int64{50, 70}},
		}
	}
	data, err := t.Encode()
	if err != nil {
		panic(err) // its health and name are right
	}
	return doc(protocol.TrendKey(app), string(data))
}

// shownOf is which sources' queues are in a view.
func shownOf(v *View) []string {
	sources := map[string]bool{}
	for app, a := range v.Apps {
		for _, q := range a.Queues {
			sources[app+"/"+q.Source] = true
		}
	}
	return slices.Sorted(maps.Keys(sources))
}

func TestWhoTakesMoreThanItsShareIsLeftOutAndNamed(t *testing.T) {
	t.Parallel()
	small := queuesOf("shop", "s", 50)
	for name, c := range map[string]struct {
		before, docs []Document
		want         []string
	}{
		"one large app":                {nil, []Document{queuesOf("flood", "a", 400), queuesOf("flood", "b", 500), queuesOf("flood", "c", 600), small}, []string{"flood/a", "flood/b", "shop/s"}},
		"in another order":             {nil, []Document{small, queuesOf("flood", "c", 600), queuesOf("flood", "b", 500), queuesOf("flood", "a", 400)}, []string{"flood/a", "flood/b", "shop/s"}},
		"what was there stays":         {[]Document{queuesOf("flood", "c", 700)}, []Document{queuesOf("flood", "a", 400), queuesOf("flood", "b", 500), queuesOf("flood", "c", 700), small}, []string{"flood/a", "flood/c", "shop/s"}},
		"an app that was there, too":   {[]Document{queuesOf("old", "a", 700)}, []Document{queuesOf("young", "a", 690), queuesOf("old", "a", 700), small}, []string{"old/a", "shop/s"}},
		"what is small, though young":  {[]Document{queuesOf("old", "a", 900), queuesOf("old", "b", 250)}, []Document{queuesOf("old", "a", 900), queuesOf("old", "b", 250), queuesOf("shop", "s", 100)}, []string{"old/b", "shop/s"}},
		"one document larger than all": {nil, []Document{queuesOf("flood", "a", 3000), small}, []string{"shop/s"}},
	} {
		b := Builder{Budget: 440_000}
		if c.before != nil {
			b.Build(noon, c.before)
		}
		v := b.Build(noon, c.docs)
		if diff := cmp.Diff(c.want, shownOf(v)); diff != "" {
			t.Errorf("%s: shown are (-want +got):\n%s", name, diff)
		}
		if want := len(c.docs) - len(c.want); len(v.Problems) != want {
			t.Errorf("%s: %d problems, want %d: %v", name, len(v.Problems), want, v.Problems)
		}
		for _, p := range v.Problems {
			if !strings.HasPrefix(p.Reason, "it is left out: all that is reported takes more than") {
				t.Errorf("%s: %v", name, p)
			}
		}
		for _, d := range c.docs { // its reporter is still there
			app, source, _ := strings.Cut(strings.TrimPrefix(d.Key, "pulse:queues:"), ":")
			if v.Apps[app].Sources[source] == nil {
				t.Errorf("%s: the reporter %s of %s is gone", name, source, app)
			}
		}
		if again := b.Build(noon, c.docs); Patch(v, again) != nil {
			t.Errorf("%s: the same documents once more make another view: %s", name, Patch(v, again))
		}
	}
}

// TestWhatIsLeftOutComesBack: once there is room.
func TestWhatIsLeftOutComesBack(t *testing.T) {
	t.Parallel()
	b := Builder{Budget: 440_000}
	docs := []Document{queuesOf("flood", "a", 700), queuesOf("shop", "s", 600)}
	b.Build(noon, docs)
	v := b.Build(noon, docs[1:])
	if diff := cmp.Diff([]string{"shop/s"}, shownOf(v)); diff != "" || len(v.Problems) > 0 {
		t.Errorf("shown are (-want +got):\n%s problems %v", diff, v.Problems)
	}
}

// TestLostRowsThatAreLeftOutStayNamed: history is asked for them once, and there is no room later either.
func TestLostRowsThatAreLeftOutStayNamed(t *testing.T) {
	t.Parallel()
	last := &protocol.QueueSnapshot{App: "flood", Source: "a", Timestamp: noon.UnixMilli()}
	for i := range 3000 {
		last.Queues = append(last.Queues, protocol.Queue{Name: fmt.Sprint("q", i), Driver: protocol.DriverSQS})
	}
	lost := Document{Key: "pulse:queues:flood:a", SeenAt: noon.UnixMilli(), Last: last}
	b := Builder{Budget: 440_000}
	for i := range 3 {
		v := b.Build(noon, []Document{lost, queuesOf("shop", "s", 50)})
		said := 0
		for _, p := range v.Problems {
			if p.Key == lost.Key && strings.HasPrefix(p.Reason, "it is left out: all that is reported takes more than") {
				said++
			}
		}
		if said != 1 || len(v.Apps["flood"].Queues) > 0 {
			t.Errorf("in view %d it has %d queues, and is named %d times: %v", i, len(v.Apps["flood"].Queues), said, v.Problems)
		}
		lost.Last = nil
	}
}

// TestServersAndProblemsTakeRoomToo guards that the budget bounds all that a builder keeps of a document.
func TestServersAndProblemsTakeRoomToo(t *testing.T) {
	t.Parallel()
	bad := strings.Repeat(`{"name":"q","metrics":{"waiting":"`+strings.Repeat("x", 400)+`"}},`, 200)
	servers := make([]Document, 0, 4000)
	rubbish := make([]Document, 0, 200)
	for i := range cap(servers) {
		servers = append(servers, beat("flood", fmt.Sprint("web-", i), `,"x":"`+strings.Repeat("x", 100)+`"`))
	}
	for i := range cap(rubbish) {
		rubbish = append(rubbish, snapshot("flood", fmt.Sprint("s", i), bad+`{"name":"q","metrics":{"waiting":1}}`))
	}
	control := strings.Repeat("\\u0000", 1000)
	names := make([]Document, 0, 300)
	for i := range cap(names) {
		names = append(names, snapshot("flood", fmt.Sprint("s", i), fmt.Sprintf(`{"name":"%s","metrics":{"waiting":1}},{"name":"%s!","metrics":{"waiting":1}}`, control, control)))
	}
	for name, docs := range map[string][]Document{"servers": servers, "problems": rubbish, "names": names} {
		b := Builder{Budget: 3 << 20}
		v := b.Build(noon, append(docs, queuesOf("shop", "s", 50)))
		if len(v.Apps["shop"].Queues) != 50 {
			t.Errorf("%s: the neighbour has %d queues", name, len(v.Apps["shop"].Queues))
		}
		if size := int64(len(v.AppendJSON(nil))); size > b.Budget {
			t.Errorf("%s: the view has %d bytes", name, size)
		}
		var cost int64
		for _, k := range b.known {
			cost += k.cost
		}
		if cost > b.Budget || cost < b.Budget/4 {
			t.Errorf("%s: they take %d", name, cost)
		}
	}
}

// TestCostIsWhatItTakes compares what a builder thinks that documents take with what they do.
func TestCostIsWhatItTakes(t *testing.T) {
	for name, docs := range map[string][]Document{
		"queues":        {queuesOf("shop", "s", 20_000)},
		"small reports": large(t, 0)[:1000],
		"servers":       large(t, 0)[1000:],
		"verdicts":      {verdictsOf("shop", 20_000, false)},
		"same verdicts": {verdictsOf("shop", 20_000, true)},
		"broken queues": {snapshot("shop", "s", strings.Repeat(`{"name":"q"},`, 99)+`{"name":"q"}`)},
		"keys of rubbish": func() (docs []Document) {
			for i := range 10_000 {
				docs = append(docs, doc(fmt.Sprintf("pulse:queues:%0500d", i), "rubbish"))
			}
			return docs
		}(),
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		b := &Builder{}
		v := b.Build(noon, docs)
		runtime.GC()
		runtime.ReadMemStats(&after)
		var cost int64
		for _, k := range b.known {
			cost += k.cost
		}
		took := int64(after.HeapAlloc) - int64(before.HeapAlloc)
		for key := range b.known {
			took += int64(len(key)) // here they are the documents', too
		}
		runtime.KeepAlive(v)
		runtime.KeepAlive(docs)
		t.Logf("%s: %d, estimated %d", name, took, cost)
		if took > 1<<20 && (cost < took*8/10 || cost > took*2) {
			t.Errorf("%s take %d bytes, and are estimated at %d", name, took, cost)
		}
	}
}

func TestTheSourcesOfVerdictsTakeRoomToo(t *testing.T) {
	t.Parallel()
	var verdicts []string
	for i := range 100 {
		verdicts = append(verdicts, fmt.Sprintf(`"sqs/orders-%d":{"health":"ok","source":"%03d%s"}`, i, i, strings.Repeat("x", 500)))
	}
	if k := decode(judged("shop", 0, strings.Join(verdicts, ","))); k.cost < 100*503 {
		t.Errorf("they take %d bytes", k.cost)
	}
}

// TestTwoReportsOfOneQueueShareItsTexts: while a view is made the one before is still there.
func TestTwoReportsOfOneQueueShareItsTexts(t *testing.T) {
	t.Parallel()
	var b Builder
	of := func(timestamp, completed string) Document {
		return doc("pulse:queues:shop", `{"timestamp":`+timestamp+`,"app":"shop","queues":[{"name":"orders","driver":"sqs","metrics":{"waiting":1},"meta":{"completed":`+completed+`}}]}`)
	}
	first := b.Build(noon, []Document{of("1764000000000", "1")}).Apps["shop"].Queues["sqs/orders"]
	same := b.Build(noon, []Document{of("1764000001000", "1")}).Apps["shop"].Queues["sqs/orders"]
	other := b.Build(noon, []Document{of("1764000002000", "2")}).Apps["shop"].Queues["sqs/orders"]
	for i, q := range []*Queue{same, other} {
		if q == first || unsafe.StringData(q.key) != unsafe.StringData(first.key) || unsafe.StringData(q.Name) != unsafe.StringData(first.Name) {
			t.Errorf("report %d has a name of its own", i+1)
		}
	}
	text := func(q *Queue) (at *byte) {
		for _, value := range q.Meta.All() {
			at = unsafe.SliceData(value)
		}
		return at
	}
	if text(same) != text(first) {
		t.Error("the second report has a meta of its own")
	}
	if n, _ := other.Meta.Int("completed"); n != 2 {
		t.Errorf("the third report has completed %d", n)
	}
}

// TestWhoReadsSeldomBlamesNoClock: what changed since the reading of a minute ago may have changed long ago.
func TestWhoReadsSeldomBlamesNoClock(t *testing.T) {
	t.Parallel()
	at := func(now time.Time) Document {
		return doc("pulse:queues:shop", fmt.Sprintf(`{"timestamp":%d,"app":"shop","queues":[%s]}`, now.UnixMilli(), orders))
	}
	var b Builder
	b.Build(noon, []Document{at(noon)})
	// Its reporter stopped 20 s before this reading.
	v := b.Build(noon.Add(time.Minute), []Document{at(noon.Add(40 * time.Second))})
	if status := v.Apps["shop"].Queues["sqs/orders"].Status; status != Stale || len(v.Problems) > 0 {
		t.Errorf("it is %s: %v", status, v.Problems)
	}
}

// TestWhoReadsSeldomSaysWhyAReporterIsOftenLate: it is stale, and one who reads once a minute says what may be why.
func TestWhoReadsSeldomSaysWhyAReporterIsOftenLate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		late [5]time.Duration // how old its newest document is at each reading; 0 is that there is no new one
		want int              // from which reading on there is a problem; 0 is never
	}{
		"its clock is behind":            {[5]time.Duration{40 * time.Second, 41 * time.Second, 39 * time.Second, 40 * time.Second, 40 * time.Second}, 4},
		"it reports once in two minutes": {[5]time.Duration{40 * time.Second, 0, 39 * time.Second, 0, 40 * time.Second}, 0},
		"it is late now and then":        {[5]time.Duration{40 * time.Second, 41 * time.Second, 41 * time.Second, time.Second, 41 * time.Second}, 0},
		"it stopped":                     {[5]time.Duration{5 * time.Second, 40 * time.Second, 0, 0, 0}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b Builder
			var last Document
			for i, late := range c.late {
				now := noon.Add(time.Duration(i) * time.Minute)
				if late != 0 {
					last = doc("pulse:queues:shop", fmt.Sprintf(`{"timestamp":%d,"app":"shop","queues":[%s]}`, now.Add(-late).UnixMilli(), orders))
				}
				v := b.Build(now, []Document{last})
				is := len(v.Problems) == 1 && strings.HasPrefix(v.Problems[0].Reason, "it is made anew, but its timestamp was more than 15 s old each of the last 3 times")
				if want := c.want != 0 && i+1 >= c.want; is != want || !want && len(v.Problems) > 0 {
					t.Errorf("at reading %d: %v", i+1, v.Problems)
				}
			}
		})
	}
}

// TestAClockThatIsWrongHidesNothing: what is made anew is fresh, and what is wrong is said.
func TestAClockThatIsWrongHidesNothing(t *testing.T) {
	t.Parallel()
	at := func(skew time.Duration, now time.Time) []Document {
		ms := now.Add(skew).UnixMilli()
		return []Document{
			doc("pulse:queues:shop", fmt.Sprintf(`{"timestamp":%d,"app":"shop","queues":[%s]}`, ms, orders)),
			doc("pulse:server:shop:web-1", fmt.Sprintf(`{"timestamp":%d,"system":{},"process":{},"meta":{"app_name":"shop"}}`, ms)),
		}
	}
	for skew, want := range map[time.Duration]string{
		-40 * time.Second: "it is made anew, but its timestamps are old when they come: set the reporter's clock (NTP)",
		-time.Hour:        "it is made anew, but its timestamps are old when they come: set the reporter's clock (NTP)",
		time.Hour:         "its timestamps are more than a minute ahead of Redis' clock: set the reporter's clock (NTP)",
		time.Second:       "",
	} {
		var b Builder
		now := noon
		b.Build(now, at(skew, now))
		now = now.Add(10 * time.Second)
		docs := at(skew, now)
		v := b.Build(now, docs)
		if q, s := v.Apps["shop"].Queues["sqs/orders"], v.Apps["shop"].Servers["web-1"]; q.Status != Fresh || s.Status != Fresh {
			t.Errorf("%v: the queue is %s and the server %s", skew, q.Status, s.Status)
		}
		for _, p := range v.Problems {
			if p.Reason != want {
				t.Errorf("%v: %v", skew, p)
			}
		}
		if n := len(v.Problems); want == "" && n > 0 || want != "" && n != 2 {
			t.Errorf("%v: problems are %v", skew, v.Problems)
		}
		// Once it is no longer made anew, its age tells.
		if v = b.Build(now.Add(time.Minute), docs); skew != time.Second && v.Apps["shop"].Queues["sqs/orders"].Status != Stale {
			t.Errorf("%v: a minute later the queue is %s", skew, v.Apps["shop"].Queues["sqs/orders"].Status)
		}
	}
}
