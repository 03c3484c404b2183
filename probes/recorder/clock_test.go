package recorder

import (
	"context"
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

// TestSlowEntriesHaveRedisTime, of a Redis whose clock is at another time than this machine's.
func TestSlowEntriesHaveRedisTime(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), Protocol: 2})
	defer client.Close()
	at := time.UnixMilli(1_764_000_000_000)
	server.SetTime(at)
	r, err := New(Options{App: "shop", ID: "web-1", Redis: client})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.Slow(Job, "send invoice", time.Minute, nil)
	entry := <-r.slow.waiting
	ms, err := strconv.ParseInt(entry["timestamp"], 10, 64)
	if off := time.UnixMilli(ms).Sub(at); err != nil || off < 0 || off > 30*time.Second {
		t.Errorf("%v is %v away from Redis' time", entry, off)
	}
}

// TestAHeartbeatOfAWrongClockIsStampedByRedis, and so are slow entries; how wrong it is stands in meta.
func TestAHeartbeatOfAWrongClockIsStampedByRedis(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		ahead time.Duration
		told  int64 // ms
	}{{0, 0}, {2 * time.Second, 0}, {-40 * time.Second, -40_000}, {25 * time.Hour, 90_000_000}} {
		t.Run(tc.ahead.String(), func(t *testing.T) {
			t.Parallel()
			client := servertest.Redis(t).Client
			r, err := New(Options{App: "shop", ID: "web-1", Redis: client})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			r.store = publish.NewWithClock(client, "redis", time.Minute, func() (time.Time, time.Duration) {
				return time.Now().Add(tc.ahead).Round(0), time.Since(began)
			})
			isNow := func(what string, ms int64) {
				t.Helper()
				if off := client.Time(t.Context()).Val().Sub(time.UnixMilli(ms)); off.Abs() > 30*time.Second {
					t.Errorf("%s is %v away from Redis' time", what, off)
				}
			}
			for range 2 {
				if err := r.beat(t.Context()); err != nil {
					t.Fatal(err)
				}
				var h struct {
					Timestamp int64
					Meta      struct {
						ClockAheadMS int64 `json:"clock_ahead_ms"`
					}
				}
				if err := json.Unmarshal([]byte(client.Get(t.Context(), "pulse:server:shop:web-1").Val()), &h); err != nil || h.Meta.ClockAheadMS != tc.told {
					t.Errorf("%+v, %v", h, err)
				}
				isNow("the heartbeat", h.Timestamp)
			}
			isNow("the index", int64(client.ZScore(t.Context(), protocol.IndexKey, "pulse:server:shop:web-1").Val()))
			r.Slow(Job, "send invoice", time.Minute, nil)
			ended, end := context.WithCancel(t.Context())
			end()
			r.writeSlow(ended) // what waits
			entries := client.XRange(t.Context(), protocol.SlowKey("shop"), "-", "+").Val()
			if len(entries) != 1 {
				t.Fatalf("%v", entries)
			}
			at, err := strconv.ParseInt(entries[0].Values["timestamp"].(string), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			isNow("the slow entry", at)
		})
	}
}
