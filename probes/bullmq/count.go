package bullmq

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// queuesAtOnce keeps a round well below the 200,000 requests a host allows.
const queuesAtOnce = 10_000

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

// counts is what a queue answered.
type counts struct {
	replies []adapter.Reply // perQueue of them
	waiting int64
	meta    []any    // the values of metaFields; empty where there are none
	next    string   // id of the job a worker would take next, where the lists tell
	marked  bool     // a marker was found: there is at most one, in wait or paused
	madeAt  int64    // when that job was made, Unix ms; 0 where it isn't known
	limited bool     // the queue's own rate limit is reached
	err     error    // why waiting is unknown
	partial []string // why another number is
}

// field is a field of the queue's meta hash.
func (c *counts) field(place int) (string, bool) {
	if place >= len(c.meta) {
		return "", false
	}
	text, ok := c.meta[place].(string)
	return text, ok
}

// count asks for the numbers of the queues from first on, and once who is connected.
func (s *session) count(first int) adapter.Step {
	if first == 0 {
		s.poll.counts = make([]counts, len(s.queues))
	}
	last := min(first+queuesAtOnce, len(s.queues))
	requests := make([]adapter.Request, 0, 1+(last-first)*perQueue)
	for _, q := range s.queues[first:last] {
		requests = append(requests, q.requests...)
	}
	if first == 0 && last > 0 {
		requests = append(requests, adapter.Request{"CLIENT", "LIST"})
	}
	return s.Ask(requests, func(r []adapter.Reply) adapter.Step {
		for i := first; i < last; i++ {
			s.poll.counts[i].read(r[:perQueue])
			r = r[perQueue:]
		}
		if len(r) > 0 {
			s.poll.workers = workers(r[0], s.prefix)
		}
		if last < len(s.queues) {
			return s.count(last)
		}
		return s.lookCloser()
	})
}

// read takes the answers to a queue's requests.
func (c *counts) read(r []adapter.Reply) {
	c.replies = r
	for _, k := range []int{wait, paused, prioritized} {
		n, err := r[k].Int()
		if err != nil {
			c.err = err
			return
		}
		c.waiting += n
	}
	c.withoutMarker(r[waitTail], r[waitHead])
	var err error
	if c.meta, err = r[meta].List(); err != nil {
		c.partial = append(c.partial, "meta: "+err.Error())
	}
}

// withoutMarker takes off waiting the marker that BullMQ 3 and 4 may keep among the waiting jobs, if
// it is in these ends of a list. The next job there, skipping the marker, is the queue's next if it
// has none yet.
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
	if !c.marked && (isMarker(first) || slices.ContainsFunc(jobs, isMarker)) {
		c.marked = true
		c.waiting = max(c.waiting-1, 0) // it may have come between the two commands
	}
	for _, job := range slices.Backward(jobs) {
		if id, _ := job.(string); c.next == "" && !isMarker(id) {
			c.next = id
		}
	}
}

// markers are "0:" and the milliseconds of the first delayed job, or "0:0". No job of a version
// that has markers may have such an id.
var markers = regexp.MustCompile(`^0:\d+(\.\d+)?$`)

func isMarker(job any) bool {
	id, _ := job.(string)
	return strings.HasPrefix(id, "0:") && markers.MatchString(id)
}

// mayHideMarker tells whether a marker could be between the ends that were looked at. It is pushed
// on an empty list only, and gets between jobs where LIFO or prioritized ones came after it and
// others before it. Newer versions make none, but may have one left from before an upgrade, and
// keep it until a worker gets there; so they are looked at once.
func (q *queue) mayHideMarker(c *counts, list int) bool {
	n, _ := c.replies[list].Int()
	if n < 3 || c.marked || q.clean {
		return false
	}
	text, _ := c.field(version)
	text, ok := strings.CutPrefix(text, "bullmq:")
	major, _, _ := strings.Cut(text, ".")
	q.clean = !ok || major != "3" && major != "4"
	return true
}

// markerDepth is how far from its end a list is searched for a marker. A longer list may count one
// too many until its workers have come that far.
const markerDepth = "-200"

// lookCloser asks what only some queues need: the ends of a paused list that holds something, more
// of a list that may hide a marker, when the next job was made, and how far a rate limit is used.
func (s *session) lookCloser() adapter.Step {
	var f followUp
	for i, q := range s.queues {
		c := &s.poll.counts[i]
		if c.err != nil {
			continue
		}
		if n, _ := c.replies[paused].Int(); n > 0 {
			var tail adapter.Reply
			f.ask(func(r adapter.Reply) { tail = r }, "LRANGE", q.keys+"paused", "-2", "-1")
			f.ask(func(r adapter.Reply) { c.withoutMarker(tail, r) }, "LINDEX", q.keys+"paused", "0")
		}
		for _, list := range []int{wait, paused} {
			if q.mayHideMarker(c, list) {
				f.ask(func(r adapter.Reply) { c.withoutMarker(r, adapter.Reply{}) }, "LRANGE", q.requests[list][1], markerDepth, "-1")
			}
		}
		if c.next != "" {
			f.ask(c.takeMadeAt, "HGET", q.keys+c.next, "timestamp")
		}
		if c.waiting > 0 {
			f.ask(c.takeUsed, "GET", q.keys+"limiter")
		}
	}
	return s.Ask(f.requests, func(r []adapter.Reply) adapter.Step {
		f.answer(r)
		return s.ageOfPaused()
	})
}

// ageOfPaused asks for the age of the next job where only the paused list had one.
func (s *session) ageOfPaused() adapter.Step {
	var f followUp
	for i, q := range s.queues {
		c := &s.poll.counts[i]
		if n, _ := c.replies[paused].Int(); c.err == nil && n > 0 && c.next != "" && c.madeAt == 0 {
			f.ask(c.takeMadeAt, "HGET", q.keys+c.next, "timestamp")
		}
	}
	return s.Ask(f.requests, func(r []adapter.Reply) adapter.Step {
		f.answer(r)
		return s.finish()
	})
}

