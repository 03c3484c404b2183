// Package logonce decides which troubles get a line in a log. A line for each time would bury all else.
//
// [Troubles.There] says that there is trouble of a kind and [Troubles.Gone] that it is over; each reports whether that
// is worth a line.
//
// Trouble that lasts gets one line, and trouble that comes and goes one line every ten minutes, with a count. How many
// kinds are remembered is bounded, and how many lines a minute there are may be.
package logonce

import (
	"regexp"
	"sync"
	"time"
)

const (
	// Quiet is how long a kind of trouble gets no second line.
	Quiet = 10 * time.Minute
	// maxKinds bounds what is remembered. Of further kinds nothing is said until others are forgotten.
	maxKinds = 1000
)

// Troubles are the kinds of trouble that a program has, or lately had. The zero value has none. It is for one
// goroutine.
type Troubles struct {
	Most int // lines a minute of what is There; 0 is no bound

	minute time.Time // when the one began in which lines are counted
	lines  int       // in that minute
	held   int       // lines that were too many in it
	kinds  map[string]*trouble
	isSaid bool // a line about one of them was written since they were all gone; see Only
}

type trouble struct {
	isThere bool
	isSaid  bool // since it came: in that case its end is worth a line, too
	saidAt  time.Time
	times   int // how often it came since its last line
}

// There notes that there is trouble of a kind now, and says whether that is worth a line. Times is how often it
// came since the line before, 1 where there was none: also what came and went within the ten minutes is counted.
func (t *Troubles) There(kind string, now time.Time) (isWorthALine bool, times int) {
	s := t.kinds[kind]
	if s == nil {
		t.forget(now)
		if len(t.kinds) >= maxKinds {
			return false, 0
		}
		if t.kinds == nil {
			t.kinds = map[string]*trouble{}
		}
		s = &trouble{}
		t.kinds[kind] = s
	}
	if !s.isThere {
		s.isThere, s.isSaid = true, false
		s.times++
	}
	if s.isSaid || !s.saidAt.IsZero() && now.Sub(s.saidAt) < Quiet {
		return false, 0
	}
	if !t.hasRoom(now) {
		return false, 0 // the kind may have its line in another minute
	}
	times = s.times
	s.isSaid, s.saidAt, s.times = true, now, 0
	return true, times
}

// hasRoom counts a line, and says whether it is one of those that the minute may have.
func (t *Troubles) hasRoom(now time.Time) bool {
	if t.Most == 0 {
		return true
	}
	if now.Sub(t.minute) >= time.Minute {
		t.minute, t.lines, t.held = now, 0, 0
	}
	if t.lines == t.Most {
		t.held++
		return false
	}
	t.lines++
	return true
}

// Holds reports whether a line was left out in this minute, because there were too many.
func (t *Troubles) Holds(now time.Time) bool { return t.held > 0 && now.Sub(t.minute) < time.Minute }

// Gone notes that there is no trouble of a kind any more, and says whether that is worth a line: it is where its
// coming was.
func (t *Troubles) Gone(kind string) (isWorthALine bool) {
	s := t.kinds[kind]
	if s == nil || !s.isThere {
		return false
	}
	s.isThere = false
	return s.isSaid
}

// GoneExcept is [Troubles.Gone] for all kinds but those.
func (t *Troubles) GoneExcept(kinds map[string]bool) {
	for kind, s := range t.kinds {
		s.isThere = s.isThere && kinds[kind]
	}
}

// Only is [Troubles.There] of a trouble that has one cause at a time: the others are gone. A new cause is worth a line of
// its own.
func (t *Troubles) Only(cause string, now time.Time) (isWorthALine bool, times int) {
	t.GoneExcept(map[string]bool{cause: true})
	isWorthALine, times = t.There(cause, now)
	t.isSaid = t.isSaid || isWorthALine
	return isWorthALine, times
}

// AllGone notes that there is no trouble at all any more, and says whether that is worth a line: it is where one of its
// causes was.
func (t *Troubles) AllGone() (isWorthALine bool) {
	t.GoneExcept(nil)
	isWorthALine, t.isSaid = t.isSaid, false
	return isWorthALine
}

// forget drops the kinds that are gone and would get a line if they came now.
func (t *Troubles) forget(now time.Time) {
	for kind, s := range t.kinds {
		if !s.isThere && now.Sub(s.saidAt) >= Quiet {
			delete(t.kinds, kind)
		}
	}
}

// changing is what differs in two texts on the same trouble: ids in hexadecimal, and numbers.
// It is compiled when there is trouble: that takes a tenth of a function's start.
var changing = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b[0-9a-fA-F]{8,}(-[0-9a-fA-F]{4,})*\b|\d+`)
})

// Kind is a text without what differs each time that the same trouble is described.
func Kind(text string) string { return changing().ReplaceAllLiteralString(text, "#") }
