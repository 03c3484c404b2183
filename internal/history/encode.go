package history

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// The first two bytes of an entry: the format's version, and what kind of entry it is.
const (
	version  = 2
	keyframe = 'K'
	delta    = 'D'
)

// Bits of an operation in a delta, above those of the numbers that changed.
const (
	opFlags = 1 << (numbers + iota)
	opLinks
)

// Encoder makes the entries of one app's history, one a minute. docs/protocol.md describes their format.
type Encoder struct {
	roster
	keyframeEvery int64 // minutes
	// Of the entry in the making.
	buf     []byte
	added   []slot
	isAdded map[Key]bool
	order   []int
}

// NewEncoder returns an encoder for a history that lives so long. It goes on after the last entry that from has read;
// from may be nil, and is not to be used afterwards.
func NewEncoder(life time.Duration, from *Decoder) *Encoder {
	e := &Encoder{keyframeEvery: max(1, int64(life/2/time.Minute)), isAdded: map[Key]bool{}}
	if from != nil {
		e.roster = from.roster
		for i := range e.slots {
			e.slots[i].series = nil
		}
	}
	return e
}

// Restart makes the next entry a keyframe. Call it when an entry may not have been written: a delta on top of one that
// is missing cannot be read.
func (e *Encoder) Restart() { e.keyframeAt = 0 }

// KeyframeAt is when the keyframe was that the next entry may build on, in Unix ms; 0 if that will be a keyframe itself.
func (e *Encoder) KeyframeAt() int64 { return e.keyframeAt * minuteMS }

// Encode returns the entry of a look at a moment, in Unix ms, which sees these samples and no others. Write it with the
// id [EntryID]. It is good until the next call.
//
// It is a delta of what changed, or a keyframe of everything: if the deltas since the last keyframe would be larger
// than that, or after half of the history's life.
//
// A lost queue keeps the numbers that history last knew. A queue without a sample is dropped. leftOut counts samples
// that history doesn't hold: beyond 100,000 queues or 8 MiB of names, a key that comes twice, and what is no text or no
// count.
func (e *Encoder) Encode(at int64, samples []Sample) (entry []byte, leftOut int) {
	minute := at / minuteMS
	if e.keyframeAt > 0 && minute > e.at && minute-e.keyframeAt < e.keyframeEvery {
		if leftOut, ok := e.encodeDelta(minute, samples); ok {
			return e.buf, leftOut
		}
	}
	return e.encodeKeyframe(minute, samples)
}

// encodeDelta changes nothing but e's buffers unless ok.
func (e *Encoder) encodeDelta(minute int64, samples []Sample) (leftOut int, ok bool) {
	for i := range e.slots {
		e.slots[i].found = 0
	}
	e.added = e.added[:0]
	clear(e.isAdded)
	texts := e.texts
	for i := range samples {
		s := &samples[i]
		id := s.identity()
		number, isKnown := e.index[s.Key]
		switch st := s.state(); {
		case !st.isUsable() || isKnown && e.slots[number].found > 0 || e.isAdded[s.Key]:
			leftOut++
		case isKnown && e.slots[number].identity == id:
			e.slots[number].found = i + 1
			if links := e.slots[number].linksOf(s); links != e.slots[number].links {
				texts += links.size()
			}
		case !id.isUsable():
			leftOut++
		default:
			st, seen := e.stateOf(s, minute)
			added := slot{identity: id, links: s.usable(), state: st, seen: seen}
			e.added = append(e.added, added)
			e.isAdded[s.Key] = true
			texts += added.texts()
		}
	}
	if texts > maxTexts || len(e.slots)+len(e.added) > maxQueues {
		return 0, false
	}

	w := writer{buf: append(e.buf[:0], version, delta)}
	w.uvarint(minute - e.at)
	w.uvarint(minute - e.keyframeAt)
	w.notFound(e.slots)
	w.uvarint(int64(len(e.added)))
	for i := range e.added {
		s := &e.added[i]
		w.record(s, minute-s.seen)
	}
	last := -1
	for number := range e.slots {
		s := &e.slots[number]
		if s.found == 0 {
			continue
		}
		sample := &samples[s.found-1]
		if st, _ := e.stateOf(sample, minute); st != s.state || s.linksOf(sample) != s.links {
			w.uvarint(int64(number - last - 1))
			w.change(s, &st, s.linksOf(sample))
			last = number
		}
	}
	e.buf = w.buf
	if e.deltaSize+len(w.buf) > e.keyframeSize {
		return 0, false
	}
	e.deltaSize += len(w.buf)
	e.commit(minute, samples)
	return leftOut, true
}

// commit takes over what a delta says.
func (e *Encoder) commit(minute int64, samples []Sample) {
	for number := range e.slots {
		s := &e.slots[number]
		switch {
		case s.found > 0:
			before := s.flags
			s.state, _ = e.stateOf(&samples[s.found-1], minute)
			e.setLost(s, before)
			if links := s.linksOf(&samples[s.found-1]); links != s.links {
				s.links = links.clone()
				e.texts += links.size()
			}
		case s.inUse:
			e.drop(number)
		}
	}
	for _, s := range e.added {
		s.identity, s.links = s.clone(), s.links.clone()
		e.add(s)
	}
	e.at = minute
}

