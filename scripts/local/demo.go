package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/reporter"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/builtin"
	"github.com/gravito-framework/pulse/protocol"
)

// players are who plays which driver's queues, by the adapter's name. A driver that nobody plays is not
// asked for, so the demo shows no queue of it.
//
// The embedded Redis has no CLIENT LIST, so BullMQ's workers are not counted, and it tells a wrong lag of
// a stream's group, so the adapter counts the entries.
var players = map[string]player{
	"bullmq":        {"*", playBullMQ},
	"gravitostream": {"*", playGravitoStream},
	"laravel":       {"*", playLaravel},
	"redislist":     {"jobs:*", playLists},
	"redisstream":   {"events", playStream},
}

// player plays the queues of one driver, as the keys that its library would write.
type player struct {
	queues string // what the driver's first setting is
	play   func(context.Context, tick) error
}

// demoSettings are the variables of a reporter that reads what the players play. What the environment
// has of them, such as a prefix, is for queues of one's own.
func demoSettings() map[string]string {
	settings := map[string]string{"PULSE_SETTINGS": "", "PULSE_MONITOR_REDIS_URL": ""}
	for _, d := range builtin.Of(adapter.Redis) {
		for _, s := range d.Settings {
			settings[s.Variable] = ""
		}
		settings[d.Settings[0].Variable] = players[d.Adapter.Describe().Name].queues
	}
	return settings
}

// demo is queues that somebody without queues can watch. They are keys in the embedded Redis, read by
// the real adapters; SQS is no Redis, so its queues are a snapshot, as a foreign reporter SETs it. All
// say that they are a demo.
type demo struct {
	client redis.UniversalClient
	store  *publish.Store
	second int
}

// newDemo makes the queues, and makes their reporter label them.
func newDemo(ctx context.Context, client redis.UniversalClient, drivers *reporter.Reporter) (*demo, error) {
	for _, p := range drivers.Pollers {
		p.Session = labelled{p.Session}
	}
	d := &demo{client: client, store: publish.New(client, "the embedded redis", protocol.DefaultTTL)}
	if err := d.step(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// play keeps the queues moving until ctx ends.
func (d *demo) play(ctx context.Context) error {
	each := time.NewTicker(time.Second)
	defer each.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-each.C:
			if err := d.step(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func (d *demo) step(ctx context.Context) error {
	t := tick{d.client, time.Now(), d.second}
	for name, p := range players {
		if err := p.play(ctx, t); err != nil {
			return fmt.Errorf("play the demo's queues of %s: %w", name, err)
		}
	}
	if d.second%5 == 0 {
		if _, err := d.store.Snapshot(ctx, sqsSnapshot(t)); err != nil {
			return err
		}
	}
	d.second++
	return nil
}

// tick is one second of the demo.
type tick struct {
	redis  redis.UniversalClient
	now    time.Time
	second int
}

// wave is a number that rises and falls around middle, once a period of seconds.
func (t tick) wave(middle, swing float64, period int) int {
	return int(math.Round(middle + swing*math.Sin(2*math.Pi*float64(t.second)/float64(period))))
}

// arrivals are how many jobs come: every, and as many more or fewer, in turns of a period of seconds. In
// the first second more come, so that a demo begins with something waiting.
func (t tick) arrivals(every, period int) int {
	n := t.wave(float64(every), float64(every), period)
	if t.second == 0 {
		n += 5 * every
	}
	return n
}

// ids are n ids that no other second has.
func (t tick) ids(n int) []any {
	ids := make([]any, max(n, 0))
	for i := range ids {
		ids[i] = fmt.Sprintf("%d-%d", t.second, i)
	}
	return ids
}

// move pushes jobs behind those of a list, and takes a few from its front, as workers do.
func (t tick) move(ctx context.Context, list string, jobs []any, take int) (taken []string, err error) {
	if len(jobs) > 0 {
		if err := t.redis.RPush(ctx, list, jobs...).Err(); err != nil {
			return nil, err
		}
	}
	taken, err = t.redis.LPopCount(ctx, list, take).Result()
	if errors.Is(err, redis.Nil) {
		err = nil // it is empty
	}
	return taken, err
}

// delay puts off a job by half a minute, every five seconds, and says how many have come due. For
// Laravel scores are in seconds, for Gravito Stream in milliseconds.
func (t tick) delay(ctx context.Context, zset string, unit time.Duration) (due int, err error) {
	const later = 30 * time.Second
	score := func(at time.Time) float64 { return float64(at.UnixNano() / int64(unit)) }
	if t.second%5 == 0 {
		if err := t.redis.ZAdd(ctx, zset, redis.Z{Score: score(t.now.Add(later)), Member: t.second}).Err(); err != nil {
			return 0, err
		}
	}
	n, err := t.redis.ZRemRangeByScore(ctx, zset, "-inf", fmt.Sprint(int64(score(t.now)))).Result()
	return int(n), err
}

// labelled is a session whose queues say that they are a demo.
type labelled struct{ adapter.Session }

func (l labelled) Poll(ctx context.Context, now time.Time) adapter.Step {
	return label(l.Session.Poll(ctx, now))
}

func (l labelled) Next(ctx context.Context, replies []adapter.Reply) adapter.Step {
	return label(l.Session.Next(ctx, replies))
}

func label(s adapter.Step) adapter.Step {
	if s.Snapshot != nil {
		for i := range s.Snapshot.Queues {
			s.Snapshot.Queues[i].Meta.SetBool("demo", true)
		}
	}
	return s
}
