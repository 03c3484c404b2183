package redisstream

import (
	"cmp"
	"errors"
	"slices"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// group is a consumer group as one poll sees it.
type group struct {
	stream    *stream
	known     *known
	last      id // delivered
	pending   adapter.Reply
	consumers adapter.Reply
	lag       int64 // as Redis tells it; -1 where it doesn't
	read      int64 // how many entries were ever delivered to the group; -1 where Redis doesn't tell
	length    int64 // of the stream

	waiting int64
	oldest  id     // the first that waits; zero where none does
	added   int64  // to the stream so far; -1 where Redis doesn't tell
	end     id     // of the range that is counted; zero is the stream's end
	note    string // why waiting is not exact
	err     error  // why it is unknown
	count   counting
}

// count asks for all streams' lengths and groups.
func (s *session) count() adapter.Step {
	return s.Ask(s.requests, func(r []adapter.Reply) adapter.Step {
		s.room, s.noRoom = adapter.Room{}, ""
		for _, i := range s.inTurn(r) {
			s.read(s.streams[i], r[i*perStream:(i+1)*perStream])
		}
		return s.lookCloser()
	})
}

// inTurn are the places of the streams in the order in which their groups take room: those of the fewest groups first, if
// there may not be room for all, so that a stream of many crowds out no other.
func (s *session) inTurn(r []adapter.Reply) []int {
	places, sizes := make([]int, len(s.streams)), make([]int, len(s.streams))
	all := 0
	for i := range places {
		list, _ := r[i*perStream+groups].List()
		places[i], sizes[i] = i, len(list)
		all += len(list)
	}
	if all > adapter.MaxNameBytes/protocol.MaxQueueName {
		slices.SortStableFunc(places, func(a, b int) int { return cmp.Compare(sizes[a], sizes[b]) })
	}
	return places
}

// read takes a stream's groups, or says why there are none.
func (s *session) read(st *stream, r []adapter.Reply) {
	list, err := r[groups].List()
	n, lengthErr := r[length].Count()
	if err == nil {
		err = lengthErr
	}
	if err != nil {
		s.unread(st, err)
		return
	}
	if len(list) == 0 && st.named {
		s.problem(st.key, "this stream has no consumer group, so no worker takes its entries; XLEN alone is no queue")
	}
	seen := 0
	for _, fields := range list {
		g, name, err := readGroup(fields)
		if err != nil {
			s.fail(st.key, "one of its groups: ", err)
			continue
		}
		k := st.known[name]
		if k == nil {
			k = &known{queue: queueName(st.key, name)}
			if err := protocol.CheckQueueName(k.queue); err != nil {
				s.wrongName = "group " + adapter.Quote(name, 80) + " of stream " + adapter.Quote(st.key, 80) +
					" is left out, and perhaps others: " + err.Error()
				continue
			}
		}
		if k.poll == s.polls { // Redis names a group once
			continue
		}
		if why := s.room.Take(k.queue, "groups"); why != "" {
			s.noRoom = cmp.Or(s.noRoom, "groups of stream "+adapter.Quote(st.key, 80)+" are left out, and perhaps others: "+why)
			break
		}
		st.known[name] = k
		k.poll = s.polls
		seen++
		g.stream, g.known, g.length = st, k, n
		s.groups = append(s.groups, g)
	}
	if len(st.known) > seen {
		for name, k := range st.known {
			if k.poll != s.polls {
				delete(st.known, name)
			}
		}
	}
}

// unread notes why a stream has no groups to report. A found stream may be gone by now.
func (s *session) unread(st *stream, err error) {
	switch missing := adapter.CodeOf(err) == "ERR" && err.Error() == "ERR: no such key"; {
	case missing && st.named:
		s.problem(st.key, "Redis has no such key: the stream was never written to, or its name is wrong")
	case missing, adapter.CodeOf(err) == "WRONGTYPE" && !st.named:
	default:
		s.fail(st.key, "", err)
	}
}

// fail notes what could not be read, in words before the reason where it is not all of queue.
func (s *session) fail(queue, part string, err error) {
	reason := part + explain(err, "xlen +xinfo +xrange", queue)
	if s.failed == nil {
		s.failed = errors.New("read stream " + adapter.Quote(queue, 80) + ": " + reason)
	}
	s.problem(queue, reason)
}

// readGroup reads one group of XINFO GROUPS: names and values, of which each version of Redis has more.
func readGroup(r adapter.Reply) (g group, name string, err error) {
	fields, err := r.List()
	g.lag, g.read = -1, -1
	last := ""
	for i := 0; i+1 < len(fields); i += 2 {
		value := fields[i+1]
		switch field, _ := fields[i].Text(); field {
		case "name":
			name, err = value.Text()
		case "pending":
			g.pending = value
		case "consumers":
			g.consumers = value
		case "last-delivered-id":
			last, _ = value.Text()
		case "lag": // since Redis 7; nothing where it doesn't know
			if n, err := value.Count(); err == nil {
				g.lag = n
			}
		case "entries-read": // likewise
			if n, err := value.Count(); err == nil {
				g.read = n
			}
		}
		if err != nil {
			return g, "", err
		}
	}
	if err != nil {
		return g, "", err
	}
	var ok bool
	if g.last, ok = parseID(last); !ok || name == "" {
		return g, "", errors.New("Redis told neither its name nor its last-delivered-id as is due: this Redis is broken")
	}
	return g, name, nil
}

// look is what a request of the second round is for: a group's first waiting entry, or the stream of
// this and the groups that follow.
type look struct {
	group  int
	stream bool
}

// lookCloser asks, where a group may have something waiting, for its first waiting entry, and how the
// stream came to be as it is.
func (s *session) lookCloser() adapter.Step {
	var q adapter.Questions[look]
	var asked *stream
	for i := range s.groups {
		g := &s.groups[i]
		first, ok := g.last.next()
		if g.lag == 0 || g.length == 0 || !ok {
			continue // nothing waits
		}
		if g.known.first == nil || g.known.after != g.last {
			g.known.first, g.known.after = adapter.Request{"XRANGE", g.stream.key, first.String(), "+", "COUNT", "1"}, g.last
			g.known.oldest = id{}
		}
		waiting, isTold := g.told()
		if isTold && g.known.oldest != (id{}) {
			g.waiting, g.oldest = waiting, g.known.oldest
			continue
		}
		if asked != g.stream && !isTold {
			asked = g.stream
			q.Ask(look{i, true}, asked.about...)
		}
		q.Ask(look{group: i}, g.known.first...)
	}
	return s.Ask(q.Requests, func(r []adapter.Reply) adapter.Step {
		var about about
		for i, what := range q.For {
			if g := &s.groups[what.group]; what.stream {
				about = readAbout(r[i])
			} else {
				g.decide(r[i], about)
			}
		}
		return s.countPage(0)
	})
}

// told is how many entries wait for a group, where XLEN and XINFO GROUPS tell that. What else there is to know XINFO STREAM
// tells, but with the bodies of two entries.
func (g *group) told() (waiting int64, ok bool) {
	switch {
	case g.last == (id{}):
		return g.length, true // all of it
	case g.read >= 0 && g.lag >= 0 && g.read+g.lag == g.length:
		return g.lag, true // nothing was ever removed: the lag is right
	}
	return 0, false
}

// about is what XINFO STREAM tells that matters here.
type about struct {
	ok            bool
	length, added int64 // added is -1 before Redis 7
	first         id    // zero where there is none
	last          id    // ever added
}

func readAbout(r adapter.Reply) (a about) {
	fields, _ := r.List() // refused: then nothing is known
	a.added, a.length = -1, -1
	for i := 0; i+1 < len(fields); i += 2 {
		value := fields[i+1]
		switch field, _ := fields[i].Text(); field {
		case "length":
			if n, err := value.Count(); err == nil {
				a.length = n
			}
		case "entries-added":
			if n, err := value.Count(); err == nil {
				a.added = n
			}
		case "last-generated-id":
			text, _ := value.Text()
			a.last, a.ok = parseID(text)
		case "first-entry":
			if entry, _ := value.List(); len(entry) > 0 {
				text, _ := entry[0].Text()
				a.first, _ = parseID(text)
			}
		}
	}
	a.ok = a.ok && a.length >= 0
	return a
}

// decide finds out how many entries wait for a group, from its first waiting entry and its stream. Where these don't
// tell, it lets the next rounds count them.
func (g *group) decide(first adapter.Reply, a about) {
	g.count.size = 1
	done, err := g.count.addPage(first, g)
	switch {
	case err != nil:
		g.err = err
		return
	case done: // there is none
		return
	}
	if waiting, isTold := g.told(); isTold {
		g.waiting, g.oldest = waiting, g.count.last
		if g.read > 0 && g.last != (id{}) { // so nothing was ever removed, and it is the first until it is delivered
			g.known.oldest = g.oldest
		}
		return
	}
	if a.ok && g.count.last.compare(a.last) > 0 {
		return // it came behind the answer about the stream: what is counted is as it was then
	}
	g.oldest, g.added = g.count.last, a.added
	if a.ok {
		g.length, g.end = a.length, a.last
	}
	before := &g.known.before
	switch {
	case a.ok && g.last.compare(a.first) < 0:
		g.waiting = a.length // all of it
	case g.lag >= 0 && a.ok && a.added == a.length:
		g.waiting = min(g.lag, a.length) // nothing was ever removed: the lag is right
	case before.ok && before.last == g.last && before.added-before.length == a.added-a.length:
		g.waiting = before.waiting + a.added - before.added // since then nothing was delivered or removed
	default:
		g.count.due = true
	}
}

// remember keeps what was counted for the next polls.
func (g *group) remember() {
	g.known.before = base{ok: g.added >= 0, last: g.last, added: g.added, length: g.length, waiting: g.waiting}
}
