package laravel

import (
	"errors"
	"strconv"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// finish makes the snapshot of what the poll has learned.
func (s *session) finish() adapter.Step {
	s.polled = s.poll.now
	out := &protocol.QueueSnapshot{
		Timestamp: s.poll.now.UnixMilli(), App: s.app, Source: s.source,
		Queues:   make([]protocol.Queue, 0, len(s.queues)),
		Problems: append(s.poll.problems, s.walkProblems()...),
	}
	if err := s.horizon.err; err != nil && len(s.queues) > 0 {
		out.Problems = append(out.Problems, protocol.Problem{
			Reason: "read Horizon's keys, " + s.horizon.prefix + "*, whether there are any or not: " + s.explain(err),
		})
	}
	first := s.poll.findErr
	for i, q := range s.queues {
		c := &s.poll.counts[i]
		if c.err == nil {
			out.Queues = append(out.Queues, s.queue(q, c))
			continue
		}
		if first == nil {
			first = errors.New("read queue " + strconv.Quote(q.name) + " of " + s.keys + ": " + c.err.Error())
		}
		out.Problems = append(out.Problems, protocol.Problem{Queue: q.name, Reason: c.err.Error()})
	}
	if len(out.Queues) == 0 && first != nil {
		return adapter.Step{Err: first}
	}
	return adapter.Done(out)
}

// queue makes of what a queue answered what is reported of it.
func (s *session) queue(q *queue, c *counts) protocol.Queue {
	out := protocol.Queue{Name: q.name, Driver: protocol.DriverLaravelHorizon}
	out.Metrics.Waiting = c.waiting
	if !c.noActive {
		out.Metrics.Active = &c.active
		out.Meta.SetInt("reserved", c.active)
		if !c.noStalled {
			out.Meta.SetInt("stalled", c.stalled)
		}
	}
	if !c.noDelayed {
		out.Metrics.Delayed = &c.delayed
	}
	if h := s.horizon; h.failed.why == "" && h.ever {
		c.failed = h.failed.queues[q.name]
		out.Metrics.Failed = &c.failed
	} else if h.ever {
		c.incomplete = append(c.incomplete, "failed: "+h.failed.why)
	}
	if c.oldest > 0 {
		out.Meta.SetInt("oldest_at", c.oldest)
	}
	s.workersOf(q, c, &out.Meta)
	if q.named && q.seen.IsZero() && len(c.incomplete) == 0 {
		c.incomplete = append(c.incomplete, "Redis has no job of this queue: it is empty, or its name or the prefix "+strconv.Quote(s.prefix)+" is wrong")
	}
	if len(c.incomplete) > 0 {
		out.Meta.SetText("error", strings.Join(c.incomplete, "; "))
	}
	return out
}

// workersOf says how many processes work on a queue, and whether all of them are paused.
func (s *session) workersOf(q *queue, c *counts, m *protocol.Meta) {
	w := &s.poll.workers
	if w.unknown || !w.there {
		return
	}
	p := w.of[q.name]
	switch {
	case p != nil:
		m.SetInt("workers", p.processes)
		if !p.running {
			m.SetBool("paused", true)
		}
	case c.noActive || c.noStalled || c.active > c.stalled:
		// A worker that Horizon does not supervise works on it.
	default:
		m.SetInt("workers", 0)
	}
}

// explain adds to a refusal what to do about it.
func (s *session) explain(err error) string {
	if adapter.CodeOf(err) == "NOPERM" {
		return err.Error() + "; allow +llen +zcard +zcount +lindex +exists +type +scan +zrange +hmget +hget on ~" +
			adapter.EscapeGlob(s.keys) + "* and ~" + adapter.EscapeGlob(s.horizon.prefix) + "* (docs/acl.md)"
	}
	return err.Error()
}
