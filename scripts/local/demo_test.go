package main

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/reporter"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/builtin"
	"github.com/gravito-framework/pulse/protocol"
)

func TestEachPlayerIsADriversAndOthersAreNotAsked(t *testing.T) {
	settings := demoSettings()
	var listed []string
	for _, d := range builtin.Of(adapter.Redis) {
		name := d.Adapter.Describe().Name
		listed = append(listed, name)
		queues, ok := settings[d.Settings[0].Variable]
		if _, played := players[name]; !ok || played != (queues != "") {
			t.Errorf("%s is %q, set: %v, played: %v", d.Settings[0].Variable, queues, ok, played)
		}
		for _, s := range d.Settings[1:] {
			if v, ok := settings[s.Variable]; !ok || v != "" {
				t.Errorf("%s is %q, set: %v: the demo has the default", s.Variable, v, ok)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(players)) {
		if !slices.Contains(listed, name) {
			t.Errorf("%s has a player, and is no driver", name)
		}
	}
}

// The demo may be left running: nothing that it keeps may grow for ever.
func TestDemoHasBounds(t *testing.T) {
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), Protocol: 2})
	t.Cleanup(func() { _ = client.Close() })
	const seconds, most = 900, 1000
	begin := time.Now()
	for second := range seconds {
		for name, p := range players {
			if err := p.play(t.Context(), tick{client, begin.Add(time.Duration(second) * time.Second), second}); err != nil {
				t.Fatalf("%s, second %d: %v", name, second, err)
			}
		}
		if second%300 != 299 {
			continue
		}
		for _, key := range server.Keys() {
			n := int64(0)
			switch server.Type(key) {
			case "list":
				n = client.LLen(t.Context(), key).Val()
			case "zset":
				n = client.ZCard(t.Context(), key).Val()
			case "stream":
				n = client.XLen(t.Context(), key).Val()
			}
			if n > most {
				t.Errorf("after %d s %s has %d", second, key, n)
			}
		}
	}
	if n := len(server.Keys()); n > 3*most {
		t.Errorf("there are %d keys", n)
	}
}

// TestDemoBeginsWhereItsHistoryEnds: what is said of a queue that nobody works on is said of the history, and of the next minute.
func TestDemoBeginsWhereItsHistoryEnds(t *testing.T) {
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), Protocol: 2})
	t.Cleanup(func() { _ = client.Close() })
	d, err := newDemo(t.Context(), client, &reporter.Reporter{})
	if err != nil {
		t.Fatal(err)
	}
	stuck := map[string]int64{"bull:exports:wait": 0, "bull:thumbnails:paused": 0}
	for key := range stuck {
		stuck[key] = client.LLen(t.Context(), key).Val()
	}
	for range 75 {
		if err := d.step(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for key, was := range stuck {
		now := client.LLen(t.Context(), key).Val()
		sample := history.Sample{Metrics: protocol.Metrics{Waiting: was, Active: new(int64(0))}}
		if past := before(sample, 3, 1).Metrics.Waiting; was == 0 || now != was || past != was {
			t.Errorf("%s had %d jobs a minute ago, %d at first and %d a minute later", key, past, was, now)
		}
	}
}
