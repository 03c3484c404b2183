package history

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gravito-framework/pulse/protocol"
)

// start is a minute.
const start = 1_764_000_000_000 / minuteMS * minuteMS

// Two other implementations agree on these.
func TestTrendVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/trend-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	type want struct {
		Rate, Lo, Hi, Window *float64
		Drain                *int64
		DrainMin             *int64 `json:"drain_min"`
		DrainMax             *int64 `json:"drain_max"`
		Why                  string
	}
	var vectors []struct {
		Name   string
		Points [][2]int64
		Want   want
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != 18 {
		t.Fatalf("%d vectors: there are 18", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			var points []Point
			for _, p := range v.Points {
				points = append(points, Point{start + p[0]*minuteMS, p[1]})
			}
			trend := TrendOf(points)
			got := want{Rate: trend.WaitingPerMin, Lo: trend.low, Hi: trend.high, Window: trend.window, Drain: trend.DrainSeconds, Why: trend.why}
			if trend.DrainRange != nil {
				got.DrainMin, got.DrainMax = &trend.DrainRange[0], &trend.DrainRange[1]
			}
			if diff := cmp.Diff(v.Want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			direction := DirectionNone
			switch {
			case len(v.Points) < 5:
				direction = DirectionUnknown
			case v.Want.Lo != nil && *v.Want.Rate > 0:
				direction = DirectionUp
			case v.Want.Lo != nil:
				direction = DirectionDown
			}
			if trend.Direction != direction {
				t.Errorf("direction %d: want %d", trend.Direction, direction)
			}
		})
	}
}

// runs draws one to 20 points, one a minute or with one minute missed.
func runs(most int64) *rapid.Generator[[]Point] {
	return rapid.Custom(func(t *rapid.T) []Point {
		at := int64(start)
		points := make([]Point, rapid.IntRange(1, 20).Draw(t, "points"))
		for i := range points {
			points[i] = Point{at, rapid.Int64Range(0, most).Draw(t, "value")}
			at += rapid.SampledFrom([]int64{1, 1, 1, 2}).Draw(t, "minutes") * minuteMS
		}
		return points
	})
}

func changed(points []Point, change func(*Point)) []Point {
	out := append([]Point(nil), points...)
	for i := range out {
		change(&out[i])
	}
	return out
}

var sameTrend = cmp.AllowUnexported(Trend{})

func TestAConstantHasNoDirection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.Int64Range(0, 1e9).Draw(t, "level")
		points := changed(runs(0).Draw(t, "points"), func(p *Point) { p.Value = level })
		trend := TrendOf(points)
		if trend.Direction == DirectionUp || trend.Direction == DirectionDown || trend.WaitingPerMin != nil && *trend.WaitingPerMin != 0 || IsGrowing(points) {
			t.Errorf("a constant %d: %+v", level, trend)
		}
		if len(points) >= 9 && trend.WaitingPerMin == nil {
			t.Errorf("a constant %d has no rate: 0 is due", level)
		}
	})
}

func TestTwiceTheJobsAreTwiceTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := runs(rapid.SampledFrom([]int64{1, 50, 1e6}).Draw(t, "most")).Draw(t, "points")
		once, twice := TrendOf(points), TrendOf(changed(points, func(p *Point) { p.Value *= 2 }))
		if (once.WaitingPerMin == nil) != (twice.WaitingPerMin == nil) || once.Direction != twice.Direction {
			t.Fatalf("once %+v, twice %+v", once, twice)
		}
		if once.WaitingPerMin != nil && *twice.WaitingPerMin != 2**once.WaitingPerMin {
			t.Errorf("a rate of %v became %v", *once.WaitingPerMin, *twice.WaitingPerMin)
		}
	})
}

// Of a straight line any minute may be missed. Points before a gap don't count at all.
func TestAGapIsNoZero(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perMin := rapid.Int64Range(1, 1000).Draw(t, "rate")
		line := changed(runs(0).Draw(t, "points"), func(p *Point) { p.Value = perMin * (p.At - start) / minuteMS })
		trend := TrendOf(line)
		if trend.Direction == DirectionUnknown {
			if len(line) >= 10 {
				t.Fatalf("unknown: %s", trend.why)
			}
		} else if trend.Direction != DirectionUp || *trend.WaitingPerMin != float64(perMin) {
			t.Errorf("%+v: the line rises by %d a minute", trend, perMin)
		}

		before := runs(1e6).Draw(t, "before")
		later := before[len(before)-1].At + 3*minuteMS - start
		after := changed(line, func(p *Point) { p.At += later })
		if diff := cmp.Diff(TrendOf(after), TrendOf(append(before, after...)), sameTrend); diff != "" {
			t.Errorf("points before a gap count:\n%s", diff)
		}
	})
}

func TestATrendDoesNotDependOnWhenItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := runs(50).Draw(t, "points")
		by := rapid.Int64Range(-start, start).Draw(t, "by")
		if diff := cmp.Diff(TrendOf(points), TrendOf(changed(points, func(p *Point) { p.At += by })), sameTrend); diff != "" {
			t.Error(diff)
		}
	})
}

