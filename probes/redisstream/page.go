package redisstream

import (
	"errors"
	"strconv"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// Redis returns entries only with their bodies. So we count them in pages that grow, and expect each page to fit
// into the rest of a budget.
const (
	// mostCounted is how many entries of one group are counted at most.
	mostCounted = 10_000
	// bytesCounted is how many bytes of bodies one poll may read to count entries, of all groups together. We
	// estimate a page by the largest entry of its group so far.
	bytesCounted = 4 << 20
)

// pages are how many entries are asked for at once, behind the first one.
var pages = [...]int{31, 480, 3_500, mostCounted - 31 - 480 - 3_500}

// counting is how far a group's waiting entries have been counted.
type counting struct {
	due     bool
	size    int   // how many entries the page has that we asked for
	n       int64 // how many entries were counted
	last    id    // the last entry that was counted
	bytes   int   // how many bytes these entries had
	largest int   // the size of the largest of them, in bytes
}

// addPage counts the entries of a page. last reports whether it was the last page: it had fewer entries than we
// asked for.
func (c *counting) addPage(r adapter.Reply, g *group) (last bool, err error) {
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
			switch last, err := g.count.addPage(r[i], g); {
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

// worth reports whether counting can come to an end within the budget. The lag that Redis tells may be too high
// but not too low, so there are no more entries to count than that.
func (g *group) worth(budget int) bool {
	most := min(g.lag, g.length)
	return g.lag < 0 || most <= mostCounted && int(most)*g.count.largest <= budget
}

// giveUp ends the counting before its end, and sets waiting to the best number known, with a note.
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
