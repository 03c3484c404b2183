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

// players are the players of each driver's queues, by the adapter's name. The demo doesn't open a driver without a
// player, and shows no queue of it.
//
// The embedded Redis has no CLIENT LIST, so the demo shows no workers of BullMQ. It tells a wrong lag of a
// stream's group, so the adapter counts the entries.
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

// demoSettings are the variables of a reporter that reads the players' queues. Their values in the environment,
// such as a prefix, are for the user's own queues.
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

// demo makes queues for a user who has none to watch. They are keys in the embedded Redis, and the real adapters
// read them. SQS is no Redis, so its queues are a snapshot, as a foreign reporter SETs it. All queues are labelled
// as a demo.
type demo struct {
	client redis.UniversalClient
	store  *publish.Store
	second int
}

// warmUp is how many seconds the queues have been played when they are first shown: those that nobody works on are as
// full by then as they get, so what is said of the history that ends there is true of what follows.
const warmUp = 610

// newDemo makes the queues, and makes their reporter label them.
func newDemo(ctx context.Context, client redis.UniversalClient, drivers *reporter.Reporter) (*demo, error) {
	for _, p := range drivers.Pollers {
		p.Session = labelled{p.Session}
	}
	d := &demo{client: client, store: publish.New(client, "the embedded redis", protocol.DefaultTTL)}
	for now := time.Now(); d.second < warmUp; {
		if err := d.step(ctx, now.Add(time.Duration(d.second-warmUp)*time.Second)); err != nil {
			return nil, err
		}
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
			if err := d.step(ctx, time.Now()); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func (d *demo) step(ctx context.Context, now time.Time) error {
	t := tick{d.client, now, d.second}
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

// arrivals are how many jobs come in this second: perSecond on average, from none to twice as many within a period
// of seconds. In the first second more come, so that a demo begins with jobs waiting.
func (t tick) arrivals(perSecond, period int) int {
	n := t.wave(float64(perSecond), float64(perSecond), period)
	if t.second == 0 {
		n += 5 * perSecond
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

// move appends jobs to a list, and removes up to most jobs from its front, as workers do.
func (t tick) move(ctx context.Context, list string, jobs []any, most int) (taken []string, err error) {
	if len(jobs) > 0 {
		if err := t.redis.RPush(ctx, list, jobs...).Err(); err != nil {
			return nil, err
		}
	}
	taken, err = t.redis.LPopCount(ctx, list, most).Result()
	if errors.Is(err, redis.Nil) {
		err = nil // it is empty
	}
	return taken, err
}

// delay adds a job that is due in half a minute, every five seconds, and returns how many have come due. Laravel's
// scores are in seconds, Gravito Stream's in milliseconds.
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

// labelled is a session that labels its queues as a demo.
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
