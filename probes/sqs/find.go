package sqs

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// list asks for the queues there are, page by page.
func (s *session) list(token string) adapter.Step {
	// Without MaxResults SQS gives no NextToken, and no more than 1,000 queues.
	input := map[string]any{"MaxResults": 1000}
	if token != "" {
		input["NextToken"] = token
	}
	if s.prefix != "" {
		input["QueueNamePrefix"] = s.prefix
	}
	s.budget.spend(1)
	return s.Ask([]adapter.Request{request(opList, input)}, func(r []adapter.Reply) adapter.Step {
		var page struct {
			QueueUrls []string
			NextToken string
		}
		if err := output(r[0], &page); err != nil {
			if s.listedAt.IsZero() && len(s.targets) == 0 {
				return adapter.Fail("list the SQS queues: %s", explain(opList, err))
			}
			s.problem("", "list the SQS queues: "+explain(opList, err)+"; the queues known before are still read")
			return s.locate()
		}
		for _, url := range page.QueueUrls {
			if name := nameOf(url); s.patterns.Match(name) {
				s.want(url, "")
				s.listed[url] = true
			}
		}
		if page.NextToken != "" {
			return s.list(page.NextToken)
		}
		for url, t := range s.targets {
			if t.wanted && t.named == "" && !s.listed[url] {
				delete(s.targets, url) // it was deleted; a dead-letter queue is found again below
			}
		}
		s.listedAt, s.listed = s.now, nil
		return s.locate()
	})
}

// locate asks for the URL of each named queue that has none yet.
func (s *session) locate() adapter.Step {
	missing := s.named
	for _, t := range s.targets {
		missing = without(missing, t.named)
	}
	requests := make([]adapter.Request, len(missing))
	for i, name := range missing {
		requests[i] = urlRequest(name)
	}
	s.budget.spend(len(requests))
	return s.Ask(requests, func(r []adapter.Reply) adapter.Step {
		for i, name := range missing {
			url, err := readURL(r[i])
			if err != nil {
				s.problem(name, explain(opURL, err))
				continue
			}
			s.want(url, name)
		}
		if len(s.targets) == 0 && len(s.problems) > 0 {
			return adapter.Fail("%s", s.problems[0])
		}
		return s.read(s.due())
	})
}

// want makes url a queue with a row of its own.
func (s *session) want(url, named string) {
	t := s.targets[url]
	if t == nil {
		t = &target{name: nameOf(url), url: url}
		s.targets[url] = t
	}
	t.wanted = true
	if named != "" {
		t.named = named
	}
}

// urlRequest asks for the URL of a queue given as a name, or as an ARN with its owner.
func urlRequest(nameOrARN string) adapter.Request {
	input := map[string]any{"QueueName": nameOrARN}
	if parts := strings.Split(nameOrARN, ":"); len(parts) == 6 && parts[0] == "arn" {
		input = map[string]any{"QueueName": parts[5], "QueueOwnerAWSAccountId": parts[4]}
	}
	return request(opURL, input)
}

func readURL(r adapter.Reply) (string, error) {
	var out struct{ QueueUrl string }
	err := output(r, &out)
	if err == nil && out.QueueUrl == "" {
		err = fmt.Errorf("%s answered no QueueUrl", opURL)
	}
	return out.QueueUrl, err
}

// nameOf is the queue's name: the last part of its URL or ARN.
func nameOf(url string) string { return url[strings.LastIndexAny(url, "/:")+1:] }

func request(operation string, input map[string]any) adapter.Request {
	data, err := json.Marshal(input)
	if err != nil {
		panic(err) // unreachable: texts, numbers and lists of text only
	}
	return adapter.Request{operation, string(data)}
}

func output(r adapter.Reply, into any) error {
	text, err := r.Text()
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("the answer is not the JSON of SQS: %w", err)
	}
	return nil
}

func without(list []string, s string) []string {
	var out []string
	for _, l := range list {
		if l != s {
			out = append(out, l)
		}
	}
	return out
}

func (s *session) problem(queue, reason string) {
	s.problems = append(s.problems, protocol.Problem{Queue: queue, Reason: reason})
}

// explain adds to a refusal what to do about it.
func explain(operation string, err error) string {
	code := (adapter.Reply{Value: err}).Code()
	switch {
	case strings.HasPrefix(code, "AccessDenied"):
		hint := "allow sqs:" + operation + " on its ARN"
		if operation == opList {
			hint = "allow sqs:ListQueues on *, or name the queues in PULSE_SQS_QUEUES"
		}
		return fmt.Sprintf("%v; %s (docs/deploy.md)", err, hint)
	case gone(err):
		return "there is no queue of this name in this account and region"
	}
	return err.Error()
}

// gone tells whether err says that a queue doesn't exist, by the name it has in the JSON protocol
// or in the older query protocol.
func gone(err error) bool {
	code := (adapter.Reply{Value: err}).Code()
	return strings.HasSuffix(code, "QueueDoesNotExist") || strings.HasSuffix(code, "NonExistentQueue")
}
