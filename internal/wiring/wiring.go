// Package wiring builds each program from its settings, for the program itself and for scripts/local, which
// runs all of them in one process.
//
// [RedisReporter] and [SQSReporter] make the reporters, [Aggregator] the handler of the dashboard. They start
// nothing: their callers run what they return.
package wiring

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"

	"github.com/gravito-framework/pulse/internal/api"
	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/discover"
	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/reporter"
	"github.com/gravito-framework/pulse/internal/runtime"
	sourceredis "github.com/gravito-framework/pulse/internal/source/redis"
	sourcesqs "github.com/gravito-framework/pulse/internal/source/sqs"
)

// streamFor is the longest that one stream lasts in Lambda, which bills each second.
const streamFor = 270 * time.Second

// bytesPerKey is how much of the budget for rows one key takes at least, on average. It bounds how many keys
// the aggregator reads.
const bytesPerKey = 2 << 10

// RedisReporter makes the reporter of the queues that live in a Redis.
func RedisReporter(ctx context.Context, s config.RedisReporter, log *slog.Logger) *reporter.Reporter {
	return newReporter(ctx, s.Reporting, s.Drivers, sourceredis.New(s.Monitor.Client(ctx), s.Monitor.String()), log)
}

// SQSReporter makes the reporter of an account's and region's SQS queues.
func SQSReporter(ctx context.Context, s config.SQSReporter, log *slog.Logger) (*reporter.Reporter, error) {
	aws, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithLogger(logging.LoggerFunc(func(_ logging.Classification, format string, args ...any) {
		log.Debug("the AWS SDK says: " + fmt.Sprintf(format, args...)) // what matters is in its errors, too
	})))
	if err != nil {
		return nil, fmt.Errorf("load the AWS configuration: %w", err)
	}
	return newReporter(ctx, s.Reporting, s.Drivers, sourcesqs.New(awssqs.NewFromConfig(aws)), log), nil
}

func newReporter(ctx context.Context, s config.Reporting, drivers []config.Driver, source poll.Source, log *slog.Logger) *reporter.Reporter {
	r := &reporter.Reporter{App: s.App, Source: s.Source, Interval: s.Interval, Log: log}
	for _, d := range drivers {
		r.Pollers = append(r.Pollers, &poll.Poller{Adapter: d.Adapter, Session: d.Session, Source: source})
	}
	if s.Redis != nil {
		r.Store = publish.New(s.Redis.Client(ctx), s.Redis.String(), s.TTL)
	}
	return r
}

// Aggregator makes the handler of the API and the dashboard.
func Aggregator(ctx context.Context, s config.Aggregator, log *slog.Logger) http.Handler {
	client := s.Redis.Client(ctx)
	budget := runtime.Budget()
	reader := discover.New(client, s.Redis.String(), int(budget/bytesPerKey))
	server := &api.Server{
		Live:   api.NewLive(reader.Read, budget, log),
		Redis:  client,
		Ping:   s.Redis.Pinger(),
		Token:  s.Token,
		Budget: budget,
		Log:    log,
	}
	if runtime.InLambda() {
		server.Authenticated, server.StreamFor = runtime.Signed, streamFor
	}
	return server.Handler()
}
