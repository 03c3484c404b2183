package main

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"golang.org/x/sync/errgroup"
)

// embeddedRedis starts a Redis in this process, on a free port of loopback, and returns its URL.
func embeddedRedis(ctx context.Context, group *errgroup.Group) (string, error) {
	redis := miniredis.NewMiniRedis()
	if err := redis.StartAddr("127.0.0.1:0"); err != nil {
		return "", fmt.Errorf("start the embedded Redis: %w; or set PULSE_REDIS_URL to one that runs", err)
	}
	group.Go(func() error {
		defer redis.Close()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				redis.FastForward(time.Second) // its keys' time to live does not run by itself
			}
		}
	})
	return "redis://" + redis.Addr(), nil
}
