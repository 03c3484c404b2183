package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// QueueSnapshot is what one reporter counted in one app's queues at one moment.
type QueueSnapshot struct {
	Timestamp int64   `json:"timestamp"` // when the counts were read
	App       string  `json:"app"`
	Source    string  `json:"source,omitempty"` // who reported it: "sqs", "redis", …
	Queues    []Queue `json:"queues"`
	// Problems are what the reporter could not read, so that a queue whose numbers are unknown
	// is missed by nobody. An addition to the protocol: readers may ignore it.
	Problems []Problem `json:"problems,omitempty"`
}

// Queue is one queue's counts.
type Queue struct {
	Name    string         `json:"name"`
	Driver  Driver         `json:"driver"`
	Metrics Metrics        `json:"metrics"`
	Meta    map[string]any `json:"meta,omitempty"` // names in docs/protocol.md
}

// Metrics are counts of jobs. A nil count cannot be known from this driver.
type Metrics struct {
	Waiting int64  `json:"waiting"` // ready to run: every list a worker would take from
	Active  *int64 `json:"active,omitempty"`
	Delayed *int64 `json:"delayed,omitempty"`
	Failed  *int64 `json:"failed,omitempty"`
}

// Driver is the software that keeps a queue.
type Driver string

// The drivers that have a name of their own; every other is [DriverOther].
const (
	DriverGravitoStream  Driver = "gravito-stream"
	DriverLaravelHorizon Driver = "laravel-horizon"
	DriverBullMQ         Driver = "bullmq"
	DriverSQS            Driver = "sqs"
	DriverOther          Driver = "other"
)

func (d Driver) known() bool {
	switch d {
	case DriverGravitoStream, DriverLaravelHorizon, DriverBullMQ, DriverSQS, DriverOther:
		return true
	}
	return false
}

// Problem is something that could not be read, and why, as a sentence for a person.
type Problem struct {
	Queue  string `json:"queue,omitempty"` // the queue's name, where it is about one queue
	Reason string `json:"reason"`
}

func (p Problem) String() string {
	if p.Queue == "" {
		return p.Reason
	}
	return "queue " + quote(p.Queue) + ": " + p.Reason
}

const (
	// MaxCount is the largest count that every JSON reader keeps exact.
	MaxCount = 1<<53 - 1
	// MaxQueueName is the longest queue name in bytes that is read or written.
	MaxQueueName = 1024
	// maxProblems bounds what one document can add to the view.
	maxProblems = 100
	// maxQueues bounds what is read of one document: a value of some megabytes can hold millions of
	// empty queues, each of which would take a hundred times its size in memory.
	maxQueues = 20_000
	// Unix milliseconds passed this in 1973; a smaller timestamp is almost surely in seconds.
	minTimestamp = 100_000_000_000
	// They pass this in 2286; a larger one is almost surely in microseconds.
	maxTimestamp = 9_999_999_999_999
)

// Key is where the snapshot is SET.
func (s *QueueSnapshot) Key() string { return QueuesKey(s.App, s.Source) }

// Encode checks s and returns its JSON. The timestamp comes first in it: publishers compare it
// without parsing the rest.
func (s *QueueSnapshot) Encode() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	out := *s
	if out.Queues == nil {
		out.Queues = []Queue{}
	}
	data, err := json.Marshal(&out)
	if err != nil {
		return nil, fmt.Errorf("encode the snapshot of app %s: %w", s.App, err)
	}
	return data, nil
}

// Validate tells everything that would make s a document others cannot read.
func (s *QueueSnapshot) Validate() error {
	errs := []error{checkTimestamp(s.Timestamp), CheckName("app", s.App)}
	if s.Source != "" {
		errs = append(errs, CheckName("source", s.Source))
	}
	type id struct {
		driver Driver
		name   string
	}
	seen := make(map[id]bool, len(s.Queues))
	for i := range s.Queues {
		q := &s.Queues[i]
		if err := q.validate(); err != nil {
			errs = append(errs, fmt.Errorf("queue %d (%s): %w", i, quote(q.Name), err))
		}
		if k := (id{q.Driver, q.Name}); seen[k] {
			errs = append(errs, fmt.Errorf("queue %d (%s): %s has this name twice", i, quote(q.Name), q.Driver))
		} else {
			seen[k] = true
		}
	}
	return errors.Join(errs...)
}

func (q *Queue) validate() error {
	if err := CheckQueueName(q.Name); err != nil {
		return err
	}
	if !q.Driver.known() {
		return fmt.Errorf("driver is %s: it takes gravito-stream, laravel-horizon, bullmq, sqs or other", quote(string(q.Driver)))
	}
	m := &q.Metrics
	for _, c := range []struct {
		name  string
		value *int64
	}{{"waiting", &m.Waiting}, {"active", m.Active}, {"delayed", m.Delayed}, {"failed", m.Failed}} {
		if c.value != nil && (*c.value < 0 || *c.value > MaxCount) {
			return fmt.Errorf("%s is %d: a count is 0 to 2^53-1", c.name, *c.value)
		}
	}
	return nil
}

