package protocol

import (
	"errors"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// QueueSnapshot is what one reporter counted in one app's queues at one moment.
type QueueSnapshot struct {
	Timestamp int64  `json:"timestamp"` // when the counts were read
	App       string `json:"app"`
	Source    string `json:"source,omitempty"` // who reported it: "sqs", "redis", …
	// IntervalMS is how often this reporter reports, in milliseconds; 0 where it doesn't say.
	IntervalMS int64   `json:"interval_ms,omitempty"`
	Queues     []Queue `json:"queues"`
	// Problems are what the reporter could not read, so that readers see that a queue is missing
	// because its numbers are unknown. An addition to the protocol: readers may ignore it.
	Problems []Problem `json:"problems,omitempty"`
}

// Queue is one queue's counts.
type Queue struct {
	Name    string  `json:"name"`
	Driver  Driver  `json:"driver"`
	Metrics Metrics `json:"metrics"`
	Meta    Meta    `json:"meta,omitzero"` // names in docs/protocol.md
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
	// MaxProblems bounds the problems of one snapshot; one more says that there were more.
	MaxProblems = 100
	// MaxQueues is the most queues of one snapshot that are written or read.
	MaxQueues = 100_000
	// MaxDocument is the largest document in bytes that is written or read.
	MaxDocument = 8 << 20
	// Unix milliseconds passed this in 1973; a smaller timestamp is almost surely in seconds.
	minTimestamp = 100_000_000_000
	// They pass this in 2286; a larger one is almost surely in microseconds.
	maxTimestamp = 9_999_999_999_999
	// maxInterval is the longest that a reporter may say it waits between two reports.
	maxInterval = int64(IndexLife / time.Millisecond)
)

// Key is where the snapshot is SET.
func (s *QueueSnapshot) Key() string { return QueuesKey(s.App, s.Source) }

// Encode checks s and returns its JSON, which begins with the timestamp.
func (s *QueueSnapshot) Encode() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	const usual = 256 // bytes a queue
	data := s.appendUpTo(make([]byte, 0, min(128+usual*len(s.Queues), MaxDocument)), MaxDocument)
	if len(data) > MaxDocument {
		return nil, errors.New("the snapshot of app " + s.App + " has " + strconv.Itoa(len(data)) + " bytes or more: at most " + strconv.Itoa(MaxDocument) +
			" can be read; give each reporter fewer queues, with a source of its own")
	}
	return data, nil
}

// EncodeUsable is [QueueSnapshot.Encode] for a snapshot that must not be lost for one of its queues:
// queues that cannot be written are left out of s, and are problems in it instead.
func (s *QueueSnapshot) EncodeUsable() ([]byte, error) {
	data, err := s.Encode()
	if err == nil {
		return data, nil
	}
	bad := map[int]bool{}
	ps := problems{s.Problems}
	for _, err := range s.checkQueues() {
		if q := (*QueueError)(nil); errors.As(err, &q) {
			bad[q.Index] = true
			ps.add(q.Name, "it is left out: ", q.Err.Error())
		}
	}
	usable := make([]Queue, 0, len(s.Queues)-len(bad))
	sizes := s.rowSizes(bad)
	large := tooLarge(sizes, MaxDocument-spareBytes)
	for n, i := range large {
		bad[i] = true
		if n < mostNamed {
			ps.add(s.Queues[i].Name, "it is left out: it has "+strconv.Itoa(sizes[i])+" bytes, and all queues together more than "+
				strconv.Itoa(MaxDocument-spareBytes))
		}
	}
	if more := len(large) - mostNamed; more > 0 {
		ps.add("", strconv.Itoa(more)+" more queues are left out that are as large")
	}
	size := 0
	for i := range s.Queues {
		if bad[i] {
			continue
		}
		if size += sizes[i]; size > MaxDocument-spareBytes {
			ps.add("", strconv.Itoa(len(s.Queues)-i)+" queues are left out: all together are more than "+strconv.Itoa(MaxDocument)+
				" bytes; give each reporter fewer, with a source of its own")
			break
		}
		usable = append(usable, s.Queues[i])
	}
	s.Queues, s.Problems = usable, ps.list
	return s.Encode()
}

// rowSizes are how many bytes each queue takes; 0 is that of a bad one.
func (s *QueueSnapshot) rowSizes(bad map[int]bool) []int {
	sizes := make([]int, len(s.Queues))
	var row []byte
	for i := range s.Queues {
		if !bad[i] {
			row = s.Queues[i].AppendJSON(row[:0])
			sizes[i] = len(row)
		}
	}
	return sizes
}

