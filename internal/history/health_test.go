package history

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/protocol"
)

// now is a sample of a queue with these jobs; a negative count is unknown.
func now(waiting, active, failed, workers int64) Sample {
	count := func(n int64) *int64 {
		if n < 0 {
			return nil
		}
		return &n
	}
	return Sample{Metrics: protocol.Metrics{Waiting: waiting, Active: count(active), Failed: count(failed)}, Workers: count(workers)}
}

func paused(s Sample) Sample      { s.Paused = true; return s }
func lost(s Sample) Sample        { s.Lost = true; return s }
func deadLetters(s Sample) Sample { s.DeadLetters = true; return s }

// failures are looks at a queue that is busy.
func failures(failed ...int64) []Sample {
	var looks []Sample
	for _, n := range failed {
		looks = append(looks, now(0, 3, n, -1))
	}
	return looks
}

func TestHealth(t *testing.T) {
	const absent = -1
	gap := Sample{Name: "nobody looked"}
	var grows, deadGrows []Sample
	for i := range int64(8) {
		grows = append(grows, now(4000+i*1200, 5, 0, 5))
		deadGrows = append(deadGrows, deadLetters(now(i*20, 0, absent, absent)))
	}
	for _, c := range []struct {
		name   string
		looks  []Sample
		want   protocol.Health
		reason string
	}{
		{"nobody works", []Sample{now(5365, 0, 0, 0), now(5365, 0, 0, 0)}, protocol.HealthStalled, "5,365 wait, nothing is active and no worker is connected"},
		{"nothing is active, workers unknown", []Sample{now(1, 0, 0, absent), now(1, 0, 0, absent)}, protocol.HealthStalled, "1 waits and nothing is active"},
		{"no workers, active unknown", []Sample{now(2, absent, 0, 0), now(3, absent, 0, 0)}, protocol.HealthStalled, "3 wait and no worker is connected"},
		{"neither can be counted", []Sample{now(2, absent, 0, absent), now(3, absent, 0, absent)}, protocol.HealthOK, ""},
		{"workers that do nothing are no dead workers", []Sample{now(5365, 0, 0, 4), now(5365, 0, 0, 4)}, protocol.HealthOK, "5,365 wait and nothing is active, but 4 workers are connected"},
		{"overload", []Sample{now(5365, 4, 0, 4), now(5365, 4, 0, 4)}, protocol.HealthOK, ""},
		{"a job that just came", []Sample{now(0, 0, 0, 0), now(1, 0, 0, 0)}, protocol.HealthOK, ""},
		{"seen once", []Sample{now(1, 0, 0, 0)}, protocol.HealthUnknown, "it was looked at once so far: a judgement takes two looks, a minute apart"},
		{"seen twice, long apart", []Sample{now(1, 0, 0, 0), gap, gap, now(1, 0, 0, 0)}, protocol.HealthUnknown, "it was looked at once so far: a judgement takes two looks, a minute apart"},
		{"a missed minute", []Sample{now(1, 0, 0, 0), gap, now(1, 0, 0, 0)}, protocol.HealthStalled, "1 waits, nothing is active and no worker is connected"},
		{"fewer wait", []Sample{now(9, 0, 0, absent), now(8, 0, 0, absent)}, protocol.HealthOK, ""},
		{"just resumed", []Sample{paused(now(9, 0, 0, 0)), now(9, 0, 0, 0)}, protocol.HealthOK, ""},
		{"empty, seen once", []Sample{now(0, 0, 0, 0)}, protocol.HealthOK, ""},
		{"busy, seen once", []Sample{now(1, 2, 0, 2)}, protocol.HealthUnknown, "it was looked at once so far: a judgement takes two looks, a minute apart"},

		{"paused", []Sample{now(1000, 0, 0, 0), paused(now(1000, 0, 0, 0))}, protocol.HealthPaused, "it is paused, and 1,000 wait"},
		{"paused and empty", []Sample{paused(now(0, 0, 0, 0))}, protocol.HealthPaused, "it is paused"},
		{"paused and lost", []Sample{paused(lost(now(9, 0, 0, 0)))}, protocol.HealthPaused, "it was paused when it was last reported"},
		{"lost", []Sample{now(9, 0, 0, 0), now(9, 0, 0, 0), lost(now(9, 0, 0, 0))}, protocol.HealthUnknown, "its reporter's key is gone: the reporter stopped, or cannot reach Redis; these are its last numbers"},
		{"back", []Sample{now(9, 0, 0, 0), lost(now(9, 0, 0, 0)), now(9, 0, 0, 0)}, protocol.HealthStalled, "9 wait, nothing is active and no worker is connected"},
		{"a dead-letter queue", []Sample{deadLetters(now(9, 0, absent, absent)), deadLetters(now(9, 0, absent, absent))}, protocol.HealthOK, "a dead-letter queue: 9 wait for a person"},
		{"an empty dead-letter queue", []Sample{deadLetters(now(0, 0, absent, absent))}, protocol.HealthOK, ""},
		{"a dead-letter queue that gets more", deadGrows, protocol.HealthOK, "a dead-letter queue: 140 wait for a person"},

		{"fails each minute", failures(10, 11, 12), protocol.HealthFailing, "2 more failed in the last 5 minutes: 12 in all"},
		{"fails every other minute", failures(1000, 1001, 1001, 1002, 1002), protocol.HealthFailing, "2 more failed in the last 5 minutes: 1,002 in all"},
		{"a burst that is over", failures(0, 500, 500, 500), protocol.HealthOK, ""},
		{"failed six minutes ago", failures(0, 1, 2, 2, 2, 2, 2, 2), protocol.HealthOK, ""},
		{"failed five minutes ago", failures(0, 1, 2, 2, 2, 2), protocol.HealthFailing, "2 more failed in the last 5 minutes: 2 in all"},
		{"a number that is estimated", failures(3000, 2925, 3071, 2988, 3102), protocol.HealthOK, ""},
		{"failed jobs are tidied up while more come", failures(100, 110, 107, 120), protocol.HealthFailing, "23 more failed in the last 5 minutes: 120 in all"},
		{"a number that is estimated, and happens to rise", failures(3000, 3071, 3020, 3102), protocol.HealthOK, ""},
		{"failed jobs are retried", failures(100, 90, 80), protocol.HealthOK, ""},
		{"failed unknown", []Sample{now(0, 1, absent, absent), now(0, 1, 5, absent), now(0, 1, absent, absent)}, protocol.HealthOK, ""},
		{"unknown now", []Sample{now(0, 1, 5, absent), now(0, 1, 6, absent), now(0, 1, 7, absent), now(0, 1, absent, absent)}, protocol.HealthOK, ""},
		{"unknown for a minute", []Sample{now(0, 1, 5, absent), now(0, 1, 6, absent), now(0, 1, absent, absent), now(0, 1, 0, absent), now(0, 1, 7, absent)}, protocol.HealthFailing, "8 more failed in the last 5 minutes: 7 in all"},
		{"a rise over a gap", []Sample{now(0, 1, 0, 1), gap, gap, now(0, 1, 50, 1), now(0, 1, 51, 1)}, protocol.HealthOK, ""},
		{"stalled comes before failing", []Sample{now(5, 0, 1, 0), now(5, 0, 2, 0), now(5, 0, 3, 0)}, protocol.HealthStalled, "5 wait, nothing is active and no worker is connected"},

		{"grows", grows, protocol.HealthGrowing, "about 1,200 more a minute: 12,400 wait"},
		{"failing comes before growing", failGrowing(grows), protocol.HealthFailing, "5 more failed in the last 5 minutes: 7 in all"},
	} {
		var w Window
		for i, s := range c.looks {
			if s.Name != gap.Name {
				w.Add(entryAt(int64(i)), &s)
			}
		}
		s := c.looks[len(c.looks)-1]
		if health, reason := w.Judge(&s); health != c.want || reason != c.reason {
			t.Errorf("%s: %s, %q: want %s, %q", c.name, health, reason, c.want, c.reason)
		}
	}
}

