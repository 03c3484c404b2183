package protocol

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sized is a snapshot of one queue that takes so many bytes.
func sized(size int) *QueueSnapshot {
	s := &QueueSnapshot{Timestamp: noon, App: "shop", Queues: []Queue{{Name: "a", Driver: DriverSQS}}}
	s.Queues[0].Meta.SetText("x", "")
	s.Queues[0].Meta.SetText("x", strings.Repeat("x", size-len(s.AppendJSON(nil))))
	return s
}

func TestLargestDocumentIsWrittenAndOneByteMoreIsNot(t *testing.T) {
	if data, err := sized(MaxDocument).Encode(); err != nil || len(data) != MaxDocument {
		t.Errorf("%d bytes: %v", len(data), err)
	}
	if _, err := sized(MaxDocument + 1).Encode(); err == nil {
		t.Error("one byte more is written")
	}
}

func TestLargestAndSmallestOfEachNumberAreWrittenAndRead(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*QueueSnapshot)
		ok     bool
	}{
		"the longest interval": {func(s *QueueSnapshot) { s.IntervalMS = maxInterval }, true},
		"a longer one":         {func(s *QueueSnapshot) { s.IntervalMS = maxInterval + 1 }, false},
		"one below 0":          {func(s *QueueSnapshot) { s.IntervalMS = -1 }, false},
		"the longest name":     {func(s *QueueSnapshot) { s.Queues[0].Name = strings.Repeat("x", MaxQueueName) }, true},
		"a longer name":        {func(s *QueueSnapshot) { s.Queues[0].Name = strings.Repeat("x", MaxQueueName+1) }, false},
		"the largest count":    {func(s *QueueSnapshot) { s.Queues[0].Metrics.Waiting = MaxCount }, true},
		"the first timestamp":  {func(s *QueueSnapshot) { s.Timestamp = minTimestamp }, true},
		"one before it":        {func(s *QueueSnapshot) { s.Timestamp = minTimestamp - 1 }, false},
		"the last timestamp":   {func(s *QueueSnapshot) { s.Timestamp = maxTimestamp }, true},
		"one after it":         {func(s *QueueSnapshot) { s.Timestamp = maxTimestamp + 1 }, false},
	} {
		want := sized(200)
		tc.change(want)
		if err := want.Validate(); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
		got, problems, err := DecodeSnapshot(want.AppendJSON(nil))
		if read := err == nil && len(problems) == 0 && cmp.Diff(*want, got) == ""; read != tc.ok {
			t.Errorf("%s is read as %+v, %v, %v", name, got, problems, err)
		}
	}
}

func TestQueueThatCannotBeWrittenIsLeftOutAndItsNeighboursAreNot(t *testing.T) {
	s := &QueueSnapshot{Timestamp: noon, App: "shop", Problems: []Problem{{Reason: "there before"}}, Queues: []Queue{
		{Name: "orders", Driver: DriverSQS, Metrics: Metrics{Waiting: -1}},
		{Name: "orders", Driver: DriverSQS, Metrics: Metrics{Waiting: 2}}, // the other one was no queue at all
		{Name: "orders", Driver: DriverSQS, Metrics: Metrics{Waiting: 3}},
		{Name: "orders", Driver: DriverSQS, Metrics: Metrics{Waiting: -4}},
		{Name: "mail", Driver: DriverSQS, Metrics: Metrics{Waiting: 5}},
	}}
	data, err := s.EncodeUsable()
	if err != nil {
		t.Fatal(err)
	}
	got, problems, err := DecodeSnapshot(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Queues) != 2 || got.Queues[0].Metrics.Waiting != 2 || got.Queues[1].Metrics.Waiting != 5 {
		t.Errorf("queues are %+v", got.Queues)
	}
	want := []Problem{
		{"", "there before"},
		{"orders", "it is left out: waiting is -1: a count is 0 to 2^53-1"},
		{"orders", "it is left out: sqs has this name twice"},
		{"orders", "it is left out: waiting is -4: a count is 0 to 2^53-1"},
	}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestQueuesThatTogetherAreTooLargeLeaveRoomForTheirProblems: the bound is of the whole document.
func TestQueuesThatTogetherAreTooLargeLeaveRoomForTheirProblems(t *testing.T) {
	s := &QueueSnapshot{Timestamp: noon, App: "shop", Queues: []Queue{{Name: "bad"}}}
	for range 50 {
		s.Problems = append(s.Problems, Problem{Reason: strings.Repeat("x", 10<<10)})
	}
	const all = 1000
	for i := range all {
		s.Queues = append(s.Queues, Queue{Name: fmt.Sprint(i), Driver: DriverSQS})
		s.Queues[1+i].Meta.SetText("x", strings.Repeat("x", 9<<10))
	}
	if _, err := s.EncodeUsable(); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Queues); n < 700 || n >= all {
		t.Errorf("%d queues of %d are left", n, all)
	}
	if len(s.Problems) != 52 {
		t.Fatalf("%d problems", len(s.Problems))
	}
	want := fmt.Sprintf("%d queues are left out: all together are more than 8388608 bytes", all-len(s.Queues))
	if got := s.Problems[51].Reason; !strings.HasPrefix(got, want) {
		t.Errorf("%.200s: want %s", got, want)
	}
}

// TestLargeQueuesDoNotCrowdOutTheSmall, which would fit without them.
func TestLargeQueuesDoNotCrowdOutTheSmall(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		large []int // bytes of each
		left  int   // of them
		named int
		more  string // in a problem
	}{
		{[]int{5 << 20, 2 << 20, 1 << 20}, 2, 1, ""},
		{[]int{7 << 20, 8 << 20, 7 << 20}, 0, 3, ""},
		{slices.Repeat([]int{300 << 10}, 60), 23, 20, "17 more queues are left out that are as large"},
	} {
		s := &QueueSnapshot{Timestamp: noon, App: "shop"}
		for i, size := range append(tc.large, make([]int, 100)...) {
			s.Queues = append(s.Queues, Queue{Name: fmt.Sprint(i), Driver: DriverSQS})
			s.Queues[i].Meta.SetText("x", strings.Repeat("x", size))
		}
		if _, err := s.EncodeUsable(); err != nil {
			t.Fatal(err)
		}
		named, more := 0, ""
		for _, p := range s.Problems {
			switch {
			case p.Queue == "":
				more = p.Reason
			case strings.HasPrefix(p.Reason, "it is left out: it has "):
				named++
			}
		}
		if left := len(s.Queues) - 100; left != tc.left || named != tc.named || more != tc.more {
			t.Errorf("%d large ones are left, %d are named, and %q", left, named, more)
		}
	}
}

// TestWhatIsTooLargeIsNotEncodedFirst has queues whose JSON is 20 times what a document may have.
func TestWhatIsTooLargeIsNotEncodedFirst(t *testing.T) { //nolint:paralleltest // it counts what the process allocates
	s := &QueueSnapshot{Timestamp: noon, App: "shop"}
	for i := range 30_000 {
		s.Queues = append(s.Queues, Queue{Name: fmt.Sprintf("%05d%s", i, strings.Repeat("\x01", 1000)), Driver: DriverSQS})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if data, err := s.EncodeUsable(); err != nil || len(data) > MaxDocument {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 8*MaxDocument {
		t.Errorf("it took %d MiB", took>>20)
	}
}