// CheckQueueName tells why name cannot be a queue's name, or nil.
func CheckQueueName(name string) error {
	switch {
	case name == "":
		return errors.New("it has no name")
	case len(name) > MaxQueueName:
		return fmt.Errorf("its name has %d bytes: at most %d", len(name), MaxQueueName)
	case !utf8.ValidString(name):
		return errors.New("its name is not UTF-8")
	}
	return nil
}

func checkTimestamp(ms int64) error {
	if ms >= minTimestamp && ms <= maxTimestamp {
		return nil
	}
	return fmt.Errorf("timestamp is %d: it takes Unix milliseconds, such as 1764000000000", ms)
}

// wireSnapshot reads what other people write. Fields of the wrong type are left empty by
// encoding/json, which goes on with the rest; the checks below then say what is missing.
type wireSnapshot struct {
	Timestamp count
	App       string
	Source    string
	Queues    list[wireQueue]
	Problems  list[Problem]
}

type wireQueue struct {
	Name    string
	Driver  string
	Metrics struct{ Waiting, Active, Delayed, Failed count }
	Meta    map[string]any
}

// DecodeSnapshot reads a snapshot that anybody may have written. It returns what is usable; each
// queue or count that is not becomes a Problem. err means that nothing is usable.
func DecodeSnapshot(data []byte) (QueueSnapshot, []Problem, error) {
	var w wireSnapshot
	if err := unmarshal(data, snapshotForm, &w); err != nil {
		return QueueSnapshot{}, nil, err
	}
	s := QueueSnapshot{App: w.App, Source: w.Source}
	if err := CheckName("app", w.App); err != nil {
		return QueueSnapshot{}, nil, err
	}
	ts, err := w.Timestamp.required("timestamp")
	if err == nil {
		err = checkTimestamp(ts)
	}
	if err != nil {
		return QueueSnapshot{}, nil, err
	}
	s.Timestamp = ts
	var ps problems
	if w.Source != "" && !ValidName(w.Source) {
		ps.add("", "%v", CheckName("source", w.Source))
		s.Source = ""
	}
	if w.Queues.items == nil {
		ps.add("", "it has no queues: it takes a list, empty where there are none")
	}
	s.Queues = readQueues(w.Queues, &ps)
	for _, p := range w.Problems.items {
		if p.Reason != "" { // else it was no problem, but something of another shape
			ps.add(p.Queue, "%s", p.Reason)
		}
	}
	return s, ps.list, nil
}

// readQueues returns the queues that can be read, each driver and name once.
func readQueues(wire list[wireQueue], ps *problems) []Queue {
	if wire.cut {
		ps.add("", "it has more than %d queues, and the rest are not read: give each reporter fewer, with a source of its own", maxQueues)
	}
	queues := make([]Queue, 0, len(wire.items))
	at := make(map[string]int, len(wire.items))
	for i := range wire.items {
		q, ok := wire.items[i].read(i, ps)
		if !ok {
			continue
		}
		id := string(q.Driver) + "\x00" + q.Name
		if j, twice := at[id]; twice {
			ps.add(q.Name, "it is in the snapshot twice; the later one is shown")
			queues[j] = q
			continue
		}
		at[id] = len(queues)
		queues = append(queues, q)
	}
	return queues
}

func (w *wireQueue) read(i int, ps *problems) (Queue, bool) {
	if err := CheckQueueName(w.Name); err != nil {
		ps.add("", "queue %d is left out: %v", i, err)
		return Queue{}, false
	}
	waiting, err := w.Metrics.Waiting.required("waiting")
	if err != nil {
		ps.add(w.Name, "it is left out: %v", err)
		return Queue{}, false
	}
	q := Queue{Name: w.Name, Meta: w.Meta, Metrics: Metrics{
		Waiting: waiting,
		Active:  w.Metrics.Active.optional("active", w.Name, ps),
		Delayed: w.Metrics.Delayed.optional("delayed", w.Name, ps),
		Failed:  w.Metrics.Failed.optional("failed", w.Name, ps),
	}}
	q.Driver, q.Meta = readDriver(w.Driver, w.Meta)
	return q, true
}

// readDriver keeps the name of a driver this version doesn't know in meta.driver.
func readDriver(driver string, meta map[string]any) (Driver, map[string]any) {
	if d := Driver(driver); d.known() {
		return d, meta
	}
	if driver == "" {
		return DriverOther, meta
	}
	if meta == nil {
		meta = map[string]any{}
	}
	meta["driver"] = driver
	return DriverOther, meta
}
