package sqs_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	source "github.com/gravito-framework/pulse/internal/source/sqs"
	"github.com/gravito-framework/pulse/probes/adapter"
)

const (
	benchQueues = 200
	benchCall   = 5 * time.Millisecond
)

// canned answers as SQS does for queues q0, q1, …, with no more work than that.
func canned(target, body string) string {
	if strings.HasSuffix(target, "ListQueues") {
		var b strings.Builder
		b.WriteString(`{"QueueUrls":[`)
		for i := range benchQueues {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `"https://sqs.eu-west-1.amazonaws.com/%s/q%d"`, account, i)
		}
		return b.String() + `]}`
	}
	name := body[strings.LastIndexByte(body, '/')+1:]
	name, _, _ = strings.Cut(name, `"`)
	return `{"Attributes":{"ApproximateNumberOfMessages":"7","ApproximateNumberOfMessagesNotVisible":"2","ApproximateNumberOfMessagesDelayed":"1","QueueArn":"` + arn(name) + `"}}`
}

// BenchmarkPoll reads 200 queues from a server that takes 5 ms a call. Beside it, it makes the same calls by hand, 12
// at a time, the least that a program could do. x_of_ideal is the wall time in units of calls × 5 ms / 12,
// x_of_by_hand in units of the time by hand.
func BenchmarkPoll(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			b.Error(err)
		}
		time.Sleep(benchCall)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, canned(r.Header.Get("X-Amz-Target"), string(body)))
	}))
	b.Cleanup(server.Close)
	p := open(b, newSource(b, server.URL), "*")
	now := time.Now()
	poll := func() time.Duration {
		began := time.Now()
		s, err := p.Poll(b.Context(), now)
		if err != nil || len(s.Queues) != benchQueues {
			b.Fatalf("%+v, %v", s, err)
		}
		now = now.Add(time.Second)
		return time.Since(began)
	}
	plain := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	b.Cleanup(plain.CloseIdleConnections)
	byHand := func() time.Duration {
		began := time.Now()
		calls := make(chan int)
		var group sync.WaitGroup
		for range 12 {
			group.Go(func() {
				for i := range calls {
					r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL, strings.NewReader(fmt.Sprintf(`{"QueueUrl":"https://x/q%d"}`, i)))
					if err != nil {
						b.Error(err)
						continue
					}
					r.Header.Set("X-Amz-Target", "AmazonSQS.GetQueueAttributes")
					answer, err := plain.Do(r)
					if err != nil {
						b.Error(err)
						continue
					}
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
				}
			})
		}
		for i := range benchQueues {
			calls <- i
		}
		close(calls)
		group.Wait()
		return time.Since(began)
	}
	poll() // lists, and opens the connections
	byHand()
	var ours, theirs time.Duration
	n := 0
	for b.Loop() {
		ours += poll()
		theirs += byHand()
		n++
	}
	ideal := time.Duration(n) * benchQueues * benchCall / 12
	b.ReportMetric(float64(ours)/float64(ideal), "x_of_ideal")
	b.ReportMetric(float64(ours)/float64(theirs), "x_of_by_hand")
	b.ReportMetric(float64(ours.Milliseconds())/float64(n), "ms/poll")
}

// roundTripper answers without a network, so that what is counted is ours and the SDK's.
type roundTripper struct{}

func (roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: r,
		Body: io.NopCloser(bytes.NewReader([]byte(canned(r.Header.Get("X-Amz-Target"), string(body))))),
	}, nil
}

// BenchmarkAllocations is what a poll of 200 queues allocates, for each: with the SDK, and the
// adapter's part of it.
func BenchmarkAllocations(b *testing.B) {
	for _, c := range []struct {
		name   string
		source interface {
			Do(adapter []adapter.Request) []adapter.Reply
		}
	}{
		{"with the SDK", viaSDK{source.New(awssqs.New(awssqs.Options{
			Region: region, BaseEndpoint: aws.String("https://sqs.eu-west-1.amazonaws.com"),
			HTTPClient:  &http.Client{Transport: roundTripper{}},
			Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		})), b}},
		{"adapter only", inMemory{}},
	} {
		b.Run(c.name, func(b *testing.B) {
			session := open(b, nil, "*").Session
			now := time.Now()
			poll := func() {
				step := session.Poll(context.Background(), now)
				for len(step.Requests) > 0 {
					step = session.Next(context.Background(), c.source.Do(step.Requests))
				}
				if step.Err != nil || len(step.Snapshot.Queues) != benchQueues {
					b.Fatalf("%+v", step)
				}
				now = now.Add(time.Millisecond)
			}
			poll()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			n := 0
			for b.Loop() {
				poll()
				n++
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(n*benchQueues), "allocs/queue")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(n*benchQueues), "B/queue")
		})
	}
}

type viaSDK struct {
	source *source.Source
	b      *testing.B
}

func (v viaSDK) Do(requests []adapter.Request) []adapter.Reply {
	replies, err := v.source.Do(v.b.Context(), requests)
	if err != nil {
		v.b.Fatal(err)
	}
	return replies
}

type inMemory struct{}

func (inMemory) Do(requests []adapter.Request) []adapter.Reply {
	replies := make([]adapter.Reply, len(requests))
	for i, r := range requests {
		replies[i] = adapter.Text(canned(r[0], r[1]))
	}
	return replies
}
