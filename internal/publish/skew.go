package publish

import (
	"fmt"
	"math"
	"time"
)

// tolerableSkew is how far a machine's clock may be from Redis' before anybody is told. A snapshot is fresh for
// 15 s, so less than 5 s misleads nobody, and with NTP clocks are within a fraction of a second.
const tolerableSkew = 5 * time.Second

// Skew is how far this machine's clock is ahead of Redis', negative where it is behind, as people read it: 0 where
// it is near enough, and not another text with every measurement.
type Skew time.Duration //nolint:recvcheck // read as a value, measured through a pointer

// Measure takes a measured difference, which is right give or take uncertain. The skew is rounded, and stays as it
// was until the measured difference is a whole step away from it.
func (s *Skew) Measure(ahead, uncertain time.Duration) {
	size := ahead.Abs() - uncertain
	switch {
	case size < tolerableSkew-time.Second, *s == 0 && size <= tolerableSkew:
		*s = 0
	case *s == 0, (ahead - time.Duration(*s)).Abs() >= step(time.Duration(*s)):
		*s = Skew(ahead.Round(step(ahead)))
	}
}

func step(d time.Duration) time.Duration {
	switch d = d.Abs(); {
	case d < time.Minute:
		return tolerableSkew
	case d < 2*time.Hour:
		return time.Minute
	}
	return time.Hour
}

// Problem is what somebody should do about it, or empty. machine is the one with the clock, such as "this reporter", and redis
// the server's name.
func (s Skew) Problem(machine, redis string) string {
	if s == 0 {
		return ""
	}
	direction := "ahead of"
	if s < 0 {
		direction = "behind"
	}
	return fmt.Sprintf("%s's clock is %s %s that of %s, which is used instead: set the one that is wrong (NTP)", machine, s.size(), direction, redis)
}

func (s Skew) size() string {
	switch d := time.Duration(s).Abs(); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", math.Round(d.Minutes()))
	default:
		return fmt.Sprintf("%.0f h", math.Round(d.Hours()))
	}
}
