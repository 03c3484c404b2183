package gravitostream

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// failedCap is how many failed jobs Gravito Stream keeps: so many are so many or more.
const failedCap = 1000

// strandedList is what a request behind those of the queues is for.
type strandedList struct {
	queue    *queue
	priority int
}

// count asks for the numbers of all queues, in one round.
func (s *session) count() adapter.Step {
	stranded := s.askStranded()
	requests := s.requests
	if len(stranded.Requests) > 0 {
		requests = slices.Concat(requests, stranded.Requests)
	}
	return s.Ask(requests, func(r []adapter.Reply) adapter.Step {
		of := map[*queue]int64{}
		for i, what := range stranded.For {
			s.takeStranded(what, r[len(s.requests)+i], of)
		}
		return s.finish(r, of)
	})
}

// askStranded asks for the lists of numeric priorities that are known to have jobs. Where the settings have no glob
// it also asks, now and then, for those that may have some.
func (s *session) askStranded() (q adapter.Questions[strandedList]) {
	probe := s.walk == nil && !s.now.Before(s.probeAt)
	if probe {
		s.probeAt = s.now.Add(probeEvery)
	}
	ask := func(in *queue, priority int) {
		if s.queues[in.name+":"+strconv.Itoa(priority)] != nil { // it is a queue of its own
			delete(in.stranded, priority)
			return
		}
		q.Ask(strandedList{in, priority}, s.lengthOf(in, priority)...)
	}
	for _, in := range s.order {
		if probe {
			for priority := range probedPriorities {
				ask(in, priority)
			}
			continue
		}
		for _, priority := range in.strandedIn() {
			ask(in, priority)
		}
	}
	return q
}

// takeStranded reads the length of such a list, and remembers whether it has jobs.
func (s *session) takeStranded(what strandedList, r adapter.Reply, of map[*queue]int64) {
	n, err := r.Count()
	if err != nil || n == 0 {
		delete(what.queue.stranded, what.priority) // the key may have another type now
		return
	}
	what.queue.stranded[what.priority] = s.lengthOf(what.queue, what.priority)
	of[what.queue] = min(of[what.queue]+n, protocol.MaxCount)
}

// finish makes the snapshot of the replies.
func (s *session) finish(r []adapter.Reply, stranded map[*queue]int64) adapter.Step {
	out := &protocol.QueueSnapshot{
		Timestamp: s.now.UnixMilli(), App: s.app, Source: s.source,
		Queues: make([]protocol.Queue, 0, len(s.order)),
	}
	s.walkProblems()
	numbers := make([]int64, 2*len(s.order)) // what the metrics point to, allocated at once
	first := s.findErr
	var empty []*queue
	for i, q := range s.order {
		row, err := s.queue(q, r[i*perQueue:(i+1)*perQueue], numbers[2*i:], stranded[q])
		if err != nil {
			reason := s.explain(err)
			if first == nil {
				first = errors.New("read queue " + adapter.Quote(q.name, 80) + " of " + s.prefix + ": " + reason)
			}
			s.problem(q.name, reason)
			continue
		}
		if !q.named && !q.seen.Equal(s.now) {
			empty = append(empty, q)
		}
		out.Queues = append(out.Queues, row)
	}
	s.forget(empty)
	out.Problems = s.problems
	if len(out.Queues) == 0 && first != nil {
		return adapter.Step{Err: first}
	}
	return adapter.Done(out)
}

// sum is the sum of counts.
func sum(r []adapter.Reply) (total int64, err error) {
	for _, reply := range r {
		n, err := reply.Count()
		if err != nil {
			return 0, err
		}
		total += n
	}
	if total > protocol.MaxCount {
		return 0, errors.New("it has more jobs than can be: this Redis is broken")
	}
	return total, nil
}

func (s *session) queue(q *queue, r []adapter.Reply, numbers []int64, stranded int64) (protocol.Queue, error) {
	row := protocol.Queue{Name: q.name, Driver: protocol.DriverGravitoStream}
	var err error
	if row.Metrics.Waiting, err = sum(r[waiting:delayed]); err != nil {
		return row, err
	}
	var notes []string
	for i, m := range [...]struct {
		name    string
		replies []adapter.Reply
		to      **int64
	}{{"delayed", r[delayed:failed], &row.Metrics.Delayed}, {"failed", r[failed : failed+1], &row.Metrics.Failed}} {
		if numbers[i], err = sum(m.replies); err != nil {
			notes = append(notes, m.name+": "+s.explain(err))
			continue
		}
		*m.to = &numbers[i]
	}
	isPaused, err := r[paused].Text()
	if err != nil {
		notes = append(notes, "paused: "+s.explain(err))
	}
	if row.Metrics.Waiting+numbers[0]+numbers[1]+stranded > 0 || isPaused != "" {
		q.seen = s.now
	}
	if isPaused == "1" {
		row.Meta.SetBool("paused", true)
	}
	if row.Metrics.Failed != nil && numbers[1] >= failedCap {
		row.Meta.SetBool("failed_capped", true)
		notes = append(notes, strconv.FormatInt(numbers[1], 10)+" or more failed: Gravito Stream keeps the last "+strconv.Itoa(failedCap))
	}
	if stranded > 0 {
		row.Meta.SetInt("stranded", stranded)
		var priorities []string
		for _, priority := range q.strandedIn() {
			priorities = append(priorities, strconv.Itoa(priority))
		}
		row.Meta.SetTexts("stranded_priorities", priorities)
	}
	if q.seen.IsZero() && len(notes) == 0 {
		notes = append(notes, "Redis has no key of this queue, and had none since this reporter began: it is empty, or its name or the prefix "+s.prefix+" is wrong")
	}
	if len(notes) > 0 {
		row.Meta.SetText("error", strings.Join(notes, "; "))
	}
	return row, nil
}

// strandedIn are the numeric priorities that a queue has jobs of, in order.
func (q *queue) strandedIn() (priorities []int) {
	if len(q.stranded) == 0 {
		return nil
	}
	for priority := range numericPriorities {
		if q.stranded[priority] != nil {
			priorities = append(priorities, priority)
		}
	}
	return priorities
}

// explain adds to a refusal what to do about it.
func (s *session) explain(err error) string {
	switch adapter.CodeOf(err) {
	case "NOPERM":
		return err.Error() + "; allow +llen +zcard +get +type +scan on ~" + adapter.Cut(s.prefix, 80) + "* (docs/acl.md)"
	case "WRONGTYPE":
		return err.Error() + "; something other than Gravito Stream wrote to its keys"
	}
	return err.Error()
}
