// Package runtime runs the programs, each as a Lambda function or as a plain process, from the same binary.
//
// [Main] is the whole of a program's main function. Inside, a reporter calls [Reporter], the recorder [Recorder] and
// the aggregator [HTTP]; all find out where they run.
//
// A program ends on SIGINT and SIGTERM, with status 0. It ends with 2 where the environment or the
// command line is wrong, and else with 1 and a sentence on stderr.
package runtime

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"golang.org/x/sync/errgroup"

	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/recorder"
	"github.com/gravito-framework/pulse/internal/reporter"
)

// Main runs a program until it returns, or until SIGINT or SIGTERM ends its context. Then it ends the process:
// with status 0, with 2 where the environment or the command line is wrong, else with 1. about is what -h says that the
// program does. Its flags are set up before, and have their values in run.
func Main(name, about string, run func(ctx context.Context) error) {
	parseFlags(name, about)
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
	onSchedule(ctx, func(ctx context.Context, owner string) (reporter.Summary, error) { return r.Run(ctx, owner), nil })
	return nil
}

// Recorder runs r: in Lambda once for each event, with the request's id as the owner; elsewhere every minute until
// ctx ends.
func Recorder(ctx context.Context, r *recorder.Recorder) error {
	collectSooner()
	if !InLambda() {
		r.Log.Info("records once a minute; it says no more unless something is wrong")
		r.Run(ctx, rand.Text())
		return nil
	}
	onSchedule(ctx, r.Once)
	return nil
}

// HTTPAndRecorder is [HTTP] with a recorder beside it, until ctx ends; nil is none.
func HTTPAndRecorder(ctx context.Context, handler http.Handler, r *recorder.Recorder, listen string, log *slog.Logger) error {
	group, ctx := errgroup.WithContext(ctx)
	if r != nil {
		collectSooner()
		group.Go(func() error { r.Run(ctx, rand.Text()); return nil })
	}
	group.Go(func() error { return HTTP(ctx, handler, listen, log) })
	return group.Wait()
}

// onSchedule answers the events of a schedule. What it returns is JSON, for who looks at the function's log.
func onSchedule[S any](ctx context.Context, answer func(ctx context.Context, owner string) (S, error)) {
	lambda.StartWithOptions(func(ctx context.Context, _ json.RawMessage) (S, error) {
		owner := "unknown"
		if lc, ok := lambdacontext.FromContext(ctx); ok {
			owner = lc.AwsRequestID
		}
		return answer(ctx, owner)
	}, lambda.WithContext(ctx))
}

// PrintOnce writes what once returns to w, as JSON for a person to read.
func PrintOnce[S any](ctx context.Context, w io.Writer, once func(ctx context.Context, owner string) (S, error)) error {
	done, err := once(ctx, rand.Text())
	if err != nil {
		return err
	}
	return WriteJSON(w, func() ([]byte, error) { return json.Marshal(done) })
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
