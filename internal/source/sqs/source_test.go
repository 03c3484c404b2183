package sqs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	source "github.com/gravito-framework/pulse/internal/source/sqs"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
	"github.com/gravito-framework/pulse/protocol"
)

// attributesOf asks for a queue's attributes.
func attributesOf(f *fake, name string) adapter.Request {
	return adapter.Request{"GetQueueAttributes", `{"QueueUrl":"` + f.url + "/" + account + "/" + name + `","AttributeNames":["QueueArn"]}`}
}

// names of n queues, which are made.
func makeMany(f *fake, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("q%04d", i)
		f.create(names[i], nil)
		f.fill(names[i], i, 0, 0)
	}
	return names
}

func TestOnlyWhatReadsIsSent(t *testing.T) {
	f := newFake(t)
	s := newSource(t, f.url)
	for _, r := range []adapter.Request{
		{"ReceiveMessage", `{"QueueUrl":"x"}`}, {"DeleteMessage", "{}"}, {"PurgeQueue", "{}"}, {"SetQueueAttributes", "{}"},
		{"DeleteQueue", "{}"}, {"ListQueueTags", "{}"}, {"listqueues", "{}"}, {"", "{}"}, {"ListQueues"}, {"ListQueues", "{}", "{}"}, {}, nil,
	} {
		replies, err := s.Do(t.Context(), []adapter.Request{{"ListQueues", `{"MaxResults":1000}`}, r})
		if err == nil || replies != nil || !strings.Contains(err.Error(), "only ListQueues, GetQueueUrl and GetQueueAttributes are sent") {
			t.Errorf("%q is answered with %v, %v", []string(r), replies, err)
		}
	}
	if n := f.count("ListQueues"); n > 0 {
		t.Errorf("%d calls were sent along with what is refused", n)
	}
}

func TestInputThatIsNotJSONIsNotSent(t *testing.T) {
	f := newFake(t)
	f.create("orders", nil)
	replies, err := newSource(t, f.url).Do(t.Context(), []adapter.Request{{"GetQueueUrl", "orders"}, {"GetQueueUrl", "{}"}, attributesOf(f, "orders")})
	if err != nil {
		t.Fatal(err)
	}
	if replies[0].Err() == nil || replies[1].Err() == nil || replies[2].Err() != nil {
		t.Errorf("replies are %v", replies)
	}
	if n := f.count("GetQueueUrl"); n > 0 {
		t.Errorf("%d of the two were sent", n)
	}
}

func TestNoRequestsAreNoReplies(t *testing.T) {
	replies, err := newSource(t, "http://127.0.0.1:1").Do(t.Context(), nil)
	if len(replies) > 0 || err != nil {
		t.Errorf("%v, %v", replies, err)
	}
}

func TestMoreQueuesThanAPageHolds(t *testing.T) {
	f := newFake(t)
	makeMany(f, 2300)
	s, err := open(t, newSource(t, f.url), "*").Poll(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	// Pages, not calls: on a machine that is overloaded the SDK may have to ask for one again.
	if len(s.Queues) != 2300 || len(f.pages) != 3 {
		t.Errorf("%d queues in %d pages, want 2300 in 3", len(s.Queues), len(f.pages))
	}
	for i, q := range s.Queues {
		if q.Metrics.Waiting != int64(i) {
			t.Fatalf("%s has %d waiting: the answers are mixed up", q.Name, q.Metrics.Waiting)
		}
	}
}

// What SQS refuses: the code and the message come through as they are.
func TestRefusalsKeepTheirNames(t *testing.T) {
	for _, c := range []struct {
		name, code, queryError string
		status, tries          int
		want                   string
	}{
		{"denied", "com.amazon.coral.service#AccessDeniedException", "", 403, 1, "AccessDeniedException"},
		{"denied, as the older protocol says it", "com.amazon.coral.service#AccessDeniedException", "AccessDenied;Sender", 403, 1, "AccessDenied"},
		{"throttled", "com.amazonaws.sqs#RequestThrottled", "RequestThrottled;Sender", 400, 3, "RequestThrottled"},
		{"throttled, as API services say it", "com.amazon.coral.availability#ThrottlingException", "", 400, 3, "ThrottlingException"},
		{"vanished", "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender", 400, 1, "AWS.SimpleQueueService.NonExistentQueue"},
		{"vanished, without the header", "com.amazonaws.sqs#QueueDoesNotExist", "", 400, 1, "QueueDoesNotExist"},
		{"expired", "com.amazon.coral.service#ExpiredTokenException", "", 403, 1, "ExpiredTokenException"},
		{"broken", "com.amazonaws.sqs#InternalFailure", "", 500, 3, "InternalFailure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.create("orders", nil)
			f.create("mail", nil)
			f.hook = on("GetQueueAttributes orders", func(w http.ResponseWriter, _ *http.Request) {
				refuse(w, c.status, c.code, c.queryError, "Not now.")
			})
			replies, err := newSource(t, f.url).Do(t.Context(), []adapter.Request{attributesOf(f, "orders"), attributesOf(f, "mail")})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(adapter.Error{Code: c.want, Message: "Not now."}, adaptertest.Value(replies[0])); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
			if err := replies[1].Err(); err != nil {
				t.Errorf("its neighbour is answered with %v", err)
			}
			if n := f.count("GetQueueAttributes orders"); n != c.tries {
				t.Errorf("it was tried %d times, want %d", n, c.tries)
			}
		})
	}
}

