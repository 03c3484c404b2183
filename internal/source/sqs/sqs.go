// Package sqs answers an adapter's requests from Amazon SQS.
//
// [New] makes a source of the SDK's client; [Source.Do] answers a round of requests, twelve at a time.
//
// It calls only the three operations that read. Each call has a time limit of its own, so that a call that fails or
// hangs costs only its own reply.
package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"

	"github.com/gravito-framework/pulse/probes/adapter"
)

const (
	// atOnce is how many calls are under way: enough to read 1,000 queues in a second or two at
	// 20 ms a call, too few to trouble an account's limits.
	atOnce = 12
	// callTimeout bounds one call with the SDK's retries. It is less than a reporter gives the
	// shortest poll, so that a call that hangs costs its own answer and not those of the others.
	callTimeout = 4 * time.Second
	// retryWait is the wait before each of the SDK's retries. Its own, up to 2 and then 4 seconds,
	// would make one poll of throttled queues last longer than several polls.
	retryWait = 100 * time.Millisecond
)

// Source asks one account and region. It is safe for concurrent use.
type Source struct{ client *sqs.Client }

// New makes a source of client, with shorter waits between its retries. It makes the SDK's own HTTP client keep as
// many connections as are used at once, instead of 10, or each poll would have to open some anew.
func New(client *sqs.Client) *Source {
	return &Source{sqs.New(client.Options(), func(o *sqs.Options) {
		o.Retryer = retry.AddWithMaxBackoffDelay(o.Retryer, retryWait)
		if c, ok := o.HTTPClient.(*awshttp.BuildableClient); ok {
			o.HTTPClient = c.WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = atOnce })
		}
		o.HTTPClient = bounded{o.HTTPClient}
	})}
}

// maxAnswer is how much of an answer is read. SQS' largest is a page of ListQueues, of 1,000 addresses.
const maxAnswer = 4 << 20

var errTooLarge = fmt.Errorf("the answer has more than %d MiB, so it is not one of SQS: look at AWS_ENDPOINT_URL and at proxies", maxAnswer>>20)

// bounded is a client that reads no more than maxAnswer of an answer.
type bounded struct{ sqs.HTTPClient }

// Do sends a request.
func (b bounded) Do(r *http.Request) (*http.Response, error) {
	answer, err := b.HTTPClient.Do(r)
	if answer != nil {
		answer.Body = &boundedBody{answer.Body, maxAnswer}
	}
	return answer, err
}

type boundedBody struct {
	io.ReadCloser

	left int
}

// Read reads what is left, and is errTooLarge where there is more.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// Do answers each request, in order. A call that failed, or for which there was no time, has a refusal as its reply,
// so that the others keep their answers. err means that a request may not be asked at all, or that ctx was
// cancelled.
func (s *Source) Do(ctx context.Context, requests []adapter.Request) ([]adapter.Reply, error) {
	for _, r := range requests {
		if len(r) != 2 || operations[r[0]] == nil {
			return nil, fmt.Errorf("%.100q is refused: only ListQueues, GetQueueUrl and GetQueueAttributes are sent, with an input", []string(r))
		}
	}
	replies := make([]adapter.Reply, len(requests))
	for i := range replies {
		replies[i] = adapter.Refusal("Timeout the time of the poll was up before it was asked")
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, r := range requests {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			callCtx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			replies[i] = reply(operations[r[0]](callCtx, s.client, []byte(r[1])))
			return nil
		})
	}
	_ = group.Wait() // no call returns an error
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return nil, fmt.Errorf("read from SQS: %w", err)
	}
	return replies, nil
}

// operations are all calls that this package makes. Each only reads: none can change a queue.
var operations = map[string]func(context.Context, *sqs.Client, []byte) (any, error){
	"ListQueues": func(ctx context.Context, c *sqs.Client, input []byte) (any, error) {
		return call(ctx, c.ListQueues, input)
	},
	"GetQueueUrl": func(ctx context.Context, c *sqs.Client, input []byte) (any, error) {
		return call(ctx, c.GetQueueUrl, input)
	},
	"GetQueueAttributes": func(ctx context.Context, c *sqs.Client, input []byte) (any, error) {
		return call(ctx, c.GetQueueAttributes, input)
	},
}

