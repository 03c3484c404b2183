package sqs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
	"github.com/gravito-framework/pulse/probes/sqs"
	"github.com/gravito-framework/pulse/protocol"
)

// start is when these tests' first polls are.
var start = time.UnixMilli(1_764_000_000_000)

// at is the time of a poll, after the first.
func at(d time.Duration) time.Time { return start.Add(d) }

const (
	ours   = "123456789012" // the account of the queues that are listed
	theirs = "111111111111"
)

func arn(account, name string) string { return "arn:aws:sqs:eu-west-1:" + account + ":" + name }

func url(account, name string) string {
	return "https://sqs.eu-west-1.amazonaws.com/" + account + "/" + name
}

// tb is what a test is here: one of Go's, or one drawn by rapid.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

// world answers a session as SQS would: replies made by hand, no I/O.
type world struct {
	queues   map[string]map[string]string // attributes by URL
	refuse   map[string]adapter.Error     // by operation, or by what asked says of one call
	pageSize int                          // of ListQueues
	asked    []string                     // since it was last looked at, such as "GetQueueUrl orders"
	calls    map[string]int               // the same, counted from the beginning
}

func newWorld() *world {
	return &world{
		queues: map[string]map[string]string{}, refuse: map[string]adapter.Error{}, pageSize: 1000, calls: map[string]int{},
	}
}

// add makes a queue of our account with three counts, and a policy that is JSON or nothing.
func (w *world) add(name string, waiting, active, delayed int, policy string) {
	w.addTo(ours, name, waiting, active, delayed, policy)
}

func (w *world) addTo(account, name string, waiting, active, delayed int, policy string) {
	a := map[string]string{
		"ApproximateNumberOfMessages":           fmt.Sprint(waiting),
		"ApproximateNumberOfMessagesNotVisible": fmt.Sprint(active),
		"ApproximateNumberOfMessagesDelayed":    fmt.Sprint(delayed),
		"QueueArn":                              arn(account, name),
	}
	if policy != "" {
		a["RedrivePolicy"] = policy
	}
	w.queues[url(account, name)] = a
}

func (w *world) remove(name string) { delete(w.queues, url(ours, name)) }

// redrive is a RedrivePolicy to a queue of our account, as SQS gives it.
func redrive(name string) string {
	return `{"deadLetterTargetArn":"` + arn(ours, name) + `","maxReceiveCount":5}`
}

var (
	errDenied    = adapter.Error{Code: "AccessDeniedException", Message: "User: arn:aws:iam::123456789012:user/pulse is not authorized"}
	errThrottled = adapter.Error{Code: "RequestThrottled", Message: "Request is throttled."}
	errNotThere  = adapter.Error{Code: "AWS.SimpleQueueService.NonExistentQueue", Message: "The specified queue does not exist."}
	errTimeout   = adapter.Error{Code: "Timeout", Message: "no answer in time"}
)

// answer answers one request, having checked that it is one that SQS takes.
func (w *world) answer(t tb, r adapter.Request) adapter.Reply {
	t.Helper()
	var in struct {
		MaxResults                                                              int
		NextToken, QueueNamePrefix, QueueName, QueueOwnerAWSAccountId, QueueUrl string
		AttributeNames                                                          []string
	}
	if len(r) != 2 {
		t.Fatalf("the request %q is not an operation and its input", r)
	}
	d := json.NewDecoder(strings.NewReader(r[1]))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		t.Fatalf("the input of %q: %v", r, err)
	}
	ask, answer := r[0], map[string]any{}
	var refusal adapter.Error
	switch r[0] {
	case "ListQueues":
		if in.MaxResults != 1000 {
			t.Errorf("ListQueues with MaxResults %d: without 1000 there is no paging", in.MaxResults)
		}
		answer = w.list(in.QueueNamePrefix, in.NextToken)
	case "GetQueueUrl":
		account := in.QueueOwnerAWSAccountId
		if account == "" {
			account = ours
			ask += " " + in.QueueName
		} else {
			ask += " " + account + ":" + in.QueueName
		}
		answer["QueueUrl"] = url(account, in.QueueName)
		if w.queues[url(account, in.QueueName)] == nil {
			refusal = errNotThere
		}
	case "GetQueueAttributes":
		parts := strings.Split(in.QueueUrl, "/")
		ask += " " + parts[len(parts)-1]
		if parts[3] != ours {
			ask = "GetQueueAttributes " + parts[3] + ":" + parts[4]
		}
		want := []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed", "QueueArn", "RedrivePolicy"}
		if diff := cmp.Diff(want, in.AttributeNames); diff != "" {
			t.Errorf("attributes asked (-want +got):\n%s", diff)
		}
		answer["Attributes"] = w.queues[in.QueueUrl]
		if w.queues[in.QueueUrl] == nil {
			refusal = errNotThere
		}
	default:
		t.Fatalf("%s is asked, which is not one of the three that it may ask", r[0])
	}
	w.asked = append(w.asked, ask)
	w.calls[ask]++
	for _, key := range []string{r[0], ask} {
		if e, ok := w.refuse[key]; ok {
			refusal = e
		}
	}
	if refusal.Code != "" {
		return adaptertest.Reply(refusal)
	}
	data, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	return adapter.Text(string(data))
}

