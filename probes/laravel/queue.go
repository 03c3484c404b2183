package laravel

import (
	"slices"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// queue is one queue, under one or two spellings. An app on Redis Cluster puts its queues' names in
// braces, from Laravel 13 on the library does it: {mail} is mail, and jobs from before such a change
// are still under the other spelling.
type queue struct {
	name  string
	named bool // the settings name it: it is shown whether Redis has it or not
	lists []*list
	// other asks whether Redis has jobs under a spelling that isn't among the lists; nil where there is no need
	// to ask.
	other adapter.Request
	seen  time.Time // when it was last seen to have jobs
}

// list is one spelling of a queue and its requests.
type list struct {
	key      string
	requests [perList]adapter.Request
	next     adapter.Request // asks for the job that a worker would take next
	expired  adapter.Request // asks how many reservations are over; each poll sets the time
	clash    bool            // the key of its delayed or reserved jobs has another type than a zset
	bell     bool            // its key ends in ":notify": Laravel keeps such a list beside another queue's jobs
	// skipNextUntil is when to ask for the next job again, after one that didn't say when it was made.
	skipNextUntil time.Time
}

// The requests of a list, by place.
const (
	waiting = iota
	delayed
	reserved
	perList
)

// The last parts of the keys that belong to a queue.
const (
	delayedKey  = ":delayed"
	reservedKey = ":reserved"
	notifyKey   = ":notify"
)

func newList(key string) *list {
	return &list{
		key: key,
		requests: [perList]adapter.Request{
			waiting:  {"LLEN", key},
			delayed:  {"ZCARD", key + delayedKey},
			reserved: {"ZCARD", key + reservedKey},
		},
		next:    adapter.Request{"LINDEX", key, "0"},
		expired: adapter.Request{"ZCOUNT", key + reservedKey, "-inf", ""},
		bell:    strings.HasSuffix(key, notifyKey),
	}
}

// clashes reports whether the list with this key has a clash.
func (q *queue) clashes(key string) bool {
	return slices.ContainsFunc(q.lists, func(l *list) bool { return l.key == key && l.clash })
}

// nameOf is the name of a queue that Redis has under this spelling: without the braces of a cluster,
// if they are around all of it.
func nameOf(spelling string) string {
	inner, ok := strings.CutPrefix(spelling, "{")
	if !ok {
		return spelling
	}
	if inner, ok = strings.CutSuffix(inner, "}"); !ok || inner == "" || strings.ContainsAny(inner, "{}") {
		return spelling
	}
	return inner
}

// add makes the session read a queue under this spelling too.
func (s *session) add(spelling string) *queue {
	if q := s.spelled[spelling]; q != nil {
		return q
	}
	name := nameOf(spelling)
	q := s.names[name]
	if q == nil {
		q = &queue{name: name}
		s.names[name] = q
	}
	s.spelled[spelling] = q
	l := newList(s.keys + spelling)
	q.lists = append(q.lists, l)
	if len(q.other) > 1 && q.other[1] == l.key {
		q.other = nil
	}
	s.changed = true
	return q
}

// lookForBraces makes the session also look for a queue in braces that the settings name without. A name with
// braces means only itself.
func (q *queue) lookForBraces(keys string) {
	if len(q.lists) > 1 || q.lists[0].key != keys+q.name || strings.ContainsAny(q.name, "{}") {
		return
	}
	k := keys + "{" + q.name + "}"
	q.other = adapter.Request{"EXISTS", k, k + delayedKey, k + reservedKey} // in one slot of a cluster
}

// addOther adds the spelling that other asked for.
func (s *session) addOther(q *queue) {
	s.add(strings.TrimPrefix(q.other[1], s.keys))
}

// arrange makes the requests of all queues.
func (s *session) arrange() {
	if !s.changed {
		return
	}
	s.changed = false
	s.queues = make([]*queue, 0, len(s.names))
	s.requests = make([]adapter.Request, 0, len(s.names)*(perList+1)+len(s.horizon.requests))
	for _, name := range adapter.SortedKeys(s.names) {
		q := s.names[name]
		s.queues = append(s.queues, q)
		for _, l := range q.lists {
			s.requests = append(s.requests, l.requests[:]...)
		}
		if q.other != nil {
			s.requests = append(s.requests, q.other)
		}
	}
	s.requests = append(s.requests, s.horizon.requests[:]...)
}
