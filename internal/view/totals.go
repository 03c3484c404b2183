package view

import (
	"bytes"
	"cmp"

	"github.com/gravito-framework/pulse/protocol"
)

// Part is how a queue counts in a sum of many. Its zero value is: as it is.
type Part struct {
	// NotJobs is that its jobs that wait, are active or delayed count elsewhere: in another report of the same
	// queue, or as what another queue says has failed.
	NotJobs bool
	// DeadLetters is that all jobs in it have failed: it is a dead-letter queue, and no worker takes them.
	DeadLetters bool
	// NotFailed is that the number of its failed jobs counts elsewhere.
	NotFailed bool
}

// sum makes the totals of the queues and servers that are in v.
func (v *View) sum() {
	t := Totals{Unknown: map[string]int{}}
	parts := v.Parts()
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
			m, part := &q.Metrics, parts[q]
			switch {
			case part.NotJobs:
			case part.DeadLetters:
				t.add("failed", &t.Failed, new(q.jobs()))
			default:
				t.add("waiting", &t.Waiting, &m.Waiting)
				t.add("active", &t.Active, m.Active)
				t.add("delayed", &t.Delayed, m.Delayed)
			}
			if !part.NotFailed && (m.Failed != nil || !part.DeadLetters) {
				t.add("failed", &t.Failed, m.Failed)
			}
		}
	}
	if t.Queues == 0 {
		t.Waiting, t.Active, t.Delayed, t.Failed = new(int64(0)), new(int64(0)), new(int64(0)), new(int64(0))
	}
	for name, sum := range map[string]**int64{"waiting": &t.Waiting, "active": &t.Active, "delayed": &t.Delayed, "failed": &t.Failed} {
		if *sum != nil && exact(*sum) == nil {
			*sum = nil
			t.Unknown[name] = t.Queues - t.Lost.Queues
		}
	}
	if len(t.Unknown) == 0 {
		t.Unknown = nil
	}
	v.Totals = t
}

// Parts says how the queues of v count that do not count as they are. Of several reports of one queue the newest
// counts, and one whose numbers are of now before one whose numbers are not: history leaves those out. A job in a dead-letter
// queue counts once, as failed: by what is in that queue or by what one of the queues that fill it says has failed, the largest
// of these numbers that are of now. Two of them may have been read a moment apart.
//
// Lost queues are in no total, but they were a moment ago. So each has its part too, and none takes another's part.
func (v *View) Parts() map[*Queue]Part {
	queues := map[identity]*Queue{} // several may report the same queue, and this is the report that counts
	isDLQ := map[identity]bool{}    // if any report says so
	parts := map[*Queue]Part{}
	for _, app := range v.Apps {
		for _, q := range app.Queues {
			if q.dlqFor != "" {
				isDLQ[q.identity()] = true
			}
			if q.dlq != "" {
				isDLQ[q.deadLetters()] = true
			}
			id := q.identity()
			other := queues[id]
			switch {
			case other == nil:
				queues[id] = q
			case q.countsBefore(other):
				queues[id], parts[other] = q, Part{NotJobs: true, NotFailed: true}
			default:
				parts[q] = Part{NotJobs: true, NotFailed: true}
			}
		}
	}
	if len(isDLQ) == 0 {
		return parts
	}
	for id := range isDLQ {
		if q := queues[id]; q != nil && q.dlq != "" && keepsItsOwn(queues, q) {
			delete(isDLQ, id)
		}
	}
	for q, part := range parts { // the reports that don't count
		part.DeadLetters = isDLQ[q.identity()]
		parts[q] = part
	}
	told := map[identity]deadLetters{} // how many are in each dead-letter queue
	tell := func(id identity, d deadLetters) {
		if other, is := told[id]; !is || d.countsBefore(other) {
			told[id] = d
		}
	}
	for id, q := range queues {
		if isDLQ[id] { // it counts even where the view shows no queue that fills it
			tell(id, deadLetters{q, q.jobs(), true})
		}
		if q.dlq != "" && isDLQ[q.deadLetters()] && q.Metrics.Failed != nil {
			tell(q.deadLetters(), deadLetters{q, *q.Metrics.Failed, false})
		}
	}
	for id, q := range queues {
		part := Part{DeadLetters: isDLQ[id]}
		if part.DeadLetters {
			part.NotJobs = told[id] != deadLetters{q, q.jobs(), true}
		}
		if q.dlq != "" && q.Metrics.Failed != nil {
			// Where that queue keeps its own, its jobs are counted as waiting.
			part.NotFailed = !isDLQ[q.deadLetters()] || told[q.deadLetters()] != deadLetters{q, *q.Metrics.Failed, false}
		}
		if part != (Part{}) {
			parts[q] = part
		}
	}
	return parts
}

// countsBefore reports whether q counts, and not other, which is another report of the same queue.
func (q *Queue) countsBefore(other *Queue) bool {
	if age, otherAge := q.age(), other.age(); age != otherAge {
		return age < otherAge
	}
	return q.at > other.at || q.at == other.at && bytes.Compare(q.appendJSON(nil), other.appendJSON(nil)) < 0
}

// age is 0 where q's numbers are of now, 1 where they are old, and 2 where it is lost, by whatever clock they were made.
func (q *Queue) age() int {
	switch {
	case q.isCurrent:
		return 0
	case q.Status != Lost:
		return 1
	}
	return 2
}

// jobs is how many jobs are in q.
func (q *Queue) jobs() int64 {
	m := &q.Metrics
	return add(add(m.Waiting, value(m.Active)), value(m.Delayed))
}

// deadLetters is how many jobs are in a dead-letter queue: as that queue says, or as one that fills it says.
type deadLetters struct {
	by    *Queue
	n     int64
	isOwn bool // by is the dead-letter queue
}

// countsBefore reports whether d counts, and not other, which is about the same queue.
func (d deadLetters) countsBefore(other deadLetters) bool {
	age, otherAge := d.by.age(), other.by.age()
	switch {
	case age != otherAge:
		return age < otherAge
	case d.n != other.n:
		return d.n > other.n
	case d.isOwn != other.isOwn:
		return d.isOwn
	}
	return cmp.Or(cmp.Compare(d.by.scope, other.by.scope), cmp.Compare(d.by.Name, other.by.Name)) < 0
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
	case n == nil:
		t.Unknown[name]++
	case *sum == nil:
		*sum = new(*n)
	default:
		**sum = add(**sum, *n)
	}
}

// tooMany is a sum that not every reader would keep exact.
const tooMany = protocol.MaxCount + 1

// add adds two counts, up to tooMany. The sum of two fits an int64.
func add(a, b int64) int64 { return min(a+b, tooMany) }

// exact is n, or nil where n is too many.
func exact(n *int64) *int64 {
	if *n >= tooMany {
		return nil
	}
	return n
}

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
