// Command redis-reporter polls the queues that live in a Redis and publishes their counts: a Lambda
// function on a schedule, or a daemon. With -once it prints one snapshot and publishes nothing.
package main

import (
	"context"
	"flag"
	"os"

	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/reporter"
	"github.com/gravito-framework/pulse/internal/runtime"
	source "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/bullmq"
)

func main() {
	once := flag.Bool("once", false, "poll once, print the snapshot, publish nothing")
	flag.Parse()
	runtime.Main("redis-reporter", func(ctx context.Context) error { return run(ctx, *once) })
}

func run(ctx context.Context, once bool) error {
	getenv, err := config.WithSSM(ctx, os.Getenv)
	if err != nil {
		return err
	}
	s, err := config.NewRedisReporter(getenv, !once)
	if err != nil {
		return err
	}
	session, err := bullmq.Adapter{}.Open(adapter.Settings{
		"app": s.App, "source": s.Source,
		bullmq.SettingQueues: s.BullMQQueues, bullmq.SettingPrefix: s.BullMQPrefix,
	})
	if err != nil {
		return err
	}
	monitor := s.Monitor.Client()
	defer monitor.Close()
	r := &reporter.Reporter{
		App: s.App, Source: s.Source, Interval: s.Interval, Log: s.Logger(os.Stderr),
		Pollers: []*poll.Poller{{Session: session, Source: source.New(monitor, s.Monitor.String())}},
	}
	if once {
		return runtime.Once(ctx, os.Stdout, r)
	}
	store := s.Redis.Client()
	defer store.Close()
	r.Store = publish.New(store, s.Redis.String(), s.TTL)
	return runtime.Reporter(ctx, r)
}
