package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/reporter"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// demo is queues that somebody without queues can watch. The BullMQ ones are keys as BullMQ writes
// them in the embedded Redis, read by the real adapter; the others are snapshots as a foreign
// reporter SETs them. All say that they are a demo.
type demo struct {
	client redis.UniversalClient
	store  *publish.Store
	queues []*demoQueue
	second int
}

// newDemo makes the queues, and makes their reporter label them.
func newDemo(ctx context.Context, client redis.UniversalClient, drivers *reporter.Reporter) (*demo, error) {
	for _, p := range drivers.Pollers {
		p.Session = labelled{p.Session}
	}
	d := &demo{
		client: client,
		store:  publish.New(client, "the embedded redis", protocol.DefaultTTL),
		queues: []*demoQueue{
			{name: "emails", arrive: 6, drain: 6, swing: 4},
			{name: "reports", arrive: 2, drain: 2, failEvery: 9},
			{name: "thumbnails", arrive: 3, drain: 0, paused: true, most: 240},
			{name: "webhooks", arrive: 9, drain: 8, swing: 3, failEvery: 40, most: 900},
		},
	}
	if err := d.step(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// play keeps the queues moving until ctx ends.
func (d *demo) play(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := d.step(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func (d *demo) step(ctx context.Context) error {
	for _, q := range d.queues {
		if err := q.step(ctx, d.client, d.second); err != nil {
			return fmt.Errorf("move the demo queue %s: %w", q.name, err)
		}
	}
	if d.second%5 == 0 {
		for _, s := range foreign(time.Now(), d.second) {
			if _, err := d.store.Snapshot(ctx, s); err != nil {
				return err
			}
		}
	}
	d.second++
	return nil
}

// demoQueue is a queue whose jobs come, run and go, a few each second.
type demoQueue struct {
	name          string
	arrive, drain int // jobs a second
	swing         int // how much arrivals rise and fall, over a minute
	failEvery     int // every so many jobs one fails; 0 is never
	paused        bool
	most          int // waiting jobs; 0 is no bound
	last          int // id of the last job
	done          int
}

func (q *demoQueue) step(ctx context.Context, client redis.UniversalClient, second int) error {
	now := time.Now().UnixMilli()
	key := "bull:" + q.name + ":"
	wait := key + "wait"
	if q.paused {
		wait = key + "paused"
	}
	waiting, err := client.LLen(ctx, wait).Result()
	if err != nil {
		return err
	}
	running, err := client.LRange(ctx, key+"active", 0, -1).Result()
	if err != nil {
		return err
	}
	pipe := client.Pipeline()
	pipe.HSet(ctx, key+"meta", "version", "bullmq:5.81.5", "opts.maxLenEvents", 10000)
	if q.paused {
		pipe.HSet(ctx, key+"meta", "paused", 1)
	}
	for _, id := range running {
		q.done++
		to := "completed"
		if q.failEvery > 0 && q.done%q.failEvery == 0 {
			to = "failed"
		}
		pipe.LRem(ctx, key+"active", 1, id)
		pipe.ZAdd(ctx, key+to, redis.Z{Score: float64(now), Member: id})
		pipe.ZRemRangeByRank(ctx, key+to, 0, -101)
		pipe.Del(ctx, key+id)
	}
	arrivals := q.arrive + int(math.Round(float64(q.swing)*math.Sin(2*math.Pi*float64(second)/60)))
	if q.most > 0 && int(waiting) >= q.most {
		arrivals = min(arrivals, q.drain)
	}
	for range arrivals {
		q.last++
		id := strconv.Itoa(q.last)
		pipe.HSet(ctx, key+id, "name", "demo", "timestamp", now)
		pipe.LPush(ctx, wait, id)
	}
	for range min(q.drain, int(waiting)+arrivals) {
		pipe.RPopLPush(ctx, wait, key+"active")
	}
	_, err = pipe.Exec(ctx)
	return err
}

// foreign are snapshots of the queues that no adapter reads here.
func foreign(now time.Time, second int) []*protocol.QueueSnapshot {
	wave := func(middle, swing float64, period int) int64 {
		return int64(math.Round(middle + swing*math.Sin(2*math.Pi*float64(second)/float64(period))))
	}
	queue := func(name string, driver protocol.Driver, m protocol.Metrics, set func(*protocol.Meta)) protocol.Queue {
		q := protocol.Queue{Name: name, Driver: driver, Metrics: m}
		set(&q.Meta)
		q.Meta.SetBool("demo", true)
		return q
	}
	sqs := func(m *protocol.Meta) {
		m.SetBool("fifo", false)
		m.SetText("region", "eu-west-1")
	}
	withDLQ := func(m *protocol.Meta) {
		sqs(m)
		m.SetText("dlq", "orders-dlq")
		m.SetBool("dlq_shared", true)
	}
	snapshot := func(source string, queues ...protocol.Queue) *protocol.QueueSnapshot {
		return &protocol.QueueSnapshot{Timestamp: now.UnixMilli(), App: "demo", Source: source, Queues: queues}
	}
	dead := int64(7 + second/120)
	return []*protocol.QueueSnapshot{
		snapshot("demo-sqs",
			queue("orders", protocol.DriverSQS, protocol.Metrics{Waiting: wave(60, 25, 90), Active: new(wave(9, 3, 40)), Delayed: new(int64(4)), Failed: &dead},
				withDLQ),
			queue("invoices", protocol.DriverSQS, protocol.Metrics{Waiting: wave(12, 6, 70), Active: new(int64(2)), Delayed: new(int64(0)), Failed: &dead},
				withDLQ),
			queue("orders-dlq", protocol.DriverSQS, protocol.Metrics{Waiting: dead, Active: new(int64(0)), Delayed: new(int64(0))},
				func(m *protocol.Meta) {
					sqs(m)
					m.SetTexts("dlq_for", []string{"invoices", "orders"})
				})),
		snapshot("demo-stream",
			queue("mail", protocol.DriverGravitoStream, protocol.Metrics{Waiting: wave(30, 12, 80), Delayed: new(int64(3)), Failed: new(int64(0))}, func(*protocol.Meta) {}),
			queue("audit", protocol.DriverGravitoStream, protocol.Metrics{Waiting: wave(3, 3, 30), Delayed: new(int64(0)), Failed: new(int64(1))}, func(*protocol.Meta) {})),
		snapshot("demo-laravel",
			queue("default", protocol.DriverLaravelHorizon, protocol.Metrics{Waiting: wave(18, 9, 50), Active: new(int64(3)), Delayed: new(int64(6))}, func(m *protocol.Meta) { m.SetInt("reserved", 3) })),
	}
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
