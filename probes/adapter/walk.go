package adapter

import (
	"errors"
	"strconv"
	"time"
)

// A walk finds queues with SCAN, which looks at all keys of a Redis, also at those of other programs. So polls
// walk in parts: the first poll looks at up to half a million keys, each later one at up to fifty thousand
// (25 ms of Redis), and after a whole walk there is a rest before the next.
const (
	firstRounds, firstCount = 50, 10_000
	laterRounds, laterCount = 10, 5_000
	restAfterWalk           = 30 * time.Second
)

// newAtOnce and newBytesAtOnce are how many new keys one poll adds at most, and about how many bytes they have.
const (
	newAtOnce      = 20_000
	newBytesAtOnce = MaxNameBytes
)

// StillLooking is the problem to report until the first walk has ended.
const StillLooking = "still looking for queues, this Redis has many keys; name them instead of a glob and nothing needs to be looked for"

// Walk looks for keys with SCAN, a part at each poll, and remembers the names it found.
type Walk struct {
	options   []string // of SCAN, behind the cursor
	cursor    string   // "" while it rests
	restUntil time.Time
	left      int             // rounds of this poll's part
	count     int             // keys a round
	wholeWalk bool            // a whole walk has ended: what it did not find is not there
	ended     bool            // this part was a walk's last
	found     map[string]bool // names, and whether the walk under way has seen them

	// A sentence about a key that was found and cannot be reported, from the last whole walk and from the one
	// under way. Between two walks the last whole walk's is in leftOutNow.
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

// Rests reports whether the walk rests at this poll.
func (w *Walk) Rests(now time.Time) bool { return now.Before(w.restUntil) }

// Part makes one part of the walk, and then goes on with then, which gets the error that stopped the part, if one
// did. Part hands each key to key, which reports whether it is new: one poll adds only so many new keys, and bytes.
func (w *Walk) Part(f *Flow, now time.Time, key func(string) (isNew bool), then func(error) Step) Step {
	return w.part(f, now, key, then, Room{})
}

func (w *Walk) part(f *Flow, now time.Time, key func(string) bool, then func(error) Step, found Room) Step {
	return f.Ask([]Request{w.Request()}, func(r []Reply) Step {
		more, err := w.Take(r[0], now, func(k string) {
			if key(k) {
				found.names++
				found.bytes += len(k)
			}
		})
		if more && found.names < newAtOnce && found.bytes < newBytesAtOnce {
			return w.part(f, now, key, then, found)
		}
		w.pause()
		return then(err)
	})
}

// LeaveOut notes a sentence about a key that was found and cannot be reported. The last sentence stands for all,
// because where there is one such key there are many.
func (w *Walk) LeaveOut(sentence string) { w.leftOutNow = sentence }

// Problem is the walk's problem for each snapshot, or "".
func (w *Walk) Problem() string {
	switch {
	case w.leftOut != "":
		return w.leftOut
	case w.leftOutNow != "":
		return w.leftOutNow
	case !w.wholeWalk:
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

// Take reads the reply to Request, hands each key to key, and reports whether to ask for more at this poll. After
// an error the walk begins anew at the next poll.
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
	w.cursor, w.restUntil, w.wholeWalk, w.ended = "", now.Add(restAfterWalk), true, true
	w.leftOut, w.between = "", true
	w.pause()
	return false, nil
}

// pause ends this poll's part, even before Take says so.
func (w *Walk) pause() { w.left, w.count = laterRounds, laterCount }

// Knows reports whether the walk has found name before, and notes that it is still there.
func (w *Walk) Knows(name string) bool {
	_, known := w.found[name]
	if known {
		w.found[name] = true
	}
	return known
}

// Room is what room there is beside the names found.
func (w *Walk) Room() Room { return RoomBeside(w.found) }

// Add notes that name was found.
func (w *Walk) Add(name string) { w.found[name] = true }

// Names are the names found, sorted. A walk that ends without seeing a name forgets it.
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
