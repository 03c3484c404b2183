package adapter

import (
	"errors"
	"strconv"
	"time"
)

// A walk finds queues with SCAN, through all keys of a Redis, those of others too. So it is done in
// parts: the first poll looks at up to half a million keys, each later one at up to fifty thousand
// (25 ms of Redis), and a finished walk rests before the next.
const (
	firstRounds, firstCount = 50, 10_000
	laterRounds, laterCount = 10, 5_000
	restAfterWalk           = 30 * time.Second
)

// newAtOnce is how many keys that were not known are taken in one poll at most.
const newAtOnce = 20_000

// StillLooking is the problem to report while the first walk is not through.
const StillLooking = "still looking for queues, this Redis has many keys; name them instead of a glob and nothing needs to be looked for"

// Walk looks for keys with SCAN, a part at each poll, and remembers what was found.
type Walk struct {
	options   []string // of SCAN, behind the cursor
	cursor    string   // "" while it rests
	restUntil time.Time
	left      int             // rounds of this poll's part
	count     int             // keys a round
	through   bool            // a whole walk was made: what was not found is not there
	ended     bool            // this part was a walk's last
	found     map[string]bool // names, and whether the walk under way has seen them

	// What is said of one that was found and cannot be reported, of the last whole walk and of the one
	// under way; between two walks, of the last whole walk in now.
	leftOut, leftOutNow string
	between             bool
}

// NewWalk makes a walk through the keys that match a pattern of Redis, with more options of SCAN such
// as TYPE and list.
func NewWalk(pattern string, options ...string) *Walk {
	return &Walk{
		options: append([]string{"MATCH", pattern}, options...),
		left:    firstRounds, count: firstCount, found: map[string]bool{},
	}
}

// Rests says that there is nothing to look for at this poll.
func (w *Walk) Rests(now time.Time) bool { return now.Before(w.restUntil) }

// Part takes one part of the walk, and then goes on with what stopped it, if something did. It hands
// each key to key, which says whether that is a new one: a poll takes so many of them and no more.
func (w *Walk) Part(f *Flow, now time.Time, key func(string) (isNew bool), then func(error) Step) Step {
	return w.part(f, now, key, then, 0)
}

func (w *Walk) part(f *Flow, now time.Time, key func(string) bool, then func(error) Step, found int) Step {
	return f.Ask([]Request{w.Request()}, func(r []Reply) Step {
		more, err := w.Take(r[0], now, func(k string) {
			if key(k) {
				found++
			}
		})
		if more && found < newAtOnce {
			return w.part(f, now, key, then, found)
		}
		w.pause()
		return then(err)
	})
}

// LeaveOut notes, as a sentence, what was found and cannot be reported, and why. One stands for all:
// where there is one there are many.
func (w *Walk) LeaveOut(sentence string) { w.leftOutNow = sentence }

// Problem is what there is to say of the walk in each snapshot, or "".
func (w *Walk) Problem() string {
	switch {
	case w.leftOut != "":
		return w.leftOut
	case w.leftOutNow != "":
		return w.leftOutNow
	case !w.through:
		return StillLooking
	}
	return ""
}

// Request is the next SCAN.
func (w *Walk) Request() Request {
	cursor := w.cursor
	if cursor == "" {
		cursor = "0"
	}
	return append(append(Request{"SCAN", cursor}, w.options...), "COUNT", strconv.Itoa(w.count))
}

// Take reads the reply to Request, hands over each key, and says whether to ask for more at this
// poll. After an error the walk begins anew at the next poll.
func (w *Walk) Take(r Reply, now time.Time, key func(string)) (more bool, err error) {
	w.ended = false
	if w.between {
		w.leftOut, w.leftOutNow, w.between = w.leftOutNow, "", false
	}
	cursor, keys, err := readScan(r)
	if err != nil {
		w.cursor = ""
		w.pause()
		return false, err
	}
	for _, k := range keys {
		if name, err := k.Text(); err == nil {
			key(name)
		}
	}
	if w.left--; cursor != "0" {
		w.cursor = cursor
		if w.left > 0 {
			return true, nil
		}
		w.pause()
		return false, nil
	}
	w.cursor, w.restUntil, w.through, w.ended = "", now.Add(restAfterWalk), true, true
	w.leftOut, w.between = "", true
	w.pause()
	return false, nil
}

// pause ends this poll's part, though Take would have it go on.
func (w *Walk) pause() { w.left, w.count = laterRounds, laterCount }

// Knows says that name was found, and notes that it is still there.
func (w *Walk) Knows(name string) bool {
	_, known := w.found[name]
	if known {
		w.found[name] = true
	}
	return known
}

// Add notes that name was found.
func (w *Walk) Add(name string) { w.found[name] = true }

// Names are what was found, sorted. A walk that ended without seeing a name forgets it.
func (w *Walk) Names() []string {
	if w.ended {
		w.ended = false
		for name, seen := range w.found {
			if !seen {
				delete(w.found, name)
				continue
			}
			w.found[name] = false
		}
	}
	return SortedKeys(w.found)
}

func readScan(r Reply) (cursor string, keys []Reply, err error) {
	pair, err := r.List()
	if err != nil {
		return "", nil, err
	}
	if len(pair) == 2 {
		cursor, _ = pair[0].Text()
		keys, _ = pair[1].List()
	}
	if cursor == "" {
		return "", nil, errors.New("SCAN answered something other than a cursor and keys")
	}
	return cursor, keys, nil
}
