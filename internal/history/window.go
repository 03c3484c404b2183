package history

import "math"

// Window keeps the last 16 looks at a queue: what [Window.Trend] and [Window.Judge] need. Its zero value has none. It
// takes 530 bytes, so that a recorder can have one for each queue.
type Window struct {
	looks    [maxPoints]look // a ring
	next     uint8
	n        uint8
	lostNow  bool
	latestIs int64 // the minute of the newest look
}

// look is one point of a window.
type look struct {
	waiting   int64
	failed    int64  // Absent where unknown
	processed int64  // Absent where unknown
	ago       uint16 // minutes since the look before, as far as they fit
	isIdle    bool   // see isIdle
}

// Add notes a look, at a moment in Unix ms. Of two in one minute the later counts. A lost queue's numbers are no look.
func (w *Window) Add(at int64, s *Sample) {
	if w.lostNow = s.Lost; s.Lost {
		return
	}
	st := s.state()
	w.add(at/minuteMS, &st)
}

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
		newest := w.look(0)
		l.ago = newest.ago
		*newest = l
		return
	case w.n > 0:
		l.ago = uint16(min(uint64(minute-w.latestIs), math.MaxUint16)) // if the clock was set back, a gap
	}
	w.looks[w.next] = l
	w.next = (w.next + 1) % maxPoints
	w.n = min(w.n+1, maxPoints)
	w.latestIs = minute
}

// look is the look so many looks ago; there must be that many.
func (w *Window) look(ago int) *look {
	return &w.looks[(int(w.next)+2*maxPoints-1-ago)%maxPoints]
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

// Window is what a recorder that starts again goes on with: a queue's last looks.
func (d *Decoder) Window(key Key) (w Window) {
	d.eachLook(key, d.at-longMS/minuteMS, func(minute int64, st *state) bool {
		w.add(minute, st)
		return true
	})
	return w
}
