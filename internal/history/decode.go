package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gravito-framework/pulse/protocol"
)

const (
	// Field is the name of an entry's one field.
	Field = "p"
	// maxEntry is the largest entry in bytes that is read: more than the largest that is written.
	maxEntry = 16 << 20
	// minRecord is the fewest bytes of a record.
	minRecord = 7
)

// EntryID is the id of a look's entry in the stream. There is one a minute, so Redis refuses a second recorder's.
func EntryID(at int64) string { return strconv.FormatInt(at/minuteMS*minuteMS, 10) + "-0" }

// ErrNoKeyframe is why a delta cannot be read: what it changes is in an entry that was not read.
var ErrNoKeyframe = errors.New("it changes an entry that was not read")

// ErrVersion is why an entry of another version cannot be read.
var ErrVersion = errors.New("version")

// KeyframeOf is when the keyframe was that an entry builds on, in Unix ms: the entry's own time if it is one. To read
// from a time on, begin with the keyframe of the last entry up to that time. To trim up to a time, trim up to that
// keyframe.
func KeyframeOf(id int64, entry []byte) (at int64, err error) {
	r, kind, err := open(entry)
	minute := id / minuteMS
	if err == nil && kind == delta {
		_, ago := r.count(minute), r.count(minute)
		minute -= ago
		err = r.err
	}
	if err != nil {
		return 0, entryError(id, err)
	}
	return minute * minuteMS, nil
}

func entryError(id int64, err error) error {
	return fmt.Errorf("history entry of %s: %w", time.UnixMilli(id).UTC().Format(time.RFC3339), err)
}

// Decoder reads the entries of one app's history, oldest first. Its zero value keeps all points of all queues.
type Decoder struct {
	// From is the Unix ms from which on points are kept. The entries before it say what the queues held then.
	From int64
	// Wants says of which queues points are kept; nil is of all.
	Wants func(Key) bool
	// Sum takes what all queues hold at each look, if there is one.
	Sum *Sum

	roster
	looks  []int64
	series map[Key]*series
	// For the next keyframe: the memory of the roster before this one.
	spare roster
	key   []byte
}

// series are the changes of one queue, oldest first. What it held stays until the next.
type series []change

type change struct {
	state
	minute int64
}

// Add reads an entry. id is the first part of its id in the stream, Unix ms.
//
// An error is about this entry: it, and what builds on it until the next keyframe, are a gap. An entry that somebody
// else wrote between two of ours does no harm. It never panics, and
// never keeps more than 100 times the entry's size beside 16 MiB of names.
func (d *Decoder) Add(id int64, entry []byte) error {
	minute := id / minuteMS
	before, isMissed := d.at, minute > d.at+1 && d.isSummed()
	r, kind, err := open(entry)
	switch {
	case err != nil:
	case minute <= d.at && d.at > 0 || minute <= 0:
		return entryError(id, errors.New("it is not later than the one before"))
	case kind == keyframe:
		err = d.readKeyframe(r, minute, len(entry))
	default:
		err = d.readDelta(r, minute, len(entry))
	}
	if err != nil {
		return entryError(id, err)
	}
	d.at = minute
	if minute >= d.From/minuteMS {
		if d.looks = append(d.looks, minute); len(d.looks) == 1 {
			for i := range d.slots {
				d.note(&d.slots[i], minute)
			}
		}
		if isMissed {
			d.Sum.miss(before+1, minute)
		}
		if d.Sum != nil {
			d.Sum.look(minute, d.slots)
		}
	}
	return nil
}

// EndSum says that there are no more entries: of the minutes after the last one nothing is known.
func (d *Decoder) EndSum() {
	if d.isSummed() {
		d.Sum.miss(d.at+1, math.MaxInt64)
	}
}

// isSummed reports whether some queue counts in the sum. Lost ones don't.
func (d *Decoder) isSummed() bool {
	return d.Sum != nil && slices.ContainsFunc(d.slots, func(s slot) bool { return s.inUse && s.flags&isLost == 0 })
}

// note keeps what a queue holds now, if it was asked for. The first look notes all of them.
func (d *Decoder) note(s *slot, minute int64) {
	if s.series == nil || len(d.looks) == 0 {
		return
	}
	c := change{s.state, minute}
	if !s.inUse {
		c.state = state{flags: isGone}
	}
	*s.series = append(*s.series, c)
}

