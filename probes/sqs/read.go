package sqs

import (
	"errors"
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

// maxDLQFor is how many of the queues that share a dead-letter queue its row names at most.
const maxDLQFor = 100

// keptFor is how long we show the last numbers while readings fail: SQS' own numbers are up to this old.
const keptFor = time.Minute

// read asks for the attributes of the queues that are due, then of dead-letter queues that the
// answers name for the first time.
func (s *session) read(due []*target) adapter.Step {
	return s.attributesOf(due, s.findDeadLetterQueues)
}

func (s *session) attributesOf(targets []*target, then func() adapter.Step) adapter.Step {
	requests := make([]adapter.Request, len(targets))
	for i, t := range targets {
		requests[i] = t.request
	}
	return s.Ask(requests, func(r []adapter.Reply) adapter.Step {
		for i, t := range targets {
			t.triedAt = s.now
			if t.err = t.setAttributes(r[i]); t.err != nil {
				t.failures++
				if !isPermanent(t.err) {
					s.readErr = t.err
				}
				s.drop(t)
				continue
			}
			t.readAt, t.failures = s.now, 0
			s.answered++
		}
		return then()
	})
}

// drop forgets a queue that was deleted since we listed it. It also forgets a dead-letter queue that is not there
// or that we may not read: findDeadLetterQueues looks for it again later.
func (s *session) drop(t *target) {
	switch {
	case !t.wanted && isPermanent(t.err):
		s.lost[t.arn] = failure{opAttributes, t.err, s.now}
	case t.named || !gone(t.err):
		return
	}
	delete(s.targets, t.url)
}

func attributesRequest(url string) adapter.Request {
	var input protocol.Meta
	input.SetTexts("AttributeNames", attributeNames)
	input.SetText("QueueUrl", url)
	return request(opAttributes, input)
}

// setAttributes reads the attributes from the answer. With an error it changes none of them.
func (t *target) setAttributes(r adapter.Reply) error {
	out, err := output(r)
	if err != nil {
		return err
	}
	given := out.Object("Attributes")
	a := attributes{arn: given.Text("QueueArn")}
	switch {
	case t.asked == "" || a.arn == t.asked:
	case t.wanted:
		return errors.New("SQS answers for " + a.arn + ": give that region a reporter of its own")
	default: // emulators make ARNs of their own
		return adapter.Error{Code: anotherQueue, Message: "SQS answers for " + a.arn + ", not for " + t.asked}
	}
	for i, into := range []*int64{&a.waiting, &a.active, &a.delayed} {
		name := attributeNames[i]
		n, err := strconv.ParseInt(given.Text(name), 10, 64)
		if err != nil || n < 0 {
			return errors.New(name + " is " + strconv.Quote(given.Text(name)) + " in the answer: a number is due")
		}
		*into = n
	}
	if policy := given.Text("RedrivePolicy"); policy != "" {
		// We need only the target: maxReceiveCount may be a number or a text there.
		if p, err := protocol.ReadObject([]byte(policy)); err == nil {
			a.dlq = p.Text("deadLetterTargetArn")
		}
	}
	t.attributes = a
	return nil
}

// findDeadLetterQueues reads each dead-letter queue that is not yet known, and forgets those that no queue names
// any more.
func (s *session) findDeadLetterQueues() adapter.Step {
	known, sources := s.byARN(), s.sourcesOf()
	for url, t := range s.targets {
		if !t.wanted && sources[t.arn] == nil {
			delete(s.targets, url)
		}
	}
	for arn := range s.lost {
		if sources[arn] == nil {
			delete(s.lost, arn)
		}
	}
	var missing []string
	for arn := range sources {
		if known[arn] == nil {
			missing = append(missing, arn)
		}
	}
	slices.Sort(missing)
	return s.findURLs(missing, s.lost, listEvery, func(urls map[string]string) adapter.Step {
		var found []*target
		for _, arn := range missing {
			url, ok := urls[arn]
			if !ok {
				continue
			}
			t := s.target(url)
			t.arn = arn
			if t.triedAt.IsZero() { // else it is a wanted queue, and this poll could not read it
				t.asked = arn
				found = append(found, t)
			}
		}
		s.budget.allow(len(found), 0)
		return s.attributesOf(found, s.finish)
	})
}

// sourcesOf returns, for the ARN of each dead-letter queue, the names of the wanted queues that use it.
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

// stale reports whether the last numbers of t are too old to show after a reading that failed. A single failure
// does not make them stale: with a budget, numbers are older than that anyway.
func (s *session) stale(t *target) bool {
	return t.readAt.IsZero() || t.failures > 1 && s.now.Sub(t.readAt) > keptFor
}

// finish makes the snapshot of the numbers known now.
func (s *session) finish() adapter.Step {
	out := &protocol.QueueSnapshot{Timestamp: s.now.UnixMilli(), App: s.app, Source: s.source, Queues: []protocol.Queue{}}
	sources, known := s.sourcesOf(), s.byARN()
	shown := map[string]bool{}
	for _, t := range s.sorted() {
		switch {
		case !t.wanted:
		case s.stale(t):
			s.problem(t.name, "its numbers are unknown: "+explain(opAttributes, t.err))
		case shown[t.name]:
			s.problem(t.name, "another queue of this name is shown, "+t.arn+" is left out: give each account a reporter with a source of its own")
		default:
			shown[t.name] = true
			out.Queues = append(out.Queues, s.queue(t, known, sources))
		}
	}
	switch {
	case s.answered > 0:
		s.outage = 0
	case s.readErr != nil:
		s.outage++
	}
	// One poll alone is no outage: after one failure a queue still shows its last numbers.
	if s.outage > 1 && s.readErr != nil && len(out.Queues) > 0 {
		s.problem("", "SQS answers for no queue, these are the last numbers: "+explain(opAttributes, s.readErr))
	}
	out.Problems = s.problems
	if len(out.Queues) == 0 && len(out.Problems) > 0 {
		return adapter.Fail(out.Problems[0].String())
	}
	return adapter.Done(out)
}

func (s *session) queue(t *target, known map[string]*target, sources map[string][]string) protocol.Queue {
	q := protocol.Queue{
		Name: t.name, Driver: protocol.DriverSQS,
		Metrics: protocol.Metrics{Waiting: t.waiting, Active: new(t.active), Delayed: new(t.delayed)},
	}
	q.Meta.SetBool("fifo", strings.HasSuffix(t.name, ".fifo"))
	q.Meta.SetText("url", t.url)
	if parts := strings.Split(t.arn, ":"); len(parts) == 6 {
		q.Meta.SetText("region", parts[3])
	}
	if t.readAt.Before(s.now) {
		q.Meta.SetInt("as_of", t.readAt.UnixMilli())
	}
	if of := sources[t.arn]; len(of) > 0 {
		q.Meta.SetTexts("dlq_for", of[:min(len(of), maxDLQFor)])
	}
	var partial []string
	if t.err != nil {
		partial = append(partial, "these are the last numbers read: "+explain(opAttributes, t.err))
	}
	if t.dlq != "" {
		q.Meta.SetText("dlq", nameOf(t.dlq))
		q.Meta.SetBool("dlq_shared", len(sources[t.dlq]) > 1)
		if why := s.failed(&q, t.dlq, known[t.dlq]); why != "" {
			partial = append(partial, why)
		}
	}
	if len(partial) > 0 {
		q.Meta.SetText("error", strings.Join(partial, "; "))
	}
	return q
}

// failed sets q's failed count to all jobs in its dead-letter queue, or returns why it can't.
func (s *session) failed(q *protocol.Queue, arn string, dlq *target) (why string) {
	switch {
	case dlq == nil:
		return "failed is unknown: dead-letter queue " + nameOf(arn) + ": " + s.lost[arn].String()
	case s.stale(dlq):
		return "failed is unknown: dead-letter queue " + dlq.name + ": " + explain(opAttributes, dlq.err)
	}
	q.Metrics.Failed = new(dlq.waiting + dlq.active + dlq.delayed)
	if dlq.readAt.Before(s.now) {
		q.Meta.SetInt("failed_as_of", dlq.readAt.UnixMilli())
	}
	if dlq.err != nil {
		return "failed is the last number read: dead-letter queue " + dlq.name + ": " + explain(opAttributes, dlq.err)
	}
	return ""
}
