package redislist

import (
	"errors"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// count asks for the lengths of all lists.
func (s *session) count() adapter.Step {
	return s.Ask(s.requests, s.finish)
}

// finish makes the snapshot of the lengths.
func (s *session) finish(r []adapter.Reply) adapter.Step {
	out := &protocol.QueueSnapshot{
		Timestamp: s.now.UnixMilli(), App: s.app, Source: s.source,
		Queues: make([]protocol.Queue, 0, len(s.order)),
	}
	s.walkProblems()
	first := s.findErr
	var empty []*list
	for i, l := range s.order {
		n, err := r[i].Count()
		if !l.named && adapter.CodeOf(err) == "WRONGTYPE" {
			delete(s.lists, l.key) // it was a list, and its key is used for something else now
			continue
		}
		if err != nil {
			reason := explain(err, "llen", l.key)
			if first == nil {
				first = errors.New("read list " + adapter.Quote(l.key, 80) + ": " + reason)
			}
			s.problem(l.key, reason)
			continue
		}
		if n == 0 && !l.named {
			empty = append(empty, l)
		}
		out.Queues = append(out.Queues, s.queue(l, n))
	}
	s.forget(empty)
	if len(s.lists) < len(s.order) {
		s.setOrder()
	}
	out.Problems = s.problems
	if len(out.Queues) == 0 && first != nil {
		return adapter.Step{Err: first}
	}
	return adapter.Done(out)
}

func (s *session) queue(l *list, n int64) protocol.Queue {
	q := protocol.Queue{Name: l.key, Driver: protocol.DriverOther, Metrics: protocol.Metrics{Waiting: n}, Meta: s.meta}
	switch {
	case n > 0:
		l.seen = s.now
	case l.seen.IsZero():
		q.Meta = protocol.Meta{}
		q.Meta.SetText("driver", DriverName)
		q.Meta.SetText("error", "Redis has no such key, and had none since this reporter began: the list is empty, or its name is wrong")
	}
	return q
}

// explain adds to a refusal what to do about it.
func explain(err error, command, key string) string {
	switch adapter.CodeOf(err) {
	case "NOPERM":
		if key == "" {
			return err.Error() + "; allow +" + command + " (docs/acl.md)"
		}
		return err.Error() + "; allow +" + command + " on ~" + adapter.Cut(key, 80) + " (docs/acl.md)"
	case "WRONGTYPE":
		return err.Error() + "; this key is no list: name another, or leave it out"
	}
	return err.Error()
}
