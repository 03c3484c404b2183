package redisstream

import (
	"cmp"
	"math"
	"strconv"
	"strings"
)

// id is an entry's id: milliseconds, usually Unix time, and a number within them.
type id struct{ ms, seq uint64 }

func parseID(text string) (id, bool) {
	before, after, ok := strings.Cut(text, "-")
	ms, err1 := strconv.ParseUint(before, 10, 64)
	seq, err2 := strconv.ParseUint(after, 10, 64)
	return id{ms, seq}, ok && err1 == nil && err2 == nil
}

func (i id) compare(other id) int {
	return cmp.Or(cmp.Compare(i.ms, other.ms), cmp.Compare(i.seq, other.seq))
}

// next is the first id after i; not ok where i is the last there can be. Ranges begin with it: that an
// end may be left out with "(" is known to Redis 6.2 and later only.
func (i id) next() (id, bool) {
	if i.seq < math.MaxUint64 {
		return id{i.ms, i.seq + 1}, true
	}
	return id{i.ms + 1, 0}, i.ms < math.MaxUint64
}

func (i id) String() string {
	text := make([]byte, 0, 40)
	text = append(strconv.AppendUint(text, i.ms, 10), '-')
	return string(strconv.AppendUint(text, i.seq, 10))
}
