// Command aggregator serves one view of everything that is reported: the dashboard at /, JSON at /api/v1/view, a
// stream at /api/v1/stream. It runs in Lambda behind a Function URL or an HTTP API, and elsewhere as an HTTP
// server that is a recorder, too.
package main

import (
	"context"
	"os"

	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/runtime"
	"github.com/gravito-framework/pulse/internal/wiring"
)

func main() {
	runtime.Main("aggregator", "serves the dashboard, and records once a minute", run)
}

func run(ctx context.Context) error {
	getenv, err := config.WithSSM(ctx, os.Getenv)
	if err != nil {
		return err
	}
	s, err := config.NewAggregator(getenv)
	if err != nil {
		return err
	}
	log := s.Logger(os.Stderr)
	handler, recorder := wiring.Aggregator(ctx, s, log)
	return runtime.HTTPAndRecorder(ctx, handler, recorder, s.Listen, log)
}
