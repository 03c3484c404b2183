package publish

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// askLimit is how long a question for Redis' time alone may take.
const askLimit = 2 * time.Second

// earliest is later than 1973, before which no document may be: a machine without a clock begins in 1970.
var earliest = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// LocalClock reads this machine's two clocks: the date, which somebody may set at any moment, and for how long
// the machine has run, which nobody can set and which may stand still while the machine is suspended.
type LocalClock func() (wall time.Time, ran time.Duration)

func machineClock() LocalClock {
	began := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(began)
	}
}

// clock is Redis' time as of its newest answer, and what this machine's clocks said then. All programs that write
// into one Redis use its time, so that a wrong clock of one machine harms nothing.
type clock struct {
	local LocalClock

	mu      sync.Mutex
	redis   time.Time // at the newest answer; zero before the first
	wall    time.Time // the local date at that moment
	ran     time.Duration
	refusal string // what Redis said instead of its time
	skew    Skew
}

// now is Redis' time, and whether that is certain enough to go by: it is not before the first answer, nor where
// the local clocks disagree about how long ago the newest one was. Then the machine was suspended, or its date was
// set. Until Redis has answered it is the local date.
func (c *clock) now() (now time.Time, isCertain bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, ran := c.local()
	if c.redis.IsZero() {
		return wall, c.refusal != "" // it would refuse again
	}
	since := ran - c.ran
	return c.redis.Add(since), (wall.Sub(c.wall) - since).Abs() < time.Second
}

// state is whether Redis' time is known, and whether Redis has refused to tell it.
func (c *clock) state() (isKnown, isRefused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.redis.IsZero(), c.refusal != ""
}

// answered uses Redis' time, which was asked for when the machine had run for as long as asked.
func (c *clock) answered(at time.Time, asked time.Duration) {
	if at.Before(earliest) {
		c.refused("its clock says " + at.UTC().Format(time.DateOnly) + ", set it (NTP)")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.ran = c.local()
	c.redis, c.refusal = at, ""
	halfTrip := (c.ran - asked) / 2 // Redis looked at its clock at some moment of the trip: so much is not known
	c.skew.Measure(c.wall.Sub(at)-halfTrip, halfTrip)
}

// refused keeps what Redis said instead of its time. To a script it says that in other words: the first ones stay.
func (c *clock) refused(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.redis, c.skew, c.refusal = time.Time{}, 0, cmp.Or(c.refusal, why)
}

// Now is the time by the clock of Redis, or by this machine's where Redis does not tell its own. It costs a
// round trip when it is first asked, and after the machine was suspended or its date was set; every publication
// renews it without one.
func (p *Store) Now(ctx context.Context) time.Time {
	now, isCertain := p.clock.now()
	if isCertain {
		return now
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	_, asked := p.clock.local()
	p.clock.heard(p.client.Time(ctx), asked)
	return p.Time()
}

// Time is as [Store.Now], without ever asking Redis: what is known of its time by now.
func (p *Store) Time() time.Time {
	now, _ := p.clock.now()
	return now
}

// heard uses the answer to TIME. A connection that failed is not its business: the commands beside TIME failed, too.
func (c *clock) heard(answer *redis.TimeCmd, asked time.Duration) {
	switch err := answer.Err(); {
	case err == nil:
		c.answered(answer.Val(), asked)
	case isRefusal(err):
		c.refused(err.Error() + remedy)
	}
}

const remedy = "; allow its user +time (docs/acl.md)"

// isRefusal is that Redis has understood and will not: NOPERM of its user, or an unknown command.
func isRefusal(err error) bool {
	return strings.HasPrefix(err.Error(), "NOPERM") || strings.HasPrefix(err.Error(), "ERR unknown command")
}

// ClockAhead is how far this machine's clock is ahead of Redis', negative where it is behind: rounded, and 0 where
// it is near enough or not known.
func (p *Store) ClockAhead() time.Duration {
	p.clock.mu.Lock()
	defer p.clock.mu.Unlock()
	return time.Duration(p.clock.skew)
}

// ClockProblem is what somebody should do about this machine's clock or Redis', or empty. It is the same text
// while the trouble is the same.
func (p *Store) ClockProblem() string {
	p.clock.mu.Lock()
	defer p.clock.mu.Unlock()
	if c := p.clock; c.refusal != "" {
		return fmt.Sprintf("this reporter's own clock is used, right or wrong, for %s does not tell the time: %s", p.name, c.refusal)
	}
	return p.clock.skew.Problem("this reporter", p.name)
}
