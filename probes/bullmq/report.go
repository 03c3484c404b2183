package bullmq

import (
	"errors"
	"strconv"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// finish makes the snapshot of what the poll has learned.
func (s *session) finish() adapter.Step {
	out := &protocol.QueueSnapshot{
		Timestamp: s.poll.now.UnixMilli(), App: s.app, Source: s.source,
		Queues:   make([]protocol.Queue, 0, len(s.queues)),
		Problems: append(s.poll.problems, s.walkProblems()...),
	}
	numbers := make([]int64, 3*len(s.queues)) // what the metrics point to, allocated at once
	first := s.poll.findErr
	for i, q := range s.queues {
		c := &s.poll.counts[i]
		if c.err == nil && c.waiting > protocol.MaxCount {
			c.err = errors.New("it has more jobs than can be: this Redis is broken")
		}
		if c.err == nil {
			out.Queues = append(out.Queues, s.queue(q, c, numbers[3*i:]))
			continue
		}
		reason := s.explain(c.err)
		if first == nil {
			first = errors.New("read queue " + strconv.Quote(q.name) + " of " + s.prefix + ": " + reason)
		}
		out.Problems = append(out.Problems, protocol.Problem{Queue: q.name, Reason: reason})
	}
	s.poll = nil // it holds all replies, and a guest's memory never gets smaller
	if len(out.Queues) == 0 && first != nil {
		return adapter.Step{Err: first}
	}
	return adapter.Done(out)
}

func (s *session) queue(q *queue, c *counts, numbers []int64) protocol.Queue {
	out := protocol.Queue{Name: q.name, Driver: protocol.DriverBullMQ, Metrics: protocol.Metrics{
		Waiting: c.waiting,
		Active:  s.optional(c, active, "active", &numbers[0]),
		Delayed: s.optional(c, delayed, "delayed", &numbers[1]),
		Failed:  s.optional(c, failed, "failed", &numbers[2]),
	}}
	exists := hasMark(c.meta) || c.waiting+numbers[0]+numbers[1]+numbers[2] > 0
	for _, m := range [...]struct {
		place int
		name  string
	}{{prioritized, "prioritized"}, {completed, "completed"}, {waitingChildren, "waiting_children"}} {
		var n int64
		if s.optional(c, m.place, m.name, &n) != nil {
			out.Meta.SetInt(m.name, n)
			exists = exists || n > 0
		}
	}
	_, isPaused := c.field(pausedField)
	if isPaused {
		out.Meta.SetBool("paused", true)
	}
	most := c.number(concurrency)
	if most > 0 {
		out.Meta.SetInt("concurrency", most)
	}
	if c.limited {
		out.Meta.SetBool("rate_limited", true)
	}
	runnable := c.waiting
	if most > 0 && out.Metrics.Active != nil {
		runnable = max(most-*out.Metrics.Active, 0)
	}
	if isPaused || c.limited {
		runnable = 0
	}
	if runnable < c.waiting {
		out.Meta.SetInt("runnable", runnable)
	}
	if c.madeAt > 0 {
		out.Meta.SetInt("oldest_at", min(c.madeAt, s.poll.now.UnixMilli()))
	}
	if total, failed, ok := c.finished.total(); ok {
		out.Meta.SetInt("processed", total)
		out.Meta.SetInt("processed_failed", failed)
	}
	if c.oldestFailed > 0 {
		out.Meta.SetInt("oldest_failed_at", c.oldestFailed)
	}
	if n, ok := s.poll.workers.of(q.client, numbers[0]); ok && out.Metrics.Active != nil {
		out.Meta.SetInt("workers", n)
	}
	if n := c.length(groups); n > 0 {
		c.partial = append(c.partial, "it has "+strconv.FormatInt(n, 10)+" groups of BullMQ Pro: their jobs wait, too, and are not counted")
		exists = true
	}
	if !exists && q.named {
		c.partial = append(c.partial, "Redis has no job of this queue and no meta key: it is new and empty, or its name or the prefix "+s.prefix+" is wrong")
	}
	if len(c.partial) > 0 {
		out.Meta.SetText("error", strings.Join(c.partial, "; "))
	}
	return out
}

// optional puts a count into n, or says why it is unknown.
func (s *session) optional(c *counts, place int, name string, n *int64) *int64 {
	var err error
	if *n, err = c.replies[place].Count(); err != nil {
		c.partial = append(c.partial, name+": "+s.explain(err))
		return nil
	}
	return n
}

// explain adds to a refusal what to do about it.
func (s *session) explain(err error) string {
	switch adapter.CodeOf(err) {
	case "NOPERM":
		return err.Error() + "; allow +llen +zcard +zrange +hmget +hget +lrange +lindex +get +scan on ~" + s.prefix + ":* (docs/acl.md)"
	case "WRONGTYPE":
		return err.Error() + "; something other than BullMQ wrote to its keys"
	}
	return err.Error()
}