func failGrowing(looks []Sample) []Sample {
	looks = slices.Clone(looks)
	for i := range looks {
		looks[i].Metrics.Failed = new(int64(i))
	}
	return looks
}

// A window says the same of its last looks as all points do.
func TestAWindowKeepsEnough(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var w Window
	var points []Point
	up, unknown, growing := 0, 0, 0
	for minute := int64(0); minute < 3000; minute++ {
		if r.IntN(20) == 0 {
			minute += r.Int64N(4)
		}
		s := now(minute%40*10+r.Int64N(60), 1, 0, 1)
		w.Add(entryAt(minute)+r.Int64N(minuteMS), &s)
		points = append(points, Point{entryAt(minute), s.Metrics.Waiting})
		want, got := TrendOf(points), w.Trend()
		if diff := cmp.Diff(want, got, sameTrend); diff != "" {
			t.Fatalf("minute %d: -want +got:\n%s", minute, diff)
		}
		if health, _ := w.Judge(&s); (health == protocol.HealthGrowing) != IsGrowing(points) {
			t.Fatalf("minute %d: %s", minute, health)
		} else if health == protocol.HealthGrowing {
			growing++
		}
		switch got.Direction {
		case DirectionUp:
			up++
		case DirectionUnknown:
			unknown++
		}
	}
	if up == 0 || unknown == 0 || growing == 0 {
		t.Errorf("up %d times, unknown %d times, growing %d times: each is due", up, unknown, growing)
	}
}

