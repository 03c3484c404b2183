package sqs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	source "github.com/gravito-framework/pulse/internal/source/sqs"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/sqs"
	"github.com/gravito-framework/pulse/protocol"
)

var noon = time.UnixMilli(1_764_000_000_000)

func client(endpoint string) *awssqs.Client {
	return awssqs.New(awssqs.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(endpoint),
		Credentials:      credentials.NewStaticCredentialsProvider("test", "test", ""),
		RetryMaxAttempts: 1,
	})
}

func poller(t *testing.T, c *awssqs.Client, settings adapter.Settings) *poll.Poller {
	t.Helper()
	settings["app"], settings["source"] = "shop", "sqs"
	session, err := sqs.Adapter{}.Open(context.Background(), settings)
	if err != nil {
		t.Fatal(err)
	}
	return &poll.Poller{Adapter: sqs.Adapter{}.Describe(), Session: session, Source: source.New(c)}
}

// rows are a snapshot's queues by name: their counts as text, "-" where one is absent.
func rows(s *protocol.QueueSnapshot) map[string]string {
	out := map[string]string{}
	for _, q := range s.Queues {
		count := func(n *int64) string {
			if n == nil {
				return "-"
			}
			return fmt.Sprint(*n)
		}
		m := q.Metrics
		out[q.Name] = strings.Join([]string{count(&m.Waiting), count(m.Active), count(m.Delayed), count(m.Failed)}, " ")
	}
	return out
}

func meta(s *protocol.QueueSnapshot, queue string) map[string]any {
	for _, q := range s.Queues {
		if q.Name == queue {
			return q.Meta.Map()
		}
	}
	return nil
}

