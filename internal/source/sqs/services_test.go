package sqs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	source "github.com/gravito-framework/pulse/internal/source/sqs"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
	"github.com/gravito-framework/pulse/probes/sqs"
	"github.com/gravito-framework/pulse/protocol"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// service is an SQS to test with, and what makes its queues.
type service struct {
	url    string
	create func(name string, attributes map[string]string)
	fill   func(name string, visible, inFlight, delayed int) // a new queue
	remove func(name string)
}

// onEach runs a test on our fake and on moto_server: what holds for both is not our imagination.
func onEach(t *testing.T, test func(t *testing.T, s service)) {
	t.Helper()
	t.Run("fake", func(t *testing.T) {
		f := newFake(t)
		test(t, service{f.url, f.create, f.fill, f.remove})
	})
	t.Run("moto", func(t *testing.T) {
		test(t, moto(t))
	})
}

func moto(t *testing.T) service {
	t.Helper()
	m := &emulator{t, servertest.Moto(t), nil}
	m.client = client(t, m.url)
	return service{m.url, m.create, m.fill, m.remove}
}

type emulator struct {
	t      *testing.T
	url    string
	client *awssqs.Client
}

func (m *emulator) queue(name string) *string { return aws.String(m.url + "/" + account + "/" + name) }

func (m *emulator) create(name string, attributes map[string]string) {
	m.t.Helper()
	if _, err := m.client.CreateQueue(m.t.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes}); err != nil {
		m.t.Fatal(err)
	}
}

func (m *emulator) fill(name string, visible, inFlight, delayed int) {
	m.t.Helper()
	send := func(n int, delay int32) {
		for range n {
			in := &awssqs.SendMessageInput{QueueUrl: m.queue(name), MessageBody: aws.String("a job"), DelaySeconds: delay}
			if strings.HasSuffix(name, ".fifo") {
				id := fmt.Sprint(time.Now().UnixNano())
				in.MessageGroupId, in.MessageDeduplicationId = &id, &id
			}
			if _, err := m.client.SendMessage(m.t.Context(), in); err != nil {
				m.t.Fatal(err)
			}
		}
	}
	send(inFlight, 0)
	for taken := 0; taken < inFlight; {
		out, err := m.client.ReceiveMessage(m.t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: m.queue(name), MaxNumberOfMessages: 10, VisibilityTimeout: 3600})
		if err != nil {
			m.t.Fatal(err)
		}
		taken += len(out.Messages)
	}
	send(visible, 0)
	send(delayed, 900)
}

func (m *emulator) remove(name string) {
	m.t.Helper()
	if _, err := m.client.DeleteQueue(m.t.Context(), &awssqs.DeleteQueueInput{QueueUrl: m.queue(name)}); err != nil {
		m.t.Fatal(err)
	}
}

func redrive(dead string) map[string]string {
	return map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + arn(dead) + `","maxReceiveCount":3}`}
}

var countNames = []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"}

