package api

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/recorder"
)

const (
	// sumOfAll is the key of the sum of all queues of all apps.
	sumOfAll = "*"
	// keptSums is how many sums are kept: one of each length that is asked for.
	keptSums = 8
	// incompleteSum is how long a sum is kept that was made before the current minute was looked at.
	incompleteSum = 5 * time.Second
)

// sums are the counts of all queues over time. bad says of which apps there are none.
type sums struct {
	from    int64
	columns history.Columns
	newest  int64 // the newest minute in which there was a look, Unix ms
	bad     map[string]error
	// Of how many apps there is no history because there are too many, of all.
	unrecorded, apps int
	until            time.Time // when they are made anew; the zero time is with the next minute
}

// isUsable reports whether they are those from a time on, and nothing has come since, as far as can be known.
func (s *sums) isUsable(from int64) bool {
	return s.from == from && (s.until.IsZero() || time.Now().Before(s.until))
}

// sumCache keeps the sums of this minute, for all viewers.
type sumCache struct {
	flights singleflight.Group

	mu   sync.Mutex
	made map[int]sums // by how many minutes they have
}

// of returns the sums from a time on, made once a minute, and until the recorder has looked at it every few seconds.
func (c *sumCache) of(ctx context.Context, s *Server, from int64, minutes int) (sums, error) {
	c.mu.Lock()
	kept, ok := c.made[minutes]
	c.mu.Unlock()
	if ok && kept.isUsable(from) {
		return kept, nil
	}
	ctx = context.WithoutCancel(ctx) // others wait for the same
	made, err, _ := c.flights.Do(fmt.Sprint(from, minutes), func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, historyTimeout)
		defer cancel()
		made, err := s.sum(ctx, from, minutes)
		if err == nil && len(made.bad) == 0 {
			c.keep(minutes, made)
		}
		return made, err
	})
	if err != nil {
		return sums{}, err
	}
	return made.(sums), nil
}

func (c *sumCache) keep(minutes int, made sums) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil || len(c.made) >= keptSums {
		c.made = map[int]sums{}
	}
	c.made[minutes] = made
}

// sum reads the histories of all apps of the view, one after the other, and adds up their queues.
func (s *Server) sum(ctx context.Context, from int64, minutes int) (sums, error) {
	v, err := s.Live.newest(ctx)
	if err != nil {
		return sums{}, err
	}
	sum := history.NewSum(from, minutes)
	made := sums{from: from}
	first := map[string]int64{} // look at each app
	isComplete := true          // the recorder may record while this reads
	apps := make(map[string]recorder.Wants, len(v.view.Apps))
	for app := range v.view.Apps {
		apps[app] = recorder.Wants{Queues: func(history.Key) bool { return false }, Sum: sum}
	}
	made.bad, err = s.History(ctx, from, apps, func(app string, d *history.Decoder) {
		d.EndSum()
		if at, ok := d.First(); ok {
			first[app] = at
		}
		isComplete = isComplete && (d.At() == 0 || made.newest == 0 || d.At() == made.newest)
		made.newest = max(made.newest, d.At())
		if d.At() == 0 {
			made.unrecorded++
		}
	})
	if err != nil {
		return sums{}, err
	}
	if made.apps = len(apps); made.apps <= recorder.MaxApps {
		made.unrecorded = 0 // they are new
	}
	for app := range made.bad { // what it held before what can be read of it is not known
		at, ok := first[app]
		if !ok {
			at = math.MaxInt64
		}
		sum.MissUpTo(at)
	}
	made.columns = sum.Columns()
	if !isComplete || made.newest < from+int64(minutes-1)*time.Minute.Milliseconds() {
		made.until = time.Now().Add(incompleteSum)
	}
	return made, nil
}
