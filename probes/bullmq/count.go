package bullmq

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// metaFields are the fields of a queue's meta hash that we read.
var metaFields = []string{version: "version", maxLenEvents: "opts.maxLenEvents", pausedField: "paused", concurrency: "concurrency", limit: "max"}

// The meta fields, by place.
const (
	version = iota
	maxLenEvents
	pausedField
	concurrency
	limit
)

// counts are a queue's replies, and the numbers they tell.
type counts struct {
	replies      []adapter.Reply // perQueue of them
	waiting      int64
	meta         []adapter.Reply // the values of metaFields; empty where there are none
	next         string          // id of the job a worker would take next, where the lists tell
	asked        bool            // we have asked when that job was made
	marked       bool            // a marker was found: there is at most one, in wait or paused
	madeAt       int64           // when that job was made, Unix ms; 0 where it isn't known
	oldestFailed int64           // when the oldest failed job failed, Unix ms; 0 where it isn't known
	limited      bool            // the queue's own rate limit is reached
	finished     finished        // how many jobs have ever been
	err          error           // why waiting is unknown
	partial      []string        // why another number is
}

// field is a field of the queue's meta hash.
func (c *counts) field(place int) (string, bool) {
	if place >= len(c.meta) || c.meta[place].IsNothing() {
		return "", false
	}
	text, err := c.meta[place].Text()
	return text, err == nil
}