// followUp pairs requests with who takes the reply.
type followUp struct {
	requests []adapter.Request
	take     []func(adapter.Reply)
}

func (f *followUp) ask(take func(adapter.Reply), request ...string) {
	f.requests = append(f.requests, request)
	f.take = append(f.take, take)
}

func (f *followUp) answer(replies []adapter.Reply) {
	for i, r := range replies {
		f.take[i](r)
	}
}

func (c *counts) takeMadeAt(r adapter.Reply) {
	text, _ := r.Text() // nothing, where the job was taken since
	c.madeAt, _ = strconv.ParseInt(text, 10, 64)
}

// takeUsed tells whether the queue's own rate limit is reached. A limit that only a worker knows is
// nowhere in Redis.
func (c *counts) takeUsed(r adapter.Reply) {
	text, _ := r.Text() // a job with this name as its id makes a hash of it: then there is no limit
	used, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return
	}
	own, _ := c.field(limit)
	most, err := strconv.ParseInt(own, 10, 64)
	if err != nil {
		most = limitedByHand
	}
	c.limited = used >= most
}

// limitedByHand is what queue.rateLimit sets the counter to: the largest safe integer of JavaScript.
const limitedByHand = 1<<53 - 1

// workers counts the connected workers by base64 of their queue's name, from the client names that
// BullMQ and Bull give to blocking connections: "bull:b3JkZXJz", or that with ":w:" and the
// worker's name. It is nil where Redis doesn't tell.
func workers(r adapter.Reply, prefix string) map[string]int64 {
	list, err := r.Text()
	if err != nil {
		return nil
	}
	found := map[string]int64{}
	for line := range strings.Lines(list) {
		_, name, ok := strings.Cut(line, " name="+prefix+":")
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, " ")
		queue, rest, named := strings.Cut(name, ":")
		if !named || strings.HasPrefix(rest, "w:") {
			found[queue]++
		}
	}
	return found
}

// finish makes the snapshot of what the poll has learned.
func (s *session) finish() adapter.Step {
	out := &protocol.QueueSnapshot{
		Timestamp: s.poll.now.UnixMilli(), App: s.app, Source: s.source,
		Queues:   make([]protocol.Queue, 0, len(s.queues)),
		Problems: s.poll.problems,
	}
	if s.walk != nil && s.walk.leftOut+s.walk.leftOutNow != "" {
		out.Problems = append(out.Problems, protocol.Problem{Reason: cmp.Or(s.walk.leftOut, s.walk.leftOutNow)})
	}
	var first error
	for i, q := range s.queues {
		c := &s.poll.counts[i]
		if c.err == nil {
			out.Queues = append(out.Queues, s.queue(q, c))
			continue
		}
		reason := s.explain(c.err)
		if first == nil {
			first = fmt.Errorf("read queue %q of %s: %s", q.name, s.prefix, reason)
		}
		out.Problems = append(out.Problems, protocol.Problem{Queue: q.name, Reason: reason})
	}
	if len(out.Queues) == 0 && first != nil {
		return adapter.Step{Err: first}
	}
	return adapter.Done(out)
}

func (s *session) queue(q *queue, c *counts) protocol.Queue {
	exists := hasMark(adapter.Reply{Value: c.meta})
	optional := func(k int, name string) *int64 {
		n, err := c.replies[k].Int()
		if err != nil {
			c.partial = append(c.partial, name+": "+s.explain(err))
			return nil
		}
		exists = exists || n > 0
		return &n
	}
	out := protocol.Queue{
		Name: q.name, Driver: protocol.DriverBullMQ, Meta: map[string]any{},
		Metrics: protocol.Metrics{
			Waiting: c.waiting,
			Active:  optional(active, "active"),
			Delayed: optional(delayed, "delayed"),
			Failed:  optional(failed, "failed"),
		},
	}
	for _, m := range []struct {
		place int
		name  string
	}{{prioritized, "prioritized"}, {completed, "completed"}, {waitingChildren, "waiting_children"}} {
		if n := optional(m.place, m.name); n != nil {
			out.Meta[m.name] = *n
		}
	}
	if _, ok := c.field(pausedField); ok {
		out.Meta["paused"] = true
	}
	if text, ok := c.field(concurrency); ok {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			out.Meta["concurrency"] = n
		}
	}
	if c.limited {
		out.Meta["rate_limited"] = true
	}
	if c.madeAt > 0 {
		out.Meta["oldest_ms"] = max(s.poll.now.UnixMilli()-c.madeAt, 0)
	}
	if s.poll.workers != nil {
		out.Meta["workers"] = s.poll.workers[base64.StdEncoding.EncodeToString([]byte(q.name))]
	}
	if !exists && c.waiting == 0 && q.named {
		c.partial = append(c.partial, "Redis has no job of this queue and no meta key: it is new and empty, or its name or the prefix "+s.prefix+" is wrong")
	}
	if len(c.partial) > 0 {
		out.Meta["error"] = strings.Join(c.partial, "; ")
	}
	return out
}

// explain adds to a refusal what to do about it.
func (s *session) explain(err error) string {
	switch (adapter.Reply{Value: err}).Code() {
	case "NOPERM":
		return fmt.Sprintf("%v; allow +llen +zcard +hmget +hget +lrange +lindex +get +scan on ~%s:* (docs/acl.md)", err, s.prefix)
	case "WRONGTYPE":
		return fmt.Sprintf("%v; something other than BullMQ wrote to its keys", err)
	}
	return err.Error()
}
