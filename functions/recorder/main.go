// Command recorder looks at the consolidated view once a minute and keeps its history, judges queues and tells of
// alerts: a Lambda function on a schedule, or a daemon. With -once it looks once; with -test-alert it sends one alert to
// each channel of PULSE_ALERTS.
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
	once := flag.Bool("once", false, "look once, print what was done, and end")
	testAlert := flag.Bool("test-alert", false, "send an alert and its end to each channel, and end")
	runtime.Main("recorder", "keeps the history of queues, judges them once a minute and tells of alerts", func(ctx context.Context) error { return run(ctx, *once, *testAlert) })
}

func run(ctx context.Context, once, testAlert bool) error {
	getenv, err := config.WithSSM(ctx, os.Getenv)
	if err != nil {
		return err
	}
	s, err := config.NewRecorder(getenv)
	if err != nil {
		return err
	}
	r := wiring.Recorder(ctx, s, s.Logger(os.Stderr))
	switch {
	case testAlert:
		return r.Alerts.Test(ctx, os.Stdout)
	case once:
		return runtime.PrintOnce(ctx, os.Stdout, r.OnceBeside)
	}
	return runtime.Recorder(ctx, r)
}