// TestAWrongClockReadsTheSameEachTime: AWS' own text has the time in it, and so would be news at each poll.
func TestAWrongClockReadsTheSameEachTime(t *testing.T) {
	for message, want := range map[string]string{
		"Signature expired: 20261126T200000Z is now earlier than 20261126T201500Z (20261126T203000Z - 15 min.)":         "this machine's clock is behind that of AWS by more than it allows, 15 minutes (Signature expired): set it (NTP)",
		"Signature not yet current: 20261126T210000Z is still later than 20261126T204500Z (20261126T203000Z + 15 min.)": "this machine's clock is ahead of that of AWS by more than it allows, 15 minutes (Signature not yet current): set it (NTP)",
	} {
		for _, code := range []string{"com.amazon.coral.service#InvalidSignatureException", "SignatureDoesNotMatch"} {
			f := newFake(t)
			f.create("orders", nil)
			f.hook = on("GetQueueAttributes orders", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, code, "", message) })
			replies, err := newSource(t, f.url).Do(t.Context(), []adapter.Request{attributesOf(f, "orders")})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(adapter.Error{Code: "RequestTimeTooSkewed", Message: want}, adaptertest.Value(replies[0])); diff != "" {
				t.Errorf("%s (-want +got):\n%s", code, diff)
			}
		}
	}
}

// An answer that is not SQS', such as a proxy's, is named by its status. The same trouble reads the
// same each time, or a log would fill up with it.
func TestAnswersThatAreNotOfSQSAreNamedByTheirStatus(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		code   string
	}{
		{503, "", "HTTP503"},
		{502, "<html>Bad Gateway</html>", "HTTP502"},
		{403, "<html>Forbidden</html>", "HTTP403"},
		{200, "<html>Log in</html>", "HTTP200"},
	} {
		f := newFake(t)
		id := 0
		f.hook = func(w http.ResponseWriter, _ *http.Request, _, _ string) bool {
			id++ // one call at a time
			w.Header().Set("x-amzn-RequestId", fmt.Sprint("request-", id))
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
			return true
		}
		s := newSource(t, f.url)
		var said []string
		for range 2 {
			replies, err := s.Do(t.Context(), []adapter.Request{{"ListQueues", `{"MaxResults":1000}`}})
			if err != nil {
				t.Fatal(err)
			}
			if replies[0].Code() != c.code {
				t.Errorf("status %d: the reply is %v, want the code %s", c.status, adaptertest.Value(replies[0]), c.code)
			}
			said = append(said, fmt.Sprint(adaptertest.Value(replies[0])))
		}
		if said[0] != said[1] {
			t.Errorf("the same trouble reads\n%s\n%s", said[0], said[1])
		}
	}
}

// TestAnAnswerWithoutEndIsNotReadToIt, nor asked for again and again.
func TestAnAnswerWithoutEndIsNotReadToIt(t *testing.T) {
	f := newFake(t)
	var sent atomic.Int64
	f.hook = func(w http.ResponseWriter, _ *http.Request, _, _ string) bool {
		part := bytes.Repeat([]byte(" "), 1<<20)
		for {
			if _, err := w.Write(part); err != nil {
				return true
			}
			sent.Add(int64(len(part)))
		}
	}
	replies, err := newSource(t, f.url).Do(t.Context(), []adapter.Request{{"ListQueues", `{"MaxResults":1000}`}})
	if err != nil || replies[0].Code() != "TooLarge" {
		t.Errorf("the reply is %v, %v", adaptertest.Value(replies[0]), err)
	}
	const most = 20 << 20 // what is read, and what the connection holds
	if tries := f.count("ListQueues"); sent.Load() > int64(tries*most) {
		t.Errorf("%d bytes were sent in %d tries", sent.Load(), tries)
	}
}

