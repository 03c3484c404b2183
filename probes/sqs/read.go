package sqs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// attributeNames are asked by name: "All" would be slower and tell nothing more that we need.
var attributeNames = []string{
	"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
	"ApproximateNumberOfMessagesDelayed", "QueueArn", "RedrivePolicy",
}

// keptFor is how long numbers stand in for a reading that failed: SQS' own are up to this old.
const keptFor = time.Minute

// read asks for the attributes of the queues that are due, then of dead-letter queues that the
// answers name for the first time.
func (s *session) read(due []*target) adapter.Step {
	return s.attributesOf(due, func() adapter.Step {
		for _, t := range due {
			if gone(t.err) && t.named == "" {
				delete(s.targets, t.url) // deleted since it was listed
			}
		}
		return s.findDeadLetterQueues()
	})
}

func (s *session) attributesOf(targets []*target, then func() adapter.Step) adapter.Step {
	requests := make([]adapter.Request, len(targets))
	for i, t := range targets {
		requests[i] = request(opAttributes, map[string]any{"QueueUrl": t.url, "AttributeNames": attributeNames})
	}
	return s.Ask(requests, func(r []adapter.Reply) adapter.Step {
		for i, t := range targets {
			t.take(r[i], s.now)
		}
		return then()
	})
}

func (t *target) take(r adapter.Reply, now time.Time) {
	var out struct{ Attributes map[string]string }
	if t.err = output(r, &out); t.err != nil {
		return
	}
	a := attributes{arn: out.Attributes["QueueArn"]}
	for name, into := range map[string]*int64{
		attributeNames[0]: &a.waiting, attributeNames[1]: &a.active, attributeNames[2]: &a.delayed,
	} {
		n, err := strconv.ParseInt(out.Attributes[name], 10, 64)
		if err != nil || n < 0 {
			t.err = fmt.Errorf("%s is %q in the answer: a number is due", name, out.Attributes[name])
			return
		}
		*into = n
	}
	if policy := out.Attributes["RedrivePolicy"]; policy != "" {
		// maxReceiveCount may be a number or text there; nothing but the target is needed.
		var p struct{ DeadLetterTargetArn string }
		if err := json.Unmarshal([]byte(policy), &p); err == nil {
			a.dlq = p.DeadLetterTargetArn
		}
	}
	t.attributes, t.readAt = a, now
}

// findDeadLetterQueues reads, once each, the dead-letter queues that are not yet known, and forgets
// those that no queue names any more.
func (s *session) findDeadLetterQueues() adapter.Step {
	known := s.byARN()
	sources := s.sourcesOf()
	for url, t := range s.targets {
		if !t.wanted && sources[t.arn] == nil {
			delete(s.targets, url)
		}
	}
	var missing []string
	for arn := range sources {
		if since, tried := s.lost[arn]; known[arn] == nil && (!tried || s.now.Sub(since.at) >= listEvery) {
			missing = append(missing, arn)
		}
	}
	slices.Sort(missing)
	requests := make([]adapter.Request, len(missing))
	for i, arn := range missing {
		requests[i] = urlRequest(arn)
	}
	s.budget.spend(len(requests))
	return s.Ask(requests, func(r []adapter.Reply) adapter.Step {
		var found []*target
		for i, arn := range missing {
			url, err := readURL(r[i])
			if err != nil {
				s.lost[arn] = failure{err, s.now}
				continue
			}
			delete(s.lost, arn)
			if s.targets[url] == nil {
				s.targets[url] = &target{name: nameOf(url), url: url}
			}
			s.targets[url].arn = arn
			found = append(found, s.targets[url])
		}
		s.budget.spend(len(found))
		return s.attributesOf(found, s.finish)
	})
}

// sourcesOf is which wanted queues name each dead-letter queue, by its ARN.
func (s *session) sourcesOf() map[string][]string {
	sources := map[string][]string{}
	for _, t := range s.sorted() {
		if t.wanted && t.dlq != "" {
			sources[t.dlq] = append(sources[t.dlq], t.name)
		}
	}
	return sources
}

func (s *session) byARN() map[string]*target {
	known := make(map[string]*target, len(s.targets))
	for _, t := range s.targets {
		known[t.arn] = t
	}
	return known
}

// stale tells whether the last numbers of t can no longer stand in for a reading that failed.
func (s *session) stale(t *target) bool {
	return t.readAt.IsZero() || t.err != nil && s.now.Sub(t.readAt) > keptFor
}

// finish makes the snapshot of what is known now.
func (s *session) finish() adapter.Step {
	out := &protocol.QueueSnapshot{Timestamp: s.now.UnixMilli(), App: s.app, Source: s.source, Queues: []protocol.Queue{}}
	sources, known := s.sourcesOf(), s.byARN()
	shown := map[string]bool{}
	for _, t := range s.sorted() {
		switch {
		case !t.wanted:
			continue
		case s.stale(t):
			s.problem(t.name, "its numbers are unknown: "+explain(opAttributes, t.err))
			continue
		case shown[t.name]:
			s.problem(t.name, "another queue of this name is shown, "+t.arn+" is left out: give each account a reporter with its own PULSE_SOURCE")
			continue
		}
		shown[t.name] = true
		q := s.queue(t)
		var partial []string
		if t.err != nil {
			partial = append(partial, "these are the last numbers read: "+explain(opAttributes, t.err))
		}
		if of := sources[t.arn]; len(of) > 0 {
			q.Meta["dlq_for"] = of
		}
		if t.dlq != "" {
			q.Meta["dlq"], q.Meta["dlq_shared"] = nameOf(t.dlq), len(sources[t.dlq]) > 1
			var err error
			if q.Metrics.Failed, err = s.failed(t.dlq, known); err != nil {
				partial = append(partial, fmt.Sprintf("failed is unknown: dead-letter queue %s: %s", nameOf(t.dlq), explain(opAttributes, err)))
			}
		}
		if len(partial) > 0 {
			q.Meta["error"] = strings.Join(partial, "; ")
		}
		out.Queues = append(out.Queues, q)
	}
	out.Problems = s.problems
	if len(out.Queues) == 0 && len(out.Problems) > 0 {
		return adapter.Fail("%s", out.Problems[0])
	}
	return adapter.Done(out)
}

func (s *session) queue(t *target) protocol.Queue {
	q := protocol.Queue{
		Name: t.name, Driver: protocol.DriverSQS,
		Metrics: protocol.Metrics{Waiting: t.waiting, Active: new(t.active), Delayed: new(t.delayed)},
		Meta:    map[string]any{"fifo": strings.HasSuffix(t.name, ".fifo"), "url": t.url},
	}
	if parts := strings.Split(t.arn, ":"); len(parts) == 6 {
		q.Meta["region"] = parts[3]
	}
	if t.readAt.Before(s.now) {
		q.Meta["as_of"] = t.readAt.UnixMilli()
	}
	return q
}

// failed is everything in a dead-letter queue, or why that can't be known.
func (s *session) failed(arn string, known map[string]*target) (*int64, error) {
	t := known[arn]
	switch {
	case t == nil:
		return nil, s.lost[arn].err
	case s.stale(t):
		return nil, t.err
	}
	return new(t.waiting + t.active + t.delayed), nil
}