func TestALostQueueHasNoTrend(t *testing.T) {
	var w Window
	for i, value := range []int64{50, 40, 30, 20, 10} {
		s := now(value, 1, 0, 1)
		w.Add(entryAt(int64(i)), &s)
	}
	s := lost(now(10, 1, 0, 1))
	if w.Add(entryAt(5), &s); w.Trend().Direction != DirectionUnknown {
		t.Errorf("lost: %+v", w.Trend())
	}
	s = now(5, 1, 0, 1)
	if w.Add(entryAt(6), &s); w.Trend().Direction != DirectionDown {
		t.Errorf("back: %+v", w.Trend())
	}
}

func TestTwoLooksInOneMinuteAreOne(t *testing.T) {
	var w Window
	first, second := now(9, 0, 0, 0), now(9, 0, 0, 0)
	w.Add(entryAt(0), &first)
	w.Add(entryAt(0)+30_000, &second)
	if health, _ := w.Judge(&second); health != protocol.HealthUnknown || w.n != 1 {
		t.Errorf("%s, %d looks", health, w.n)
	}
	w.Add(entryAt(1), &second)
	if health, _ := w.Judge(&second); health != protocol.HealthStalled {
		t.Error(health)
	}
	w.Add(entryAt(1-(1<<16)+1), &second) // the clock was set back
	if health, _ := w.Judge(&second); health != protocol.HealthUnknown {
		t.Error(health)
	}
}

// A recorder that starts again judges as one that went on.
func TestAWindowComesBackFromHistory(t *testing.T) {
	samples := queues(30)
	r := rand.New(rand.NewPCG(7, 8))
	windows := make([]Window, len(samples))
	e, d := NewEncoder(day, nil), Decoder{From: entryAt(20)}
	for minute := range int64(40) {
		busy(r, samples, 20)
		samples[3].Metrics.Waiting = minute * 50
		samples[4].Paused = minute%10 == 9
		samples[5].Lost = minute%10 > 7
		samples[6].Metrics.Failed = new(minute)
		samples[7].Metrics.Active = nil
		samples[7].Workers = new(minute % 2)
		if minute == 30 {
			continue
		}
		data, _ := e.Encode(entryAt(minute), samples)
		if err := d.Add(entryAt(minute), data); err != nil {
			t.Fatal(err)
		}
		for i := range samples {
			windows[i].Add(entryAt(minute), &samples[i])
		}
	}
	healths := map[protocol.Health]bool{}
	for i := range samples {
		s := &samples[i]
		w := d.Window(s.Key)
		w.Add(d.At(), s)
		healthBefore, reasonBefore := windows[i].Judge(s)
		health, reason := w.Judge(s)
		if health != healthBefore || reason != reasonBefore {
			t.Errorf("%s: %s, %q after it started again, %s, %q before", s.Key, health, reason, healthBefore, reasonBefore)
		}
		if diff := cmp.Diff(windows[i].Trend(), w.Trend(), sameTrend); diff != "" {
			t.Errorf("%s: -want +got:\n%s", s.Key, diff)
		}
		healths[health] = true
	}
	if len(healths) < 5 {
		t.Errorf("the healths were %v: more are due", healths)
	}
}