// tooLarge are the rows that are left out first where all have more than so many bytes together: those of more than twice
// their share, the largest first, until the others fit. So a few large ones do not crowd out many small ones.
func tooLarge(sizes []int, most int) (out []int) {
	const times = 2
	total := 0
	for _, size := range sizes {
		total += size
	}
	if total <= most {
		return nil
	}
	for i, size := range sizes {
		if size > times*(most/len(sizes)) {
			out = append(out, i)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int { return sizes[b] - sizes[a] })
	for n, i := range out {
		if total <= most {
			return out[:n]
		}
		total -= sizes[i]
	}
	return out
}

// mostNamed is of how many of those the problems name each.
const mostNamed = 20

// spareBytes is what a snapshot may take beside its queues: its problems, mostly, and a comma a queue.
const spareBytes = 1 << 20

// QueueError is why one queue of a snapshot cannot be written. The others may be fine.
type QueueError struct {
	Index int // in the snapshot's queues
	Name  string
	Err   error
}

func (e *QueueError) Error() string {
	return "queue " + strconv.Itoa(e.Index) + " (" + quote(e.Name) + "): " + e.Err.Error()
}

func (e *QueueError) Unwrap() error { return e.Err }

// Validate returns everything that would make s a document that readers refuse, each wrong queue as a
// [*QueueError].
func (s *QueueSnapshot) Validate() error {
	errs := []error{checkTimestamp(s.Timestamp), CheckName("app", s.App)}
	if s.Source != "" {
		errs = append(errs, CheckName("source", s.Source))
	}
	if s.IntervalMS < 0 || s.IntervalMS > maxInterval {
		errs = append(errs, errors.New("interval_ms is "+strconv.FormatInt(s.IntervalMS, 10)+": it takes milliseconds up to a day"))
	}
	errs = append(errs, s.checkQueues()...)
	return errors.Join(errs...)
}

// DriverName is the name of q's driver. A driver that this package doesn't know has its name in meta.driver, unless
// that is too long for a name. Within a snapshot a queue is known by its driver's name and its own.
func (q *Queue) DriverName() string {
	if q.Driver == DriverOther {
		if name := q.Meta.Text("driver"); name != "" && len(name) <= MaxQueueName {
			return name
		}
	}
	return string(q.Driver)
}

// queueID is what a queue is known by within a snapshot.
type queueID struct{ driver, name string }

func (s *QueueSnapshot) checkQueues() (errs []error) {
	seen := make(map[queueID]struct{}, len(s.Queues))
	for i := range s.Queues {
		q := &s.Queues[i]
		err := q.validate()
		id := queueID{q.DriverName(), q.Name}
		_, twice := seen[id]
		switch {
		case err != nil:
		case twice:
			err = errors.New(id.driver + " has this name twice")
		case len(seen) == MaxQueues:
			err = errTooMany
		}
		if err != nil {
			errs = append(errs, &QueueError{i, q.Name, err})
			continue
		}
		seen[id] = struct{}{}
	}
	return errs
}

var errTooMany = errors.New("it is one of more than " + strconv.Itoa(MaxQueues) + " in a snapshot: give each reporter fewer, with a source of its own")

func (q *Queue) validate() error {
	if err := CheckQueueName(q.Name); err != nil {
		return err
	}
	if !q.Driver.known() {
		return errors.New("driver is " + quote(string(q.Driver)) + ": it takes gravito-stream, laravel-horizon, bullmq, sqs or other")
	}
	m := &q.Metrics
	for _, c := range []struct {
		name  string
		value *int64
	}{{"waiting", &m.Waiting}, {"active", m.Active}, {"delayed", m.Delayed}, {"failed", m.Failed}} {
		if c.value != nil && (*c.value < 0 || *c.value > MaxCount) {
			return errors.New(c.name + " is " + strconv.FormatInt(*c.value, 10) + ": a count is 0 to 2^53-1")
		}
	}
	return nil
}

// CheckQueueName returns why name cannot be a queue's name, or nil.
func CheckQueueName(name string) error {
	switch {
	case name == "":
		return errors.New("it has no name")
	case len(name) > MaxQueueName:
		return errors.New("its name has " + strconv.Itoa(len(name)) + " bytes: at most " + strconv.Itoa(MaxQueueName))
	case !utf8.ValidString(name):
		return errors.New("its name is not UTF-8")
	}
	return nil
}

func checkTimestamp(ms int64) error {
	if ms >= minTimestamp && ms <= maxTimestamp {
		return nil
	}
	return errors.New("timestamp is " + strconv.FormatInt(ms, 10) + ": it takes Unix milliseconds, such as 1764000000000")
}

// DecodeSnapshot reads a snapshot that any program may have written. It returns what is usable; each queue or count
// that is not becomes a Problem. err means that nothing is usable.
func DecodeSnapshot(data []byte) (QueueSnapshot, []Problem, error) {
	s, problems, _, err := readSnapshot(data)
	return s, problems, err
}

// CheckSnapshot returns an error where a reader would leave something of the snapshot out, or read it as something
// else: it is for the authors of reporters. Problems that the snapshot itself reports are no error.
func CheckSnapshot(data []byte) error {
	_, problems, found, err := readSnapshot(data)
	if err == nil && found > 0 {
		err = errors.New(problems[0].String())
	}
	return err
}

// readSnapshot returns the problems that it found itself, and behind these the ones that the snapshot reports.
func readSnapshot(data []byte) (s QueueSnapshot, all []Problem, found int, err error) {
	doc, err := object(data)
	if err != nil {
		return QueueSnapshot{}, nil, 0, err
	}
	var app, source, timestamp, interval, queues, reported []byte
	for name, value := range members(doc) {
		switch string(name) {
		case "app":
			app = value
		case "source":
			source = value
		case "timestamp":
			timestamp = value
		case "interval_ms":
			interval = value
		case "queues":
			queues = value
		case "problems":
			reported = value
		}
	}
	s = QueueSnapshot{App: readText(app), Source: readText(source)}
	if err := CheckName("app", s.App); err != nil {
		return QueueSnapshot{}, nil, 0, err
	}
	if s.Timestamp, err = readTimestamp(timestamp); err != nil {
		return QueueSnapshot{}, nil, 0, err
	}
	var ps problems
	if s.Source != "" && !ValidName(s.Source) {
		ps.add("", CheckName("source", s.Source).Error())
		s.Source = ""
	}
	if n := readCount(interval); n.bad == "" && n.value <= maxInterval {
		s.IntervalMS = n.value
	}
	if len(queues) == 0 || queues[0] != '[' {
		ps.add("", "it has no queues: it takes a list, empty where there are none")
	}
	s.Queues = readQueues(queues, "metrics", &ps)
	found = len(ps.list)
	for p := range elements(reported) {
		if p := readProblem(p); p.Reason != "" { // else it was no problem, but something of another shape
			ps.add(p.Queue, p.Reason)
		}
	}
	return s, ps.list, found, nil
}

func readTimestamp(value []byte) (int64, error) {
	ms, err := readCount(value).required("timestamp")
	if err != nil {
		return 0, err
	}
	return ms, checkTimestamp(ms)
}

func readProblem(value []byte) (p Problem) {
	for name, v := range members(value) {
		switch string(name) {
		case "queue":
			p.Queue = readText(v)
		case "reason":
			p.Reason = readText(v)
		}
	}
	return p
}

// readQueues returns the queues of a list that can be read, each driver and name once. Their counts
// are in the member called metrics.
func readQueues(list []byte, metrics string, ps *problems) []Queue {
	queues := []Queue{}
	at := map[queueID]int{}
	i := -1
	for value := range elements(list) {
		i++
		q, ok := readQueue(value, metrics, i, ps)
		if !ok {
			continue
		}
		id := queueID{q.DriverName(), q.Name}
		if j, twice := at[id]; twice {
			ps.add(q.Name, "it is in the snapshot twice; the later one is shown")
			queues[j] = q
			continue
		}
		if len(queues) == MaxQueues {
			ps.add("", "it has more than "+strconv.Itoa(MaxQueues)+" queues, and the rest are not read: give each reporter fewer, with a source of its own")
			break
		}
		at[id] = len(queues)
		queues = append(queues, q)
	}
	return queues
}

// readDriver is readText, without memory of its own for a driver that has a name.
func readDriver(value []byte) string {
	for _, d := range [...]Driver{DriverBullMQ, DriverSQS, DriverLaravelHorizon, DriverGravitoStream, DriverOther} {
		if len(value) == len(d)+2 && string(value[1:len(value)-1]) == string(d) && value[0] == '"' {
			return string(d)
		}
	}
	return readText(value)
}

func readQueue(value []byte, metrics string, i int, ps *problems) (q Queue, ok bool) {
	var driver string
	var counts, meta []byte
	for name, v := range members(value) {
		switch string(name) {
		case "name":
			q.Name = readText(v)
		case "driver":
			driver = readDriver(v)
		case metrics:
			counts = v
		case "meta":
			meta = v
		}
	}
	if err := CheckQueueName(q.Name); err != nil {
		ps.add("", "queue ", strconv.Itoa(i), " is left out: ", err.Error())
		return Queue{}, false
	}
	var waiting, active, delayed, failed count
	for name, v := range members(counts) {
		switch string(name) {
		case "waiting":
			waiting = readCount(v)
		case "active":
			active = readCount(v)
		case "delayed":
			delayed = readCount(v)
		case "failed":
			failed = readCount(v)
		}
	}
	var err error
	if q.Metrics.Waiting, err = waiting.required("waiting"); err != nil {
		ps.add(q.Name, "it is left out: ", err.Error())
		return Queue{}, false
	}
	n := new([3]int64) // one allocation for all
	q.Metrics.Active = active.optional(&n[0], "active", q.Name, ps)
	q.Metrics.Delayed = delayed.optional(&n[1], "delayed", q.Name, ps)
	q.Metrics.Failed = failed.optional(&n[2], "failed", q.Name, ps)
	q.Meta = readMeta(meta)
	// The name of a driver that this version doesn't know is kept in meta.driver.
	if q.Driver = Driver(driver); !q.Driver.known() {
		q.Driver = DriverOther
		if driver != "" {
			q.Meta.SetText("driver", driver)
		}
	}
	return q, true
}
