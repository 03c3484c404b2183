package protocol

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gravito-framework/pulse/protocol/schema"
)

var anyTrends = rapid.Custom(func(t *rapid.T) Trends {
	counts := rapid.Int64Range(0, MaxCount)
	trends := rapid.Custom(func(t *rapid.T) (trend Trend) {
		trend.WaitingPerMin = rapid.Ptr(rapid.Float64Range(-1e9, 1e9), true).Draw(t, "rate")
		trend.ProcessedPerMin = rapid.Ptr(rapid.Float64Range(0, 1e9), true).Draw(t, "processed")
		trend.ArrivingPerMin = rapid.Ptr(rapid.Float64Range(0, 1e9), true).Draw(t, "arriving")
		trend.WaitSeconds = rapid.Ptr(counts, true).Draw(t, "wait")
		trend.DrainSeconds = rapid.Ptr(counts, true).Draw(t, "drain")
		if low := rapid.Ptr(counts, true).Draw(t, "low"); low != nil {
			trend.DrainRange = &[2]int64{*low, rapid.Int64Range(*low, MaxCount).Draw(t, "high")}
		}
		return trend
	})
	verdicts := rapid.Custom(func(t *rapid.T) Verdict {
		return Verdict{
			Source: rapid.SampledFrom([]string{"", "-", "redis"}).Draw(t, "source"),
			Health: rapid.SampledFrom([]Health{HealthOK, HealthGrowing, HealthStalled, HealthFailing, HealthPaused, HealthUnknown}).Draw(t, "health"),
			Reason: rapid.StringN(0, 40, 200).Draw(t, "reason"),
			Trend:  trends.Draw(t, "trend"),
		}
	})
	alerts := rapid.Custom(func(t *rapid.T) Alert {
		text := rapid.StringN(1, 20, 100)
		return Alert{
			Rule: text.Draw(t, "rule"), Kind: text.Draw(t, "kind"), Key: text.Draw(t, "key"), Reason: rapid.StringN(0, 20, 100).Draw(t, "reason"),
			Since: counts.Draw(t, "since"), Sent: counts.Draw(t, "sent"),
		}
	})
	problems := rapid.SliceOfN(rapid.StringN(1, 20, 100), 0, maxRecorderProblems).Draw(t, "problems")
	if len(problems) == 0 {
		problems = nil
	}
	fires := rapid.MapOfN(rapid.StringMatching(`[0-9a-f]{16}`), alerts, 0, 3).Draw(t, "alerts")
	if len(fires) == 0 {
		fires = nil
	}
	return Trends{
		Alerts:    fires,
		Problems:  problems,
		Timestamp: rapid.Int64Range(minTimestamp, maxTimestamp).Draw(t, "timestamp"),
		App:       rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._@-]{0,20}`).Draw(t, "app"),
		Queues:    rapid.MapOfN(rapid.StringN(1, 40, 200), rapid.Ptr(verdicts, false), 0, 5).Draw(t, "queues"),
	}
})

// TestTrendsAreReadAsTheyWereWritten guards that nothing is lost on the way, and that what is written is what the
// schema says.
func TestTrendsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	s := compile(t, schema.Trends)
	rapid.Check(t, func(t *rapid.T) {
		trends := anyTrends.Draw(t, "trends")
		data, err := trends.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := bySchemaText(s, data); err != nil {
			t.Fatal(err)
		}
		back, err := DecodeTrends(data)
		if diff := cmp.Diff(trends, back); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
	})
}

// TestTrendsThatAreNotOursHideNoOther guards that what cannot be read of one queue is left out alone.
func TestTrendsThatAreNotOursHideNoOther(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxQueueKey+1)
	got, err := DecodeTrends([]byte(`{"timestamp":1764000000000,"app":"shop","more":1,"queues":{
		"sqs/a":{"health":"growing","reason":7,"trend":{"waiting_per_min":1e999,"drain_seconds":-1,"drain_range":[2,1],"more":1},"more":1},
		"sqs/b":{"health":"excellent"}, "sqs/c":[], "sqs/d":null, "` + long + `":{"health":"ok"},
		"sqs/e":{"health":"ok","trend":[1],"reason":"` + long + `"},
		"sqs/f":{"health":"ok","trend":{"waiting_per_min":-2.5,"drain_seconds":60,"drain_range":[1,2,3]}},
		"sqs/g":{"health":"ok","trend":{"waiting_per_min":"1","drain_range":[1]}}},
		"alerts":{"a":{"rule":"lost","kind":"reporter","key":"sqs","since":-1,"sent":"x","more":1},"b":{"kind":"queue"},"c":[],"d":null},"problems":["why",7,""]}`))
	want := Trends{Timestamp: noon, App: "shop", Queues: map[string]*Verdict{
		"sqs/a": {Health: HealthGrowing},
		"sqs/e": {Health: HealthOK, Reason: cut(long)},
		"sqs/f": {Health: HealthOK, Trend: Trend{WaitingPerMin: new(-2.5), DrainSeconds: new(int64(60))}},
		"sqs/g": {Health: HealthOK},
	}, Alerts: map[string]Alert{"a": {Rule: "lost", Kind: "reporter", Key: "sqs"}}, Problems: []string{"why"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("%v\n%s", err, diff)
	}
}

// TestTrendsAreBounded guards that no document makes a reader keep more queues than a snapshot may have.
func TestTrendsAreBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"timestamp":1764000000000,"app":"shop","queues":{"sqs/q":{"health":"ok"}`)
	for i := range MaxQueues + 5 {
		fmt.Fprintf(&b, `,"sqs/%d":{"health":"ok"}`, i)
	}
	got, err := DecodeTrends([]byte(b.String() + "}}"))
	if err != nil || len(got.Queues) != MaxQueues {
		t.Fatalf("%d queues, %v", len(got.Queues), err)
	}
}

func TestWrongTrends(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[]`: "not a JSON object", `{`: "JSON", `{"timestamp":1764000000000}`: "app is", `{"app":"shop"}`: "timestamp is missing",
		`{"app":"shop","timestamp":1764000000}`: "Unix milliseconds",
	} {
		if _, err := DecodeTrends([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for _, trends := range []Trends{
		{Timestamp: 1, App: "shop"},
		{Timestamp: noon, App: "a b"},
		{Timestamp: noon, App: "shop", Queues: map[string]*Verdict{"sqs/a": {Health: "excellent"}}},
		{Timestamp: noon, App: "shop", Alerts: map[string]Alert{"a": {Kind: "queue"}}},
	} {
		if _, err := trends.Encode(); err == nil {
			t.Errorf("%v is written", trends)
		}
	}
}

// FuzzDecodeTrends guards that what can be read can be written, and is then read as the same.
func FuzzDecodeTrends(f *testing.F) {
	f.Add([]byte(`{"timestamp":1764000000000,"app":"shop","queues":{"sqs/a":{"health":"growing","reason":"why","trend":{"waiting_per_min":-1.5,"drain_seconds":60,"drain_range":[50,70]}}},"alerts":{"a":{"rule":"lost","kind":"reporter","key":"sqs","since":1,"sent":2}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		read, err := DecodeTrends(data)
		if err != nil {
			return
		}
		written, err := read.Encode()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := DecodeTrends(written)
		if diff := cmp.Diff(read, back); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
	})
}
