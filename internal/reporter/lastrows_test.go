package reporter

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/protocol"
)

// shown are the rows and problems of a snapshot, as this file's tests write them.
func shown(t *testing.T, s protocol.QueueSnapshot) (out []string) {
	t.Helper()
	if _, err := s.Encode(); err != nil {
		t.Error(err)
	}
	for _, q := range s.Queues {
		row := fmt.Sprintf("%s %d", q.Name, q.Metrics.Waiting)
		if ms, is := q.Meta.Int("as_of"); is {
			row += fmt.Sprintf(" of %v before", time.Duration(s.Timestamp-ms)*time.Millisecond)
		}
		if why := q.Meta.Text("error"); why != "" {
			row += ": " + why
		}
		out = append(out, row)
	}
	for _, p := range s.Problems {
		out = append(out, p.String())
	}
	return out
}

// flaky is an adapter whose rows, problems and error are what is set here.
type flaky struct {
	rows     []protocol.Queue
	problems []protocol.Problem
	err      error
}

func (f *flaky) poller(name string) *poll.Poller {
	return named(name, &poll.Poller{Adapter: described, Source: source{}, Session: &queues{look: func() ([]protocol.Queue, []protocol.Problem, error) {
		return f.rows, f.problems, f.err
	}}})
}

func row(name string, waiting int64) protocol.Queue {
	return protocol.Queue{Name: name, Driver: protocol.DriverBullMQ, Metrics: protocol.Metrics{Waiting: waiting}}
}

// TestWhatOneAdapterCannotReadStaysWithItsTime runs a reporter of two adapters, of which one fails as a whole or in
// part. Virtual time begins at 2000-01-01 00:00:00 UTC.
func TestWhatOneAdapterCannotReadStaysWithItsTime(t *testing.T) {
	t.Parallel()
	const last = "these are the last numbers read, at 2000-01-01 00:00:%02d UTC: bullmq cannot read this queue now, and the problems say why"
	ill := row("mail", 2)
	ill.Meta.SetText("error", "active: NOPERM")
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		bull, list := &flaky{}, &flaky{rows: []protocol.Queue{row("list", 9)}}
		r, _ := m.new(t, bull.poller("bullmq"), list.poller("redislist"))
		check := func(what string, want ...string) {
			t.Helper()
			r.Run(within(t, deadlineReserve+time.Second), "") // one poll, and a second
			if diff := cmp.Diff(want, shown(t, m.last(t))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		bull.rows = []protocol.Queue{row("orders", 1), ill}
		check("all is well", "orders 1", "mail 2: active: NOPERM", "list 9")
		bull.err = errors.New("read queue: NOPERM")
		for second := 1; second < 4; second++ {
			check("the adapter fails",
				fmt.Sprintf("orders 1 of %ds before: "+last, second, 0),
				fmt.Sprintf("mail 2 of %ds before: active: NOPERM; "+last, second, 0),
				"list 9", "bullmq: read queue: NOPERM")
		}
		orders, mail := row("orders", 3), row("mail", 4)
		orders.Meta.SetBool("fifo", true)
		mail.Meta = orders.Meta // as an adapter may do it where it is the same for all
		bull.err, bull.rows = nil, []protocol.Queue{orders, mail}
		check("it works again", "orders 3", "mail 4", "list 9")
		orders.Metrics.Waiting = 5
		bull.rows, bull.problems = []protocol.Queue{orders}, []protocol.Problem{{Queue: "mail", Reason: "NOPERM"}, {Queue: "orders", Reason: "a hint"}}
		check("it fails for a queue", "orders 5", fmt.Sprintf("mail 4 of 1s before: "+last, 4), "list 9", `queue "mail": bullmq: NOPERM`, `queue "orders": bullmq: a hint`)
		bull.err = errors.New("NOPERM")
		check("it fails for all after it failed for one", fmt.Sprintf("mail 4 of 2s before: "+last, 4), fmt.Sprintf("orders 5 of 1s before: "+last, 5), "list 9", "bullmq: NOPERM")
		bull.err, bull.rows = nil, []protocol.Queue{row("events/a/b", 6), row("events-2/a", 7)}
		bull.problems = nil
		check("there are groups of streams", "events/a/b 6", "events-2/a 7", "list 9")
		bull.rows, bull.problems = nil, []protocol.Problem{{Queue: "events", Reason: "NOPERM"}}
		check("a stream cannot be read", fmt.Sprintf("events/a/b 6 of 1s before: "+last, 7), "list 9", `queue "events": bullmq: NOPERM`)
		bull.rows, bull.problems = []protocol.Queue{orders}, nil
		check("the queues have been deleted", "orders 5", "list 9")
		bull.err = errors.New("NOPERM")
		time.Sleep(protocol.IndexLife)
		check("a day later", "list 9", "bullmq: NOPERM")
	})
}
