package publish

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	noon = 1_764_000_000_000
	ttl  = 30 * time.Second
)

// everywhere runs a test on a real Redis, on a cluster, and on the one that scripts/local embeds.
func everywhere(t *testing.T, test func(t *testing.T, c redis.UniversalClient)) {
	t.Helper()
	run := func(name string, client func(t *testing.T) redis.UniversalClient) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t)
			t.Cleanup(func() { c.Close() })
			test(t, c)
		})
	}
	run("redis", func(t *testing.T) redis.UniversalClient {
		return redis.NewClient(&redis.Options{Addr: servertest.Redis(t).Addr, Protocol: 2})
	})
	run("embedded", func(t *testing.T) redis.UniversalClient {
		return redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr(), Protocol: 2})
	})
	run("cluster", func(t *testing.T) redis.UniversalClient {
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: servertest.Cluster(t), Protocol: 2})
	})
}

func snapshot(at int64, waiting int64) *protocol.QueueSnapshot {
	return &protocol.QueueSnapshot{Timestamp: at, App: "shop", Source: "redis", Queues: []protocol.Queue{
		{Name: "orders", Driver: protocol.DriverBullMQ, Metrics: protocol.Metrics{Waiting: waiting}},
	}}
}

// waiting is what a reader sees at the snapshot's key.
func waiting(t *testing.T, c redis.UniversalClient) int64 {
	t.Helper()
	data, err := c.Get(t.Context(), "pulse:queues:shop:redis").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	s, problems, err := protocol.DecodeSnapshot(data)
	if err != nil || len(problems) > 0 || len(s.Queues) != 1 {
		t.Fatalf("%s: %v, %v", data, problems, err)
	}
	return s.Queues[0].Metrics.Waiting
}

func mustPublish(t *testing.T, c redis.UniversalClient, s *protocol.QueueSnapshot, want bool) {
	t.Helper()
	if got, err := New(c, "redis", ttl).Snapshot(t.Context(), s); err != nil || got != want {
		t.Fatalf("published: %v, %v", got, err)
	}
}

func TestASnapshotLivesForItsTTLAndIsInTheIndex(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, c redis.UniversalClient) {
		mustPublish(t, c, snapshot(noon, 7), true)
		lives(t, c, "pulse:queues:shop:redis")
		if n := waiting(t, c); n != 7 {
			t.Errorf("waiting is %d", n)
		}
		isInTheIndex(t, c, "pulse:queues:shop:redis")
	})
}

// lives checks that the key ends with its time to live.
func lives(t *testing.T, c redis.UniversalClient, key string) {
	t.Helper()
	left, err := c.PTTL(t.Context(), key).Result()
	if err != nil || left <= 0 || left > ttl {
		t.Errorf("%s lives for %v, %v", key, left, err)
	}
}