// number is a field that holds a number; 0 where there is none.
func (c *counts) number(place int) int64 {
	text, ok := c.field(place)
	if !ok {
		return 0
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return max(n, 0)
}

// length is a list's length, 0 where it is unknown.
func (c *counts) length(list int) int64 {
	n, _ := c.replies[list].Count()
	return n
}

// count asks for the numbers of all queues, and once a poll for the connected workers.
func (s *session) count() adapter.Step {
	if len(s.queues) == 0 {
		return s.finish()
	}
	s.poll.counts = make([]counts, len(s.queues))
	return s.Ask(s.requests, func(r []adapter.Reply) adapter.Step {
		for i := range s.queues {
			s.poll.counts[i].read(r[:perQueue])
			r = r[perQueue:]
		}
		s.poll.workers = readWorkers(r, s.prefix)
		return s.lookCloser()
	})
}

// read reads the replies to a queue's requests.
func (c *counts) read(r []adapter.Reply) {
	c.replies = r
	for _, k := range []int{wait, paused, prioritized} {
		n, err := r[k].Count()
		if err != nil {
			c.err = err
			return
		}
		c.waiting += n
	}
	var err error
	if c.meta, err = r[meta].List(); err != nil {
		c.partial = append(c.partial, "meta: "+err.Error())
	}
	c.withoutMarker(r[waitTail], r[waitHead])
}

// withoutMarker subtracts from waiting the marker that BullMQ 2 to 4 may keep among the waiting jobs, if it is at
// one of these ends of a list. It also sets the queue's next job, skipping the marker, unless it is set already.
func (c *counts) withoutMarker(tail, head adapter.Reply) {
	jobs, err := tail.List() // the last ones
	if err != nil {
		c.err = err
		return
	}
	first, err := head.Text()
	if err != nil {
		c.err = err
		return
	}
	if c.isMarker(first) {
		c.mark()
	}
	for _, job := range slices.Backward(jobs) {
		switch id, _ := job.Text(); {
		case c.isMarker(id):
			c.mark()
		case c.next == "":
			c.next = id
		}
	}
}

// mark notes that there is a marker. It may have come between the two commands, so that waiting is still 0.
func (c *counts) mark() {
	if !c.marked {
		c.marked, c.waiting = true, max(c.waiting-1, 0)
	}
}

// makesMarkers reports whether the queue's version makes markers. BullMQ 3 and 4 write their version into the meta
// hash; 1 and 2 do not, and Bull 4 has none of their options.
func (c *counts) makesMarkers() bool {
	text, ok := c.field(version)
	if !ok {
		return c.isBullMQ2()
	}
	text, ok = strings.CutPrefix(text, "bullmq:")
	major, _, _ := strings.Cut(text, ".")
	return ok && (major == "3" || major == "4")
}

// isBullMQ2 reports whether the queue is one of BullMQ 2, or of 1, which makes no markers.
func (c *counts) isBullMQ2() bool {
	_, hasVersion := c.field(version)
	_, hasOptions := c.field(maxLenEvents)
	return hasOptions && !hasVersion
}

// isMarker reports whether a list's entry is a marker: "0:" and the milliseconds of the first delayed job, or
// "0:0"; "0" in BullMQ 2. No job of a version that has markers can have such an id.
func (c *counts) isMarker(id string) bool {
	if id == "0" {
		return c.isBullMQ2()
	}
	ms, ok := strings.CutPrefix(id, "0:")
	if !ok {
		return false
	}
	whole, fraction, dot := strings.Cut(ms, ".")
	return isDigits(whole) && (!dot || isDigits(fraction))
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// markerDepth is how many entries at the end of a list we search for a marker. The count of a longer list may be one
// too high, until the marker is among these.
const markerDepth = "200"

// search reports whether to search the queue's lists for a marker between their ends. BullMQ pushes a marker on an
// empty list only; it gets between jobs where LIFO or prioritized jobs came after it and others before it. Newer
// versions make none, but may have one from before an upgrade. So we search their lists once, and again for as long
// as a marker that we found may be there.
func (q *queue) search(c *counts) bool {
	if c.length(wait)+c.length(paused) == 0 {
		q.hidden = false
		return false
	}
	makesMarkers := c.makesMarkers()
	switch {
	case c.marked:
		q.hidden = !makesMarkers
		return false
	case c.length(wait) < 3 && c.length(paused) < 3:
		q.hidden = q.hidden && c.length(paused) > 0 // the ends of wait are all of it
		return false
	case !makesMarkers && q.searched && !q.hidden:
		return false
	}
	q.searched = !makesMarkers
	return true
}

// endSearch remembers a marker from before an upgrade that the search found between jobs. If a search no longer
// finds it, a worker has taken it, or LIFO jobs have moved it further from the end than the search went. It is
// surely gone only where the search read the whole list.
func (q *queue) endSearch(c *counts) {
	depth, _ := strconv.ParseInt(markerDepth, 10, 64)
	switch {
	case c.marked:
		q.hidden = q.searched
	case c.length(wait) <= depth && c.length(paused) <= depth:
		q.hidden = false
	case q.hidden:
		c.mark()
	}
}

// followUp is what a reply of the second or third round is for.
type followUp struct {
	queue int
	what  what
}

type what uint8

const (
	tailOfPaused what = iota
	headOfPaused      // comes behind tailOfPaused
	searched
	endOfSearch // searched, and no other list will be
	madeAt
	limiter
	oldestFailed
	newestCompleted
	counterOfCompleted
	counterOfFailed
)

// lookCloser asks what only some queues need: the ends of a paused list with jobs, more of a list that may hide a
// marker, when the next job was made, how far a rate limit is used, when the oldest failed job failed, and how many
// jobs have ever been finished.
func (s *session) lookCloser() adapter.Step {
	looks := s.looksForCounters()
	// Most queues need one or two answers.
	f := adapter.Questions[followUp]{Requests: make([]adapter.Request, 0, 2*len(s.queues)), For: make([]followUp, 0, 2*len(s.queues))}
	for i, q := range s.queues {
		c := &s.poll.counts[i]
		if c.err != nil {
			continue
		}
		if c.length(paused) > 0 {
			f.Ask(followUp{i, tailOfPaused}, "LRANGE", q.paused, "-2", "-1")
			f.Ask(followUp{i, headOfPaused}, "LINDEX", q.paused, "0")
		}
		if q.search(c) {
			if c.length(wait) > 2 {
				f.Ask(followUp{i, searched}, "LRANGE", q.wait, "-"+markerDepth, "-1")
			}
			if c.length(paused) > 2 {
				f.Ask(followUp{i, searched}, "LRANGE", q.paused, "-"+markerDepth, "-1")
			}
			f.For[len(f.For)-1].what = endOfSearch
		}
		if c.asked = c.next != ""; c.asked {
			f.Ask(followUp{i, madeAt}, "HGET", q.keys+c.next, "timestamp")
		}
		if c.waiting > 0 {
			f.Ask(followUp{i, limiter}, "GET", q.limiter)
		}
		if c.length(failed) > 0 {
			f.Ask(followUp{i, oldestFailed}, "ZRANGE", q.failed, "0", "0", "WITHSCORES")
		}
		if q.isCounted && c.length(completed) > 0 { // before the counter, which may then only be ahead
			f.Ask(followUp{i, newestCompleted}, "ZRANGE", q.completed, "-1", "-1", "WITHSCORES")
		}
		if looks || q.isCounted {
			f.Add(followUp{i, counterOfCompleted}, q.counters[completedWell])
			f.Add(followUp{i, counterOfFailed}, q.counters[failedForGood]) // comes behind the other
		}
	}
	return s.Ask(f.Requests, func(r []adapter.Reply) adapter.Step {
		for i, reply := range r {
			q, c := s.queues[f.For[i].queue], &s.poll.counts[f.For[i].queue]
			switch f.For[i].what {
			case tailOfPaused:
				c.withoutMarker(reply, r[i+1])
			case headOfPaused:
			case searched:
				c.withoutMarker(reply, adapter.Reply{})
			case endOfSearch:
				c.withoutMarker(reply, adapter.Reply{})
				q.endSearch(c)
			case counterOfCompleted:
				c.finished.read(completedWell, reply)
			case counterOfFailed:
				c.finished.read(failedForGood, reply)
				q.isCounted = c.finished.known
			default:
				c.readValue(f.For[i].what, reply)
			}
		}
		return s.ageOfPaused()
	})
}

// ageOfPaused asks for the age of the next job where only the paused list had one.
func (s *session) ageOfPaused() adapter.Step {
	var f adapter.Questions[int]
	for i, q := range s.queues {
		c := &s.poll.counts[i]
		if c.err == nil && c.next != "" && !c.asked {
			f.Ask(i, "HGET", q.keys+c.next, "timestamp")
		}
	}
	return s.Ask(f.Requests, func(r []adapter.Reply) adapter.Step {
		for i, reply := range r {
			s.poll.counts[f.For[i]].readValue(madeAt, reply)
		}
		return s.finish()
	})
}

// readValue reads the reply that is a single value.
func (c *counts) readValue(what what, r adapter.Reply) {
	switch what {
	case oldestFailed:
		c.oldestFailed = timeOf(r)
		return
	case newestCompleted:
		c.finished.newest = timeOf(r)
		return
	}
	text, _ := r.Text() // nothing where the job was taken since; a refusal where a job's id makes a hash of it
	if text == "" {
		return
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
	case what == madeAt:
		c.madeAt = n
	case what == limiter:
		// A limit that only a worker knows is nowhere in Redis.
		most := c.number(limit)
		if most == 0 {
			most = limitedByHand
		}
		c.limited = n >= most
	}
}

// timeOf is the score of the one job of a ZRANGE, Unix ms; 0 where there is none.
func timeOf(r adapter.Reply) int64 {
	pair, _ := r.List()
	if len(pair) != 2 {
		return 0
	}
	score, _ := pair[1].Text()
	ms, _ := strconv.ParseFloat(score, 64)
	return int64(min(ms, maxTime))
}

const (
	// limitedByHand is what queue.rateLimit sets the counter to: the largest safe integer of JavaScript.
	limitedByHand = 1<<53 - 1
	// maxTime is the last of JavaScript's times.
	maxTime = 8.64e15
)
