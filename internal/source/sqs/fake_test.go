package sqs_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"

	source "github.com/gravito-framework/pulse/internal/source/sqs"
)

// The account and region that moto_server has, too.
const (
	account = "123456789012"
	region  = "eu-west-1"
)

func arn(name string) string { return "arn:aws:sqs:" + region + ":" + account + ":" + name }

// fake speaks the JSON protocol of SQS as it is documented, for what an emulator doesn't do: paging,
// refusals, throttling, and calls that hang. What it shares with moto_server is checked against that.
//
//   - https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
//   - https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
//   - https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#x-amzn-query-error
type fake struct {
	t testing.TB
	// url is where it listens.
	url string
	// hook answers a call instead of SQS, if it returns true. It runs outside the lock.
	hook func(w http.ResponseWriter, r *http.Request, operation, queue string) bool
	// connections is how many were opened.
	connections atomic.Int64

	mu     sync.Mutex
	queues map[string]map[string]string // attributes by name
	calls  map[string]int               // by operation and queue, retries included
	pages  map[string]bool              // of ListQueues, by NextToken
	under  int                          // calls under way
	most   int                          // at once, ever
}

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{t: t, queues: map[string]map[string]string{}, calls: map[string]int{}, pages: map[string]bool{}}
	server := httptest.NewUnstartedServer(f)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			f.connections.Add(1)
		}
	}
	server.Start()
	f.url = server.URL
	t.Cleanup(server.Close)
	return f
}

// create makes a queue with what CreateQueue takes.
func (f *fake) create(name string, attributes map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queues[name] = map[string]string{
		"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0",
		"ApproximateNumberOfMessagesDelayed": "0", "QueueArn": arn(name), "VisibilityTimeout": "30",
	}
	maps.Copy(f.queues[name], attributes)
}

func (f *fake) fill(name string, visible, inFlight, delayed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for attribute, n := range map[string]int{
		"ApproximateNumberOfMessages": visible, "ApproximateNumberOfMessagesNotVisible": inFlight, "ApproximateNumberOfMessagesDelayed": delayed,
	} {
		f.queues[name][attribute] = fmt.Sprint(n)
	}
}

func (f *fake) remove(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.queues, name)
}

// count is how often an operation was called, or an operation on a queue.
func (f *fake) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[call]
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.under++
	f.most = max(f.most, f.under)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.under--
		f.mu.Unlock()
	}()
	operation, ours := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	contentType := r.Header.Get("Content-Type")
	if !ours || r.Method != http.MethodPost || r.URL.Path != "/" || contentType != "application/x-amz-json-1.0" {
		f.t.Errorf("%s %s with X-Amz-Target %q and Content-Type %q is not the JSON protocol of SQS", r.Method, r.URL, r.Header.Get("X-Amz-Target"), contentType)
	}
	if a := r.Header.Get("Authorization"); !strings.HasPrefix(a, "AWS4-HMAC-SHA256 ") || !strings.Contains(a, "/"+region+"/sqs/aws4_request") {
		f.t.Errorf("%s is not signed for SQS in %s: %q", operation, region, a)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller has gone: it was cancelled while it sent this
	}
	var in input
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		f.t.Errorf("%s with an input that SQS does not take: %v", operation, err)
	}
	queue := in.QueueName + in.QueueUrl[strings.LastIndexByte(in.QueueUrl, '/')+1:]
	f.mu.Lock()
	f.calls[operation]++
	f.calls[operation+" "+queue]++
	if operation == "ListQueues" {
		f.pages[in.NextToken] = true
	}
	f.mu.Unlock()
	if f.hook != nil && f.hook(w, r, operation, queue) {
		return
	}
	answer := f.answer(r.Host, operation, queue, in)
	if answer == nil {
		refuse(w, http.StatusBadRequest, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender", "The specified queue does not exist.")
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		f.t.Errorf("answer %s: %v", operation, err)
	}
}

type input struct {
	QueueName, QueueOwnerAWSAccountId, QueueUrl, QueueNamePrefix, NextToken string
	MaxResults                                                              int
	AttributeNames                                                          []string
}

// answer is nil where the queue doesn't exist.
func (f *fake) answer(host, operation, queue string, in input) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	url := func(name string) string { return "http://" + host + "/" + account + "/" + name }
	switch {
	case operation == "ListQueues":
		after, err := base64.StdEncoding.DecodeString(in.NextToken)
		if err != nil {
			f.t.Errorf("the NextToken %q is none of ours", in.NextToken)
		}
		urls := []string{}
		answer := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(f.queues)) {
			if !strings.HasPrefix(name, in.QueueNamePrefix) || name <= string(after) {
				continue
			}
			if len(urls) == 1000 || len(urls) == in.MaxResults && in.MaxResults > 0 {
				if in.MaxResults > 0 { // without it there is no paging
					last := urls[len(urls)-1]
					answer["NextToken"] = base64.StdEncoding.EncodeToString([]byte(last[strings.LastIndexByte(last, '/')+1:]))
				}
				break
			}
			urls = append(urls, url(name))
		}
		answer["QueueUrls"] = urls
		return answer
	case f.queues[queue] == nil:
		return nil
	case operation == "GetQueueUrl":
		return map[string]any{"QueueUrl": url(queue)}
	case operation == "GetQueueAttributes":
		found := map[string]string{}
		for _, name := range in.AttributeNames {
			if v, ok := f.queues[queue][name]; ok {
				found[name] = v
			}
		}
		return map[string]any{"Attributes": found}
	}
	f.t.Errorf("%s was called, which is not one of the three that only read", operation)
	return map[string]any{}
}

// refuse answers with an error as SQS does. queryError is the name that it had in the older protocol.
func refuse(w http.ResponseWriter, status int, code, queryError, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if queryError != "" {
		w.Header().Set("x-amzn-query-error", queryError)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
}

// on is a hook that answers one call.
func on(call string, answer http.HandlerFunc) func(http.ResponseWriter, *http.Request, string, string) bool {
	return func(w http.ResponseWriter, r *http.Request, operation, queue string) bool {
		if call != operation && call != operation+" "+queue {
			return false
		}
		answer(w, r)
		return true
	}
}

// hang never answers. A return when the caller has gone would make an answer, which can overtake the caller's giving up.
func hang(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// client is the SDK's, at an endpoint. Its connections end with the test.
func client(t testing.TB, endpoint string) *awssqs.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return awssqs.New(awssqs.Options{
		Region: region, BaseEndpoint: aws.String(endpoint), HTTPClient: &http.Client{Transport: transport, Timeout: time.Minute},
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		// A test that counts calls and fails tells which were the SDK's retries, and why.
		ClientLogMode: aws.LogRetries,
		Logger:        logging.LoggerFunc(func(_ logging.Classification, format string, args ...any) { t.Logf(format, args...) }),
	})
}

func newSource(t testing.TB, endpoint string) *source.Source {
	t.Helper()
	return source.New(client(t, endpoint))
}