func (d *Decoder) readKeyframe(r *reader, minute int64, size int) error {
	n := int(r.count(maxQueues))
	if n > r.left()/minRecord {
		return errCut
	}
	clear(d.spare.index)
	next := roster{index: d.spare.index, slots: slices.Grow(d.spare.slots[:0], n), at: minute, keyframeAt: minute, keyframeSize: size}
	if next.index == nil {
		next.index = make(map[Key]int, n)
	}
	for range n {
		s, err := d.readRecord(r, minute)
		if err == nil {
			err = next.admit(&s)
		}
		if err != nil {
			return err
		}
		next.add(s)
	}
	if r.err == nil && r.left() > 0 {
		r.err = errors.New("there is more than its queues")
	}
	if r.err != nil {
		return r.err
	}
	for i := range d.slots {
		s := &d.slots[i]
		if _, stays := next.index[s.key]; s.inUse && !stays {
			s.inUse = false
			d.note(s, minute)
		}
	}
	for i := range next.slots {
		s := &next.slots[i]
		s.series = d.seriesOf(s.key)
		number, ok := d.index[s.key]
		if ok && d.slots[number].identity != s.identity { // as a delta does it
			d.note(&slot{series: s.series}, minute)
		}
		if !ok || d.slots[number].identity != s.identity || d.slots[number].state != s.state {
			d.note(s, minute)
		}
	}
	d.roster, d.spare = next, d.roster
	return nil
}

// admit checks that r has room for a queue.
func (r *roster) admit(s *slot) error {
	_, isThere := r.index[s.key]
	switch {
	case isThere:
		return errors.New("a queue is in it twice")
	case len(r.slots) >= maxQueues || r.texts+s.texts() > maxTexts:
		return errors.New("its queues are more than can be read")
	}
	return nil
}

// seriesOf is where a queue's points are kept, nil if they are not.
func (d *Decoder) seriesOf(key Key) *series {
	if d.Wants != nil && !d.Wants(key) {
		return nil
	}
	s := d.series[key]
	if s == nil {
		if d.series == nil {
			d.series = map[Key]*series{}
		}
		s = new(series)
		d.series[key] = s
	}
	return s
}

func (d *Decoder) readDelta(r *reader, minute int64, size int) error {
	before, keyframeAt := minute-r.count(minute), minute-r.count(minute)
	if r.err != nil {
		return r.err
	}
	if d.keyframeAt == 0 || d.at != before || d.keyframeAt != keyframeAt {
		return ErrNoKeyframe
	}
	d.keyframeAt = 0 // until all of it is done
	old := len(d.slots)
	number := -1
	for range r.count(int64(old)) {
		if number = r.next(number, old); r.err != nil || !d.slots[number].inUse {
			return errors.New("a queue is dropped that is not there")
		}
		s := &d.slots[number]
		s.inUse = false
		d.note(s, minute)
		d.drop(number)
	}
	for range r.count(maxQueues) {
		s, err := d.readRecord(r, minute)
		if err == nil {
			err = d.admit(&s)
		}
		if err != nil {
			return err
		}
		s.series = d.seriesOf(s.key)
		d.add(s)
		d.note(&d.slots[len(d.slots)-1], minute)
	}
	number = -1
	for r.err == nil && r.left() > 0 {
		if number = r.next(number, old); r.err != nil || !d.slots[number].inUse {
			return errors.New("a queue changes that is not there")
		}
		s := &d.slots[number]
		before := s.flags
		if r.change(s) {
			d.texts += s.links.size()
		}
		if d.texts > maxTexts {
			return errors.New("its texts are more than can be read")
		}
		d.setLost(s, before)
		d.note(s, minute)
	}
	if r.err != nil {
		return r.err
	}
	d.keyframeAt = keyframeAt
	d.deltaSize += size
	return nil
}

// readRecord reads what [writer.record] wrote. It takes the texts of a queue that is known already.
func (d *Decoder) readRecord(r *reader, minute int64) (s slot, err error) {
	first := r.flags(isGone)
	s.flags = first &^ (explicitKey | hasLinks)
	shared := int(r.count(int64(len(r.name))))
	r.name = append(r.name[:shared], r.text()...)
	driver, metaDriver, source := r.repeated(), r.repeated(), r.repeated()
	s.driver, s.metaDriver, s.source = protocol.Driver(driver), metaDriver, source
	scope := scopeOf(s.driver, metaDriver)
	d.key = append(append(append(d.key[:0], scope...), '/'), r.name...)
	if first&explicitKey != 0 {
		d.key = append(d.key[:0], r.text()...)
	}
	if first&hasLinks != 0 {
		s.links = r.links()
	}
	for number := range numbers {
		if s.knows(number) {
			s.n[number] = r.count(protocol.MaxCount)
		}
	}
	if s.flags&isLost != 0 {
		s.seen = minute - r.count(minute)
	} else {
		s.seen = minute
	}
	switch {
	case r.err != nil:
		return s, r.err
	case len(r.name) > maxText || len(d.key) > 2*maxText || !utf8.Valid(r.name) || !utf8.Valid(d.key):
		return s, errors.New("a queue's name is no text, or too long")
	}
	if number, ok := d.index[Key(d.key)]; ok {
		if known := d.slots[number].identity; known.driver == s.driver && known.metaDriver == metaDriver && known.source == source && known.name == string(r.name) {
			s.identity = known
			return s, nil
		}
	}
	s.key = Key(d.key)
	if first&explicitKey != 0 {
		s.name = string(r.name)
	} else {
		s.name = string(s.key[len(scope)+1:])
	}
	return s, nil
}

