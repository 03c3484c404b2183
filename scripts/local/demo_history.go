package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/recorder"
	"github.com/gravito-framework/pulse/internal/reporter"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

// pastMinutes is how far back the demo's history goes: as far as the page shows charts.
const pastMinutes = 24 * 60

// seedHistory writes what the demo's queues might have held in the last day, so that charts and trends have something
// to show. It is invented, as the queues are, which are labelled as a demo. It publishes the queues as well: the
// recorder's first look is to see them all.
func (d *demo) seedHistory(ctx context.Context, drivers *reporter.Reporter) error {
	read, err := drivers.Poll(ctx)
	if err != nil {
		return fmt.Errorf("read the demo's queues: %w", err)
	}
	if _, err := d.store.Snapshot(ctx, read); err != nil {
		return err
	}
	now := time.Now()
	var documents []view.Document
	for _, s := range []*protocol.QueueSnapshot{read, sqsSnapshot(tick{now: now, second: d.second})} {
		documents = append(documents, view.Document{Key: s.Key(), Data: s.AppendJSON(nil)})
	}
	var b view.Builder
	v := b.Build(now, documents)
	samples := recorder.SamplesOf(v.Apps[read.App], v.Parts())
	encoder := history.NewEncoder(pastMinutes*time.Minute, nil)
	pipe := d.client.Pipeline()
	past := make([]history.Sample, len(samples))
	for ago := pastMinutes; ago > 0; ago-- {
		at := now.Add(-time.Duration(ago) * time.Minute).UnixMilli()
		for i, s := range samples {
			past[i] = before(s, i, ago)
		}
		entry, _ := encoder.Encode(at, past)
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: protocol.HistoryKey(read.App), ID: history.EntryID(at), Values: []string{history.Field, string(entry)}})
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("write the demo's history: %w", err)
	}
	return nil
}

// before is a sample some minutes ago: its numbers rise and fall over hours, each queue's at another time, and end with
// those of now. A queue that nobody works on stays as it is.
func before(s history.Sample, queue, ago int) history.Sample {
	phase := float64(queue)
	day := math.Sin(2*math.Pi*float64(ago)/(24*60)+phase) - math.Sin(phase)
	hour := math.Sin(2*math.Pi*float64(ago)/(70+float64(queue%5)*9)+phase) - math.Sin(phase)
	share := math.Max(0, 1+0.4*day+0.25*hour)
	if s.Metrics.Active != nil && *s.Metrics.Active == 0 {
		share = 1
	}
	scale := func(n *int64) *int64 {
		if n == nil {
			return nil
		}
		return new(int64(math.Round(float64(*n) * share)))
	}
	m := s.Metrics
	s.Metrics.Waiting = *scale(&m.Waiting)
	s.Metrics.Active, s.Metrics.Delayed = scale(m.Active), scale(m.Delayed)
	if m.Failed != nil { // failed jobs stay until somebody looks after them
		s.Metrics.Failed = new(max(0, *m.Failed-int64(ago)/90))
	}
	if s.Processed != nil && m.Active != nil { // each of these jobs runs for a second
		s.Processed = new(max(0, *s.Processed-60*int64(ago)**m.Active))
	}
	return s
}
