package adaptertest

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// mostRounds is how many rounds a host lets a poll take.
const mostRounds = 64

// Poll drives a session of a to the end of a poll, and returns also the rounds of what it asked. It fails
// the test where a host would refuse that, and where the snapshot breaks the protocol.
func Poll(t testing.TB, a adapter.Adapter, s adapter.Session, now time.Time, answer func(adapter.Request) adapter.Reply) (snapshot *protocol.QueueSnapshot, asked [][]adapter.Request, err error) {
	t.Helper()
	described := a.Describe().Commands
	step := s.Poll(t.Context(), now)
	for len(step.Requests) > 0 {
		if len(asked) == mostRounds {
			t.Fatalf("the poll has no end: in round %d it asks %v", mostRounds+1, step.Requests[0])
		}
		asked = append(asked, step.Requests)
		replies := make([]adapter.Reply, len(step.Requests))
		for i, r := range step.Requests {
			if !slices.Contains(described, r.Command()) {
				t.Fatalf("%v was asked, but is not described", r)
			}
			replies[i] = answer(r)
		}
		step = s.Next(t.Context(), replies)
	}
	switch {
	case step.Snapshot != nil:
		if _, err := step.Snapshot.Encode(); err != nil {
			t.Fatalf("the snapshot breaks the protocol: %v", err)
		}
	case step.Err == nil:
		t.Fatal("the poll ended with neither a snapshot nor a reason")
	}
	return step.Snapshot, asked, step.Err
}

// Count is how many requests there are in all rounds.
func Count(asked [][]adapter.Request) int {
	n := 0
	for _, round := range asked {
		n += len(round)
	}
	return n
}

// Scan answers a SCAN of these keys, COUNT at a time and in this order, with the place as its cursor.
// typeOf says what a key is, where TYPE may be asked for.
func Scan(r adapter.Request, all []string, typeOf func(key string) string) adapter.Reply {
	options := map[string]string{}
	for i := 2; i+1 < len(r); i += 2 {
		options[r[i]] = r[i+1]
	}
	slash := func(s string) string { return strings.ReplaceAll(s, "/", "\uffff") } // to Redis it is like any other
	from, _ := strconv.Atoi(r[1])
	count, _ := strconv.Atoi(options["COUNT"])
	to := min(from+count, len(all))
	var found []adapter.Reply
	for _, key := range all[min(from, to):to] {
		switch ok, err := path.Match(slash(options["MATCH"]), slash(key)); {
		case err != nil:
			return adapter.Refusal("ERR " + err.Error())
		case ok && (options["TYPE"] == "" || options["TYPE"] == typeOf(key)):
			found = append(found, adapter.Text(key))
		}
	}
	next := strconv.Itoa(to)
	if to == len(all) {
		next = "0"
	}
	return adapter.List(adapter.Text(next), adapter.List(found...))
}

// Anything makes replies of any shape, for a fuzzer: shape decides what comes next, again and again.
// Also are replies that an adapter knows, more likely to get far than others; each may take more of
// shape.
type Anything struct {
	Shape []byte
	Also  []func(next func() byte) adapter.Reply

	at int
}

// Fixed are replies as they are, for Also.
func Fixed(replies ...adapter.Reply) []func(func() byte) adapter.Reply {
	also := make([]func(func() byte) adapter.Reply, len(replies))
	for i, r := range replies {
		also[i] = func(func() byte) adapter.Reply { return r }
	}
	return also
}

// Reply is the next reply, to any request.
func (a *Anything) Reply(adapter.Request) adapter.Reply { return a.reply(0) }

func (a *Anything) next() byte {
	a.at++
	if len(a.Shape) == 0 {
		return 0
	}
	return a.Shape[a.at%len(a.Shape)]
}

func (a *Anything) reply(depth int) adapter.Reply {
	const others = 5
	switch kind := int(a.next()) % (others + len(a.Also)); kind {
	case 0:
		return adapter.Reply{}
	case 1:
		return adapter.Int(int64(int8(a.next())))
	case 2:
		return adapter.Int(int64(a.next()) << 55)
	case 3:
		return adapter.Int(1 << (a.next() % 63))
	case 4:
		var items []adapter.Reply
		for i := byte(0); i < a.next()%8 && depth < 3; i++ {
			items = append(items, a.reply(depth+1))
		}
		return adapter.List(items...)
	default:
		return a.Also[kind-others](a.next)
	}
}
