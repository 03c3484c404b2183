package main

import (
	"context"
	"time"
)

// playGravitoStream plays a queue with priorities and delayed jobs, and one in which a job fails every two
// minutes. Gravito Stream doesn't record which jobs are running, so active is unknown.
func playGravitoStream(ctx context.Context, t tick) error {
	due, err := t.delay(ctx, "queue:mail:delayed", time.Millisecond)
	if err != nil {
		return err
	}
	if _, err := t.move(ctx, "queue:mail", t.ids(t.arrivals(5, 80)+due), 6); err != nil {
		return err
	}
	if _, err := t.move(ctx, "queue:mail:high", t.ids(t.arrivals(1, 30)), 1); err != nil {
		return err
	}
	if _, err := t.move(ctx, "queue:audit", t.ids(t.arrivals(2, 30)), 2); err != nil {
		return err
	}
	if t.second%120 == 0 {
		if err := t.redis.LPush(ctx, "queue:audit:failed", t.second).Err(); err != nil {
			return err
		}
	}
	return t.redis.LTrim(ctx, "queue:audit:failed", 0, 19).Err()
}
