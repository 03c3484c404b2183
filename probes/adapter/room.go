package adapter

import (
	"strconv"

	"github.com/gravito-framework/pulse/protocol"
)

// MaxNameBytes is how many bytes the names of the queues that one session finds may have together. A session keeps
// several keys and requests a queue, each with the queue's name, and a poll sends all of them: names of a kilobyte cost
// forty times that. So 20,000 names may have 52 bytes each.
const MaxNameBytes = 1 << 20

// Room is what is left of the names that one session may find. The zero value is of a session that has none yet.
type Room struct {
	names, bytes int // that are taken
}

// RoomBeside is the room of a session that has queues of these names.
func RoomBeside[T any](have map[string]T) (r Room) {
	r.names = len(have)
	for name := range have {
		r.bytes += len(name)
	}
	return r
}

// Take takes the room for one more name. Where there is none it says why, as the end of a sentence; kind is what the
// names are of, such as "queues".
func (r *Room) Take(name, kind string) (why string) {
	switch {
	case r.names >= protocol.MaxQueues:
		return strconv.Itoa(protocol.MaxQueues) + " " + kind + " are the most that one reporter reports; select fewer"
	case r.bytes+len(name) > MaxNameBytes:
		return "the names of " + strconv.Itoa(r.names) + " " + kind + " have " + strconv.Itoa(r.bytes) + " bytes, and one driver keeps " +
			strconv.Itoa(MaxNameBytes) + "; select fewer"
	}
	r.names++
	r.bytes += len(name)
	return ""
}
