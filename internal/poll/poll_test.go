package poll

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// described is an adapter that asks nothing but lengths.
var described = adapter.Description{Name: "test", Commands: []string{"LLEN"}}

var noon = time.UnixMilli(1_764_000_000_000)

// steps is a session that goes through these steps, and then repeats the last.
type steps struct {
	list    []adapter.Step
	at      int
	replies [][]adapter.Reply
}

func (s *steps) Poll(context.Context, time.Time) adapter.Step { return s.step() }

func (s *steps) Close() error { return nil }

func (s *steps) Next(_ context.Context, replies []adapter.Reply) adapter.Step {
	s.replies = append(s.replies, replies)
	return s.step()
}

func (s *steps) step() adapter.Step {
	step := s.list[min(s.at, len(s.list)-1)]
	s.at++
	return step
}

// echo answers each request with its key.
type echo struct {
	asked  int
	err    error
	isPart bool // err is about a part of the requests
}

func (e *echo) Do(_ context.Context, requests []adapter.Request) ([]adapter.Reply, error) {
	e.asked += len(requests)
	var replies []adapter.Reply
	for _, r := range requests {
		replies = append(replies, adapter.Text(r[1]))
	}
	if e.err != nil && !e.isPart {
		return nil, e.err
	}
	return replies, e.err
}

func ask(keys ...string) adapter.Step {
	var s adapter.Step
	for _, key := range keys {
		s.Requests = append(s.Requests, adapter.Request{"LLEN", key})
	}
	return s
}

func snapshot(app string) adapter.Step {
	return adapter.Done(&protocol.QueueSnapshot{Timestamp: noon.UnixMilli(), App: app})
}

func TestASessionGetsItsRepliesUntilItHasItsSnapshot(t *testing.T) {
	t.Parallel()
	session := &steps{list: []adapter.Step{ask("a", "b"), ask("c"), snapshot("shop")}}
	source := &echo{}
	s, err := (&Poller{Adapter: described, Session: session, Source: source}).Poll(t.Context(), noon)
	if err != nil || s.App != "shop" || source.asked != 3 {
		t.Fatalf("%+v, %v, asked %d", s, err, source.asked)
	}
	var got []string
	for _, round := range session.replies {
		for _, r := range round {
			text, _ := r.Text()
			got = append(got, text)
		}
		got = append(got, "|")
	}
	if want := []string{"a", "b", "|", "c", "|"}; !slices.Equal(got, want) {
		t.Errorf("the replies were %v", got)
	}
}

func TestTheMostThatAPollMayAskIsAsked(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]adapter.Step{
		"requests": ask(make([]string, adapter.MaxRequests)...),
		"bytes":    ask(strings.Repeat("x", adapter.MaxRequestBytes-len("LLEN"))),
	} {
		source := &echo{}
		if _, err := (&Poller{Adapter: described, Session: &steps{list: []adapter.Step{step, snapshot("shop")}}, Source: source}).Poll(t.Context(), noon); err != nil || source.asked != len(step.Requests) {
			t.Errorf("%s: %v, asked %d", name, err, source.asked)
		}
	}
}

// TestAnOperationOfSQSIsDescribedAsAWSWritesIt is also about a request that is none.
func TestAnOperationOfSQSIsDescribedAsAWSWritesIt(t *testing.T) {
	t.Parallel()
	describedSQS := adapter.Description{Name: "test", Source: adapter.SQS, Commands: []string{"ListQueues"}}
	for operation, want := range map[string]string{
		"ListQueues":  "",
		"LISTQUEUES":  `the adapter test asked "LISTQUEUES", which may not be sent`,
		"DeleteQueue": `the adapter test asked "DeleteQueue", which may not be sent`,
		"GetQueueUrl": `the adapter test asked "GetQueueUrl", which it does not describe`,
		"":            `the adapter test asked "", which it does not describe`,
	} {
		request := adapter.Request{operation, "{}"}
		if operation == "" {
			request = nil
		}
		session := &steps{list: []adapter.Step{{Requests: []adapter.Request{request}}, snapshot("shop")}}
		_, err := (&Poller{Adapter: describedSQS, Session: session, Source: &echo{}}).Poll(t.Context(), noon)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", operation, err)
		}
	}
}

func TestAPollHasBoundsAndAReasonWhereItEndsWithoutASnapshot(t *testing.T) {
	t.Parallel()
	down := errors.New("read from redis: connection refused")
	for want, c := range map[string]struct {
		steps []adapter.Step
		err   error
		asked int // the most
	}{
		"the adapter test asked 1 requests in round 65: a poll may take 64 rounds of 200000 requests":     {steps: []adapter.Step{ask("a")}, asked: adapter.MaxRounds},
		"the adapter test asked 200001 requests in round 1: a poll may take 64 rounds of 200000 requests": {steps: []adapter.Step{ask(make([]string, adapter.MaxRequests+1)...)}},
		"the adapter ended its poll with neither a snapshot nor a reason":                                 {steps: []adapter.Step{ask("a"), {}}, asked: 1},
		"NOPERM for SCAN":                     {steps: []adapter.Step{ask("a"), adapter.Fail("NOPERM for SCAN")}, asked: 1},
		"read from redis: connection refused": {steps: []adapter.Step{ask("a"), snapshot("shop")}, err: down, asked: 1},
		`the adapter test asked "GET", which it does not describe: it describes ["LLEN"]`:         {steps: []adapter.Step{{Requests: []adapter.Request{{"LLEN", "a"}, {"GET", "a"}}}}},
		"the adapter test asked 16777220 bytes of requests in round 1: a round may have 16777216": {steps: []adapter.Step{ask(strings.Repeat("x", adapter.MaxRequestBytes))}},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			source := &echo{err: c.err}
			s, err := (&Poller{Adapter: described, Session: &steps{list: c.steps}, Source: source}).Poll(t.Context(), noon)
			if s != nil || err == nil || !strings.HasPrefix(err.Error(), want) || source.asked > c.asked {
				t.Errorf("%+v, %v, asked %d", s, err, source.asked)
			}
		})
	}
}

func TestAPollSaysWhatASourceCouldNotAskAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	source := &echo{err: errors.New("a part of the cluster cannot be reached: 10.0.0.7:6379: connection refused"), isPart: true}
	last := snapshot("shop")
	last.Snapshot.Problems = []protocol.Problem{{Reason: "its own"}}
	session := &steps{list: []adapter.Step{ask("a"), ask("b"), last}}
	s, err := (&Poller{Adapter: described, Session: session, Source: source}).Poll(t.Context(), noon)
	if err != nil || len(s.Problems) != 2 || s.Problems[0].Reason != source.err.Error() || s.Problems[1].Reason != "its own" {
		t.Errorf("%+v, %v", s, err)
	}
}
