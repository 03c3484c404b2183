package main

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// playStream plays a stream of which one group keeps up, and another reads as fast as entries come on
// average, and so falls behind and catches up.
func playStream(ctx context.Context, t tick) error {
	const stream = "events"
	for range t.arrivals(4, 60) {
		if err := t.redis.XAdd(ctx, &redis.XAddArgs{Stream: stream, MaxLen: 500, Values: []string{"event", "demo"}}).Err(); err != nil {
			return err
		}
	}
	for group, most := range map[string]int64{"billing": 50, "search": 4} {
		if t.second == 0 {
			if err := t.redis.XGroupCreate(ctx, stream, group, "0").Err(); err != nil {
				return err
			}
		}
		if err := t.consume(ctx, stream, group, most); err != nil {
			return err
		}
	}
	return nil
}

// consume acknowledges what a group was given a second ago, and gives it the next few entries.
func (t tick) consume(ctx context.Context, stream, group string, most int64) error {
	const consumer = "demo"
	read := func(from string, most int64) ([]redis.XMessage, error) {
		streams, err := t.redis.XReadGroup(ctx, &redis.XReadGroupArgs{Group: group, Consumer: consumer, Streams: []string{stream, from}, Count: most, Block: -1}).Result()
		if errors.Is(err, redis.Nil) { // there is none
			return nil, nil
		}
		if err != nil || len(streams) == 0 {
			return nil, err
		}
		return streams[0].Messages, nil
	}
	const pending, unread = "0", ">"
	given, err := read(pending, 500)
	if err != nil {
		return err
	}
	for _, entry := range given {
		if err := t.redis.XAck(ctx, stream, group, entry.ID).Err(); err != nil {
			return err
		}
	}
	_, err = read(unread, most)
	return err
}