// The requests here are written by hand, without the SDK.
func TestWireFormat(t *testing.T) {
	onEach(t, func(t *testing.T, s service) {
		t.Helper()
		s.create("dead", nil)
		s.create("orders", redrive("dead"))
		s.create("orders-2", nil)
		s.fill("orders", 3, 2, 1)
		url := s.url + "/" + account + "/"
		type object = map[string]any
		attributes := []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed", "QueueArn", "RedrivePolicy"}
		missing := object{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "The specified queue does not exist."}
		for _, c := range []struct {
			name, operation string
			input           object
			status          int
			queryError      string
			want            object
		}{
			{"list", "ListQueues", object{"MaxResults": 1000}, 200, "", object{"QueueUrls": []any{url + "dead", url + "orders", url + "orders-2"}}},
			{"list with a prefix", "ListQueues", object{"MaxResults": 1000, "QueueNamePrefix": "orders"}, 200, "", object{"QueueUrls": []any{url + "orders", url + "orders-2"}}},
			{"URL", "GetQueueUrl", object{"QueueName": "orders"}, 200, "", object{"QueueUrl": url + "orders"}},
			{"URL with the owner", "GetQueueUrl", object{"QueueName": "orders", "QueueOwnerAWSAccountId": account}, 200, "", object{"QueueUrl": url + "orders"}},
			{"URL of no queue", "GetQueueUrl", object{"QueueName": "nope"}, 400, "AWS.SimpleQueueService.NonExistentQueue;Sender", missing},
			{"counts are text", "GetQueueAttributes", object{"QueueUrl": url + "orders", "AttributeNames": countNames}, 200, "", object{"Attributes": object{
				"ApproximateNumberOfMessages": "3", "ApproximateNumberOfMessagesNotVisible": "2", "ApproximateNumberOfMessagesDelayed": "1",
			}}},
			{"what a queue doesn't have is left out", "GetQueueAttributes", object{"QueueUrl": url + "dead", "AttributeNames": attributes}, 200, "", object{"Attributes": object{
				"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0", "QueueArn": arn("dead"),
			}}},
			{"attributes of no queue", "GetQueueAttributes", object{"QueueUrl": url + "nope", "AttributeNames": attributes}, 400, "AWS.SimpleQueueService.NonExistentQueue;Sender", missing},
		} {
			t.Run(c.name, func(t *testing.T) {
				status, header, got := post(t, s.url, c.operation, c.input)
				if status != c.status || header.Get("Content-Type") != "application/x-amz-json-1.0" || header.Get("x-amzn-query-error") != c.queryError {
					t.Errorf("status %d, %v; want %d and the error %q", status, header, c.status, c.queryError)
				}
				if urls, ok := got["QueueUrls"].([]any); ok {
					slices.SortFunc(urls, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
				}
				delete(got, "Message") // moto says it twice
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
			})
		}
		t.Run("the policy is JSON in text", func(t *testing.T) {
			_, _, got := post(t, s.url, "GetQueueAttributes", object{"QueueUrl": url + "orders", "AttributeNames": []string{"RedrivePolicy"}})
			var policy struct{ DeadLetterTargetArn string }
			text, _ := got["Attributes"].(object)["RedrivePolicy"].(string)
			if err := json.Unmarshal([]byte(text), &policy); err != nil || policy.DeadLetterTargetArn != arn("dead") {
				t.Errorf("the policy is %q", text)
			}
		})
	})
}

func post(t *testing.T, url, operation string, input map[string]any) (int, http.Header, map[string]any) {
	t.Helper()
	body, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/"+region+"/sqs/aws4_request, SignedHeaders=host, Signature=0")
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("%q is no JSON: %v", data, err)
	}
	return answer.StatusCode, answer.Header, out
}

func TestEachRequestIsAnsweredInItsPlace(t *testing.T) {
	onEach(t, func(t *testing.T, s service) {
		t.Helper()
		s.create("orders", nil)
		s.create("mail", nil)
		s.fill("orders", 2, 0, 0)
		url := s.url + "/" + account + "/"
		replies, err := newSource(t, s.url).Do(t.Context(), []adapter.Request{
			{"GetQueueAttributes", `{"QueueUrl":"` + url + `orders","AttributeNames":["ApproximateNumberOfMessages"]}`},
			{"GetQueueUrl", `{"QueueName":"nope"}`},
			{"ListQueues", `{"MaxResults":1000,"QueueNamePrefix":"ma"}`},
			{"GetQueueUrl", `{"QueueName":"mail","QueueOwnerAWSAccountId":"` + account + `"}`},
			{"GetQueueAttributes", `{"QueueUrl":"` + url + `nope","AttributeNames":["QueueArn"]}`},
		})
		if err != nil {
			t.Fatal(err)
		}
		noQueue := adapter.Error{Code: "AWS.SimpleQueueService.NonExistentQueue", Message: "The specified queue does not exist."}
		for i, want := range []any{
			map[string]any{"Attributes": map[string]any{"ApproximateNumberOfMessages": "2"}},
			noQueue,
			map[string]any{"QueueUrls": []any{url + "mail"}},
			map[string]any{"QueueUrl": url + "mail"},
			noQueue,
		} {
			got := adaptertest.Value(replies[i])
			if text, ok := got.(string); ok {
				var object map[string]any
				if err := json.Unmarshal([]byte(text), &object); err != nil {
					t.Fatal(err)
				}
				// The SDK's own fields come along, and nil ones.
				maps.DeleteFunc(object, func(name string, v any) bool { return v == nil || name == "ResultMetadata" })
				got = object
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("reply %d (-want +got):\n%s", i, diff)
			}
		}
	})
}

