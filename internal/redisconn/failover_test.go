package redisconn

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// interval is how soon a program must be back after its Redis is.
const interval = 10 * time.Second

// comesBack asserts that a client which has used a Redis before a failover uses it again within an
// interval of the moment when it can be used.
func comesBack(t *testing.T, client redis.UniversalClient, key string, usable func() bool) {
	t.Helper()
	ctx := t.Context()
	if err := client.Set(ctx, key, "before", 0).Err(); err == nil {
		t.Fatalf("%s can be set while its master is dead", key)
	}
	servertest.Eventually(t, "the end of the failover", usable)
	end := time.Now().Add(interval)
	for {
		err := client.Set(ctx, key, "after", 0).Err()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("an interval after the failover: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestAClientFollowsAFailoverOfTheCluster(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	nodes := servertest.ClusterNodes(t, 1)
	addrs := make([]string, len(nodes))
	byAddr := map[string]*servertest.RedisServer{}
	for i, node := range nodes {
		addrs[i], byAddr[node.Addr] = node.Addr, node
	}
	r, err := Parse("redis://" + strings.Join(addrs, ","))
	if err != nil {
		t.Fatal(err)
	}
	client := r.Client(t.Context()).(*redis.ClusterClient)
	defer client.Close()
	const key = "pulse:queues:shop"
	servertest.Eventually(t, "the replicas in step", func() bool {
		inStep := 0
		for _, node := range nodes {
			if strings.Contains(node.Client.Info(ctx, "replication").Val(), "master_link_status:up") {
				inStep++
			}
		}
		return inStep == 3 && client.Set(ctx, key, "before", 0).Err() == nil
	})
	master, err := client.MasterForKey(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	dead := master.Options().Addr
	byAddr[dead].Stop()
	var living *servertest.RedisServer
	for addr, node := range byAddr {
		if addr != dead {
			living = node
		}
	}
	comesBack(t, client, key, func() bool {
		nodes := living.Client.ClusterNodes(ctx).Val()
		for line := range strings.Lines(nodes) {
			const beforeSlots = 8
			if fields := strings.Fields(line); strings.HasPrefix(fields[1], dead+"@") && len(fields) > beforeSlots {
				return false
			}
		}
		return nodes != "" && strings.Contains(living.Client.ClusterInfo(ctx).Val(), "cluster_state:ok")
	})
}

func TestAClientFollowsAFailoverOfTheSentinels(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	master := servertest.Redis(t)
	replica := servertest.Redis(t, "--replicaof", "127.0.0.1", master.Port())
	sentinel := servertest.Sentinel(t, "queues", master)
	r, err := Parse("redis+sentinel://" + sentinel.Addr + "/queues")
	if err != nil {
		t.Fatal(err)
	}
	client := r.Client(t.Context())
	defer client.Close()
	const key = "pulse:queues:shop"
	if err := client.Set(ctx, key, "before", 0).Err(); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, "a replica in step, which the sentinel knows", func() bool {
		replicas, err := sentinel.Client.Replicas(ctx, "queues").Result()
		return err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok" && replica.Client.Get(ctx, key).Val() == "before"
	})
	master.Stop()
	comesBack(t, client, key, func() bool {
		return strings.HasPrefix(replica.Client.Info(ctx, "replication").Val(), "# Replication\r\nrole:master")
	})
}