func (e *Encoder) encodeKeyframe(minute int64, samples []Sample) (entry []byte, leftOut int) {
	e.order = e.order[:0]
	for i := range samples {
		e.order = append(e.order, i)
	}
	slices.SortStableFunc(e.order, func(a, b int) int { return strings.Compare(string(samples[a].Key), string(samples[b].Key)) })
	next := roster{
		index: make(map[Key]int, len(samples)), slots: make([]slot, 0, len(samples)),
		at: minute, keyframeAt: minute,
	}
	for _, i := range e.order {
		s := &samples[i]
		id := s.identity()
		st, seen := e.stateOf(s, minute)
		links := s.usable()
		if number, ok := e.index[s.Key]; ok && e.slots[number].identity == id {
			known := &e.slots[number]
			if id, links = known.identity, known.linksOf(s); links != known.links {
				links = links.clone()
			}
		} else {
			id, links = id.clone(), links.clone()
		}
		one := slot{identity: id, links: links, state: st, seen: seen}
		_, isThere := next.index[s.Key]
		if isThere || !st.isUsable() || !id.isUsable() || len(next.slots) == maxQueues || next.texts+one.texts() > maxTexts {
			leftOut++
			continue
		}
		next.add(one)
	}
	w := writer{buf: append(e.buf[:0], version, keyframe)}
	w.uvarint(int64(len(next.slots)))
	for i := range next.slots {
		s := &next.slots[i]
		w.record(s, minute-s.seen)
	}
	next.keyframeSize = len(w.buf)
	e.roster, e.buf = next, nil // no delta needs as much room
	return w.buf, leftOut
}

// stateOf is what s says of its queue at a minute, and when that was last reported. Of a lost queue history knows
// better.
func (e *Encoder) stateOf(s *Sample, minute int64) (st state, seen int64) {
	if !s.Lost {
		return s.state(), minute
	}
	if number, ok := e.index[s.Key]; ok {
		known := &e.slots[number]
		st = known.state
		st.flags |= isLost
		return st, min(e.seenAt(known), minute)
	}
	if seen = s.Seen / minuteMS; seen <= 0 || seen > minute {
		seen = minute
	}
	return s.state(), seen
}

// linksOf are the links of s' queue, as one of its samples says. Of a lost queue history knows better.
func (s *slot) linksOf(sample *Sample) Links {
	if sample.Lost || sample.Links == s.links {
		return s.links
	}
	return sample.usable()
}

// clone copies the texts, so that they don't keep the document alive that they are a part of.
func (id *identity) clone() identity {
	c := identity{Key(strings.Clone(string(id.key))), "", strings.Clone(id.metaDriver), strings.Clone(id.source), protocol.Driver(strings.Clone(string(id.driver)))}
	if id.hasUsualKey() {
		c.name = string(c.key[len(c.key)-len(id.name):])
	} else {
		c.name = strings.Clone(id.name)
	}
	return c
}

// writer appends the parts of an entry.
type writer struct {
	buf      []byte
	texts    map[string]int64 // their numbers in this entry, from 1
	lastName string
}

func (w *writer) uvarint(n int64) { w.buf = binary.AppendUvarint(w.buf, uint64(n)) }

// notFound writes how many queues have no sample any more, and their numbers.
func (w *writer) notFound(slots []slot) {
	n := int64(0)
	for i := range slots {
		if slots[i].inUse && slots[i].found == 0 {
			n++
		}
	}
	w.uvarint(n)
	last := -1
	for i := range slots {
		if slots[i].inUse && slots[i].found == 0 {
			w.uvarint(int64(i - last - 1))
			last = i
		}
	}
}

// record writes everything about a queue.
func (w *writer) record(s *slot, seenAgo int64) {
	id, st := &s.identity, &s.state
	first := st.flags
	if !id.hasUsualKey() {
		first |= explicitKey
	}
	if s.links != (Links{}) {
		first |= hasLinks
	}
	w.uvarint(int64(first))
	shared := 0
	for shared < min(len(id.name), len(w.lastName)) && id.name[shared] == w.lastName[shared] {
		shared++
	}
	w.lastName = id.name
	w.uvarint(int64(shared))
	w.text(id.name[shared:])
	w.repeated(string(id.driver))
	w.repeated(id.metaDriver)
	w.repeated(id.source)
	if first&explicitKey != 0 {
		w.text(string(id.key))
	}
	if first&hasLinks != 0 {
		w.links(s.links)
	}
	for number := range numbers {
		if st.knows(number) {
			w.uvarint(st.n[number])
		}
	}
	if st.flags&isLost != 0 {
		w.uvarint(seenAgo)
	}
}

func (w *writer) text(s string) {
	w.uvarint(int64(len(s)))
	w.buf = append(w.buf, s...)
}

// repeated writes a text that other records have, too: its number, or 0 and the text where it is the first.
func (w *writer) repeated(s string) {
	n := w.texts[s]
	w.uvarint(n)
	if n > 0 {
		return
	}
	w.text(s)
	if w.texts == nil {
		w.texts = map[string]int64{}
	}
	w.texts[s] = int64(len(w.texts)) + 1
}

func (w *writer) links(l Links) {
	for _, text := range [...]string{l.Place, l.DLQ, l.DLQFor} {
		w.repeated(text)
	}
}

// change writes what differs.
func (w *writer) change(before *slot, after *state, links Links) {
	op := len(w.buf)
	w.buf = append(w.buf, 0)
	if links != before.links {
		w.buf[op] |= opLinks
		w.links(links)
	}
	if before.flags != after.flags {
		w.buf[op] |= opFlags
		w.uvarint(int64(after.flags))
	}
	for number := range numbers {
		if difference := after.n[number] - before.n[number]; difference != 0 {
			w.buf[op] |= 1 << number
			w.buf = binary.AppendVarint(w.buf, difference)
		}
	}
}
