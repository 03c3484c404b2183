package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// playLaravel plays two queues and the Horizon that works on them.
func playLaravel(ctx context.Context, t tick) error {
	if err := t.playHorizon(ctx); err != nil {
		return err
	}
	for _, q := range []struct {
		name          string
		arrive, drain int // jobs a second; more are drained, as delayed ones come as well
	}{{"default", 4, 5}, {"notifications", 2, 3}} {
		const (
			runs       = 3 * time.Second
			retryAfter = 90 * time.Second // when a reservation is over
		)
		key := "laravel_database_queues:" + q.name
		due, err := t.delay(ctx, key+":delayed", time.Second)
		if err != nil {
			return err
		}
		jobs := t.ids(t.arrivals(q.arrive, 50) + due)
		for i, id := range jobs {
			jobs[i] = fmt.Sprintf(`{"uuid":%q,"displayName":"App\\Jobs\\Demo","pushedAt":"%.4f"}`, id, float64(t.now.UnixMicro())/1e6)
		}
		taken, err := t.move(ctx, key, jobs, q.drain)
		if err != nil {
			return err
		}
		pipe := t.redis.TxPipeline()
		done := t.now.Add(retryAfter - runs).Unix()
		pipe.ZRemRangeByScore(ctx, key+":reserved", "-inf", fmt.Sprint(done))
		for _, job := range taken {
			pipe.ZAdd(ctx, key+":reserved", redis.Z{Score: float64(t.now.Add(retryAfter).Unix()), Member: job})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// playHorizon plays a Horizon of one supervisor.
func (t tick) playHorizon(ctx context.Context) error {
	const prefix, name = "laravel_horizon:", "demo:supervisor-1"
	beat := redis.Z{Score: float64(t.now.Unix()), Member: name}
	pipe := t.redis.TxPipeline()
	pipe.ZAdd(ctx, prefix+"masters", redis.Z{Score: beat.Score, Member: "demo"})
	pipe.ZAdd(ctx, prefix+"supervisors", beat)
	pipe.HSet(ctx, prefix+"supervisor:"+name, "status", "running", "processes", `{"redis:default":15,"redis:notifications":9}`)
	_, err := pipe.Exec(ctx)
	return err
}
