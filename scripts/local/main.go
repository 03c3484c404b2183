// Command local runs all of Gravito Pulse in one process, for a laptop: reporters, heartbeats and the dashboard. It
// reads the same environment as the programs. Where PULSE_REDIS_URL is not set it starts a Redis of its own, in
// memory. Where you have set no queues to watch it makes demo queues, and labels them as such.
package main

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/reporter"
	"github.com/gravito-framework/pulse/internal/runtime"
	"github.com/gravito-framework/pulse/internal/wiring"
	"github.com/gravito-framework/pulse/probes/recorder"
)

// embeddedNote says where the embedded Redis is, and how a reporter reports to it.
const embeddedNote = `An embedded Redis is at %s until this ends (Ctrl-C). A reporter of your own is one command, every 10 s:
  while redis-cli -u %s SET pulse:queues:mine '{"timestamp":'$(date +%%s000)',"app":"mine","queues":[{"name":"emails","driver":"other","metrics":{"waiting":12}}]}' EX 30; do sleep 10; done
`

func main() {
	runtime.Main("pulse-local", "runs all of Gravito Pulse in one process, for a laptop", run)
}

func run(ctx context.Context) error {
	getenv, err := config.WithSSM(ctx, os.Getenv)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	watched := config.WantsRedisReporter(getenv) || getenv("PULSE_SQS_QUEUES") != ""
	own := map[string]string{"PULSE_APP": "local"}
	var invented map[string]string // of the demo, if there is one
	if getenv("PULSE_REDIS_URL") == "" && getenv("REDIS_URL") == "" {
		redis, err := embeddedRedis(ctx, group)
		if err != nil {
			return err
		}
		own["PULSE_REDIS_URL"] = redis
		if !watched {
			own["PULSE_APP"], invented = "demo", demoSettings()
			own["PULSE_ALERT_RULES"] = "stalled 1m, lost 2m, failing 2m, drain>1h 10m" // so that a demo needs no patience
		}
	}
	env := func(name string) string {
		if v, ok := invented[name]; ok {
			return v
		}
		if v := getenv(name); v != "" && name != "PULSE_SOURCE" { // two reporters run here: each has its own
			return v
		}
		return own[name]
	}

	var reporters []*reporter.Reporter
	s, err := config.NewAggregator(env)
	if err != nil {
		return err
	}
	log := s.Logger(os.Stderr)
	if config.WantsRedisReporter(env) {
		s, err := config.NewRedisReporter(ctx, env, true)
		if err != nil {
			return err
		}
		reporters = append(reporters, wiring.RedisReporter(ctx, s, log))
	}
	if env("PULSE_SQS_QUEUES") != "" {
		s, err := config.NewSQSReporter(ctx, env, true)
		if err != nil {
			return err
		}
		r, err := wiring.SQSReporter(ctx, s, log)
		if err != nil {
			return err
		}
		reporters = append(reporters, r)
	}
	host, err := config.NewHost(env, true)
	if err != nil {
		return err
	}
	heartbeats, err := recorder.New(recorder.Options{
		App: host.App, ID: host.Source, Environment: host.Env, Interval: host.Interval, TTL: host.TTL,
		Redis: host.Redis.Client(ctx), RedisName: host.Redis.String(), Log: log,
	})
	if err != nil {
		return err
	}
	if embedded := own["PULSE_REDIS_URL"]; embedded != "" {
		fmt.Fprintf(os.Stderr, embeddedNote, embedded, embedded)
	}
	if invented != nil {
		fmt.Fprintln(os.Stderr, "These are demo queues. To see your own, set PULSE_REDIS_URL and the driver's queues, such as PULSE_BULLMQ_QUEUES='*' or PULSE_LARAVEL_QUEUES='*'; or PULSE_SQS_QUEUES='*' with AWS credentials.")
		d, err := newDemo(ctx, host.Redis.Client(ctx), reporters[0])
		if err == nil {
			err = d.seedHistory(ctx, reporters[0])
		}
		switch {
		case ctx.Err() != nil: // told to end before it began
			return group.Wait()
		case err != nil:
			return err
		}
		group.Go(func() error { return d.play(ctx) })
	}
	for _, r := range reporters {
		group.Go(func() error { r.Run(ctx, ""); return nil })
	}
	group.Go(func() error { heartbeats.Run(ctx); return nil })
	handler, records := wiring.Aggregator(ctx, s, log)
	group.Go(func() error { return runtime.HTTPAndRecorder(ctx, handler, records, s.Listen, log) })
	return group.Wait()
}
