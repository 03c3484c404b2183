// Package runtime runs the programs, each as a Lambda function or as a plain process, from the same binary.
//
// [Main] is the whole of a program's main function. Inside, a reporter calls [Reporter] and the aggregator calls
// [HTTP]; both find out where they run.
//
// A program ends on SIGINT and SIGTERM, with status 0. It ends with 2 where the environment or the
// command line is wrong, and else with 1 and a sentence on stderr.
package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/reporter"
)

// Main runs a program until it returns, or until SIGINT or SIGTERM ends its context. Then it ends the process:
// with status 0, with 2 where the environment or the command line is wrong, else with 1.
func Main(name string, run func(ctx context.Context) error) {
	limitMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	os.Exit(status(os.Stderr, name, err))
}

func status(stderr io.Writer, name string, err error) int {
	var wrong *config.Error
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "%s: %v\n", name, wrong)
		return 2
	}
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	return 1
}

// InLambda reports whether this process is a Lambda function.
func InLambda() bool { return config.InLambda(os.Getenv) }

// Reporter runs r: in Lambda once for each event, with the request's id as the owner; elsewhere
// until ctx ends.
func Reporter(ctx context.Context, r *reporter.Reporter) error {
	if !InLambda() {
		r.Log.Info("polls and publishes; it says no more unless something is wrong", "app", r.App, "source", r.Source, "every", r.Interval)
		r.Run(ctx, "")
		return nil
	}
	lambda.StartWithOptions(func(ctx context.Context, _ json.RawMessage) (reporter.Summary, error) {
		owner := "unknown"
		if lc, ok := lambdacontext.FromContext(ctx); ok {
			owner = lc.AwsRequestID
		}
		return r.Run(ctx, owner), nil
	}, lambda.WithContext(ctx))
	return nil
}

// Once polls once and writes the snapshot to w, as JSON for a person to read. It also logs the snapshot's
// problems, because a snapshot without queues looks like a success.
func Once(ctx context.Context, w io.Writer, r *reporter.Reporter) error {
	s, err := r.Poll(ctx)
	if err != nil {
		return err
	}
	for _, p := range s.Problems {
		r.Log.Warn("cannot be read", "problem", p.String())
	}
	return WriteJSON(w, s.EncodeUsable)
}

// WriteJSON writes a document of the protocol for a person to read.
func WriteJSON(w io.Writer, encode func() ([]byte, error)) error {
	data, err := encode()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		return fmt.Errorf("indent what was encoded: %w", err)
	}
	b.WriteByte('\n')
	_, err = w.Write(b.Bytes())
	return err
}
