package laravel

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

const (
	// maxPayload is the longest job in bytes that is read for when it was made. There is no way to ask
	// Redis for a part of a list's item.
	maxPayload = 64 << 10
	// askAgain is how long the session doesn't ask for a list's next job, after one that was too long or didn't
	// say when it was made: the jobs after it are mostly alike.
	askAgain = time.Minute
)

// counts are a queue's numbers, of all its spellings together.
type counts struct {
	waiting, active, delayed, failed int64

	stalled    int64 // of active: their reservation is over
	oldest     int64 // when the next job was made, Unix ms; 0 where it isn't known
	noActive   bool  // what isn't known
	noDelayed  bool
	noStalled  bool
	err        error    // why waiting is unknown
	incomplete []string // why another number is
}

// add adds b to a.
func add(a *int64, b int64) error {
	if *a > protocol.MaxCount-b {
		return errors.New("there are too many jobs to be true: this Redis is broken")
	}
	*a += b
	return nil
}

// what a follow-up's reply is for.
type what uint8

const (
	nextJob what = iota
	expired
	supervisor
	failedJobs
)

type followUp struct {
	what  what
	queue int
	list  *list
}

// count asks for the numbers of all queues, and of Horizon.
func (s *session) count() adapter.Step {
	s.arrange()
	if len(s.queues) == 0 {
		return s.finish()
	}
	s.poll.counts = make([]counts, len(s.queues))
	return s.Ask(s.requests, func(r []adapter.Reply) adapter.Step {
		for i, q := range s.queues {
			c := &s.poll.counts[i]
			for _, l := range q.lists {
				s.read(c, q, l, r[:perList])
				r = r[perList:]
			}
			if q.other != nil {
				// A refusal says nothing of the spelling that is read.
				if n, err := r[0].Int(); err == nil && n > 0 && !s.poll.again {
					s.addOther(q)
				}
				r = r[1:]
			}
		}
		if s.changed { // by another spelling, once a poll
			s.poll.again = true
			return s.count()
		}
		s.horizon.read(r, s.poll)
		return s.lookCloser()
	})
}

// read reads the replies to a list's requests.
func (s *session) read(c *counts, q *queue, l *list, r []adapter.Reply) {
	n, err := r[waiting].Count()
	if err == nil {
		err = add(&c.waiting, n)
	}
	if err != nil {
		c.err = s.notAList(l, err)
		return
	}
	l.clash = false
	for _, k := range []struct {
		place   int
		sum     *int64
		unknown *bool
		name    string
	}{{delayed, &c.delayed, &c.noDelayed, "delayed"}, {reserved, &c.active, &c.noActive, "active"}} {
		m, err := r[k.place].Count()
		if err == nil {
			err = add(k.sum, m)
		}
		if err != nil {
			*k.unknown = true
			l.clash = l.clash || r[k.place].Code() == "WRONGTYPE"
			c.incomplete = append(c.incomplete, k.name+": "+s.notAZset(l.requests[k.place][1], err))
		}
		n = max(n, m)
	}
	if n > 0 {
		q.seen = s.poll.now
	}
}

// notAList says why a list's length is unknown.
func (s *session) notAList(l *list, err error) error {
	if adapter.CodeOf(err) != "WRONGTYPE" {
		return errors.New(s.explain(err))
	}
	if base, suffix := cutSuffix(strings.TrimPrefix(l.key, s.keys)); suffix == delayedKey || suffix == reservedKey {
		return errors.New(err.Error() + "; " + l.key + " is where the queue " + strconv.Quote(nameOf(base)) + " keeps its " + suffix[1:] + " jobs, so there is no queue of this name")
	}
	return errors.New(err.Error() + "; something other than a queue of Laravel is at " + l.key)
}

// notAZset says why the size of a zset beside a list is unknown.
func (s *session) notAZset(key string, err error) string {
	if adapter.CodeOf(err) == "WRONGTYPE" {
		return err.Error() + "; something else is at " + key + ", perhaps a queue of the name " + strconv.Quote(strings.TrimPrefix(key, s.keys)) + ": one of the two needs another name"
	}
	return s.explain(err)
}

