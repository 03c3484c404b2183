// Command sqs-reporter polls the queues of an AWS account and region and publishes their counts: a
// Lambda function on a schedule, or a daemon. With -once it prints one snapshot and publishes
// nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/reporter"
	"github.com/gravito-framework/pulse/internal/runtime"
	source "github.com/gravito-framework/pulse/internal/source/sqs"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/sqs"
)

func main() {
	once := flag.Bool("once", false, "poll once, print the snapshot, publish nothing")
	flag.Parse()
	runtime.Main("sqs-reporter", func(ctx context.Context) error { return run(ctx, *once) })
}

func run(ctx context.Context, once bool) error {
	getenv, err := config.WithSSM(ctx, os.Getenv)
	if err != nil {
		return err
	}
	s, err := config.NewSQSReporter(getenv, !once)
	if err != nil {
		return err
	}
	aws, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load the AWS configuration: %w", err)
	}
	session, err := sqs.Adapter{}.Open(adapter.Settings{
		"app": s.App, "source": s.Source,
		sqs.SettingQueues: s.Queues, sqs.SettingCallsPerMonth: s.CallsPerMonth,
	})
	if err != nil {
		return err
	}
	r := &reporter.Reporter{
		App: s.App, Source: s.Source, Interval: s.Interval, Log: s.Logger(os.Stderr),
		Pollers: []*poll.Poller{{Session: session, Source: source.New(awssqs.NewFromConfig(aws))}},
	}
	if once {
		return runtime.Once(ctx, os.Stdout, r)
	}
	store := s.Redis.Client()
	defer store.Close()
	r.Store = publish.New(store, s.Redis.String(), s.TTL)
	return runtime.Reporter(ctx, r)
}
