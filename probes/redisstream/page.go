package redisstream

import (
	"errors"
	"strconv"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// Redis tells entries only with their bodies. So they are counted in pages that grow, each expected to
// be within what is left of a budget.
const (
	// mostCounted is how many entries of one group are counted at most.
	mostCounted = 10_000
	// bytesCounted is what the bodies of all groups' counted entries may come to in one poll, judged by
	// the largest of a group's that were seen.
	bytesCounted = 4 << 20
)

// pages are how many entries are asked for at once, behind the first one.
var pages = [...]int{31, 480, 3_500, mostCounted - 31 - 480 - 3_500}

// counting is how far a group's waiting entries have been counted.
type counting struct {
	due     bool
	size    int // of the page that was asked for
	n       int64
	last    id // the last that was counted
	bytes   int
	largest int // entry, in bytes
}

// take counts a page, and says whether it was the last: it had fewer entries than were asked for.
func (c *counting) take(r adapter.Reply, g *group) (last bool, err error) {
	entries, err := r.List()
	if err != nil {
		return false, err
	}
	if len(entries) > c.size {
		return false, errors.New("XRANGE answered more entries than were asked for: this Redis is broken")
	}
	after := g.last
	if c.n > 0 {
		after = c.last
	}
	for _, e := range entries {
		parts, _ := e.List()
		var at id
		ok := len(parts) == 2
		if ok {
			text, _ := parts[0].Text()
			at, ok = parseID(text)
		}
		if !ok || at.compare(after) <= 0 {
			return false, errors.New("XRANGE answered something other than the entries of a range: this Redis is broken")
		}
		after = at
		size := bytesOf(parts)
		c.bytes += size
		c.largest = max(c.largest, size)
	}
	c.n += int64(len(entries))
	c.last = after
	return len(entries) < c.size, nil
}

// bytesOf is about how many bytes an entry took on the wire: its id, and its fields and their values.
func bytesOf(entry []adapter.Reply) int {
	const each = len("$1024\r\n\r\n")
	size := 3 * each
	for _, part := range entry[1:] {
		fields, _ := part.List()
		for _, field := range fields {
			text, _ := field.Text()
			size += len(text) + each
		}
	}
	return size
}

// countPage asks for the next page of each group that has to be counted.
func (s *session) countPage(page int) adapter.Step {
	due := 0
	for i := range s.groups {
		if s.groups[i].count.due {
			due++
		}
	}
	var q adapter.Questions[*group]
	for i := range s.groups {
		g := &s.groups[i]
		c := &g.count
		if !c.due {
			continue
		}
		first, ok := c.last.next()
		if page == len(pages) || !ok || !g.worth(bytesCounted/due) {
			g.giveUp()
			continue
		}
		c.size = min(pages[page], (bytesCounted/due-c.bytes)/max(c.largest, 1))
		if c.size < 1 {
			g.giveUp()
			continue
		}
		end := "+"
		if g.end != (id{}) {
			end = g.end.String()
		}
		q.Ask(g, "XRANGE", g.stream.key, first.String(), end, "COUNT", strconv.Itoa(c.size))
	}
	return s.Ask(q.Requests, func(r []adapter.Reply) adapter.Step {
		for i, g := range q.For {
			switch last, err := g.count.take(r[i], g); {
			case err != nil:
				g.err, g.count.due = err, false
			case last:
				g.waiting, g.count.due = g.count.n, false
				g.remember()
			}
		}
		if len(q.Requests) == 0 {
			return s.finish()
		}
		return s.countPage(page + 1)
	})
}

// worth says that counting may come to an end: a lag that Redis tells is too high at most, and what it
// says cannot be counted is not begun.
func (g *group) worth(budget int) bool {
	most := min(g.lag, g.length)
	return g.lag < 0 || most <= mostCounted && int(most)*g.count.largest <= budget
}

// giveUp takes what is known without having counted to the end.
func (g *group) giveUp() {
	c := &g.count
	c.due = false
	if g.lag < 0 {
		g.waiting = min(c.n, mostCounted)
		g.note = strconv.FormatInt(g.waiting, 10) + " or more wait: Redis doesn't tell this group's lag, and no more entries are counted in a poll"
		return
	}
	g.waiting = min(g.lag, g.length)
	g.note = "waiting is the lag as Redis tells it, which may be too high: entries were removed from this stream, perhaps before this group read them, and too many wait to be counted"
}