// makeQueues makes the queues that TestCountsAreExact and the tests of the program read.
func makeQueues(s service) {
	s.create("dead", nil)
	s.create("gone-dead", nil)
	s.create("shop-orders", redrive("dead"))
	s.create("shop-mail", redrive("dead"))
	s.create("shop-lonely", redrive("gone-dead"))
	s.create("shop-empty", nil)
	s.create("shop-pay.fifo", map[string]string{"FifoQueue": "true"})
	s.remove("gone-dead")
	s.fill("dead", 4, 2, 0)
	s.fill("shop-orders", 5, 3, 2)
	s.fill("shop-mail", 0, 0, 1)
	s.fill("shop-pay.fifo", 2, 1, 0)
}

// sameMembers compares metas in any order of their members.
func sameMembers(a, b protocol.Meta) bool { return cmp.Equal(a.Map(), b.Map()) }

func metaOf(members map[string]any) protocol.Meta {
	m, err := protocol.MetaOf(members)
	if err != nil {
		panic(err)
	}
	return m
}

// readQueues is what a poll of them all must make.
func readQueues(url string) []protocol.Queue {
	queue := func(name string, waiting, active, delayed int64, failed *int64, meta map[string]any) protocol.Queue {
		all := map[string]any{"fifo": strings.HasSuffix(name, ".fifo"), "region": region, "url": url + "/" + account + "/" + name}
		maps.Copy(all, meta)
		return protocol.Queue{
			Name: name, Driver: protocol.DriverSQS, Meta: metaOf(all),
			Metrics: protocol.Metrics{Waiting: waiting, Active: &active, Delayed: &delayed, Failed: failed},
		}
	}
	return []protocol.Queue{
		queue("dead", 4, 2, 0, nil, map[string]any{"dlq_for": []any{"shop-mail", "shop-orders"}}),
		queue("shop-empty", 0, 0, 0, nil, nil),
		queue("shop-lonely", 0, 0, 0, nil, map[string]any{"dlq": "gone-dead", "dlq_shared": false,
			"error": "failed is unknown: dead-letter queue gone-dead: there is no queue of this name in this account and region"}),
		queue("shop-mail", 0, 0, 1, aws.Int64(6), map[string]any{"dlq": "dead", "dlq_shared": true}),
		queue("shop-orders", 5, 3, 2, aws.Int64(6), map[string]any{"dlq": "dead", "dlq_shared": true}),
		queue("shop-pay.fifo", 2, 1, 0, nil, nil),
	}
}

// asRead is a snapshot as a reader of Redis sees it.
func asRead(t *testing.T, s *protocol.QueueSnapshot) protocol.QueueSnapshot {
	t.Helper()
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	read, problems, err := protocol.DecodeSnapshot(data)
	if err != nil || len(problems) != len(s.Problems) {
		t.Fatalf("it reads with %v, %v", problems, err)
	}
	return read
}

func open(t testing.TB, src poll.Source, queues string) *poll.Poller {
	t.Helper()
	session, err := sqs.Adapter{}.Open(context.Background(), adapter.Settings{"app": "shop", "source": "sqs", sqs.SettingQueues: queues})
	if err != nil {
		t.Fatal(err)
	}
	return &poll.Poller{Adapter: sqs.Adapter{}.Describe(), Session: session, Source: src}
}

