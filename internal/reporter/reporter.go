// Package reporter is the loop of every reporter: poll, publish, wait, in Lambda until shortly
// before the deadline and elsewhere until it is told to stop. Of two that run at once for the
// same app and source the newest goes on.
package reporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/protocol"
)

// Reporter reports one app's queues from one source.
type Reporter struct {
	App, Source string
	Interval    time.Duration
	Pollers     []*poll.Poller // one an adapter; their queues make one snapshot
	Store       *publish.Store
	Log         *slog.Logger

	down bool            // the last try failed, and that has been said
	said map[string]bool // problems of the last snapshot, which have been said
}

// Summary is what a Lambda invocation returns.
type Summary struct {
	App        string   `json:"app"`
	Source     string   `json:"source"`
	Polls      int      `json:"polls"`
	Published  int      `json:"published"`
	Queues     int      `json:"queues"` // in the last snapshot
	Problems   []string `json:"problems"`
	DurationMS int64    `json:"duration_ms"`
}

const (
	// deadlineReserve is what is left of an invocation for its end.
	deadlineReserve = 5 * time.Second
	// firstRetry is how soon a failed try is repeated; each further one waits longer, up to the
	// interval, so that a Redis that is back is noticed within one.
	firstRetry = 500 * time.Millisecond
	// minTry is the least time that a poll may take.
	minTry = 5 * time.Second
	// maxProblems bounds a snapshot's and a summary's.
	maxProblems = 100
)

var tooMany = fmt.Sprintf("more than %d problems: the rest are not listed", maxProblems)

// Run polls at once and then every interval, until ctx ends or its deadline is near. With an owner
// it also ends when another owner has taken over. It doesn't fail: what went wrong is in the log,
// once, and in the summary.
func (r *Reporter) Run(ctx context.Context, owner string) Summary {
	start := time.Now()
	sum := Summary{App: r.App, Source: r.Source, Problems: []string{}}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-deadlineReserve))
		defer cancel()
	}
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = firstRetry, r.Interval
	claimed := owner == ""
	for next := start; wait(ctx, next); {
		began := time.Now()
		next = began.Add(r.Interval)
		mine, err := r.try(ctx, owner, &claimed, &sum)
		switch {
		case err != nil && ctx.Err() != nil:
			// It was told to stop; that is not worth a word.
		case err != nil:
			sum.problem(err.Error())
			r.failed(err)
			next = began.Add(min(retry.NextBackOff(), r.Interval))
		default:
			r.recovered()
			retry.Reset()
		}
		if !mine {
			r.Log.Info("a newer run of this reporter has taken over", "app", r.App, "source", r.Source)
			break
		}
	}
	sum.DurationMS = time.Since(start).Milliseconds()
	return sum
}

// wait waits for the time and tells whether to go on.
func wait(ctx context.Context, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// try polls and publishes once, if the reporter is still the owner's. What Redis is asked here has
// the client's own time limits.
func (r *Reporter) try(ctx context.Context, owner string, claimed *bool, sum *Summary) (mine bool, err error) {
	name := r.App + ":" + r.Source
	switch {
	case owner == "":
	case !*claimed:
		if err := r.Store.Claim(ctx, name, owner, r.Interval); err != nil {
			return true, err
		}
		*claimed = true
	default:
		if mine, err := r.Store.Renew(ctx, name, owner, r.Interval); err != nil || !mine {
			return mine || err != nil, err
		}
	}
	sum.Polls++
	pollCtx, cancel := context.WithTimeout(ctx, max(r.Interval, minTry))
	defer cancel()
	s, err := r.Poll(pollCtx)
	if err != nil {
		return true, err
	}
	sum.Queues = len(s.Queues)
	r.sayNew(s.Problems, sum)
	published, err := r.Store.Snapshot(ctx, s)
	if published {
		sum.Published++
	}
	return true, err
}

// Poll polls every adapter once and makes one snapshot of what they read. One that fails is a
// problem beside the others' queues; err is that all did.
func (r *Reporter) Poll(ctx context.Context) (*protocol.QueueSnapshot, error) {
	now := time.Now()
	out := &protocol.QueueSnapshot{Timestamp: now.UnixMilli(), App: r.App, Source: r.Source, Queues: []protocol.Queue{}}
	seen := map[string][]protocol.Driver{} // by a queue's name
	var errs []error
	for _, p := range r.Pollers {
		s, err := p.Poll(ctx, now)
		if err != nil {
			errs = append(errs, err)
			out.Problems = append(out.Problems, protocol.Problem{Reason: err.Error()})
			continue
		}
		out.Problems = append(out.Problems, s.Problems...)
		for _, q := range s.Queues {
			if slices.Contains(seen[q.Name], q.Driver) {
				out.Problems = append(out.Problems, protocol.Problem{Queue: q.Name, Reason: fmt.Sprintf("two adapters report it as a queue of %s; the first one's numbers are shown", q.Driver)})
				continue
			}
			seen[q.Name] = append(seen[q.Name], q.Driver)
			out.Queues = append(out.Queues, q)
		}
	}
	if len(errs) == len(r.Pollers) {
		return nil, errors.Join(errs...)
	}
	if len(out.Problems) > maxProblems {
		out.Problems = append(out.Problems[:maxProblems], protocol.Problem{Reason: tooMany})
	}
	return out, nil
}

// failed says once that there is trouble.
func (r *Reporter) failed(err error) {
	if !r.down {
		r.Log.Warn("cannot report; will try again until it works", "app", r.App, "source", r.Source, "error", err)
	}
	r.down = true
}

func (r *Reporter) recovered() {
	if r.down {
		r.Log.Info("reports again", "app", r.App, "source", r.Source)
	}
	r.down = false
}

// sayNew logs the problems that the snapshot before did not have.
func (r *Reporter) sayNew(problems []protocol.Problem, sum *Summary) {
	now := make(map[string]bool, len(problems))
	for _, p := range problems {
		text := p.String()
		now[text] = true
		sum.problem(text)
		if !r.said[text] && len(now) <= maxProblems {
			r.Log.Warn("cannot be read", "app", r.App, "source", r.Source, "problem", text)
		}
	}
	r.said = now
}

func (s *Summary) problem(text string) {
	switch {
	case slices.Contains(s.Problems, text):
	case len(s.Problems) < maxProblems:
		s.Problems = append(s.Problems, text)
	case len(s.Problems) == maxProblems:
		s.Problems = append(s.Problems, tooMany)
	}
}