// call makes one call of the SDK. Its inputs and outputs carry the names of the JSON protocol, so
// they read and write as that.
func call[In, Out any](ctx context.Context, do func(context.Context, *In, ...func(*sqs.Options)) (*Out, error), input []byte) (any, error) {
	in := new(In)
	if err := json.Unmarshal(input, in); err != nil {
		return nil, fmt.Errorf("the request's input is not its JSON: %w", err)
	}
	return do(ctx, in)
}

func reply(out any, err error) adapter.Reply {
	if err == nil {
		var data []byte
		if data, err = json.Marshal(out); err == nil {
			return adapter.Text(string(data))
		}
	}
	return refusal(err)
}

// refusal is why a call failed, without what differs from one try to the next, such as the
// request's id, or the times in what AWS says of a wrong clock: the same trouble reads the same.
func refusal(err error) adapter.Reply {
	var (
		api       smithy.APIError
		response  *smithyhttp.ResponseError
		operation *smithy.OperationError
	)
	switch {
	case errors.Is(err, errTooLarge):
		return adapter.Refusal("TooLarge " + errTooLarge.Error())
	case strings.Contains(err.Error(), unsigned):
		return withoutCredentials(err)
	case errors.As(err, &api) && strings.HasPrefix(api.ErrorMessage(), "Signature expired"):
		return adapter.Refusal("RequestTimeTooSkewed this machine's clock is behind that of AWS by more than it allows, 15 minutes (Signature expired): set it (NTP)")
	case errors.As(err, &api) && strings.HasPrefix(api.ErrorMessage(), "Signature not yet current"):
		return adapter.Refusal("RequestTimeTooSkewed this machine's clock is ahead of that of AWS by more than it allows, 15 minutes (Signature not yet current): set it (NTP)")
	case errors.As(err, &api) && api.ErrorCode() != unnamed:
		return adapter.Refusal(api.ErrorCode() + " " + api.ErrorMessage())
	case errors.Is(err, context.DeadlineExceeded):
		return adapter.Refusal("Timeout no answer in time")
	case errors.As(err, &response) && response.HTTPStatusCode() != 0:
		return adapter.Refusal(fmt.Sprintf("HTTP%d %v", response.HTTPStatusCode(), response.Err))
	case errors.As(err, &response):
		err = response.Err
	case errors.As(err, &operation):
		err = operation.Err
	}
	if network := (*net.OpError)(nil); errors.As(err, &network) && network.Source != nil {
		// Without the port on this side, which is another one at each try.
		return adapter.Refusal(fmt.Sprintf("Unreachable %s %s %v: %v", network.Op, network.Net, network.Addr, network.Err))
	}
	return adapter.Refusal("Unreachable " + err.Error())
}

const (
	// unnamed is the SDK's code of an error that has none.
	unnamed = "UnknownError"
	// unsigned is what the SDK says before why it has no credentials. It has no type for that.
	unsigned = "get identity: get credentials: "
)

// withoutCredentials is why a call could not be signed. The SDK looks in the environment, in the AWS CLI's files and, last,
// asks the machine for its role. What went wrong with that last question, or that it took too long, helps nobody: on a
// laptop there is no one to answer.
func withoutCredentials(err error) adapter.Reply {
	const none = "NoCredentials no AWS credentials found"
	_, why, _ := strings.Cut(err.Error(), unsigned)
	if strings.Contains(why, "EC2 IMDS") || strings.Contains(why, "ec2imds") || errors.Is(err, context.DeadlineExceeded) {
		return adapter.Refusal(none + ": set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role")
	}
	return adapter.Refusal(none + ": " + why)
}