// At is when the last readable entry was, in Unix ms; 0 if there is none.
func (d *Decoder) At() int64 { return d.at * minuteMS }

// First is when the first look was of which points are kept, in Unix ms; ok is false where there is none.
func (d *Decoder) First() (at int64, ok bool) {
	if len(d.looks) == 0 {
		return 0, false
	}
	return d.looks[0] * minuteMS, true
}

// Len is how many queues the last readable entry has, lost ones included.
func (d *Decoder) Len() int { return len(d.index) }

// Source is the reporter of the queue that has a key in the last readable entry.
func (d *Decoder) Source(key Key) (source string, ok bool) {
	number, ok := d.index[key]
	if !ok {
		return "", false
	}
	return d.slots[number].source, true
}

// Last are the queues of the last readable entry, lost ones included, each with its last numbers.
func (d *Decoder) Last() iter.Seq[Sample] {
	return func(yield func(Sample) bool) {
		for i := range d.slots {
			if s := &d.slots[i]; s.inUse && !yield(s.sample(d.seenAt(s))) {
				return
			}
		}
	}
}

var (
	errCut     = errors.New("it is cut off")
	errTooMuch = errors.New("a number in it is too large")
)

// reader takes an entry apart. After an error it reads zeros.
type reader struct {
	data  []byte
	err   error
	texts []string
	name  []byte // of the last record
}

// open reads what each entry begins with.
func open(entry []byte) (r *reader, kind byte, err error) {
	switch {
	case len(entry) > maxEntry:
		return nil, 0, fmt.Errorf("it has %d bytes: at most %d are read", len(entry), maxEntry)
	case len(entry) < 2:
		return nil, 0, errCut
	case entry[0] != version:
		return nil, 0, fmt.Errorf("it is of %w %d: this program reads version %d", ErrVersion, entry[0], version)
	case entry[1] != keyframe && entry[1] != delta:
		return nil, 0, fmt.Errorf("it is of the unknown kind %q", entry[1])
	}
	return &reader{data: entry[2:]}, entry[1], nil
}

func (r *reader) left() int { return len(r.data) }

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.data = nil
}

func (r *reader) byte() byte {
	if len(r.data) == 0 {
		r.fail(errCut)
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

// count reads a number from 0 to most.
func (r *reader) count(most int64) int64 {
	n, size := binary.Uvarint(r.data)
	switch {
	case size <= 0:
		r.fail(errCut)
		return 0
	case most < 0 || n > uint64(most):
		r.fail(errTooMuch)
		return 0
	}
	r.data = r.data[size:]
	return int64(n)
}

// flags reads flags below end.
func (r *reader) flags(end flags) flags { return flags(r.count(int64(end) - 1)) }

// next reads a number after last and below end.
func (r *reader) next(last, end int) int { return last + 1 + int(r.count(int64(end-last-2))) }

func (r *reader) text() []byte {
	n := r.count(maxText)
	if n > int64(len(r.data)) {
		r.fail(errCut)
		return nil
	}
	text := r.data[:n]
	r.data = r.data[n:]
	return text
}

// repeated reads a text that the entry may have had before.
func (r *reader) repeated() string {
	if n := r.count(int64(len(r.texts))); n > 0 || r.err != nil {
		if r.err != nil {
			return ""
		}
		return r.texts[n-1]
	}
	text := r.text()
	if !utf8.Valid(text) {
		r.fail(errors.New("a text that queues share is no text"))
	}
	r.texts = append(r.texts, string(text))
	return r.texts[len(r.texts)-1]
}

func (r *reader) links() Links { return Links{r.repeated(), r.repeated(), r.repeated()} }

// change applies what [writer.change] wrote, and reports whether the links changed.
func (r *reader) change(s *slot) (haveLinks bool) {
	op := r.byte()
	if op == 0 {
		r.fail(errors.New("it has a change of nothing"))
		return false
	}
	if op&opLinks != 0 {
		s.links = r.links()
	}
	if op&opFlags != 0 {
		s.flags = r.flags(explicitKey)
	}
	for number := range numbers {
		if op&(1<<number) == 0 {
			continue
		}
		difference, size := binary.Varint(r.data)
		if size <= 0 {
			r.fail(errCut)
			return false
		}
		r.data = r.data[size:]
		s.n[number] += difference
		if s.n[number] < 0 || s.n[number] > protocol.MaxCount {
			r.fail(errTooMuch)
			return false
		}
	}
	return op&opLinks != 0
}
