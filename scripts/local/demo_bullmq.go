package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// bullQueue is a queue with jobs that come, run for a second and go.
type bullQueue struct {
	name          string
	arrive, drain int // jobs a second
	swing         int // how much arrivals rise and fall, over a minute
	failEvery     int // every so many jobs one fails; 0 is never
	paused        bool
	most          int // waiting jobs; 0 is no bound
}

var bullQueues = []bullQueue{
	{name: "emails", arrive: 6, drain: 6, swing: 4},
	{name: "exports", arrive: 1, most: 600}, // its workers are dead
	{name: "reports", arrive: 2, drain: 2, failEvery: 9},
	{name: "thumbnails", arrive: 3, paused: true, most: 240},
	{name: "webhooks", arrive: 9, drain: 8, swing: 3, failEvery: 40, most: 900},
}

// everFinished is how many jobs each queue had finished before the demo began: more than its past has.
const everFinished = 10_000_000

func playBullMQ(ctx context.Context, t tick) error {
	for _, q := range bullQueues {
		if err := q.play(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (q bullQueue) play(ctx context.Context, t tick) error {
	key := "bull:" + q.name + ":"
	wait := key + "wait"
	meta := []any{"version", "bullmq:5.81.5", "opts.maxLenEvents", 10000}
	if q.paused {
		wait, meta = key+"paused", append(meta, "paused", 1)
	}
	waiting, err := t.redis.LLen(ctx, wait).Result()
	if err != nil {
		return err
	}
	running, err := t.redis.LRange(ctx, key+"active", 0, -1).Result()
	if err != nil {
		return err
	}
	now := t.now.UnixMilli()
	pipe := t.redis.TxPipeline()
	pipe.HSet(ctx, key+"meta", meta...)
	pipe.HSetNX(ctx, key+"metrics:completed", "count", everFinished)
	pipe.Del(ctx, key+"active")
	for _, id := range running {
		to := "completed"
		if n, err := strconv.Atoi(id); err == nil && q.failEvery > 0 && n%q.failEvery == 0 {
			to = "failed"
		}
		pipe.HIncrBy(ctx, key+"metrics:"+to, "count", 1)
		pipe.ZAdd(ctx, key+to, redis.Z{Score: float64(now), Member: id})
		pipe.ZRemRangeByRank(ctx, key+to, 0, -101)
		pipe.Del(ctx, key+id)
	}
	arrivals := t.wave(float64(q.arrive), float64(q.swing), 60)
	if q.most > 0 && int(waiting) >= q.most {
		arrivals = min(arrivals, q.drain)
	}
	last, err := t.redis.IncrBy(ctx, key+"id", int64(arrivals)).Result()
	if err != nil {
		return err
	}
	for id := last - int64(arrivals) + 1; id <= last; id++ {
		pipe.HSet(ctx, fmt.Sprint(key, id), "name", "demo", "timestamp", now)
		pipe.LPush(ctx, wait, id)
	}
	for range min(q.drain, int(waiting)+arrivals) {
		pipe.RPopLPush(ctx, wait, key+"active")
	}
	_, err = pipe.Exec(ctx)
	return err
}
