package history

import (
	"slices"
	"strconv"
)

// Absent is the count in a [Column] where there is none.
const Absent = -1

// Column is one count of a queue over time, one a minute, [Absent] where nobody looked, the queue was lost or not there,
// or its driver cannot count it. In JSON that is null.
type Column []int64

// AppendJSON appends c as a list.
func (c Column) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i, n := range c {
		if i > 0 {
			dst = append(dst, ',')
		}
		if n == Absent {
			dst = append(dst, "null"...)
		} else {
			dst = strconv.AppendInt(dst, n, 10)
		}
	}
	return append(dst, ']')
}

// Columns are a queue's counts over time, as charts take them.
type Columns struct {
	Waiting, Active, Delayed, Failed Column
}

// AppendJSON appends c as an object.
func (c *Columns) AppendJSON(dst []byte) []byte {
	dst = c.Waiting.AppendJSON(append(dst, `{"waiting":`...))
	dst = c.Active.AppendJSON(append(dst, `,"active":`...))
	dst = c.Delayed.AppendJSON(append(dst, `,"delayed":`...))
	dst = c.Failed.AppendJSON(append(dst, `,"failed":`...))
	return append(dst, '}')
}

// Part are the counts of n minutes, from the minute with the number first on.
func (c *Columns) Part(first, n int) Columns {
	end := first + n
	return Columns{c.Waiting[first:end], c.Active[first:end], c.Delayed[first:end], c.Failed[first:end]}
}

// IsEmpty reports whether there is no count at all.
func (c *Columns) IsEmpty() bool {
	for _, column := range []Column{c.Waiting, c.Active, c.Delayed, c.Failed} {
		if slices.ContainsFunc(column, func(n int64) bool { return n != Absent }) {
			return false
		}
	}
	return true
}

// Columns are the counts of a queue in so many minutes, the first that of the Unix ms from. A queue that history
// doesn't know has only absent ones.
func (d *Decoder) Columns(key Key, from int64, minutes int) Columns {
	counts := slices.Repeat(Column{Absent}, 4*minutes)
	columns := [failed + 1]Column{} // the other numbers are in no chart
	for number := range columns {
		columns[number] = counts[number*minutes : (number+1)*minutes : (number+1)*minutes]
	}
	first := from / minuteMS
	d.eachLook(key, first, func(minute int64, st *state) bool {
		if minute >= first+int64(minutes) {
			return false
		}
		for number := range columns {
			if st.knows(number) {
				columns[number][minute-first] = st.n[number]
			}
		}
		return true
	})
	return Columns{columns[waiting], columns[active], columns[delayed], columns[failed]}
}

// eachLook calls f with what a queue held at each look from a minute on at which it was there and not lost.
func (d *Decoder) eachLook(key Key, from int64, f func(minute int64, st *state) bool) {
	s := d.series[key]
	if s == nil {
		return
	}
	first, _ := slices.BinarySearch(d.looks, from)
	next := 0
	for _, minute := range d.looks[first:] {
		for next < len(*s) && (*s)[next].minute <= minute {
			next++
		}
		if next == 0 {
			continue
		}
		if st := &(*s)[next-1].state; st.flags&(isLost|isGone) == 0 && !f(minute, st) {
			return
		}
	}
}
