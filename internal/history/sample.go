package history

import (
	"strings"
	"unicode/utf8"

	"github.com/gravito-framework/pulse/protocol"
)

// Key is a queue's key in its app, as in the view: {driver}/{name}, or {meta.driver}/{name} where the driver is other.
// Where two sources have the same queue, the second one's key ends in @{source}.
type Key string

// Sample is one queue at one look.
type Sample struct {
	Key        Key
	Name       string
	Driver     protocol.Driver
	MetaDriver string // meta.driver, where Driver is other
	Source     string
	Metrics    protocol.Metrics
	Workers    *int64 // connected workers; nil where they cannot be counted
	// Processed is how many jobs have ever been finished; nil where nobody counts that. It must truly count. The number of
	// finished jobs that a queue keeps is no counter, because most queues keep only the last so many.
	Processed *int64
	Paused    bool
	Links
	Part
	// Lost is true where the reporter's key is gone, or its numbers are old for another reason. They are those of the last
	// report.
	Lost bool
	// Seen is when a lost queue was last reported, in Unix ms. History knows it to the minute.
	Seen int64
}

// Links are where a queue and its dead-letter queue are: what a view needs to know one by the other. Each is empty where its
// reporter doesn't say.
type Links struct {
	Place  string // the URL of an SQS queue, up to its name
	DLQ    string // its dead-letter queue's name
	DLQFor string // the name of one queue that it is the dead-letter queue of
}

// size is what l counts of maxTexts.
func (l Links) size() int { return len(l.Place) + len(l.DLQ) + len(l.DLQFor) }

// usable is l without what history cannot keep.
func (l Links) usable() Links {
	for _, text := range []*string{&l.Place, &l.DLQ, &l.DLQFor} {
		if !isUsable(*text) {
			*text = ""
		}
	}
	return l
}

func (l Links) clone() Links {
	return Links{strings.Clone(l.Place), strings.Clone(l.DLQ), strings.Clone(l.DLQFor)}
}

const (
	// maxQueues are the most queues that one app's history holds.
	maxQueues = protocol.MaxQueues
	// maxText is the longest key, driver or source, in bytes.
	maxText = 2 * protocol.MaxQueueName
	// maxTexts are the most bytes of all texts together.
	maxTexts = 8 << 20
)

// identity is what stays the same of a queue.
type identity struct {
	key                      Key
	name, metaDriver, source string
	driver                   protocol.Driver
}

// scope is the part of a key before its name.
func (id *identity) scope() string { return scopeOf(id.driver, id.metaDriver) }

func scopeOf(driver protocol.Driver, metaDriver string) string {
	if driver == protocol.DriverOther && metaDriver != "" {
		return metaDriver
	}
	return string(driver)
}

// hasUsualKey reports whether the key is made of the other parts.
func (id *identity) hasUsualKey() bool {
	n := len(id.scope())
	return len(id.key) == n+1+len(id.name) && string(id.key[:n]) == id.scope() && id.key[n] == '/' && string(id.key[n+1:]) == id.name
}

// size is what id counts of maxTexts.
func (id *identity) size() int {
	n := len(id.key) + len(id.driver) + len(id.metaDriver) + len(id.source)
	if !id.hasUsualKey() { // else it has the name
		n += len(id.name)
	}
	return n
}

func (s *Sample) identity() identity {
	return identity{s.Key, s.Name, s.MetaDriver, s.Source, s.Driver}
}

// What the numbers of a state are.
const (
	waiting = iota
	active
	delayed
	failed
	workers
	processed
	numbers
)

// flags say which of a state's numbers are known, and how the queue is.
type flags uint16

const (
	knowsActive flags = 1 << iota
	knowsDelayed
	knowsFailed
	knowsWorkers
	isPaused
	isLost
	knowsProcessed
	notJobs
	isDeadLetters
	notFailed
	explicitKey // in a record only: its key is not made of its other parts
	hasLinks    // in a record only: it has links
	isGone      // in a series only: the queue is no more
)

// state is what history keeps of a queue's sample.
type state struct {
	n     [numbers]int64 // 0 where unknown
	flags flags
}

