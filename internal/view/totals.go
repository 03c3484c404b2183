package view

import (
	"bytes"
	"cmp"

	"github.com/gravito-framework/pulse/protocol"
)

// sum makes the totals of the queues and servers that are in v.
func (v *View) sum() {
	t := Totals{}
	queues := map[identity]*Queue{} // several may report the same queue, and the newest report is counted
	isDLQ := map[identity]bool{}    // if any report says so
	for _, app := range v.Apps {
		t.Servers += len(app.Servers)
		for _, s := range app.Servers {
			if s.Status == Lost {
				t.Lost.Servers++
			}
		}
		t.Queues += len(app.Queues)
		for _, q := range app.Queues {
			if q.Status == Lost {
				t.Lost.Queues++
				continue
			}
			if q.isDLQ {
				isDLQ[q.identity()] = true
			}
			if q.dlq != "" {
				isDLQ[q.deadLetters()] = true
			}
			id := q.identity()
			if other := queues[id]; other == nil || q.at > other.at || q.at == other.at && bytes.Compare(q.appendJSON(nil), other.appendJSON(nil)) < 0 {
				queues[id] = q
			}
		}
	}
	for id := range isDLQ {
		if q := queues[id]; q != nil && q.dlq != "" && keepsItsOwn(queues, q) {
			delete(isDLQ, id)
		}
	}
	dead := map[identity]int64{} // jobs in each dead-letter queue
	for id, q := range queues {
		m := &q.Metrics
		if isDLQ[id] {
			// All jobs in it have failed, and count even where the view shows no queue that fills it.
			dead[id] = max(dead[id], add(add(m.Waiting, value(m.Active)), value(m.Delayed)))
		} else {
			t.add("waiting", &t.Waiting, &m.Waiting)
			t.add("active", &t.Active, m.Active)
			t.add("delayed", &t.Delayed, m.Delayed)
		}
		switch {
		case m.Failed != nil && q.dlq != "" && !isDLQ[q.deadLetters()]: // what is there is counted as waiting
		case m.Failed != nil && q.dlq != "":
			// The largest, not the first: two that share it may have been read a moment apart.
			dead[q.deadLetters()] = max(dead[q.deadLetters()], *m.Failed)
		case m.Failed != nil || !isDLQ[id]:
			t.add("failed", &t.Failed, m.Failed)
		}
	}
	for _, n := range dead {
		t.add("failed", &t.Failed, &n)
	}
	if t.Queues == 0 {
		t.Waiting, t.Active, t.Delayed, t.Failed = new(int64(0)), new(int64(0)), new(int64(0)), new(int64(0))
	}
	v.Totals = t
}

// keepsItsOwn reports whether the jobs in q, a dead-letter queue that has one itself, wait for q's own workers
// and have not failed for good. There is one exception: where queues are each other's dead-letter queues, jobs
// begin in only one of them. We take the one with the shortest name: "orders" of "orders" and "orders-retry".
func keepsItsOwn(queues map[identity]*Queue, q *Queue) bool {
	const longest = 16 // no sensible setup chains more queues
	for next, n := queues[q.deadLetters()], 0; next != nil && n < longest; next, n = queues[next.deadLetters()], n+1 {
		if cmp.Or(cmp.Compare(len(next.Name), len(q.Name)), cmp.Compare(next.scope+next.Name, q.scope+q.Name)) < 0 && leadsTo(queues, next, q) {
			return false
		}
	}
	return true
}

// leadsTo reports whether a job that fails in from may end up in to.
func leadsTo(queues map[identity]*Queue, from, to *Queue) bool {
	const longest = 16
	for next, n := queues[from.deadLetters()], 0; next != nil && n < longest; next, n = queues[next.deadLetters()], n+1 {
		if next == to {
			return true
		}
	}
	return false
}

func (t *Totals) add(name string, sum **int64, n *int64) {
	switch {
	case n == nil && t.Unknown == nil:
		t.Unknown = map[string]int{name: 1}
	case n == nil:
		t.Unknown[name]++
	case *sum == nil:
		*sum = new(*n)
	default:
		**sum = add(**sum, *n)
	}
}

// add adds two counts, up to the largest count. The sum of two counts fits an int64.
func add(a, b int64) int64 { return min(a+b, protocol.MaxCount) }

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
