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

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"

	"github.com/gravito-framework/pulse/internal/alert"
	"github.com/gravito-framework/pulse/internal/api"
	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/discover"
	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/recorder"
	"github.com/gravito-framework/pulse/internal/reporter"
	"github.com/gravito-framework/pulse/internal/runtime"
	sourceredis "github.com/gravito-framework/pulse/internal/source/redis"
	sourcesqs "github.com/gravito-framework/pulse/internal/source/sqs"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
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

// Aggregator makes the handler of the API and the dashboard, and the recorder that goes with it: nil in Lambda, where
// the recorder is a function of its own.
func Aggregator(ctx context.Context, s config.Aggregator, log *slog.Logger) (http.Handler, *recorder.Recorder) {
	client := s.Redis.Client(ctx)
	budget := runtime.Budget()
	if !runtime.InLambda() {
		budget = budget * 3 / 4 // the recorder holds about a third as much of each row again
	}
	store := recorder.NewStore(client, s.Redis.String(), s.History)
	reader := discover.New(client, s.Redis.String(), int(budget/bytesPerKey))
	live := api.NewLive(store.WithLastNumbers(reader.Read), budget, log)
	server := &api.Server{
		Live:    live,
		Redis:   client,
		History: store.History,
		Ping:    s.Redis.Pinger(),
		Token:   s.Token,
		Budget:  budget,
		Version: runtime.Version(),
		Log:     log,
	}
	if runtime.InLambda() {
		server.Authenticated, server.StreamFor = runtime.Signed, streamFor
		return server.Handler(), nil
	}
	r := newRecorder(s.Recording, publish.New(client, s.Redis.String(), protocol.TrendTTL), store, live.View, log)
	r.IsDown = live.IsDown
	return server.Handler(), r
}

// Recorder makes a recorder that reads Redis itself.
func Recorder(ctx context.Context, s config.Recorder, log *slog.Logger) *recorder.Recorder {
	client := s.Redis.Client(ctx)
	budget := runtime.Budget()
	store := recorder.NewStore(client, s.Redis.String(), s.History)
	read := store.WithLastNumbers(discover.New(client, s.Redis.String(), int(budget/bytesPerKey)).Read)
	builder := view.Builder{Budget: budget}
	look := func(ctx context.Context) (*view.View, error) {
		builder.Forget() // what a reading left that failed
		ahead, err := read(ctx, time.Now(), builder.Add)
		if err != nil {
			return nil, err
		}
		return builder.Finish(time.Now().Add(ahead)), nil
	}
	return newRecorder(s.Recording, publish.New(client, s.Redis.String(), protocol.TrendTTL), store, look, log)
}

func newRecorder(s config.Recording, alerts alert.Keeper, store *recorder.Store, look func(context.Context) (*view.View, error), log *slog.Logger) *recorder.Recorder {
	channels, _ := alert.ParseChannels(s.Channels, nil, publishToSNS) // the settings have found them right
	return &recorder.Recorder{
		View: look, Store: store, Log: log,
		Alerts: &alert.Manager{
			Rules: s.Rules, Channels: channels, Repeat: s.Repeat, PublicURL: s.PublicURL,
			Keeper: alerts, Log: log,
		},
	}
}

// publishToSNS is an [alert.SNS]. It makes its client anew: that takes milliseconds, and there is an alert now and then.
func publishToSNS(ctx context.Context, topicARN, subject, text string) error {
	topic, err := arn.Parse(topicARN)
	if err != nil {
		return fmt.Errorf("read the topic's ARN: %w", err)
	}
	aws, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(topic.Region), awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return fmt.Errorf("load the AWS configuration: %w", err)
	}
	_, err = sns.NewFromConfig(aws).Publish(ctx, &sns.PublishInput{TopicArn: &topicARN, Subject: &subject, Message: &text})
	return err
}