// known are the flags of the numbers, in their order.
var known = [numbers]flags{active: knowsActive, delayed: knowsDelayed, failed: knowsFailed, workers: knowsWorkers, processed: knowsProcessed}

func (s *state) knows(number int) bool { return s.flags&known[number] == known[number] }

// get is a number, nil where it is unknown.
func (s *state) get(number int) *int64 {
	if !s.knows(number) {
		return nil
	}
	return new(s.n[number])
}

// state is what history keeps of s.
func (s *Sample) state() (st state) {
	st.n[waiting] = s.Metrics.Waiting
	for number, n := range [numbers]*int64{active: s.Metrics.Active, delayed: s.Metrics.Delayed, failed: s.Metrics.Failed, workers: s.Workers, processed: s.Processed} {
		if n != nil {
			st.n[number] = *n
			st.flags |= known[number]
		}
	}
	for _, f := range [...]struct {
		is   bool
		flag flags
	}{{s.Paused, isPaused}, {s.Lost, isLost}, {s.NotJobs, notJobs}, {s.DeadLetters, isDeadLetters}, {s.NotFailed, notFailed}} {
		if f.is {
			st.flags |= f.flag
		}
	}
	return st
}

// part is how the queue counts in a sum.
func (s *state) part() Part {
	return Part{NotJobs: s.flags&notJobs != 0, DeadLetters: s.flags&isDeadLetters != 0, NotFailed: s.flags&notFailed != 0}
}

// isUsable reports whether history can keep it.
func (s *state) isUsable() bool {
	for _, n := range s.n {
		if n < 0 || n > protocol.MaxCount {
			return false
		}
	}
	return true
}

func (id *identity) isUsable() bool {
	for _, text := range []string{string(id.key), id.name, string(id.driver), id.metaDriver, id.source} {
		if !isUsable(text) {
			return false
		}
	}
	return true
}

func isUsable(text string) bool { return len(text) <= maxText && utf8.ValidString(text) }

// roster are an app's queues, by the numbers that they have since the last keyframe.
type roster struct {
	slots      []slot
	index      map[Key]int // the slots that are in use
	texts      int         // bytes of the texts of all slots, used or not
	at         int64       // the minute of the last entry
	keyframeAt int64       // the minute of the last keyframe; 0 if there is none to go on from
	// How large the keyframe is, and the deltas since.
	keyframeSize, deltaSize int
}

type slot struct {
	identity
	links Links
	state
	seen   int64 // of a lost queue: the minute in which it was last reported
	inUse  bool
	series *series // of a decoder, if it was asked for
	// Of an encoder, while it compares: the sample that was found for the slot, counted from 1.
	found int
}

// sample is the sample that s was made of, last seen at a minute.
func (s *slot) sample(seen int64) Sample {
	id := &s.identity
	return Sample{
		Key: id.key, Name: id.name, Driver: id.driver, MetaDriver: id.metaDriver, Source: id.source,
		Metrics: protocol.Metrics{Waiting: s.n[waiting], Active: s.get(active), Delayed: s.get(delayed), Failed: s.get(failed)},
		Workers: s.get(workers), Processed: s.get(processed), Paused: s.flags&isPaused != 0, Links: s.links, Part: s.part(), Lost: s.flags&isLost != 0, Seen: seen * minuteMS,
	}
}

// texts is what s counts of maxTexts.
func (s *slot) texts() int { return s.size() + s.links.size() }

// seenAt is the minute in which a slot's queue was last reported.
func (r *roster) seenAt(s *slot) int64 {
	if s.flags&isLost != 0 {
		return s.seen
	}
	return r.at
}

// setLost notes when a queue that is lost now, and wasn't before this entry, was last seen.
func (r *roster) setLost(s *slot, before flags) {
	if s.flags&isLost != 0 && before&isLost == 0 {
		s.seen = r.at
	}
}

func (r *roster) drop(number int) {
	delete(r.index, r.slots[number].key)
	r.slots[number] = slot{}
}

// add gives a queue the next number.
func (r *roster) add(s slot) {
	s.inUse = true
	r.index[s.key] = len(r.slots)
	r.slots = append(r.slots, s)
	r.texts += s.texts()
}
