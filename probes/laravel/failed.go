package laravel

import (
	"errors"
	"strconv"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
)

const (
	// maxFailed is how many failed jobs are looked at to tell their queues.
	maxFailed = 1000
	// maxJobID is the longest id of a job in bytes.
	maxJobID = 256
	// tallyAgain is when all failed jobs are looked at again though none came or went: the hash of one
	// expires, and Horizon takes it out of the zset only while it runs.
	tallyAgain = 5 * time.Minute
)

// tally is how many failed jobs each queue has. Horizon keeps the ids of all of them in one zset, and
// the queue of each in a hash of its own. So they are told apart only where there are not too many,
// and only after the zset has changed.
type tally struct {
	why    string // it isn't known; "" if it is
	queues map[string]int64

	count   int64 // of the zset that it was made of
	newest  string
	at      time.Time // when all hashes were looked at
	jobs    map[string]job
	settled bool // there is nothing to look at at this poll

	ids []string // of the poll under way
}

// job is a failed job.
type job struct {
	queue  string
	missed int // how often its hash wasn't there; once may be too early, twice is gone
}

// begin takes how many failed jobs there are at this poll, and the newest of them.
func (t *tally) begin(count int64, newest string, err error, now time.Time) {
	switch {
	case err != nil:
		t.forget(err)
	case count > maxFailed:
		t.forget(errors.New("Horizon keeps the " + strconv.FormatInt(count, 10) + " failed jobs of all queues together; up to " + strconv.Itoa(maxFailed) + " are told apart"))
	case count == 0:
		*t = tally{settled: true}
	case t.settled && t.why == "" && count == t.count && newest == t.newest && now.Sub(t.at) < tallyAgain:
	default:
		t.settled, t.count, t.newest = false, count, newest
		if now.Sub(t.at) >= tallyAgain {
			t.at, t.jobs = now, nil
		}
	}
}

// forget makes the tally unknown until the next poll.
func (t *tally) forget(why error) { *t = tally{why: why.Error(), settled: true} }

// takeJobs takes the ids of all failed jobs.
func (t *tally) takeJobs(r adapter.Reply) {
	list, err := r.List()
	if err == nil && len(list) > maxFailed {
		err = errors.New("there are more jobs than were asked for: this Redis is broken")
	}
	ids := make([]string, 0, len(list))
	for i := 0; i < len(list) && err == nil; i++ {
		var id string
		if id, err = list[i].Text(); err == nil && len(id) > maxJobID {
			err = errors.New("the id of a failed job has " + strconv.Itoa(len(id)) + " bytes: at most " + strconv.Itoa(maxJobID) + " are read")
		}
		ids = append(ids, id)
	}
	if err != nil {
		t.forget(err)
		return
	}
	t.ids = ids
}

// askFailed asks for the queues of the failed jobs that are new.
func (s *session) askFailed() adapter.Step {
	t := &s.horizon.failed
	if t.settled {
		return s.finish()
	}
	jobs := make(map[string]job, len(t.ids))
	var f adapter.Questions[string]
	for _, id := range t.ids {
		j, known := t.jobs[id]
		jobs[id] = j
		if !known || j.missed == 1 {
			f.Ask(id, "HGET", s.horizon.prefix+id, "queue")
		}
	}
	t.jobs = jobs // without those that went
	return s.Ask(f.Requests, func(r []adapter.Reply) adapter.Step {
		for i, reply := range r {
			spelling, err := reply.Text()
			if err != nil {
				t.forget(err)
				return s.finish()
			}
			j := job{queue: nameOf(spelling)}
			if spelling == "" {
				j.missed = t.jobs[f.For[i]].missed + 1
			}
			t.jobs[f.For[i]] = j
		}
		t.make()
		return s.finish()
	})
}

// make counts the jobs of each queue.
func (t *tally) make() {
	t.why, t.settled, t.queues, t.ids = "", true, map[string]int64{}, nil
	for _, j := range t.jobs {
		if j.queue != "" {
			t.queues[j.queue]++
		}
		t.settled = t.settled && j.missed != 1
	}
}

// readFailed takes how many failed jobs there are, and the newest with its score.
func readFailed(count, first adapter.Reply) (n int64, newest string, err error) {
	if n, err = count.Count(); err != nil {
		return 0, "", err
	}
	pair, err := first.List()
	if err != nil {
		return 0, "", err
	}
	for _, part := range pair[:min(len(pair), 2)] {
		text, err := part.Text()
		if err != nil {
			return 0, "", err
		}
		newest += strconv.Quote(text)
	}
	return n, newest, nil
}