func TestServerErrorsThatPassAreNotSeen(t *testing.T) {
	f := newFake(t)
	f.create("orders", nil)
	f.hook = func(w http.ResponseWriter, _ *http.Request, _, _ string) bool {
		if f.count("GetQueueAttributes orders") > 2 {
			return false
		}
		refuse(w, http.StatusInternalServerError, "com.amazonaws.sqs#InternalFailure", "", "Try again.")
		return true
	}
	replies, err := newSource(t, f.url).Do(t.Context(), []adapter.Request{attributesOf(f, "orders")})
	if err != nil || replies[0].Err() != nil || f.count("GetQueueAttributes orders") != 3 {
		t.Errorf("%v, %v after %d tries", replies, err, f.count("GetQueueAttributes orders"))
	}
}

func TestUnreachableIsOneSentence(t *testing.T) {
	_, err := open(t, newSource(t, "http://127.0.0.1:1"), "*").Poll(t.Context(), time.Now())
	const want = `list the SQS queues: Unreachable: request send failed, Post "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused`
	if err == nil || err.Error() != want {
		t.Errorf("the error is\n%v, want\n%s", err, want)
	}
}

// A problem that reads the same is said once.
func TestConnectionThatBreaksReadsTheSameEachTime(t *testing.T) {
	f := newFake(t)
	f.create("orders", nil)
	f.hook = func(w http.ResponseWriter, _ *http.Request, _, _ string) bool {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return false
		}
		_ = conn.(*net.TCPConn).SetLinger(0) // so that the other side sees a reset
		_ = conn.Close()
		return true
	}
	s := newSource(t, f.url)
	said := map[string]bool{}
	for range 3 {
		replies, err := s.Do(t.Context(), []adapter.Request{attributesOf(f, "orders")})
		if err != nil {
			t.Fatal(err)
		}
		said[fmt.Sprint(replies[0].Err())] = true
	}
	if len(said) != 1 || !strings.Contains(fmt.Sprint(said), "connection reset") {
		t.Errorf("it says %v", said)
	}
}

// The server counts both bounds. It answers no call before twelve are there, so it would never answer fewer; and it
// would see a thirteenth.
func TestTwelveCallsAreUnderWayAndNeverMore(t *testing.T) {
	f := newFake(t)
	names := makeMany(f, 100)
	var once sync.Once
	twelve := make(chan struct{})
	f.hook = func(_ http.ResponseWriter, r *http.Request, _, _ string) bool {
		f.mu.Lock()
		enough := f.under >= 12
		f.mu.Unlock()
		if enough {
			once.Do(func() { close(twelve) })
		}
		select {
		case <-twelve:
		case <-r.Context().Done():
		}
		return false
	}
	requests := make([]adapter.Request, len(names))
	for i, name := range names {
		requests[i] = attributesOf(f, name)
	}
	replies, err := newSource(t, f.url).Do(t.Context(), requests)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range replies {
		var out struct{ Attributes struct{ QueueArn string } }
		if text, err := r.Text(); err != nil || json.Unmarshal([]byte(text), &out) != nil || out.Attributes.QueueArn != arn(names[i]) {
			t.Fatalf("reply %d is %v, want that of %s", i, adaptertest.Value(r), names[i])
		}
	}
	if f.most != 12 {
		t.Errorf("%d calls were under way at once, want 12", f.most)
	}
}