func TestCountsAreExact(t *testing.T) {
	onEach(t, func(t *testing.T, s service) {
		t.Helper()
		makeQueues(s)
		p := open(t, newSource(t, s.url), "*")
		for range 2 {
			now := time.Now()
			got, err := p.Poll(t.Context(), now)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Problems) > 0 {
				t.Errorf("problems: %v", got.Problems)
			}
			if diff := cmp.Diff(readQueues(s.url), asRead(t, got).Queues, cmp.Comparer(sameMembers)); diff != "" {
				t.Errorf("queues (-want +got):\n%s", diff)
			}
		}
	})
}

func TestGlobsAndNamesChooseQueues(t *testing.T) {
	onEach(t, func(t *testing.T, s service) {
		t.Helper()
		makeQueues(s)
		for queues, want := range map[string][]string{
			"shop-*":             {"shop-empty", "shop-lonely", "shop-mail", "shop-orders", "shop-pay.fifo"},
			"shop-pay.fifo,dead": {"dead", "shop-pay.fifo"},
			"*-mail,*.fifo":      {"shop-mail", "shop-pay.fifo"},
			arn("shop-orders"):   {"shop-orders"},
		} {
			got, err := open(t, newSource(t, s.url), queues).Poll(t.Context(), time.Now())
			if err != nil {
				t.Errorf("%s: %v", queues, err)
				continue
			}
			names := []string{}
			for _, q := range got.Queues {
				names = append(names, q.Name)
			}
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("%s (-want +got):\n%s", queues, diff)
			}
		}
	})
}

