package bullmq

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/probes/adapter"
)

func counted(n string) map[string]string {
	return map[string]string{"count": n, "prevTS": "1764000000000", "prevCount": "1"}
}

func TestFinishedJobsAreThoseThatWorkersCount(t *testing.T) {
	for _, tc := range []struct {
		name              string
		completed, failed any
		want              map[string]any
	}{
		{"no worker counts", nil, nil, map[string]any{}},
		{"both", counted("7"), counted("3"), map[string]any{"processed": 10.0, "processed_failed": 3.0}},
		{"none has failed", counted("7"), nil, map[string]any{"processed": 7.0, "processed_failed": 0.0}},
		{"all have failed", nil, counted("3"), map[string]any{"processed": 3.0, "processed_failed": 3.0}},
		{"a counter of something else", counted("many"), counted("3"), map[string]any{}},
		{"a negative one", counted("-1"), counted("3"), map[string]any{}},
		{"one beyond all numbers", counted("9007199254740991"), counted("3"), map[string]any{}},
		{"one that may not be read", adapter.Refusal("NOPERM no permissions"), counted("3"), map[string]any{}},
		{"a hash without a count", map[string]string{"prevTS": "1"}, nil, map[string]any{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := keys{
				"bull:q:meta": v4, "bull:q:metrics:completed": tc.completed, "bull:q:metrics:failed": tc.failed,
				"bull:q:completed": int64(1), "bull:q:completed first": "1764000060000", // the last that the counter's point may have
			}
			session := openFor(t, "q")
			for poll := range 2 { // the second one knows which there are
				s, _, err := k.poll(t, session, noon.Add(time.Duration(poll)*time.Second))
				if err != nil {
					t.Fatal(err)
				}
				got := map[string]any{}
				for _, name := range []string{"processed", "processed_failed"} {
					if n, ok := s.Queues[0].Meta.Map()[name]; ok {
						got[name] = n
					}
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("poll %d (-want +got):\n%s", poll, diff)
				}
			}
		})
	}
}

// Of a queue where workers without the option finish jobs, too, or where it was taken away, nothing is known.
func TestACounterThatIsBehindIsNone(t *testing.T) {
	k := keys{
		"bull:q:meta": v4, "bull:q:metrics:completed": map[string]string{"count": "7", "prevTS": "1764000000000"},
		"bull:q:completed": int64(8), "bull:q:completed first": "1764000060001",
	}
	s, _, err := k.poll(t, openFor(t, "q"), noon)
	if err != nil || s.Queues[0].Meta.Has("processed") || s.Queues[0].Meta.Has("processed_failed") {
		t.Errorf("%+v, %v", s.Queues[0].Meta.Map(), err)
	}
}

// Most queues have no counters, and few get or lose them.
func TestCountersAreLookedForOnceAMinute(t *testing.T) {
	const first = perQueue + 4 // and who is connected
	k := keys{"bull:q:meta": v4}
	s := openFor(t, "q")
	for _, tc := range []struct {
		after     time.Duration
		change    func()
		asked     int
		processed int64
		known     bool
	}{
		{after: 0, asked: first + 2},
		{after: 10 * time.Second, asked: first},
		{after: 20 * time.Second, change: func() { k["bull:q:metrics:completed"] = counted("5") }, asked: first},
		{after: 60 * time.Second, asked: first + 2, processed: 5, known: true},
		{after: 70 * time.Second, change: func() { k["bull:q:metrics:completed"] = counted("6") }, asked: first + 2, processed: 6, known: true},
		{after: 75 * time.Second, change: func() { k["bull:q:metrics:failed"] = counted("2") }, asked: first + 2, processed: 8, known: true},
		{after: 80 * time.Second, change: func() { delete(k, "bull:q:metrics:completed"); delete(k, "bull:q:metrics:failed") }, asked: first + 2},
		{after: 90 * time.Second, asked: first},
		{after: 40 * time.Second, asked: first + 2}, // the clock was set back
	} {
		if tc.change != nil {
			tc.change()
		}
		got, asked, err := k.poll(t, s, noon.Add(tc.after))
		if err != nil {
			t.Fatal(err)
		}
		n, known := got.Queues[0].Meta.Int("processed")
		if asked != tc.asked || n != tc.processed || known != tc.known {
			t.Errorf("after %v it asked %d requests, and %d jobs have finished (%v), want %d, %d (%v)", tc.after, asked, n, known, tc.asked, tc.processed, tc.known)
		}
	}
}

// A queue that is found between two looks is asked in its first poll: from then on its counter only grows.
func TestANewQueueIsLookedAtAtOnce(t *testing.T) {
	k := keys{"bull:a:meta": v4}
	s := openFor(t, "*")
	if _, _, err := k.poll(t, s, noon); err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.poll(t, s, noon.Add(50*time.Second)); err != nil {
		t.Fatal(err)
	}
	k["bull:b:meta"], k["bull:b:metrics:completed"] = v4, counted("5")
	if _, _, err := k.poll(t, s, noon.Add(60*time.Second)); err != nil { // it looks, before the walk gets there
		t.Fatal(err)
	}
	got, _, err := k.poll(t, s, noon.Add(90*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range got.Queues {
		if n, ok := q.Meta.Int("processed"); q.Name == "b" && (!ok || n != 5) {
			t.Errorf("%d jobs have finished (%v)", n, ok)
		}
	}
	if len(got.Queues) != 2 {
		t.Errorf("queues are %v", names(got))
	}
}