func TestADrainIsWithinItsRange(t *testing.T) {
	seen := false
	rapid.Check(t, func(t *rapid.T) {
		noise := rapid.Int64Range(0, 200).Draw(t, "noise")
		points := runs(noise).Draw(t, "points")
		perMin := rapid.Int64Range(1, 1000).Draw(t, "rate")
		trend := TrendOf(changed(points, func(p *Point) { p.Value += perMin * (start + 40*minuteMS - p.At) / minuteMS }))
		if trend.DrainSeconds == nil {
			return
		}
		seen = true
		if r := trend.DrainRange; r == nil || r[0] > *trend.DrainSeconds || r[1] < *trend.DrainSeconds || r[0] < 0 {
			t.Errorf("%d seconds, range %v", *trend.DrainSeconds, r)
		}
	})
	if !seen {
		t.Error("no queue drained")
	}
}

// A hostile snapshot, a clock that was set: no number may overflow and none may be made of nothing.
func TestTrendsOfOddPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var points []Point
		for range rapid.IntRange(0, 30).Draw(t, "points") {
			at := start + rapid.Int64Range(-10, 10).Draw(t, "minute")*minuteMS + rapid.Int64Range(-1, 1).Draw(t, "late")
			points = append(points, Point{at, rapid.Int64Range(0, 1<<53-1).Draw(t, "value")})
		}
		trend := TrendOf(points)
		IsGrowing(points)
		if r := trend.WaitingPerMin; r != nil && (math.IsNaN(*r) || math.IsInf(*r, 0)) {
			t.Errorf("rate %v", *r)
		}
		if r := trend.DrainRange; r != nil && (r[0] < 0 || r[0] > r[1]) {
			t.Errorf("range %v", *r)
		}
	})
}

func minutes(values ...int64) []Point {
	points := make([]Point, len(values))
	for i, v := range values {
		points[i] = Point{start + int64(i)*minuteMS, v}
	}
	return points
}

func TestGrowing(t *testing.T) {
	for _, c := range []struct {
		name   string
		points []Point
		want   bool
	}{
		{"by 20 a minute", minutes(100, 120, 140, 160, 180, 200, 220), true},
		{"the same, seen once", minutes(100, 120, 140, 160, 180), false},
		{"twice, the first time of five points", minutes(100, 120, 140, 160, 180, 200), true},
		{"by fewer than 10 jobs", minutes(0, 1, 2, 3, 4, 5, 6), false},
		{"by less than a tenth of it", minutes(10000, 10020, 10040, 10060, 10080, 10100, 10120), false},
		{"flat, and up since a minute", minutes(100, 100, 100, 100, 100, 100, 200), false},
		{"clear now, not a minute ago", minutes(500, 100, 120, 140, 160, 180, 200), false},
		{"over now", minutes(100, 120, 140, 160, 180, 200, 100), false},
		{"down", minutes(220, 200, 180, 160, 140, 120, 100), false},
		{"nothing", nil, false},
	} {
		if got := IsGrowing(c.points); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

func TestThroughput(t *testing.T) {
	counter := minutes(0, 100, 200, 290, 400, 20, 120, 220) // started again after the fifth
	up := TrendOf(minutes(10, 20, 30, 40, 50, 60))
	want := protocol.Trend{WaitingPerMin: up.WaitingPerMin, ProcessedPerMin: new(100.0), ArrivingPerMin: new(110.0), WaitSeconds: new(int64(180))}
	up.setThroughput(counter, 300)
	if diff := cmp.Diff(want, up.Trend); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for name, c := range map[string]struct {
		counter []Point
		want    protocol.Trend
	}{
		"a reset counts nothing": {minutes(100, 0, 100, 0, 100, 0, 100, 0, 100, 0), protocol.Trend{ProcessedPerMin: new(100.0), WaitSeconds: new(int64(180))}},
		"nothing is finished":    {minutes(7, 7, 7, 7, 7), protocol.Trend{ProcessedPerMin: new(0.0)}},
		"too little is known":    {minutes(0, 100, 200, 300), protocol.Trend{}},
		"no counter":             {nil, protocol.Trend{}},
		"what was an hour ago":   {append(minutes(0, 100, 200, 300, 400, 500), Point{start + 60*minuteMS, 900}), protocol.Trend{}},
		"a gap is no slow hour":  {append([]Point{{start - 5*minuteMS, 0}}, minutes(900, 910, 920, 930)...), protocol.Trend{}},
	} {
		var got Trend
		got.setThroughput(c.counter, 300)
		if diff := cmp.Diff(c.want, got.Trend); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func BenchmarkTrend(b *testing.B) {
	points := minutes(3000, 2925, 3071, 2988, 3102, 2940, 3015, 3080, 2905, 3044, 2976, 3021, 2959, 3090, 2933, 3001)
	for b.Loop() {
		TrendOf(points)
	}
}

func TestDirections(t *testing.T) {
	everyOther := changed(minutes(1600, 1500, 1400, 1300, 1200, 1100, 1000, 900, 50, 52, 50, 52, 50, 52, 50, 52), func(p *Point) { p.At += p.At - start })
	for _, c := range []struct {
		name   string
		points []Point
		want   Direction
	}{
		{"equal values are no evidence against it", minutes(4, 5, 3, 2, 3, 1, 0), DirectionDown},
		{"it fell for long, and rises if anything", minutes(200, 190, 180, 170, 160, 150, 140, 130, 120, 110, 10, 12, 9, 13, 10, 14), DirectionNone},
		{"it fell more than 15 minutes ago", everyOther, DirectionNone},
		{"the later of two points at a time counts", append(minutes(50, 40, 30, 20, 999), Point{start + 4*minuteMS, 10}), DirectionDown},
	} {
		if got := TrendOf(c.points).Direction; got != c.want {
			t.Errorf("%s: direction %d, want %d", c.name, got, c.want)
		}
	}
}
