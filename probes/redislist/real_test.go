package redislist_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	source "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/redislist"
)

func newPoller(t *testing.T, client redis.UniversalClient, keys string) *poll.Poller {
	t.Helper()
	a := redislist.Adapter{}
	session, err := a.Open(t.Context(), adapter.Settings{"app": "shop", redislist.SettingKeys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return &poll.Poller{Adapter: a.Describe(), Session: session, Source: source.New(client, "the test's redis")}
}

// lengths are what a poll says, by key.
func lengths(t *testing.T, p *poll.Poller, now time.Time) map[string]int64 {
	t.Helper()
	s, err := p.Poll(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Encode(); err != nil {
		t.Error(err)
	}
	got := map[string]int64{}
	for _, q := range s.Queues {
		got[q.Name] = q.Metrics.Waiting
	}
	return got
}

// TestListsAreWhatRedisSays pushes and pops on a real Redis, as programs without a library do.
func TestListsAreWhatRedisSays(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	ctx, c := t.Context(), server.Client
	c.LPush(ctx, "jobs:mail", "1", "2", "3")
	c.RPush(ctx, "jobs:sms", "1")
	c.RPop(ctx, "jobs:mail")
	c.SAdd(ctx, "jobs:set", "1")
	c.Set(ctx, "jobs:text", "1", 0)
	c.ZAdd(ctx, "jobs:zset", redis.Z{Member: "1"})
	c.RPush(ctx, "jobs:\xff\xfe", "1")
	c.RPush(ctx, "work", "1", "2")
	before := server.Digest()
	now := time.Now()
	found, named := newPoller(t, c, "jobs:*"), newPoller(t, c, "jobs:mail,work,jobs:gone")
	for i := range 2 {
		now := now.Add(time.Duration(i) * time.Minute)
		if diff := cmp.Diff(map[string]int64{"jobs:mail": 2, "jobs:sms": 1}, lengths(t, found, now)); diff != "" {
			t.Errorf("by glob (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]int64{"jobs:mail": 2, "work": 2, "jobs:gone": 0}, lengths(t, named, now)); diff != "" {
			t.Errorf("by key (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff(before, server.Digest()); diff != "" {
		t.Errorf("a poll changed the Redis that it reads (-before +after):\n%s", diff)
	}
	c.RPop(ctx, "jobs:sms")
	if diff := cmp.Diff(map[string]int64{"jobs:mail": 2, "jobs:sms": 0}, lengths(t, found, now.Add(2*time.Minute))); diff != "" {
		t.Errorf("after the last item was taken (-want +got):\n%s", diff)
	}
}

func TestListsOfAClusterAreFoundOnAllItsMasters(t *testing.T) {
	t.Parallel()
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: servertest.Cluster(t), Protocol: 2})
	defer c.Close()
	want := map[string]int64{}
	for i, key := range []string{"jobs:a", "jobs:b", "jobs:c", "jobs:d", "jobs:e", "jobs:f"} {
		for range i + 1 {
			if err := c.RPush(t.Context(), key, "x").Err(); err != nil {
				t.Fatal(err)
			}
		}
		want[key] = int64(i + 1)
	}
	c.Set(t.Context(), "jobs:text", "1", 0)
	if diff := cmp.Diff(want, lengths(t, newPoller(t, c, "jobs:*"), time.Now())); diff != "" {
		t.Errorf("lists (-want +got):\n%s", diff)
	}
}
