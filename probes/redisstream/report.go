package redisstream

import (
	"cmp"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// finish makes the snapshot of what the poll has learned.
func (s *session) finish() adapter.Step {
	out := &protocol.QueueSnapshot{
		Timestamp: s.now.UnixMilli(), App: s.app, Source: s.source,
		Queues: make([]protocol.Queue, 0, len(s.groups)),
	}
	s.walkProblems()
	for _, said := range []string{s.wrongName, s.noRoom} {
		if said != "" {
			s.problem("", said)
		}
	}
	numbers := make([]int64, len(s.groups)) // what the metrics point to, allocated at once
	for i := range s.groups {
		g := &s.groups[i]
		if g.err != nil {
			s.fail(g.known.queue, "", g.err)
		} else {
			out.Queues = append(out.Queues, s.queue(g, &numbers[i]))
		}
	}
	out.Problems = s.problems
	if len(out.Queues) == 0 && s.failed != nil {
		return adapter.Step{Err: s.failed}
	}
	return adapter.Done(out)
}

func (s *session) queue(g *group, active *int64) protocol.Queue {
	q := protocol.Queue{Name: g.known.queue, Driver: protocol.DriverOther, Metrics: protocol.Metrics{Waiting: g.waiting}}
	q.Meta.SetText("driver", DriverName)
	var err error
	if *active, err = g.pending.Count(); err == nil {
		q.Metrics.Active = active
	} else {
		g.note = cmp.Or(g.note, "active: "+err.Error())
	}
	if q.Metrics.Active != nil && g.read >= *active {
		q.Meta.SetInt("processed", g.read-*active) // what was delivered, and is acknowledged
	}
	if n, err := g.consumers.Count(); err == nil {
		q.Meta.SetInt("consumers", n)
	}
	if g.waiting > 0 {
		if ms, ok := timeOf(g.oldest, s.now); ok {
			q.Meta.SetInt("oldest_at", ms)
		}
	}
	if g.note != "" {
		q.Meta.SetText("error", g.note)
	}
	return q
}

// timeOf is when the entry of an id was added; not ok where the program that added it chose an id that
// is no time of the last decades.
func timeOf(i id, now time.Time) (ms int64, ok bool) {
	const (
		earliest = 1_262_304_000_000 // 2010: there was no Redis of note before
		ahead    = 24 * time.Hour    // by how much another clock may be wrong
	)
	if i.ms < earliest || i.ms > uint64(max(now.Add(ahead).UnixMilli(), 0)) {
		return 0, false
	}
	return min(int64(i.ms), now.UnixMilli()), true
}

// explain adds to a refusal what to do about it.
func explain(err error, commands, key string) string {
	switch adapter.CodeOf(err) {
	case "NOPERM":
		if key == "" {
			return err.Error() + "; allow +" + commands + " (docs/acl.md)"
		}
		return err.Error() + "; allow +" + commands + " on ~" + adapter.Cut(key, 80) + " (docs/acl.md)"
	case "WRONGTYPE":
		return err.Error() + "; this key is no stream: name another, or leave it out"
	}
	return err.Error()
}
