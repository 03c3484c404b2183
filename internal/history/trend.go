package history

import (
	"math"
	"slices"

	"github.com/gravito-framework/pulse/protocol"
)

const (
	minuteMS = 60_000
	// maxGap is the longest time between two points of one run: one missed minute, and half of one for a late look.
	maxGap = 150_000
	// longMS is how far back a trend looks.
	longMS = 15 * minuteMS
	// maxPoints are the most points that a trend is made of: 15 minutes, both ends included.
	maxPoints = 16
	// shortPoints are those of the short fit, which sees a turn first.
	shortPoints = 6
	// minPoints are the fewest that make a trend: of four no interval excludes zero.
	minPoints = 5
	// z is the 95 % point of the normal distribution. At 90 % a flat queue had a direction 7 % of the time, now 2.8 %.
	z = 1.96
	// maxDrain is the longest drain time that is worth saying, in seconds: a day.
	maxDrain = 86_400
)

// Point is how many jobs there were at a moment.
type Point struct {
	At    int64 // Unix ms
	Value int64
}

// Direction is where a queue's number of waiting jobs is heading.
type Direction int

// The directions. Most queues have none most of the time: they are steady, or their noise hides where they go.
const (
	DirectionUnknown Direction = iota // too few points since the last gap
	DirectionNone
	DirectionUp
	DirectionDown
)

// Trend is how fast the number of waiting jobs changes, and when none will be left.
type Trend struct {
	protocol.Trend // DrainSeconds is nil where that is longer than a day

	Direction Direction

	// Of the fit that was taken: the rate's 95 % interval in jobs a minute, and the minutes it spans.
	low, high, window *float64
	why               string // why something is unknown
}

// TrendOf is the trend of points, which are in the order of their times, about one a minute. Only those after the
// newest gap and of the last 15 minutes count.
//
// The rate is Theil and Sen's: the median of the slopes of all pairs. Its interval is Kendall's. A few wrong numbers,
// such as a zero where the queue's store was asked in a bad moment, change neither.
func TrendOf(points []Point) Trend {
	var buf [maxPoints]Point
	run := newestRun(points, &buf)
	if len(run) < minPoints {
		return Trend{why: "fewer than 5 points since the last gap"}
	}
	waiting := run[len(run)-1].Value
	short := fitOf(run[max(0, len(run)-shortPoints):])
	long := fitOf(run)
	switch {
	case short.hasDirection():
		return trendOf(short, waiting)
	case long.hasDirection() && long.rate*short.rate >= 0:
		return trendOf(long, waiting)
	}
	t := Trend{Direction: DirectionNone, why: "no clear direction"}
	if short.low == 0 && short.high == 0 {
		t.WaitingPerMin = new(float64)
	}
	if waiting == 0 {
		t.DrainSeconds = new(int64)
	}
	return t
}

func trendOf(f fit, waiting int64) Trend {
	t := Trend{Trend: protocol.Trend{WaitingPerMin: &f.rate}, Direction: DirectionUp, low: &f.low, high: &f.high, window: &f.minutes}
	if f.high < 0 {
		t.Direction = DirectionDown
	}
	if waiting == 0 {
		t.DrainSeconds = new(int64)
		return t
	}
	if t.Direction == DirectionUp {
		return t
	}
	seconds := secondsFor(waiting, -f.rate)
	if seconds > maxDrain {
		t.why = "longer than a day"
		return t
	}
	t.DrainSeconds, t.DrainRange = &seconds, &[2]int64{secondsFor(waiting, -f.low), secondsFor(waiting, -f.high)}
	return t
}

// secondsFor is how long jobs take at so many a minute, which are more than none.
func secondsFor(jobs int64, perMin float64) int64 {
	return int64(math.Round(min(60*float64(jobs)/perMin, protocol.MaxCount)))
}

// newestRun copies into buf the points after the newest gap and of the last 15 minutes. Where two have one time, the
// later one counts.
func newestRun(points []Point, buf *[maxPoints]Point) []Point {
	first := maxPoints
	for _, p := range slices.Backward(points) {
		if first < maxPoints {
			if p.At >= buf[first].At {
				continue
			}
			if first == 0 || buf[first].At-p.At > maxGap || buf[maxPoints-1].At-p.At > longMS {
				break
			}
		}
		first--
		buf[first] = p
	}
	return buf[first:]
}

// fit is a line through points.
type fit struct {
	rate      float64 // jobs a minute
	low, high float64 // its 95 % interval
	minutes   float64 // from the first point to the last
	median    float64 // of the points
}

func (f *fit) hasDirection() bool { return f.low > 0 || f.high < 0 }

// fitOf is the line through at least two and at most maxPoints points, at different times.
func fitOf(points []Point) fit {
	var all [maxPoints * (maxPoints - 1) / 2]float64
	slopes := all[:0]
	for j := range points {
		for i := range j {
			minutes := float64(points[j].At-points[i].At) / minuteMS
			slopes = append(slopes, float64(points[j].Value-points[i].Value)/minutes)
		}
	}
	slices.Sort(slopes)
	var buf [maxPoints]int64
	values := buf[:0]
	for _, p := range points {
		values = append(values, p.Value)
	}
	slices.Sort(values)

	// Kendall's variance: of n points, and less for values that are equal.
	pairs := func(n int) int { return n * (n - 1) * (2*n + 5) }
	variance := pairs(len(points))
	for i := 0; i < len(values); {
		j := i + 1
		for j < len(values) && values[j] == values[i] {
			j++
		}
		variance -= pairs(j - i)
		i = j
	}
	n := len(slopes)
	k := max(1, int(math.Floor((float64(n)-z*math.Sqrt(float64(variance)/18))/2)))
	return fit{
		rate: median(slopes), low: slopes[k-1], high: slopes[n-k],
		minutes: float64(points[len(points)-1].At-points[0].At) / minuteMS,
		median:  median(values),
	}
}

// median is that of sorted numbers.
func median[N int64 | float64](sorted []N) float64 {
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return float64(sorted[half])
	}
	return (float64(sorted[half-1]) + float64(sorted[half])) / 2
}

const (
	// A queue grows if over the short fit it gains at least so many jobs, and this part of what it has.
	growsByJobs = 10
	growsByPart = 0.1
)

// IsGrowing reports whether points say so twice in a row: without the newest of them, and with it.
func IsGrowing(points []Point) bool {
	var buf [maxPoints]Point
	run := newestRun(points, &buf)
	return len(run) > minPoints && rises(run) && rises(run[:len(run)-1])
}

// rises reports whether a run clearly goes up, by enough to matter. The rise is the fit's, because the difference of
// the first and the last point is as wrong as either.
func rises(run []Point) bool {
	f := fitOf(run[max(0, len(run)-shortPoints):])
	return f.low > 0 && f.rate*f.minutes >= max(growsByJobs, growsByPart*f.median)
}