func TestRealEmulator(t *testing.T) {
	ctx := t.Context()
	c := client(servertest.Moto(t))
	create := func(name string, attributes map[string]string) string {
		out, err := c.CreateQueue(ctx, &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		if err != nil {
			t.Fatal(err)
		}
		return *out.QueueUrl
	}
	send := func(url string, n int, delay int32, group string) {
		for i := range n {
			in := &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(fmt.Sprint(i)), DelaySeconds: delay}
			if group != "" {
				in.MessageGroupId, in.MessageDeduplicationId = &group, aws.String(fmt.Sprint(i))
			}
			if _, err := c.SendMessage(ctx, in); err != nil {
				t.Fatal(err)
			}
		}
	}
	redrive := func(arn string) map[string]string {
		return map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"3"}`, arn)}
	}
	const arn = "arn:aws:sqs:eu-west-1:123456789012:"
	dead := create("dead", nil)
	create("gone-dead", nil)
	orders := create("orders", redrive(arn+"dead"))
	create("invoices", redrive(arn+"dead"))
	create("lonely", redrive(arn+"gone-dead"))
	fifo := create("pay.fifo", map[string]string{"FifoQueue": "true"})
	if _, err := c.DeleteQueue(ctx, &awssqs.DeleteQueueInput{QueueUrl: aws.String(strings.Replace(dead, "dead", "gone-dead", 1))}); err != nil {
		t.Fatal(err)
	}
	send(dead, 4, 0, "")
	send(orders, 5, 0, "")
	send(orders, 2, 900, "")
	send(fifo, 3, 0, "g")
	if _, err := c.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{QueueUrl: &orders, MaxNumberOfMessages: 2, VisibilityTimeout: 900}); err != nil {
		t.Fatal(err)
	}
	everything := func() string {
		var all []string
		for _, url := range []string{dead, orders, fifo} {
			out, err := c.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range slices.Sorted(maps.Keys(out.Attributes)) {
				all = append(all, url+" "+k+" "+out.Attributes[k])
			}
		}
		return strings.Join(all, "\n")
	}
	before := everything()

	p := poller(t, c, adapter.Settings{sqs.SettingQueues: "*"})
	s, err := p.Poll(ctx, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"dead": "4 0 0 -", "orders": "3 2 2 4", "invoices": "0 0 0 4", "lonely": "0 0 0 -", "pay.fifo": "3 0 0 -"}
	if diff := cmp.Diff(want, rows(s)); diff != "" {
		t.Errorf("waiting, active, delayed, failed (-want +got):\n%s", diff)
	}
	if m := meta(s, "orders"); m["dlq"] != "dead" || m["dlq_shared"] != true || m["region"] != "eu-west-1" || m["fifo"] != false {
		t.Errorf("meta of orders is %v", m)
	}
	if diff := cmp.Diff(any([]any{"invoices", "orders"}), meta(s, "dead")["dlq_for"]); diff != "" {
		t.Errorf("what dead is for (-want +got):\n%s", diff)
	}
	if text := fmt.Sprint(meta(s, "lonely")["error"]); !strings.Contains(text, "failed is unknown: dead-letter queue gone-dead: there is no queue of this name") {
		t.Errorf("lonely says %q", text)
	}
	if meta(s, "pay.fifo")["fifo"] != true {
		t.Error("pay.fifo is not told to be FIFO")
	}
	if diff := cmp.Diff(before, everything()); diff != "" {
		t.Errorf("a poll changed the queues (-before +after):\n%s", diff)
	}
}

// fake is SQS as its JSON protocol is documented, for what an emulator doesn't do: paging,
// throttling, refusals. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
type fake struct {
	t        *testing.T
	mu       sync.Mutex
	queues   map[string]map[string]string // attributes by name
	refuse   map[string]string            // operation and queue → error
	pageSize int
	calls    map[string]int // by operation and queue
	under    int
	most     int // calls that were under way at once
}

const account = "123456789012"

func newFake(t *testing.T) (*fake, *awssqs.Client) {
	t.Helper()
	f := &fake{t: t, queues: map[string]map[string]string{}, refuse: map[string]string{}, pageSize: 1000, calls: map[string]int{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, client(server.URL)
}

func (f *fake) queue(name string, waiting int, dlq string) {
	a := map[string]string{
		"ApproximateNumberOfMessages": fmt.Sprint(waiting), "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
		"QueueArn": "arn:aws:sqs:eu-west-1:" + account + ":" + name,
	}
	if dlq != "" {
		a["RedrivePolicy"] = `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:` + account + ":" + dlq + `","maxReceiveCount":5}`
	}
	f.queues[name] = a
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.under++
	f.most = max(f.most, f.under)
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.under--; f.mu.Unlock() }()
	time.Sleep(time.Millisecond) // so that calls can overlap
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := r.Header.Get("Content-Type"); got != "application/x-amz-json-1.0" {
		f.t.Errorf("content type is %q", got)
	}
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	var in struct {
		QueueName, QueueNamePrefix, QueueUrl, NextToken, QueueOwnerAWSAccountId string
		MaxResults                                                              int
		AttributeNames                                                          []string
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		f.t.Error(err)
	}
	name := in.QueueName + in.QueueUrl[strings.LastIndexByte(in.QueueUrl, '/')+1:]
	f.calls[strings.TrimSpace(operation+" "+name)]++
	fail := func(status int, code string) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"__type":%q,"message":"refused by the test"}`, code)
	}
	for _, key := range []string{operation, operation + " " + name} {
		if code := f.refuse[key]; code != "" {
			status := http.StatusBadRequest
			if strings.HasPrefix(code, "AccessDenied") {
				status = http.StatusForbidden
			}
			fail(status, code)
			return
		}
	}
	url := func(name string) string { return "http://" + r.Host + "/" + account + "/" + name }
	answer := map[string]any{}
	switch operation {
	case "ListQueues":
		var names []string
		for _, name := range slices.Sorted(maps.Keys(f.queues)) {
			if strings.HasPrefix(name, in.QueueNamePrefix) && name > in.NextToken {
				names = append(names, name)
			}
		}
		if in.MaxResults == 0 {
			f.t.Error("ListQueues without MaxResults: there would be no NextToken")
		}
		if len(names) > f.pageSize {
			names = names[:f.pageSize]
			answer["NextToken"] = names[len(names)-1]
		}
		urls := []string{}
		for _, name := range names {
			urls = append(urls, url(name))
		}
		answer["QueueUrls"] = urls
	case "GetQueueUrl":
		if f.queues[name] == nil {
			fail(http.StatusBadRequest, "com.amazonaws.sqs#QueueDoesNotExist")
			return
		}
		answer["QueueUrl"] = url(name)
	case "GetQueueAttributes":
		if f.queues[name] == nil {
			w.Header().Set("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender")
			fail(http.StatusBadRequest, "com.amazonaws.sqs#QueueDoesNotExist")
			return
		}
		found := map[string]string{}
		for _, a := range in.AttributeNames {
			if v, ok := f.queues[name][a]; ok {
				found[a] = v
			}
		}
		answer["Attributes"] = found
	default:
		f.t.Errorf("%s was called: it is not one that only reads", operation)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_ = json.NewEncoder(w).Encode(answer)
}

func mustPoll(t *testing.T, p *poll.Poller, now time.Time) *protocol.QueueSnapshot {
	t.Helper()
	s, err := p.Poll(context.Background(), now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAllPagesAreListed(t *testing.T) {
	f, c := newFake(t)
	for i := range 25 {
		f.queue(fmt.Sprintf("q%02d", i), i, "")
	}
	f.pageSize = 10
	p := poller(t, c, adapter.Settings{sqs.SettingQueues: "q*"})
	if s := mustPoll(t, p, noon); len(s.Queues) != 25 {
		t.Errorf("%d queues, want 25", len(s.Queues))
	}
	mustPoll(t, p, noon.Add(4*time.Minute))
	if f.calls["ListQueues"] != 3 {
		t.Errorf("%d lists: 3 pages are due, and nothing for 5 minutes", f.calls["ListQueues"])
	}
	mustPoll(t, p, noon.Add(5*time.Minute))
	if f.calls["ListQueues"] != 6 {
		t.Errorf("%d lists after 5 minutes, want 6", f.calls["ListQueues"])
	}
	if f.most > 12 {
		t.Errorf("%d calls were under way at once, more than 12", f.most)
	}
}

func TestNamedQueuesAreNotListed(t *testing.T) {
	f, c := newFake(t)
	f.queue("orders", 1, "")
	f.queue("other", 1, "")
	f.refuse["ListQueues"] = "AccessDeniedException"
	s := mustPoll(t, poller(t, c, adapter.Settings{sqs.SettingQueues: "orders,missing"}), noon)
	if diff := cmp.Diff(map[string]string{"orders": "1 0 0 -"}, rows(s)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if len(s.Problems) != 1 || s.Problems[0].Queue != "missing" {
		t.Errorf("problems are %v", s.Problems)
	}
}

func TestSharedDeadLetterQueueIsReadOnce(t *testing.T) {
	f, c := newFake(t)
	f.queue("orders", 1, "dead")
	f.queue("invoices", 1, "dead")
	f.queue("dead", 9, "")
	p := poller(t, c, adapter.Settings{sqs.SettingQueues: "orders,invoices"})
	for i := range 3 {
		s := mustPoll(t, p, noon.Add(time.Duration(i)*10*time.Second))
		if diff := cmp.Diff(map[string]string{"orders": "1 0 0 9", "invoices": "1 0 0 9"}, rows(s)); diff != "" {
			t.Errorf("queues (-want +got):\n%s", diff)
		}
	}
	if f.calls["GetQueueAttributes dead"] != 3 || f.calls["GetQueueUrl dead"] != 1 {
		t.Errorf("calls are %v: the dead-letter queue is due once a poll, its URL once", f.calls)
	}
}

func TestRefusalsAreUnknownNotZero(t *testing.T) {
	f, c := newFake(t)
	f.queue("a", 1, "dead")
	f.queue("b", 2, "")
	f.queue("d", 4, "")
	f.queue("dead", 9, "")
	f.refuse["GetQueueAttributes dead"] = "AccessDeniedException"
	f.refuse["GetQueueAttributes d"] = "AccessDeniedException"
	p := poller(t, c, adapter.Settings{sqs.SettingQueues: "?"})
	s := mustPoll(t, p, noon)
	if diff := cmp.Diff(map[string]string{"a": "1 0 0 -", "b": "2 0 0 -"}, rows(s)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if text := fmt.Sprint(meta(s, "a")["error"]); !strings.Contains(text, "AccessDenied") || !strings.Contains(text, "sqs:GetQueueAttributes") {
		t.Errorf("a says %q", text)
	}
	if len(s.Problems) != 1 || s.Problems[0].Queue != "d" || !strings.Contains(s.Problems[0].Reason, "allow sqs:GetQueueAttributes") {
		t.Errorf("problems are %v", s.Problems)
	}
	// A passing failure keeps the last numbers for a while, and says how old they are.
	f.refuse["GetQueueAttributes b"] = "RequestThrottled"
	s = mustPoll(t, p, noon.Add(10*time.Second))
	if rows(s)["b"] != "2 0 0 -" || meta(s, "b")["as_of"] != float64(noon.UnixMilli()) || !strings.Contains(fmt.Sprint(meta(s, "b")["error"]), "RequestThrottled") {
		t.Errorf("while it is throttled, b is %q, %v", rows(s)["b"], meta(s, "b"))
	}
	s = mustPoll(t, p, noon.Add(2*time.Minute))
	if _, shown := rows(s)["b"]; shown {
		t.Error("two minutes later the old numbers of b are still shown")
	}
	delete(f.refuse, "GetQueueAttributes b")
	delete(f.queues, "b")
	s = mustPoll(t, p, noon.Add(3*time.Minute))
	if _, shown := rows(s)["b"]; shown || len(s.Problems) != 1 {
		t.Errorf("a deleted queue: %v, problems %v", rows(s), s.Problems)
	}
}

func TestNothingReadableIsNoSnapshot(t *testing.T) {
	f, c := newFake(t)
	f.refuse["ListQueues"] = "AccessDeniedException"
	_, err := poller(t, c, adapter.Settings{sqs.SettingQueues: "*"}).Poll(t.Context(), noon)
	if err == nil || !strings.Contains(err.Error(), "list the SQS queues: AccessDenied") || !strings.Contains(err.Error(), "name the queues instead") {
		t.Errorf("the error is %v", err)
	}
}

func TestBudgetIsKeptAndBusyQueuesComeFirst(t *testing.T) {
	f, c := newFake(t)
	for i := range 20 {
		f.queue(fmt.Sprintf("idle-%d", i), 0, "")
	}
	f.queue("busy", 5, "")
	const perMonth = 200_000
	p := poller(t, c, adapter.Settings{sqs.SettingQueues: "*", sqs.SettingCallsPerMonth: fmt.Sprint(perMonth)})
	const polls = 1000
	for i := range polls {
		s := mustPoll(t, p, noon.Add(time.Duration(i)*10*time.Second))
		if len(s.Queues) != 21 {
			t.Fatalf("poll %d: %d queues", i, len(s.Queues))
		}
	}
	total := 0
	for _, n := range f.calls {
		total += n
	}
	allowed := perMonth*polls*10/(30*24*3600) + 22 // the first reading of all is on credit
	if total > allowed {
		t.Errorf("%d calls, at most %d are allowed", total, allowed)
	}
	if busy, idle := f.calls["GetQueueAttributes busy"], f.calls["GetQueueAttributes idle-0"]; busy < 3*idle || idle < 2 {
		t.Errorf("the busy queue was read %d times, an idle one %d times", busy, idle)
	}
}

func TestOnlyWhatReadsIsSent(t *testing.T) {
	f, c := newFake(t)
	s := source.New(c)
	for _, r := range []adapter.Request{{"ReceiveMessage", "{}"}, {"DeleteQueue", "{}"}, {"PurgeQueue", "{}"}, {"ListQueues"}, {}} {
		if _, err := s.Do(t.Context(), []adapter.Request{{"ListQueues", `{"MaxResults":1}`}, r}); err == nil {
			t.Errorf("%v was taken", r)
		}
	}
	if len(f.calls) > 0 {
		t.Errorf("calls are %v: nothing may be sent with a refused request", f.calls)
	}
}

func TestUnreachableIsOneSentence(t *testing.T) {
	_, err := poller(t, client("http://127.0.0.1:1"), adapter.Settings{sqs.SettingQueues: "*"}).Poll(t.Context(), noon)
	if err == nil || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is %v", err)
	}
}
