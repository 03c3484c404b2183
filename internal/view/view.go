package view

import (
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// View is everything that is known, at one moment. Its JSON is maps all the way down, without
// nulls, so that a merge patch addresses every part of it.
type View struct {
	GeneratedAt int64           `json:"generated_at"`
	RedisDown   *RedisDown      `json:"redis_down,omitempty"`
	Totals      Totals          `json:"totals"`
	Apps        map[string]*App `json:"apps"`
	Problems    []Problem       `json:"problems"`
}

// RedisDown says that Redis does not answer: the view is the last numbers once more. It is nil while Redis answers.
type RedisDown struct {
	Since  int64 `json:"since"`   // when it first did not, Unix ms
	ReadAt int64 `json:"read_at"` // when these numbers were read, Unix ms
}

// Totals are sums over the queues that are not lost. A job in a dead-letter queue counts once, as failed, even
// where several queues share it. A sum is nil where no queue has the number, and 0 where there are no queues.
// A sum is nil, too, where it is larger than [protocol.MaxCount], the last number that every reader keeps exact.
type Totals struct {
	Waiting *int64 `json:"waiting,omitempty"`
	Active  *int64 `json:"active,omitempty"`
	Delayed *int64 `json:"delayed,omitempty"`
	Failed  *int64 `json:"failed,omitempty"`
	Queues  int    `json:"queues"`  // rows, the lost ones too
	Servers int    `json:"servers"` // rows, the lost ones too
	// Unknown is, for each count, the number of queues that are not in its sum because they don't tell it.
	Unknown map[string]int `json:"unknown,omitempty"`
	Lost    LostRows       `json:"lost"`
}

// LostRows are the rows that are in no sum.
type LostRows struct {
	Queues  int `json:"queues"`
	Servers int `json:"servers"`
}

// App is one app: its reporters, keyed by source, its queues, keyed by driver and name, its servers, keyed by id, and
// the alerts that fire, keyed by fingerprint.
type App struct {
	Sources map[string]*Source `json:"sources"`
	Queues  map[string]*Queue  `json:"queues"`
	Servers map[string]*Server `json:"servers"`
	Alerts  map[string]Alert   `json:"alerts,omitempty"`
}

// Alert is one of the recorder's.
type Alert protocol.Alert

func (a Alert) appendJSON(dst []byte) []byte { return protocol.Alert(a).AppendJSON(dst) }

// Source is a reporter of queues. It has the members that change with each report even while its queues are
// idle, so that the rows don't change and a patch of idle queues is small.
type Source struct {
	Status    Status `json:"status"`
	Timestamp int64  `json:"timestamp"` // of its newest report, Unix ms

	// SeenAt is when a lost reporter's key was last seen, Unix ms: what the view's problem says. Its newest report was
	// made a little earlier, or is known to the minute only.
	SeenAt int64 `json:"-"`
}

// Has reports whether the view has a queue.
func (v *View) Has(app, key string) bool {
	a := v.Apps[app]
	return a != nil && a.Queues[key] != nil
}

// NoSource is the key of a reporter without a source.
const NoSource = "-"

// Queue is one queue as the reporter of its snapshot saw it. Its JSON also has its origin, "gravito" or
// "external", and whether others only read it: both are its driver's.
type Queue struct {
	Name    string           `json:"name"`
	Driver  protocol.Driver  `json:"driver"`
	Source  string           `json:"source,omitempty"`
	Status  Status           `json:"status"`
	Health  protocol.Health  `json:"health"`
	Reason  string           `json:"health_reason,omitempty"` // why it is that health, in a sentence
	Trend   protocol.Trend   `json:"trend"`
	Metrics protocol.Metrics `json:"metrics"`
	Meta    protocol.Meta    `json:"meta"`

	key string // driver and name: its key in the app, unless another source's queue has it
	at  int64  // when its numbers were read, Unix ms
	// From meta, whether or not that is too large to be shown.
	*place

	isPaused bool
	// isRepeated is that its reporter cannot read it now, and repeats the numbers of an earlier poll.
	isRepeated bool
	// isCurrent is that its numbers are of now, or nearly.
	isCurrent bool
	isShown   bool // a view has it, which may still be read: it is not changed any more
}

// place is where a queue is. Rows of one snapshot share it where it is the same: nearly always.
type place struct {
	scope string // with the name, the same for each report of the same queue
	dlq   string // its dead-letter queue's name; "" if it has none
	// dlqFor is the first of the queues that it says it is the dead-letter queue of; "" if it says none.
	dlqFor string
}

// identity is the same for each report of the same queue.
type identity struct{ scope, name string }

func (q *Queue) identity() identity { return identity{q.scope, q.Name} }

// deadLetters is the identity of q's dead-letter queue, if it has one.
func (q *Queue) deadLetters() identity { return identity{q.scope, q.dlq} }

func (q *Queue) origin() string {
	if q.readOnly() {
		return "external"
	}
	return "gravito"
}

func (q *Queue) readOnly() bool { return q.Driver != protocol.DriverGravitoStream }

// Server is one process or host. Where only its key is left, so are its status and time.
type Server struct {
	Status    Status            `json:"status"`
	Timestamp int64             `json:"timestamp"`
	System    *protocol.System  `json:"system,omitempty"`
	Process   *protocol.Process `json:"process,omitempty"`
	Meta      protocol.Meta     `json:"meta"`
}

// Problem is something that is wrong with a key, or with what its reporter could read.
type Problem struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// Status is how old a document is.
type Status string

// The ages of a document.
const (
	Fresh Status = "fresh" // at most 15 s, or one and a half of its reporter's intervals
	Stale Status = "stale" // older, but its key is still there; or its reporter repeats what it cannot read now
	Lost  Status = "lost"  // its key is gone: the reporter stopped, or cannot reach Redis
)

// freshFor is how old a document may be and still be fresh.
const freshFor = 15 * time.Second

// currentFor is how old a row's numbers may be and still say how its queue does.
const currentFor = time.Minute

// lookJitter is how much later than a minute after the last reading one may be that reads once a minute.
const lookJitter = 15 * time.Second

// clockTolerance is how far a document's clock may be ahead of ours and still be believed.
const clockTolerance = time.Minute

const (
	// maxRow bounds one row's JSON: meta is free, and may be rubbish.
	maxRow = 32 << 10
	// surelyFits is the size of a meta that leaves room for everything else in a row: names have bounds.
	surelyFits = maxRow / 2
	// maxDepth bounds how deep a meta nests. Readers have bounds of their own: encoding/json takes
	// 10,000 levels, others hundreds, the page's merge patch 64 from the view's root.
	maxDepth = 32
)

// shorten leaves out a meta that is too large to be shown.
func (q *Queue) shorten() {
	q.Meta = shown(q.Meta)
	if q.Meta.Len() > surelyFits && len(q.appendJSON(nil)) > maxRow {
		q.Meta = onlyError(tooLarge)
	}
}

func (q *Queue) appendJSON(dst []byte) []byte { //nolint:unparam // a whole view passes its own, as a row
	w := writer{buf: dst}
	w.open()
	w.text("name", q.Name)
	w.text("driver", string(q.Driver))
	w.text("origin", q.origin())
	w.bool("read_only", q.readOnly())
	if q.Source != "" {
		w.text("source", q.Source)
	}
	w.text("status", string(q.Status))
	w.text("health", string(q.Health))
	if q.Reason != "" {
		w.text("health_reason", q.Reason)
	}
	if !q.Trend.IsZero() {
		w.name("trend")
		w.buf = q.Trend.AppendJSON(w.buf)
	}
	w.name("metrics")
	w.buf = q.Metrics.AppendJSON(w.buf)
	w.name("meta")
	w.buf = q.Meta.AppendJSON(w.buf)
	w.close()
	return w.buf
}

// shorten leaves out a meta that is too large to be shown.
func (s *Server) shorten() {
	s.Meta = shown(s.Meta)
	if s.Meta.Len() > surelyFits && len(s.appendJSON(nil)) > maxRow {
		s.Meta = onlyError(tooLarge)
	}
}

func (s *Server) appendJSON(dst []byte) []byte { //nolint:unparam // a whole view passes its own, as a row
	w := writer{buf: dst}
	w.open()
	w.text("status", string(s.Status))
	w.int("timestamp", s.Timestamp)
	if s.System != nil {
		w.name("system")
		w.buf = s.System.AppendJSON(w.buf)
	}
	if s.Process != nil {
		w.name("process")
		w.buf = s.Process.AppendJSON(w.buf)
	}
	w.name("meta")
	w.buf = s.Meta.AppendJSON(w.buf)
	w.close()
	return w.buf
}

const (
	tooLarge = "its meta is larger than 32 KiB and is not shown"
	tooDeep  = "its meta nests deeper than 32 levels and is not shown"
)

func onlyError(text string) (m protocol.Meta) {
	m.SetText("error", text)
	return m
}

// shown is what a row shows of a meta: without nulls, which a merge patch could not carry. It also
// looks into lists: RFC 7396 leaves nulls in a list alone, but some programs that apply a patch don't.
func shown(meta protocol.Meta) protocol.Meta {
	without, ok := meta.WithoutNulls(maxDepth)
	if !ok {
		return onlyError(tooDeep)
	}
	return without
}
