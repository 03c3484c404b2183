package view

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// Filter says which queues of a view are wanted. What is empty leaves all.
type Filter struct {
	App    string
	Queue  string // a name, or a key such as "sqs/orders"
	Driver string
	Status Status
}

// AppendQueues appends the queues that the filter leaves to dst as flat rows, which spreadsheets and autoscalers
// read: `{"generated_at":…,"queues":[…]}`, in order of their apps and keys. Each row has the same members; what is
// not known is null. It also returns how many rows there are.
func (v *View) AppendQueues(dst []byte, f Filter) (out []byte, rows int) {
	w := writer{buf: dst}
	w.open()
	w.int("generated_at", v.GeneratedAt)
	w.name("queues")
	w.buf = append(w.buf, '[')
	for _, app := range slices.Sorted(maps.Keys(v.Apps)) {
		if f.App != "" && f.App != app {
			continue
		}
		queues := v.Apps[app].Queues
		for _, key := range slices.Sorted(maps.Keys(queues)) {
			q := queues[key]
			if f.takes(key, q) {
				if rows > 0 {
					w.buf = append(w.buf, ',')
				}
				rows++
				q.writeFlat(&w, app, v.GeneratedAt)
			}
		}
	}
	w.buf = append(w.buf, ']')
	w.close()
	return w.buf, rows
}

func (f *Filter) takes(key string, q *Queue) bool {
	return (f.Queue == "" || f.Queue == q.Name || f.Queue == key) && (f.Driver == "" || q.isOf(f.Driver)) && (f.Status == "" || f.Status == q.Status)
}

func (q *Queue) writeFlat(w *writer, app string, now int64) {
	w.open()
	w.text("app", app)
	w.text("queue", q.Name)
	w.text("driver", q.DriverName())
	w.text("source", q.Source)
	w.text("status", string(q.Status))
	w.text("health", string(q.Health))
	w.int("waiting", q.Metrics.Waiting)
	w.knownOrNull("active", q.Metrics.Active)
	w.knownOrNull("delayed", q.Metrics.Delayed)
	w.knownOrNull("failed", q.Metrics.Failed)
	w.knownOrNull("backlog", q.backlog())
	w.knownOrNull("oldest_seconds", q.OldestSeconds(now))
	if rate := q.Trend.WaitingPerMin; rate != nil {
		w.name("waiting_per_min")
		w.buf = protocol.AppendFloat(w.buf, *rate)
	} else {
		w.null("waiting_per_min")
	}
	w.knownOrNull("drain_seconds", q.Trend.DrainSeconds)
	w.int("timestamp", q.at)
	w.close()
}

// backlog is how many jobs there are for workers: those that wait and those they have. It is nil where one of them
// is not known, and where the numbers are old: an autoscaler must not scale on dead numbers.
func (q *Queue) backlog() *int64 {
	if q.Metrics.Active == nil || !q.isCurrent {
		return nil
	}
	return exact(new(add(q.Metrics.Waiting, *q.Metrics.Active)))
}

// OldestSeconds is how long the oldest waiting job has waited at a time in Unix ms; nil where that is not known. One that was
// made more than a second after that time has a wrong clock.
func (q *Queue) OldestSeconds(now int64) *int64 {
	at, ok := q.Meta.Int("oldest_at")
	if !ok || !q.isCurrent || at-now > time.Second.Milliseconds() {
		return nil
	}
	return new(max(now-at, 0) / 1000)
}

// PlainKey is the key that q has in its app unless another reporter's queue has it.
func (q *Queue) PlainKey() string { return q.key }

// DriverName is the driver, or where that is other, the one that the reporter calls it.
func (q *Queue) DriverName() string { return q.key[:len(q.key)-len(q.Name)-1] }

// Links are what q says of where it and its dead-letter queue are: the URL of an SQS queue up to its name, its dead-letter
// queue, and a queue that it is the dead-letter queue of. Each is empty where it says nothing.
func (q *Queue) Links() (place, dlq, dlqFor string) {
	if !strings.Contains(q.scope, "\x00") { // else it is its reporter's: see scope
		place = q.scope
	}
	return place, q.dlq, q.dlqFor
}

// IsCurrent reports whether q's numbers are of the last minute. If not they say nothing of how the queue does now: it is
// lost, or its reporter only repeats what it read before.
func (q *Queue) IsCurrent() bool { return q.isCurrent }

// ReportedAt is when the queue's numbers were read, Unix ms.
func (q *Queue) ReportedAt() int64 { return q.at }

// IsPaused reports whether its reporter says that q is paused.
func (q *Queue) IsPaused() bool { return q.isPaused }

// isOf reports whether q is a driver's, by one of the two names it may have.
func (q *Queue) isOf(driver string) bool {
	return string(q.Driver) == driver || strings.HasPrefix(q.key, driver+"/")
}