func index(t *testing.T, c redis.UniversalClient) map[string]float64 {
	t.Helper()
	members, err := c.ZRangeWithScores(t.Context(), protocol.IndexKey, 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, m := range members {
		out[m.Member.(string)] = m.Score
	}
	return out
}

func heartbeat(t *testing.T) *protocol.Heartbeat {
	t.Helper()
	zero, none := 0.0, int64(0)
	meta, err := protocol.MetaOf(map[string]string{"app_name": "shop", "environment": "test", "runtime": "go", "version": "1"})
	if err != nil {
		t.Fatal(err)
	}
	h := &protocol.Heartbeat{Timestamp: noon, Meta: meta}
	h.System.Hostname = "web-1.example"
	h.System.CPUUsage, h.System.CPUCores, h.System.MemoryTotal, h.System.MemoryFree = &zero, &zero, &none, &none
	h.Process.Uptime, h.Process.CPUUsage, h.Process.MemoryRSS, h.Process.MemoryHeap = &zero, &zero, &none, &none
	return h
}

func TestAHeartbeatLivesForItsTTLAndIsInTheIndex(t *testing.T) {
	t.Parallel()
	h := heartbeat(t)
	everywhere(t, func(t *testing.T, c redis.UniversalClient) {
		const key = "pulse:server:shop:web-1"
		store := New(c, "redis", ttl)
		if err := store.Heartbeat(t.Context(), "web-1", h); err != nil {
			t.Fatal(err)
		}
		lives(t, c, key)
		got, id, err := protocol.DecodeHeartbeat(key, []byte(c.Get(t.Context(), key).Val()))
		if err != nil || id != "web-1" || got.System.Hostname != "web-1.example" {
			t.Errorf("%+v, %q, %v", got, id, err)
		}
		isInTheIndex(t, c, key)
		if err := store.Heartbeat(t.Context(), "web-1", &protocol.Heartbeat{}); err == nil {
			t.Error("a heartbeat that breaks the protocol is published")
		}
	})
}

// isInTheIndex checks that key alone is in the index, as seen by Redis' clock just now.
func isInTheIndex(t *testing.T, c redis.UniversalClient, key string) {
	t.Helper()
	now := float64(c.Time(t.Context()).Val().UnixMilli())
	members := index(t, c)
	if score := members[key]; len(members) != 1 || score > now || score < now-60_000 {
		t.Errorf("at %.0f the index is %v", now, members)
	}
}

// TestTheIndexForgetsAfterADay, and what is noted for a time that has not come.
func TestTheIndexForgetsAfterADay(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, c redis.UniversalClient) {
		const minute, day = 60_000, 24 * 60 * 60_000
		now := float64(c.Time(t.Context()).Val().UnixMilli())
		c.ZAdd(t.Context(), protocol.IndexKey,
			redis.Z{Score: now - day - 1, Member: "gone"}, redis.Z{Score: now - day + minute, Member: "just there"},
			redis.Z{Score: now + minute/2, Member: "a clock a little ahead"}, redis.Z{Score: now + 3*minute, Member: "a clock ahead"},
			redis.Z{Score: 2_082_758_400_000, Member: "a clock in 2036"}, redis.Z{Score: math.Inf(1), Member: "for ever"})
		mustPublish(t, c, snapshot(noon, 7), true)
		got := slices.Sorted(maps.Keys(index(t, c)))
		if diff := cmp.Diff([]string{"a clock a little ahead", "just there", "pulse:queues:shop:redis"}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestAnOlderSnapshotNeverOverwritesANewerOne(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, c redis.UniversalClient) {
		for _, step := range []struct {
			at, waiting int64
			published   bool
			want        int64
		}{
			{noon, 1, true, 1},
			{noon - 1, 2, false, 1},
			{noon - 86_400_000, 3, false, 1},
			{noon, 4, true, 4}, // the same moment again
			{noon + 1, 5, true, 5},
			{noon, 6, false, 5},
		} {
			mustPublish(t, c, snapshot(step.at, step.waiting), step.published)
			if n := waiting(t, c); n != step.want {
				t.Errorf("after waiting=%d at %d it is %d, not %d", step.waiting, step.at, n, step.want)
			}
		}
		lives(t, c, "pulse:queues:shop:redis")
	})
}

func TestRubbishAtTheKeyIsOverwritten(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, c redis.UniversalClient) {
		const key = "pulse:queues:shop:redis"
		ctx := t.Context()
		for what, put := range map[string]func(){
			"text":                 func() { c.Set(ctx, key, "rubbish", 0) },
			"nothing":              func() { c.Set(ctx, key, "", 0) },
			"JSON of another kind": func() { c.Set(ctx, key, `{"timestamp":"soon"}`, 0) },
			"no timestamp first":   func() { c.Set(ctx, key, `{"app":"shop","timestamp":9999999999999}`, 0) },
			"bytes":                func() { c.Set(ctx, key, "\xff\x00{\"timestamp\":", 0) },
			"a future without end": func() { c.Set(ctx, key, `{"timestamp":9007199254740991,"app":"shop","queues":[]}`, 0) },
			"a list":               func() { c.RPush(ctx, key, "x") },
			"a hash":               func() { c.HSet(ctx, key, "timestamp", noon*2) },
			"a zset":               func() { c.ZAdd(ctx, key, redis.Z{Member: "x"}) },
		} {
			c.Del(ctx, key)
			put()
			if got, err := New(c, "redis", ttl).Snapshot(ctx, snapshot(noon, 7)); err != nil || !got {
				t.Errorf("%s: %v, %v", what, got, err)
				continue
			}
			if n := waiting(t, c); n != 7 {
				t.Errorf("%s: waiting is %d", what, n)
			}
			lives(t, c, key)
		}
	})
}

func TestRubbishInTheIndexPlaceIsAnErrorAndStillPublished(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, c redis.UniversalClient) {
		c.Set(t.Context(), protocol.IndexKey, "rubbish", 0)
		published, err := New(c, "redis 10.0.0.7:6379", ttl).Snapshot(t.Context(), snapshot(noon, 7))
		const want = "note pulse:queues:shop:redis in pulse:index at redis 10.0.0.7:6379: WRONGTYPE "
		if !published || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("published: %v, %v", published, err)
		}
		if n := waiting(t, c); n != 7 {
			t.Errorf("waiting is %d", n)
		}
	})
}

func TestASnapshotThatBreaksTheProtocolIsNotPublished(t *testing.T) {
	t.Parallel()
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer c.Close()
	published, err := New(c, "redis", ttl).Snapshot(t.Context(), snapshot(1_764_000_000, 7)) // in seconds
	if published || err == nil || !strings.Contains(err.Error(), "timestamp") {
		t.Errorf("%v, %v", published, err)
	}
}

func TestEachWriteIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	c := redis.NewClient(&redis.Options{Addr: servertest.Redis(t).Addr, Protocol: 2, DisableIdentity: true})
	defer c.Close()
	count := &servertest.Trips{}
	c.AddHook(count)
	store := New(c, "redis", ttl)
	store.Now(t.Context())
	if n, _ := count.Since(); n != 1 {
		t.Errorf("Redis' time took %d round trips", n)
	}
	for what, write := range map[string]func() error{
		"a heartbeat": func() error { return store.Heartbeat(t.Context(), "web-1", heartbeat(t)) },
		"a snapshot":  func() error { _, err := store.Snapshot(t.Context(), snapshot(noon, 7)); return err },
		"a claim":     func() error { return store.Claim(t.Context(), "shop:redis", "1", 10*time.Second) },
		"a renewal":   func() error { _, err := store.Renew(t.Context(), "shop:redis", "1", 10*time.Second); return err },
	} {
		err := write()
		store.Now(t.Context()) // is known
		if n, _ := count.Since(); err != nil || n != 1 {
			t.Errorf("%s: %d round trips, %v", what, n, err)
		}
	}
}

func TestAClaimStandsForTwoOfItsIntervals(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, c redis.UniversalClient) {
		store := New(c, "redis", ttl)
		if err := store.Claim(t.Context(), "shop:redis", "1", time.Minute); err != nil {
			t.Fatal(err)
		}
		if left := c.PTTL(t.Context(), "pulse:owner:shop:redis").Val(); left <= time.Minute {
			t.Errorf("it stands for %v", left)
		}
		c.PExpire(t.Context(), "pulse:owner:shop:redis", time.Second)
		if mine, err := store.Renew(t.Context(), "shop:redis", "1", time.Minute); !mine || err != nil {
			t.Errorf("renewed: %v, %v", mine, err)
		}
		if left := c.PTTL(t.Context(), "pulse:owner:shop:redis").Val(); left <= time.Minute {
			t.Errorf("renewed it stands for %v", left)
		}
	})
}

// TestAClaimThatNeverEndsIsNone: somebody else wrote it, or saved it without its life, and nobody renews it.
func TestAClaimThatNeverEndsIsNone(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, c redis.UniversalClient) {
		store := New(c, "redis", ttl)
		const key = "pulse:owner:recorder"
		for life, isNone := range map[time.Duration]bool{0: true, 100 * time.Second: false} {
			c.Set(t.Context(), key, "another", life)
			if mine, err := store.Renew(t.Context(), "recorder", "me", time.Minute); mine != isNone || err != nil {
				t.Errorf("beside a claim for %v it is mine: %v, %v", life, mine, err)
			}
			if left := c.PTTL(t.Context(), key).Val(); left <= 0 || left > 2*time.Minute {
				t.Errorf("a claim for %v is there for %v", life, left)
			}
		}
	})
}

func TestTheNewestClaimOwns(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, c redis.UniversalClient) {
		ctx := t.Context()
		store := New(c, "redis", ttl)
		const key = "pulse:owner:shop:redis"
		owns := func(id string, want bool) {
			t.Helper()
			if mine, err := store.Renew(ctx, "shop:redis", id, 10*time.Second); mine != want || err != nil {
				t.Errorf("%s owns it: %v, %v", id, mine, err)
			}
			if left := c.PTTL(ctx, key).Val(); left <= 0 || left > ownerLife {
				t.Errorf("a claim stands for %v", left)
			}
		}
		for _, id := range []string{"first", "second"} {
			if err := store.Claim(ctx, "shop:redis", id, 10*time.Second); err != nil {
				t.Fatal(err)
			}
			owns(id, true)
		}
		owns("first", false)
		owns("second", true)

		c.PExpire(ctx, key, 20*time.Second)
		owns("first", false)
		if left := c.PTTL(ctx, key).Val(); left > 20*time.Second {
			t.Errorf("another's renewal prolonged the claim to %v", left)
		}
		owns("second", true)
		if left := c.PTTL(ctx, key).Val(); left <= 20*time.Second {
			t.Errorf("the owner's renewal left the claim at %v", left)
		}

		c.Del(ctx, key) // as when it has run out
		owns("first", true)
		owns("second", false)

		if mine, err := store.Renew(ctx, "bank:redis", "second", 10*time.Second); !mine || err != nil {
			t.Errorf("another reporter's claim is its own: %v, %v", mine, err)
		}
	})
}

