// Command aggregator serves the consolidated view of everything that is reported: the dashboard at
// /, JSON at /api/v1/view, a stream at /api/v1/stream. In Lambda behind a Function URL or an HTTP
// API, elsewhere as an HTTP server.
package main

import (
	"context"
	"flag"
	"os"
	"time"

	"github.com/gravito-framework/pulse/internal/api"
	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/discover"
	"github.com/gravito-framework/pulse/internal/runtime"
)

// streamFor bounds one stream in Lambda, where somebody pays for each second that it lasts.
const streamFor = 270 * time.Second

func main() {
	flag.Parse()
	runtime.Main("aggregator", run)
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
	client := s.Redis.Client()
	defer client.Close()
	server := &api.Server{
		Live:  api.NewLive(discover.New(client, s.Redis.String()).Read, log),
		Ping:  func(ctx context.Context) error { return client.Ping(ctx).Err() },
		Token: s.Token,
		Log:   log,
	}
	if runtime.InLambda() {
		server.Authenticated, server.StreamFor = runtime.Signed, streamFor
	}
	return runtime.HTTP(ctx, server.Handler(), s.Listen, log)
}
