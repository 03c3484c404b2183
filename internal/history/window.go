package history

import "math"

// Window keeps the last 16 looks at a queue: what [Window.Trend] and [Window.Judge] need. Its zero value has none. It
// takes 232 bytes, and 128 more where finished jobs are counted, so that a recorder can have one for each queue.
type Window struct {
	// Rings, of which the newest look is before next.
	waiting   [maxPoints]int64
	processed *[maxPoints]int64   // Absent where unknown; nil where it always was
	failed    [failedPoints]int64 // of the newest looks only; Absent where unknown
	ago       [maxPoints]uint8    // minutes since the look before, as far as they fit
	idle      uint16              // a bit a look: see isIdle
	next      uint8
	n         uint8
	lostNow   bool
	latestIs  int64 // the minute of the newest look
}

// failedPoints are as many looks as there may be in the last minutes, both ends included, rounded up to a part of the ring.
const failedPoints = 8

// look is one point of a window.
type look struct {
	waiting   int64
	failed    int64 // Absent where unknown, and in looks that are too old to matter
	processed int64 // Absent where unknown
	ago       uint8 // minutes since the look before, as far as they fit
	isIdle    bool  // see isIdle
}

// Add notes a look, at a moment in Unix ms. Of two in one minute the later counts. A lost queue's numbers are no look.
func (w *Window) Add(at int64, s *Sample) {
	if w.lostNow = s.Lost; s.Lost {
		return
	}
	st := s.state()
	w.add(at/minuteMS, &st)
}

// At is when the newest look was, in Unix ms; 0 if there is none.
func (w *Window) At() int64 { return w.latestIs * minuteMS }

func (w *Window) add(minute int64, st *state) {
	l := look{waiting: st.n[waiting], failed: Absent, processed: Absent, isIdle: st.isIdle()}
	if st.knows(failed) {
		l.failed = st.n[failed]
	}
	if st.knows(processed) {
		l.processed = st.n[processed]
	}
	switch {
	case w.n > 0 && minute == w.latestIs:
		l.ago = w.look(0).ago
		w.set(w.slot(0), l)
		return
	case w.n > 0:
		l.ago = uint8(min(uint64(minute-w.latestIs), math.MaxUint8)) // if the clock was set back, a gap
	}
	w.set(int(w.next), l)
	w.next = (w.next + 1) % maxPoints
	w.n = min(w.n+1, maxPoints)
	w.latestIs = minute
}

func (w *Window) set(slot int, l look) {
	w.waiting[slot], w.failed[slot%failedPoints], w.ago[slot] = l.waiting, l.failed, l.ago
	w.idle &^= 1 << slot
	if l.isIdle {
		w.idle |= 1 << slot
	}
	if w.processed == nil && l.processed != Absent {
		w.processed = new([maxPoints]int64)
		for i := range w.processed {
			w.processed[i] = Absent
		}
	}
	if w.processed != nil {
		w.processed[slot] = l.processed
	}
}

// slot is where the look so many looks ago is in the rings.
func (w *Window) slot(ago int) int { return (int(w.next) + 2*maxPoints - 1 - ago) % maxPoints }

// look is the look so many looks ago; there must be that many.
func (w *Window) look(ago int) look {
	slot := w.slot(ago)
	l := look{waiting: w.waiting[slot], failed: Absent, processed: Absent, ago: w.ago[slot], isIdle: w.idle>>slot&1 == 1}
	if ago < failedPoints {
		l.failed = w.failed[slot%failedPoints]
	}
	if w.processed != nil {
		l.processed = w.processed[slot]
	}
	return l
}

// maxGapMinutes is maxGap between looks, which are at whole minutes.
const maxGapMinutes = maxGap / minuteMS

// points are how many jobs waited, oldest first.
func (w *Window) points(buf *[maxPoints]Point) []Point {
	at := w.latestIs * minuteMS
	for i := range int(w.n) {
		l := w.look(i)
		buf[maxPoints-1-i] = Point{at, l.waiting}
		at -= int64(l.ago) * minuteMS
	}
	return buf[maxPoints-int(w.n):]
}

// Trend is the trend up to the newest look. A lost queue has none. Where finished jobs are counted it has the queue's
// throughput, too.
func (w *Window) Trend() Trend {
	if w.lostNow {
		return Trend{why: "its reporter's key is gone"}
	}
	var buf [maxPoints]Point
	t := TrendOf(w.points(&buf))
	if w.n > 0 {
		t.setThroughput(w.finished(&buf), w.look(0).waiting)
	}
	return t
}

// finished are how many jobs had been finished, oldest first, without the looks that don't know.
func (w *Window) finished(buf *[maxPoints]Point) []Point {
	at, n := w.latestIs*minuteMS, 0
	for i := range int(w.n) {
		l := w.look(i)
		if l.processed != Absent {
			n++
			buf[maxPoints-n] = Point{at, l.processed}
		}
		at -= int64(l.ago) * minuteMS
	}
	return buf[maxPoints-n:]
}

// Window is what a recorder that starts again goes on with: a queue's last looks, since its key is its own.
func (d *Decoder) Window(key Key) (w Window) {
	from := d.at - longMS/minuteMS
	if s := d.series[key]; s != nil {
		for i, c := range *s {
			if i == 0 {
				continue
			}
			if before := (*s)[i-1]; before.flags&isGone != 0 && before.minute == c.minute { // another queue took its place
				from = max(from, c.minute)
			}
		}
	}
	d.eachLook(key, from, func(minute int64, st *state) bool {
		w.add(minute, st)
		return true
	})
	return w
}