// list is a page of our account's queues; the token is the last URL of the page before.
func (w *world) list(prefix, token string) map[string]any {
	urls := []string{}
	for _, u := range slices.Sorted(maps.Keys(w.queues)) {
		if strings.HasPrefix(u, url(ours, prefix)) && u > token {
			urls = append(urls, u)
		}
	}
	if len(urls) > w.pageSize {
		return map[string]any{"QueueUrls": urls[:w.pageSize], "NextToken": urls[w.pageSize-1]}
	}
	return map[string]any{"QueueUrls": urls}
}

// took returns what was asked since the last time, and how often where more than once.
func (w *world) took() []string {
	times := map[string]int{}
	for _, a := range w.asked {
		times[a]++
	}
	w.asked = nil
	out := []string{}
	for _, a := range slices.Sorted(maps.Keys(times)) {
		if n := times[a]; n > 1 {
			a += fmt.Sprint(" ×", n)
		}
		out = append(out, a)
	}
	return out
}

func (w *world) total() int {
	n := 0
	for _, c := range w.calls {
		n += c
	}
	return n
}

// reading is a session that reads these queues of shop.
func reading(t tb, queues string, more ...string) adapter.Session {
	t.Helper()
	settings := adapter.Settings{"app": "shop", "source": "sqs", sqs.SettingQueues: queues}
	for i := 0; i < len(more); i += 2 {
		settings[more[i]] = more[i+1]
	}
	session, err := sqs.Adapter{}.Open(context.Background(), settings)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// try polls session once. What it makes must pass the protocol's rules.
func (w *world) try(t tb, session adapter.Session, now time.Time) (*protocol.QueueSnapshot, error) {
	t.Helper()
	step := session.Poll(context.Background(), now)
	for len(step.Requests) > 0 {
		replies := make([]adapter.Reply, len(step.Requests))
		for i, r := range step.Requests {
			replies[i] = w.answer(t, r)
		}
		step = session.Next(context.Background(), replies)
	}
	if step.Err != nil {
		if strings.Contains(step.Err.Error(), "\n") {
			t.Errorf("the error is more than a sentence: %v", step.Err)
		}
		return nil, step.Err
	}
	if step.Snapshot == nil {
		t.Fatal("the poll ended with neither a snapshot nor an error")
	}
	if err := step.Snapshot.Validate(); err != nil {
		t.Fatalf("the snapshot breaks the protocol: %v", err)
	}
	if step.Snapshot.Timestamp != now.UnixMilli() || step.Snapshot.App != "shop" || step.Snapshot.Source != "sqs" {
		t.Errorf("the snapshot is of %s from %s at %d", step.Snapshot.App, step.Snapshot.Source, step.Snapshot.Timestamp)
	}
	return step.Snapshot, nil
}

func (w *world) poll(t tb, session adapter.Session, now time.Time) *protocol.QueueSnapshot {
	t.Helper()
	s, err := w.try(t, session, now)
	if err != nil {
		t.Fatalf("the poll failed: %v", err)
	}
	return s
}

// table is a snapshot as lines: a queue's name, waiting/active/delayed/failed with "-" where one is
// absent, and its meta but for what is the same everywhere; then the problems.
func table(s *protocol.QueueSnapshot) []string {
	count := func(n *int64) string {
		if n == nil {
			return "-"
		}
		return fmt.Sprint(*n)
	}
	lines := []string{}
	for _, q := range s.Queues {
		m := q.Metrics
		line := fmt.Sprintf("%s %d/%s/%s/%s", q.Name, m.Waiting, count(m.Active), count(m.Delayed), count(m.Failed))
		for _, name := range slices.Sorted(maps.Keys(q.Meta.Map())) {
			v := q.Meta.Map()[name]
			switch {
			case name == "region" && v == "eu-west-1", name == "url" && strings.HasSuffix(v.(string), "/"+ours+"/"+q.Name):
				continue
			case v == false:
				continue
			case name == "as_of" || name == "failed_as_of":
				v = time.UnixMilli(int64(v.(float64))).Sub(start)
			}
			line += fmt.Sprintf(" %s=%v", name, v)
		}
		lines = append(lines, line)
	}
	for _, p := range s.Problems {
		lines = append(lines, "! "+p.String())
	}
	return lines
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