func TestQueueDeletedBetweenTwoPollsVanishes(t *testing.T) {
	onEach(t, func(t *testing.T, s service) {
		t.Helper()
		s.create("orders", nil)
		s.create("mail", redrive("orders"))
		p := open(t, newSource(t, s.url), "*")
		if got, err := p.Poll(t.Context(), time.Now()); err != nil || len(got.Queues) != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		s.remove("orders")
		got, err := p.Poll(t.Context(), time.Now().Add(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Queues) != 1 || got.Queues[0].Name != "mail" || got.Queues[0].Metrics.Failed != nil || len(got.Problems) > 0 {
			t.Errorf("%+v", got)
		}
	})
}

// everything is all attributes of all queues, as lines.
func everything(t *testing.T, c *awssqs.Client) []string {
	t.Helper()
	list, err := c.ListQueues(t.Context(), &awssqs.ListQueuesInput{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, url := range list.QueueUrls {
		out, err := c.GetQueueAttributes(t.Context(), &awssqs.GetQueueAttributesInput{
			QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Attributes) < 10 {
			t.Fatalf("%s has the attributes %v, which can't be all", url, out.Attributes)
		}
		for name, value := range out.Attributes {
			lines = append(lines, url+" "+name+" = "+value)
		}
	}
	slices.Sort(lines)
	return lines
}

func TestPollChangesNothing(t *testing.T) {
	m := moto(t)
	makeQueues(m)
	c := client(t, m.url)
	before := everything(t, c)
	for _, queues := range []string{"*", "shop-*,dead", "shop-orders,shop-pay.fifo,nope"} {
		p := open(t, source.New(c), queues)
		for i := range 3 {
			if _, err := p.Poll(t.Context(), time.Now().Add(time.Duration(i)*5*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(before, everything(t, c)); diff != "" {
		t.Errorf("all attributes of all queues (-before +after):\n%s", diff)
	}
	// A message that a client had received before would have a higher receive count.
	out, err := c.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
		QueueUrl: aws.String(m.url + "/" + account + "/shop-orders"), MaxNumberOfMessages: 10,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount},
	})
	if err != nil || len(out.Messages) != 5 {
		t.Fatalf("%d messages, %v; want the 5 that wait", len(out.Messages), err)
	}
	for _, msg := range out.Messages {
		if n := msg.Attributes["ApproximateReceiveCount"]; n != "1" {
			t.Errorf("a message was received %s times, want once, by this test", n)
		}
	}
}

const program = "functions/sqs-reporter"

func TestOncePrintsTheSnapshot(t *testing.T) {
	m := moto(t)
	makeQueues(m)
	p := servertest.Run(t, servertest.Build(t, program), append(servertest.AWSEnv(m.url), "PULSE_APP=shop"), "-once")
	if status := p.Wait(); status != 0 {
		t.Fatalf("status %d", status)
	}
	s, problems, err := protocol.DecodeSnapshot([]byte(p.Stdout()))
	if err != nil || len(problems) > 0 || s.App != "shop" || s.Source != "sqs" {
		t.Fatalf("it printed\n%s\nwhich reads with %v, %v", p.Stdout(), problems, err)
	}
	if diff := cmp.Diff(readQueues(m.url), s.Queues, cmp.Comparer(sameMembers)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
}

const noCredentials = "list the SQS queues: NoCredentials: no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role"

// silent takes connections and says nothing.
func silent(t *testing.T) (url string) {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return "http://" + listener.Addr().String()
}

// profile is a file of the AWS CLI's in which a program that fails is to give the credentials.
func profile(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("[profile away]\ncredential_process = false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOnceThatReadsNothingSaysWhyInOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		says string
	}{
		"no such queue": {[]string{"PULSE_SQS_QUEUES=nope"}, `queue "nope": there is no queue of this name in this account and region`},
		"unreachable":   {[]string{"AWS_ENDPOINT_URL=http://127.0.0.1:1"}, "list the SQS queues: Unreachable: request send failed"},
		"no credentials, and the machine has no role": {[]string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "HOME=/nonexistent"}, noCredentials},
		"no credentials, and a role that never comes": {[]string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "HOME=/nonexistent",
			"AWS_EC2_METADATA_DISABLED=", "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + silent(t)}, noCredentials},
		"a profile that cannot be used": {[]string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_CONFIG_FILE=" + profile(t), "AWS_PROFILE=away"},
			"list the SQS queues: NoCredentials: no AWS credentials found: failed to refresh cached credentials, process provider error"},
		"no region": {[]string{"AWS_REGION=", "AWS_ENDPOINT_URL="}, "list the SQS queues: Unreachable: failed to resolve service endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			p := servertest.Run(t, servertest.Build(t, program), append(append(servertest.AWSEnv(f.url), "PULSE_APP=shop"), c.env...), "-once")
			if status := p.Wait(); status != 1 || p.Stdout() != "" {
				t.Errorf("status %d, printed %q", status, p.Stdout())
			}
			if got := p.Stderr(); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "sqs-reporter: sqs: "+c.says) {
				t.Errorf("it says\n%s\nwant one line with %q", got, c.says)
			}
		})
	}
}

func TestDaemonPublishesWhatIsInSQS(t *testing.T) {
	m := moto(t)
	makeQueues(m)
	c := client(t, m.url)
	before := everything(t, c)
	redis := servertest.Redis(t)
	p := servertest.Run(t, servertest.Build(t, program), append(servertest.AWSEnv(m.url),
		"PULSE_APP=shop", "PULSE_REDIS_URL="+redis.URL, "PULSE_INTERVAL=1s", "PULSE_TTL=60s"))
	published := func() (s protocol.QueueSnapshot) {
		data, err := redis.Client.Get(context.Background(), protocol.QueuesKey("shop", "sqs")).Bytes()
		if err != nil {
			return s
		}
		s, problems, err := protocol.DecodeSnapshot(data)
		if err != nil || len(problems) > 0 {
			t.Fatalf("what is published reads with %v, %v:\n%s", problems, err, data)
		}
		return s
	}
	var first int64
	servertest.Eventually(t, "a published snapshot", func() bool { first = published().Timestamp; return first > 0 })
	if diff := cmp.Diff(readQueues(m.url), published().Queues, cmp.Comparer(sameMembers)); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	servertest.Eventually(t, "a second one", func() bool { return published().Timestamp > first })
	if diff := cmp.Diff(before, everything(t, c)); diff != "" {
		t.Errorf("all attributes of all queues (-before +after):\n%s", diff)
	}
	m.fill("shop-empty", 7, 0, 0)
	servertest.Eventually(t, "the new messages", func() bool { return published().Queues[1].Metrics.Waiting == 7 })
	p.Signal(syscall.SIGTERM)
	if status := p.Wait(); status != 0 {
		t.Errorf("after SIGTERM its status is %d", status)
	}
}
