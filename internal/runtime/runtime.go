// Package runtime lets the same binary be a Lambda function or a plain process: which events and
// signals there are, and with what status it ends.
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

// Main runs a program until it ends or is told to by SIGINT or SIGTERM, and ends the process: with
// status 0, with 2 where the environment or the command line is wrong, else with 1.
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

// InLambda tells whether this process is a Lambda function.
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

// Once polls once and writes the snapshot to w, as JSON for a person to read. What could not be read is in
// the log, too: a snapshot without queues looks like a success.
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
