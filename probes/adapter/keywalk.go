package adapter

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// ours begins the keys of this project, which no glob selects.
const ours = "pulse:"

// KeyWalk finds the keys of one type that patterns select, where a key is a queue: a [Walk] that looks
// for this type only. Redis before 6 cannot; there each new key is asked what it is.
type KeyWalk struct {
	*Walk
	patterns Patterns
	kind     string // as TYPE says it, and as a sentence does: "list"
	match    string // what SCAN is told to MATCH
	askTypes bool   // this Redis is older
	explain  func(err error, command, key string) string
	newKeys  []string // found by the poll under way, not known before
	room     Room     // for them
}

// NewKeyWalk makes a walk to keys of a type, such as list. explain makes a refusal of a command a
// sentence; key is "" for SCAN, which needs a right to no key.
func NewKeyWalk(patterns Patterns, kind string, explain func(err error, command, key string) string) *KeyWalk {
	w := &KeyWalk{patterns: patterns, kind: kind, match: EscapeGlob(patterns.start()) + "*", explain: explain}
	w.Walk = NewWalk(w.match, "TYPE", kind)
	return w
}

// Find takes one part of the walk, and then goes on with the keys that it found and that known doesn't
// know, sorted: no more of them than there is room for.
func (w *KeyWalk) Find(f *Flow, now time.Time, room Room, known func(key string) bool, then func(found []string, err error) Step) Step {
	w.newKeys, w.room = nil, room
	return w.Part(f, now, func(key string) bool {
		if strings.HasPrefix(key, ours) || !w.patterns.Match(key) || known(key) {
			return false
		}
		w.newKeys = append(w.newKeys, key)
		return true
	}, func(err error) Step {
		switch {
		case err == nil:
			return w.check(f, then)
		case !w.askTypes && CodeOf(err) == "ERR" && strings.Contains(err.Error(), "syntax"):
			w.askTypes, w.Walk = true, NewWalk(w.match)
			return w.Find(f, now, room, known, then)
		}
		return then(nil, errors.New("find "+w.kind+"s: "+w.explain(err, "scan", "")))
	})
}

// check asks what the new keys are, where SCAN could not be told to find one type only.
func (w *KeyWalk) check(f *Flow, then func([]string, error) Step) Step {
	slices.Sort(w.newKeys)
	keys := slices.Compact(w.newKeys) // SCAN may tell a key twice
	if !w.askTypes {
		return then(w.usable(keys), nil)
	}
	requests := make([]Request, len(keys))
	for i, key := range keys {
		requests[i] = Request{"TYPE", key}
	}
	return f.Ask(requests, func(r []Reply) Step {
		var found []string
		for i, key := range keys {
			what, err := r[i].Text()
			if err != nil {
				w.leaveOut(key, w.explain(err, "type", key))
			} else if what == w.kind {
				found = append(found, key)
			}
		}
		return then(w.usable(found), nil)
	})
}

// usable are the keys that can be reported as queues.
func (w *KeyWalk) usable(keys []string) []string {
	usable := make([]string, 0, len(keys))
	for _, key := range keys {
		if err := protocol.CheckQueueName(key); err != nil {
			w.leaveOut(key, err.Error())
			continue
		}
		if why := w.room.Take(key, w.kind+"s"); why != "" {
			w.leaveOut(key, why)
			break
		}
		usable = append(usable, key)
	}
	return usable
}

func (w *KeyWalk) leaveOut(key, why string) {
	w.LeaveOut(w.kind + " " + Quote(key, 80) + " is left out, and perhaps others: " + why)
}

// start is the literal text that all globs of ps begin with.
func (ps Patterns) start() string {
	start, first := "", true
	for _, p := range ps {
		if !IsGlob(p) {
			continue
		}
		literal := literalStart(p)
		if first {
			start, first = literal, false
		}
		for !strings.HasPrefix(literal, start) {
			start = start[:len(start)-1]
		}
	}
	return start
}

// literalStart is the text before a glob's first '*', '?' or '['.
func literalStart(glob string) string {
	var b strings.Builder
	for i := 0; i < len(glob) && !strings.ContainsRune("*?[", rune(glob[i])); i++ {
		if glob[i] == '\\' && i+1 < len(glob) {
			i++
		}
		b.WriteByte(glob[i])
	}
	return b.String()
}