// lookCloser asks what only some queues need: when the next job was made, and how many reservations are over. It
// also asks for Horizon's values that have changed.
func (s *session) lookCloser() adapter.Step {
	now := s.poll.now
	seconds := "(" + strconv.FormatInt(now.Unix(), 10)
	var f adapter.Questions[followUp]
	for i, q := range s.queues {
		c := &s.poll.counts[i]
		if c.err != nil {
			continue
		}
		for _, l := range q.lists {
			if c.waiting > 0 && (l.bell || !now.Before(l.skipNextUntil)) {
				f.Ask(followUp{nextJob, i, l}, l.next...)
			}
			if c.active > 0 {
				l.expired[len(l.expired)-1] = seconds
				f.Ask(followUp{expired, i, l}, l.expired...)
			}
		}
	}
	s.horizon.ask(&f)
	return s.Ask(f.Requests, func(r []adapter.Reply) adapter.Step {
		for i, reply := range r {
			switch about := f.For[i]; about.what {
			case nextJob:
				s.poll.counts[about.queue].takeNext(s, about.list, reply)
			case expired:
				s.poll.counts[about.queue].takeExpired(s, reply)
			case supervisor:
				s.poll.workers.readSupervisor(reply)
			case failedJobs:
				s.horizon.failed.takeJobs(reply)
			}
		}
		return s.askFailed()
	})
}

// takeNext reads the job that a worker would take next.
func (c *counts) takeNext(s *session, l *list, r adapter.Reply) {
	payload, err := r.Text()
	switch {
	case err != nil:
		c.incomplete = append(c.incomplete, "oldest_at: "+s.explain(err))
		return
	case payload == "": // it was taken since
		return
	case l.bell && payload == bell:
		queue := nameOf(strings.TrimSuffix(strings.TrimPrefix(l.key, s.keys), notifyKey))
		c.err = errors.New(l.key + " holds no jobs: it is what Laravel keeps beside the queue " + strconv.Quote(queue) +
			" to wake workers, so there is no queue of this name")
		return
	}
	now := s.poll.now
	at := madeAt(payload)
	if at == 0 {
		l.skipNextUntil = now.Add(askAgain)
		return
	}
	if at = min(at, now.UnixMilli()); c.oldest == 0 || at < c.oldest {
		c.oldest = at
	}
}

// bell is what each item of "…:notify" is.
const bell = "1"

// takeExpired reads how many of a list's reservations are over.
func (c *counts) takeExpired(s *session, r adapter.Reply) {
	n, err := r.Count()
	if err == nil {
		err = add(&c.stalled, n)
	}
	if err != nil {
		c.noStalled = true
		c.incomplete = append(c.incomplete, "stalled: "+s.explain(err))
	}
}

// madeAt is when a job was made, Unix ms; 0 where its payload doesn't tell. Laravel 12 and later write
// createdAt, in seconds; Horizon writes pushedAt, seconds with a fraction, as text.
func madeAt(payload string) int64 {
	if len(payload) > maxPayload || !strings.Contains(payload, `"createdAt"`) && !strings.Contains(payload, `"pushedAt"`) {
		return 0
	}
	m, err := protocol.ReadObject([]byte(payload))
	if err != nil {
		return 0
	}
	var created, pushed int64
	for name, value := range m.All() {
		switch string(name) {
		case "createdAt":
			created = milliseconds(value)
		case "pushedAt":
			pushed = milliseconds(value)
		}
	}
	if created == 0 {
		return pushed
	}
	// A second holds many jobs: where Horizon tells it more closely, that is it.
	if pushed >= created && pushed < created+1000 {
		return pushed
	}
	return created
}

// milliseconds is a JSON number of seconds, or a text of one; 0 where it is no time of this age.
func milliseconds(value []byte) int64 {
	seconds, err := strconv.ParseFloat(strings.Trim(string(value), `"`), 64)
	if err != nil || !(seconds >= 1e9 && seconds < 1e10) {
		return 0
	}
	return int64(math.Round(seconds * 1000))
}