func TestARedisThatTakesNothingIsAnError(t *testing.T) {
	t.Parallel()
	full := servertest.Redis(t, "--maxmemory", "1", "--maxmemory-policy", "noeviction")
	readOnly := servertest.Redis(t)
	readOnly.Client.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1")
	down := servertest.Redis(t)
	down.Stop()
	for want, server := range map[string]*servertest.RedisServer{"OOM ": full, "READONLY ": readOnly, "connection refused": down} {
		c := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, DialerRetries: 1, MaxRetries: -1})
		defer c.Close()
		store := New(c, "redis "+server.Addr, ttl)
		published, err := store.Snapshot(t.Context(), snapshot(noon, 7))
		if published {
			t.Errorf("%s: published", want)
		}
		_, renewed := store.Renew(t.Context(), "shop:redis", "1", 10*time.Second)
		for what, err := range map[string]error{
			"publish pulse:queues:shop:redis to redis " + server.Addr: err,
			"claim pulse:owner:shop:redis at redis " + server.Addr:    store.Claim(t.Context(), "shop:redis", "1", 10*time.Second),
			"renew pulse:owner:shop:redis at redis " + server.Addr:    renewed,
		} {
			if err == nil || !strings.HasPrefix(err.Error(), what+": ") || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v", want, err)
			}
		}
	}
}

// TestARefusedCommandIsNamedWithTheRemedy takes away one command, or one key, of a user on a real server.
func TestARefusedCommandIsNamedWithTheRemedy(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	const snapshotKey, owner, server1, slow = "pulse:queues:shop:redis", "pulse:owner:shop:redis", "pulse:server:shop:web-1", "pulse:slow:shop"
	publish := func(s *Store) error { _, err := s.Snapshot(t.Context(), snapshot(noon, 7)); return err }
	claim := func(s *Store) error { return s.Claim(t.Context(), "shop:redis", "1", 10*time.Second) }
	renew := func(s *Store) error {
		_, err := s.Renew(t.Context(), "shop:redis", "1", 10*time.Second)
		return err
	}
	beat := func(s *Store) error { return s.Heartbeat(t.Context(), "web-1", heartbeat(t)) }
	note := func(s *Store) error {
		_, err := s.Slow(t.Context(), "shop", []map[string]string{{"name": "/"}})
		return err
	}
	for _, tc := range []struct {
		without   string
		do        func(*Store) error
		what, key string
		because   string
	}{
		{"-set", publish, "publish " + snapshotKey + " to", snapshotKey, "NOPERM for SET; allow +set"},
		{"-pttl", publish, "publish " + snapshotKey + " to", snapshotKey, "NOPERM for PTTL; allow +pttl"},
		{"-eval", publish, "publish " + snapshotKey + " to", snapshotKey, "'eval' command; allow +eval"},
		{"-zadd", publish, "note " + snapshotKey + " in pulse:index at", "pulse:index", "'zadd' command; allow +zadd"},
		{"resetkeys ~pulse:index", publish, "publish " + snapshotKey + " to", snapshotKey, "; allow its user"},
		{"resetkeys ~pulse:queues:*", publish, "note " + snapshotKey + " in pulse:index at", "pulse:index", "; allow its user"},
		{"-set", claim, "claim " + owner + " at", owner, "'set' command; allow +set"},
		{"-get", renew, "renew " + owner + " at", owner, "NOPERM for GET; allow +get"},
		{"-set", renew, "renew " + owner + " at", owner, "NOPERM for SET; allow +set"},
		{"-set", beat, "publish " + server1 + " to", server1, "'set' command; allow +set"},
		{"-zremrangebyscore", beat, "note " + server1 + " in pulse:index at", "pulse:index", "'zremrangebyscore' command; allow +zremrangebyscore"},
		{"-xadd", note, "append to " + slow + " at", slow, "'xadd' command; allow +xadd"},
	} {
		ctx := t.Context()
		user := append([]any{"ACL", "SETUSER", "pulse", "reset", "on", ">secret", "~*", "+@all"}, toAny(strings.Fields(tc.without))...)
		if err := server.Client.Do(ctx, user...).Err(); err != nil {
			t.Fatal(err)
		}
		// Another's, and newer.
		server.Client.Set(ctx, snapshotKey, fmt.Sprintf(`{"timestamp":%d,"app":"shop","queues":[]}`, noon+1), time.Minute)
		if tc.without != "-pttl" {
			server.Client.Del(ctx, snapshotKey)
		}
		c := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, Username: "pulse", Password: "secret", MaxRetries: -1})
		err := tc.do(New(c, "redis 10.0.0.7:6379", ttl))
		c.Close()
		want := tc.because + " on ~" + tc.key + " (docs/acl.md)"
		if strings.HasSuffix(tc.because, "its user") {
			want = tc.because + " ~" + tc.key + " (docs/acl.md)"
		}
		if err == nil || !strings.HasPrefix(err.Error(), tc.what+" redis 10.0.0.7:6379: NOPERM") || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s, %s: %v", tc.without, tc.what, err)
		}
		if !redisconn.IsRefusal(err) {
			t.Errorf("%v is no refusal any more", err)
		}
	}
}

func toAny(words []string) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = w
	}
	return out
}