// With the SDK's own HTTP client, as programs have it. By itself that keeps 10 connections, so two
// would be opened anew at each poll: 50 in all. The HTTP client may now and then open one that it
// turns out not to need, so the bound lies between.
func TestConnectionsAreKeptFromPollToPoll(t *testing.T) {
	f := newFake(t)
	makeMany(f, 24)
	f.hook = func(http.ResponseWriter, *http.Request, string, string) bool {
		time.Sleep(5 * time.Millisecond) // so that twelve are under way
		return false
	}
	sdk := awssqs.New(awssqs.Options{
		Region: region, BaseEndpoint: aws.String(f.url), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	p := open(t, source.New(sdk), "*")
	for i := range 20 {
		if _, err := p.Poll(t.Context(), time.Now().Add(time.Duration(i)*10*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.connections.Load(); n > 35 {
		t.Errorf("%d connections were opened in 20 polls, want the same 12 or so", n)
	}
}

// The time limit of a call is the source's own; this test waits for it.
func TestCallThatHangsCostsOnlyItsOwnAnswer(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for _, name := range []string{"a", "b", "c"} {
		f.create(name, nil)
	}
	f.hook = on("GetQueueAttributes b", hang)
	// A reporter gives a poll no less than this.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	s, err := open(t, newSource(t, f.url), "a,b,c").Poll(ctx, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Queues) != 2 || len(s.Problems) != 1 || s.Problems[0].String() != `queue "b": its numbers are unknown: Timeout: no answer in time` {
		t.Errorf("queues are %v, problems %v", s.Queues, s.Problems)
	}
}

func TestWhatThereIsNoTimeForIsAReply(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	replies, err := newSource(t, f.url).Do(ctx, []adapter.Request{attributesOf(f, "a"), attributesOf(f, "b")})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range replies {
		if r.Code() != "Timeout" {
			t.Errorf("the reply is %v", adaptertest.Value(r))
		}
	}
	if n := f.count("GetQueueAttributes"); n > 0 {
		t.Errorf("%d calls were sent", n)
	}
}

func TestCancelledPollEndsAtOnce(t *testing.T) {
	f := newFake(t)
	names := makeMany(f, 50)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.hook = func(w http.ResponseWriter, r *http.Request, _, _ string) bool {
		cancel()
		hang(w, r)
		return true
	}
	requests := make([]adapter.Request, len(names))
	for i, name := range names {
		requests[i] = attributesOf(f, name)
	}
	if replies, err := newSource(t, f.url).Do(ctx, requests); !errors.Is(err, context.Canceled) || replies != nil {
		t.Errorf("%v, %v", replies, err)
	}
	if n := f.count("GetQueueAttributes"); n > 12 {
		t.Errorf("%d calls were sent, want no more than were under way", n)
	}
}

func TestSourceIsForConcurrentUse(t *testing.T) {
	f := newFake(t)
	names := makeMany(f, 20)
	s := newSource(t, f.url)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for _, name := range names {
				replies, err := s.Do(t.Context(), []adapter.Request{attributesOf(f, name)})
				if err != nil || replies[0].Err() != nil || !strings.Contains(adaptertest.Value(replies[0]).(string), arn(name)) {
					t.Errorf("%s: %v, %v", name, replies, err)
				}
			}
		})
	}
	group.Wait()
}

func TestNoGoroutineIsLeft(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("polls", func(t *testing.T) { // its end closes the server and the connections
		f := newFake(t)
		makeMany(f, 40)
		s := newSource(t, f.url)
		if _, err := open(t, s, "*").Poll(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		f.hook = func(w http.ResponseWriter, r *http.Request, _, _ string) bool {
			cancel()
			hang(w, r)
			return true
		}
		if _, err := open(t, s, "*").Poll(ctx, time.Now()); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
		if _, err := open(t, newSource(t, "http://127.0.0.1:1"), "a,b").Poll(t.Context(), time.Now()); err == nil {
			t.Error("nothing listens there")
		}
	})
	goleak.VerifyNone(t, before)
}

// From the server's refusals to what a person reads.
func TestPollWithTroubleOfEveryKind(t *testing.T) {
	f := newFake(t)
	f.create("orders", redrive("dead"))
	f.create("mail", redrive("secret"))
	f.create("denied", nil)
	f.create("slow", nil)
	f.create("ghost", nil)
	f.create("dead", nil)
	f.create("secret", nil)
	f.fill("orders", 3, 2, 1)
	f.fill("dead", 1, 1, 1)
	f.fill("slow", 9, 0, 0)
	trouble := false
	f.hook = func(w http.ResponseWriter, _ *http.Request, operation, queue string) bool {
		switch {
		case queue == "denied", queue == "secret":
			refuse(w, 403, "com.amazon.coral.service#AccessDeniedException", "", "User: pulse is not authorized.")
		case trouble && queue == "slow":
			refuse(w, 400, "com.amazonaws.sqs#RequestThrottled", "RequestThrottled;Sender", "Slow down.")
		case operation == "GetQueueAttributes" && queue == "ghost":
			refuse(w, 400, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender", "The specified queue does not exist.")
		default:
			return false
		}
		return true
	}
	p := open(t, newSource(t, f.url), "orders*,mail*,denied*,slow*,ghost*")
	start := time.Now()
	if _, err := p.Poll(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	trouble = true
	s, err := p.Poll(t.Context(), start.Add(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		waiting int64
		failed  any
		trouble any
		asOf    any
	}
	got := map[string]row{}
	for _, q := range asRead(t, s).Queues {
		r := row{waiting: q.Metrics.Waiting, trouble: q.Meta.Map()["error"], asOf: q.Meta.Map()["as_of"]}
		if q.Metrics.Failed != nil {
			r.failed = *q.Metrics.Failed
		}
		got[q.Name] = r
	}
	want := map[string]row{
		"orders": {waiting: 3, failed: int64(3)},
		"mail":   {trouble: "failed is unknown: dead-letter queue secret: AccessDeniedException: User: pulse is not authorized.; allow sqs:GetQueueUrl on its ARN (docs/deploy.md)"},
		"slow": {waiting: 9, asOf: float64(start.UnixMilli()),
			trouble: "these are the last numbers read: RequestThrottled: Slow down.; ask less often: poll at longer intervals, or limit the calls a month"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	denied := []protocol.Problem{{Queue: "denied", Reason: "its numbers are unknown: AccessDeniedException: User: pulse is not authorized.; allow sqs:GetQueueAttributes on its ARN (docs/deploy.md)"}}
	if diff := cmp.Diff(denied, s.Problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