// TestThroughputOfAWindow: a counter of finished jobs, of which some looks know nothing, also by a recorder that starts
// again.
func TestThroughputOfAWindow(t *testing.T) {
	t.Parallel()
	var w Window
	var d Decoder
	e := NewEncoder(day, nil)
	for minute := range int64(8) {
		s := Sample{Key: "sqs/q", Name: "q", Driver: protocol.DriverSQS, Metrics: protocol.Metrics{Waiting: 300 + 10*minute}, Processed: new(1000 + 60*minute)}
		if minute == 3 {
			s.Processed = nil
		}
		w.Add(entryAt(minute), &s)
		entry, _ := e.Encode(entryAt(minute), []Sample{s})
		if err := d.Add(entryAt(minute), entry); err != nil {
			t.Fatal(err)
		}
	}
	again := d.Window("sqs/q")
	want := protocol.Trend{WaitingPerMin: new(10.0), ProcessedPerMin: new(60.0), ArrivingPerMin: new(70.0), WaitSeconds: new(int64(370))}
	for name, w := range map[string]*Window{"as it went": &w, "from history": &again} {
		if diff := cmp.Diff(want, w.Trend().Trend); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
	for s := range d.Last() {
		if s.Processed == nil || *s.Processed != 1420 {
			t.Errorf("the last sample is %+v", s)
		}
	}
}

// What a recorder of 10,000 queues holds, and what it takes in a minute, even if nothing is collected meanwhile.
func TestMemoryOfARecorder(t *testing.T) {
	const most = 64 << 20
	if size := unsafe.Sizeof(Window{}); size > 232 {
		t.Errorf("a window takes %d bytes", size)
	}
	heap := func() (m runtime.MemStats) {
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m
	}
	before := heap()
	m := newRecorder(10_000)
	for minute := range int64(20) {
		busy(m.r, m.samples, 1000)
		m.look(minute)
	}
	held := heap()
	m.encoder.Restart() // the dearest minute has a keyframe
	m.look(20)
	after := heap()
	holds, takes := int64(held.HeapAlloc)-int64(before.HeapAlloc), int64(after.TotalAlloc-held.TotalAlloc)
	t.Logf("10,000 queues: %.1f MiB, and %.1f MiB in a minute", float64(holds)/(1<<20), float64(takes)/(1<<20))
	if holds+takes > most {
		t.Errorf("%d bytes", holds+takes)
	}
	runtime.KeepAlive(m)
}

// recorder is what a recorder does with history each minute.
type recorder struct {
	samples []Sample
	windows map[Key]*Window
	encoder *Encoder
	r       *rand.Rand
	trends  map[Key]Trend
	healths map[Key]string
}

func newRecorder(n int) *recorder {
	m := &recorder{samples: queues(n), windows: map[Key]*Window{}, encoder: NewEncoder(day, nil), r: rand.New(rand.NewPCG(1, 2)), trends: map[Key]Trend{}, healths: map[Key]string{}}
	for i := range m.samples {
		m.windows[m.samples[i].Key] = &Window{}
	}
	return m
}

func (m *recorder) look(minute int64) {
	m.encoder.Encode(entryAt(minute), m.samples)
	for i := range m.samples {
		s := &m.samples[i]
		w := m.windows[s.Key]
		w.Add(entryAt(minute), s)
		m.trends[s.Key] = w.Trend()
		health, reason := w.Judge(s)
		m.healths[s.Key] = string(health) + reason
	}
}

func BenchmarkAMinute(b *testing.B) {
	for _, changes := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("%d_of_10000_queues_change", changes), func(b *testing.B) {
			m := newRecorder(10_000)
			minute := int64(0)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				busy(m.r, m.samples, changes)
				minute++
				b.StartTimer()
				m.look(minute)
			}
		})
	}
}

// TestLooksItTakes: what the last of so many looks, and none before, can show.
func TestLooksItTakes(t *testing.T) {
	t.Parallel()
	// healthAt is the health at the last of so many looks.
	healthAt := func(looks int, look func(minute int) Sample) (health protocol.Health) {
		var w Window
		for minute := range looks {
			s := look(minute)
			w.Add(int64(minute)*minuteMS, &s)
			health, _ = w.Judge(&s)
		}
		return health
	}
	for looks, want := range map[int]protocol.Health{GrowingLooks - 1: protocol.HealthOK, GrowingLooks: protocol.HealthGrowing} {
		if got := healthAt(looks, func(minute int) Sample { return now(int64(1000*minute), 1, 0, 1) }); got != want {
			t.Errorf("at look %d of one that grows it is %s, want %s", looks, got, want)
		}
	}
	for looks, want := range map[int]protocol.Health{FailingLooks: protocol.HealthFailing, FailingLooks + 1: protocol.HealthOK} {
		got := healthAt(looks, func(minute int) Sample {
			failed := int64(min(minute, 1)) // in the first minute of those, and in the last
			if minute == looks-1 {
				failed++
			}
			return now(0, 1, failed, 1)
		})
		if got != want {
			t.Errorf("at look %d of one that failed in the first minute and the last it is %s, want %s", looks, got, want)
		}
	}
	for minutes, want := range map[int64]bool{1: false, 2: false, 3: true, -1: true} {
		if got := IsGap(10*minuteMS, (10+minutes)*minuteMS+10_000); got != want {
			t.Errorf("%d minutes are a gap: %v", minutes, got)
		}
	}
}
