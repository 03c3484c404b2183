// Command host is the heartbeat agent: it publishes how busy its host is. With -once it prints one heartbeat and
// publishes nothing.
package main

import (
	"context"
	"flag"
	"os"

	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/runtime"
	"github.com/gravito-framework/pulse/probes/recorder"
)

func main() {
	once := flag.Bool("once", false, "look once, print the heartbeat, publish nothing")
	runtime.Main("pulse-host", "publishes how busy its host or container is", func(ctx context.Context) error { return run(ctx, *once) })
}

func run(ctx context.Context, once bool) error {
	getenv, err := config.WithSSM(ctx, os.Getenv)
	if err != nil {
		return err
	}
	s, err := config.NewHost(getenv, !once)
	if err != nil {
		return err
	}
	o := recorder.Options{
		App: s.App, ID: s.Source, Environment: s.Env, Interval: s.Interval, TTL: s.TTL, Log: s.Logger(os.Stderr),
	}
	if !once {
		client := s.Redis.Client(ctx)
		defer client.Close()
		o.Redis, o.RedisName = client, s.Redis.String()
	}
	r, err := recorder.New(o)
	if err != nil {
		return err
	}
	if once {
		h, err := r.Heartbeat(ctx)
		if err != nil {
			return err
		}
		return runtime.WriteJSON(os.Stdout, h.Encode)
	}
	o.Log.Info("publishes heartbeats; it says no more unless something is wrong", "app", o.App, "every", o.Interval)
	r.Run(ctx)
	return nil
}
