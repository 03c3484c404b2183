// Command sqs-reporter polls the queues of an AWS account and region and publishes their counts: a
// Lambda function on a schedule, or a daemon. With -once it prints one snapshot and publishes
// nothing.
package main

import (
	"context"
	"flag"
	"os"

	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/runtime"
	"github.com/gravito-framework/pulse/internal/wiring"
)

func main() {
	once := flag.Bool("once", false, "poll once, print the snapshot, publish nothing")
	runtime.Main("sqs-reporter", "publishes the counts of the SQS queues of an AWS account and region", func(ctx context.Context) error { return run(ctx, *once) })
}

func run(ctx context.Context, once bool) error {
	getenv, err := config.WithSSM(ctx, os.Getenv)
	if err != nil {
		return err
	}
	s, err := config.NewSQSReporter(ctx, getenv, !once)
	if err != nil {
		return err
	}
	r, err := wiring.SQSReporter(ctx, s, s.Logger(os.Stderr))
	if err != nil {
		return err
	}
	if once {
		return runtime.Once(ctx, os.Stdout, r)
	}
	return runtime.Reporter(ctx, r)
}
