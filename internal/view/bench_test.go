package view

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// large is a thousand apps of ten queues, and five thousand servers, after a number of rounds.
func large(tb testing.TB, round int) []Document {
	tb.Helper()
	at := noon.UnixMilli() + int64(round)
	docs := make([]Document, 0, 6000)
	for app := range 1000 {
		s := protocol.QueueSnapshot{Timestamp: at, App: fmt.Sprintf("app-%d", app), Source: "redis"}
		for q := range 10 {
			s.Queues = append(s.Queues, protocol.Queue{
				Name: fmt.Sprintf("queue-%d", q), Driver: protocol.DriverBullMQ, Meta: meta(tb, map[string]any{"workers": 3, "completed": q + round}),
				Metrics: protocol.Metrics{Waiting: int64(q + round), Active: new(int64(1)), Delayed: new(int64(2)), Failed: new(int64(0))},
			})
		}
		data, err := s.Encode()
		if err != nil {
			tb.Fatal(err)
		}
		docs = append(docs, Document{Key: s.Key(), SeenAt: at, Data: data})
	}
	for i := range 5000 {
		app := fmt.Sprintf("app-%d", i%1000)
		h := protocol.Heartbeat{
			Timestamp: at,
			System: protocol.System{
				Hostname: fmt.Sprintf("host-%d", i), Platform: "linux", CPUUsage: new(3.5 + float64(round)), CPUCores: new(4.0),
				MemoryTotal: new(int64(8e9)), MemoryFree: new(int64(4e9)), LoadAvg: []float64{1, 1, 1},
			},
			Process: protocol.Process{PID: 7, Uptime: new(60.0 + float64(round)), CPUUsage: new(1.0), MemoryRSS: new(int64(5e7)), MemoryHeap: new(int64(2e7))},
			Meta:    meta(tb, map[string]any{"app_name": app, "environment": "production", "runtime": "go1.26", "version": "1"}),
		}
		data, err := h.Encode()
		if err != nil {
			tb.Fatal(err)
		}
		docs = append(docs, Document{Key: protocol.ServerKey(app, h.System.Hostname), SeenAt: at, Data: data})
	}
	return docs
}

func meta(tb testing.TB, members map[string]any) protocol.Meta {
	tb.Helper()
	m, err := protocol.MetaOf(members)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// BenchmarkBuild makes a view and, in turn, only decodes the same documents as plain JSON: the least work of a
// program without a memory.
func BenchmarkBuild(b *testing.B) {
	for _, bc := range []struct {
		name   string
		rounds [2][]Document
	}{
		{"unchanged", [2][]Document{large(b, 0), large(b, 0)}}, // equal, but other bytes in memory, as from Redis
		{"all-changed", [2][]Document{large(b, 0), large(b, 1)}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			var builder Builder
			builder.Build(noon, bc.rounds[1])
			n := 0
			compare(b, func() error {
				builder.Build(noon, bc.rounds[n%2])
				return nil
			}, func() error {
				docs := bc.rounds[n%2]
				n++
				for _, d := range docs {
					var x any
					if err := json.Unmarshal(d.Data, &x); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
}

// BenchmarkPatch makes the patch between two views and, in turn, decodes both views' JSON: the least
// that a differ of whole documents would have to do.
func BenchmarkPatch(b *testing.B) {
	var builder Builder
	old, changed := builder.Build(noon, large(b, 0)), builder.Build(noon, large(b, 1))
	one := large(b, 1)
	one[0] = large(b, 2)[0]
	for _, bc := range []struct {
		name     string
		from, to *View
	}{
		{"unchanged", changed, builder.Build(noon.Add(time.Second), large(b, 1))},
		{"one-app-changed", changed, builder.Build(noon, one)},
		{"all-changed", old, changed},
	} {
		b.Run(bc.name, func(b *testing.B) {
			var texts [2][]byte
			for i, v := range []*View{bc.from, bc.to} {
				var err error
				if texts[i], err = json.Marshal(v); err != nil {
					b.Fatal(err)
				}
			}
			compare(b, func() error {
				Patch(bc.from, bc.to)
				return nil
			}, func() error {
				for _, text := range texts {
					var x any
					if err := json.Unmarshal(text, &x); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
}

// compare reports how long ours takes as a multiple of plain. It measures both in turn, so that a load on this
// machine slows both.
func compare(b *testing.B, ours, plain func() error) {
	b.Helper()
	var sum [2]time.Duration
	for b.Loop() {
		for i, f := range []func() error{ours, plain} {
			start := time.Now()
			if err := f(); err != nil {
				b.Fatal(err)
			}
			sum[i] += time.Since(start)
		}
	}
	b.ReportMetric(float64(sum[0])/float64(sum[1]), "x_of_json_unmarshal")
	b.ReportMetric(float64(sum[0].Microseconds())/1000/float64(b.N), "ours_ms/op")
}
