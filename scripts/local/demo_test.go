package main

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/builtin"
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
