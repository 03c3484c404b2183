package redisconn

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
)

func clientOf(t *testing.T, text string) redis.UniversalClient {
	t.Helper()
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	client := r.Client(t.Context())
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// TestOneNodeOfAClusterIsUsedAsTheCluster: so ElastiCache names its clusters, by one endpoint.
func TestOneNodeOfAClusterIsUsedAsTheCluster(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	nodes := servertest.ClusterNodes(t, 0)
	for _, node := range nodes { // a user that may do next to nothing
		if err := node.Client.Do(ctx, "ACL", "SETUSER", "ada", "on", ">sesame", "~*", "+set", "+cluster|slots").Err(); err != nil {
			t.Fatal(err)
		}
	}
	for i, node := range nodes {
		client := clientOf(t, "redis://ada:sesame@"+node.Addr)
		if _, ok := Current(client).(*redis.ClusterClient); !ok {
			t.Fatalf("it is used by a %T", Current(client))
		}
		for j := range 20 {
			if err := client.Set(ctx, fmt.Sprintf("pulse:queues:shop-%d-%d", i, j), "{}", 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, node := range nodes {
		if keys := node.Client.DBSize(ctx).Val(); keys == 0 {
			t.Errorf("%s has no key", node.Addr)
		}
	}
}

// TestANodeThatHasLeftTheClusterIsNotBelieved: it stays up, knows of no slots, and stands in the URL.
func TestANodeThatHasLeftTheClusterIsNotBelieved(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	nodes := servertest.ClusterNodes(t, 0)
	left := servertest.Redis(t, "--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(servertest.FreePort(t)))
	for i := range 20 { // go-redis asks any of the two first
		client := clientOf(t, "redis://"+left.Addr+","+nodes[0].Addr)
		for j := range 5 {
			if err := client.Set(ctx, fmt.Sprint("pulse:queues:shop-", j), "{}", 0).Err(); err != nil {
				t.Fatalf("client %d: %v", i, err)
			}
		}
		if masters, err := Masters(ctx, client); err != nil || len(masters) != 3 {
			t.Errorf("client %d has the masters %v, %v", i, masters, err)
		}
	}
	alone := clientOf(t, left.URL)
	if err := alone.Get(ctx, "pulse:queues:shop").Err(); !errors.Is(err, errNoSlots) {
		t.Errorf("asked alone it answers %v", err)
	}
	if err := left.Client.ClusterAddSlotsRange(ctx, 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	servertest.Eventually(t, "a cluster of one", func() bool {
		return errors.Is(alone.Get(ctx, "pulse:queues:shop").Err(), redis.Nil)
	})
}

func TestOneServerStaysOneServer(t *testing.T) {
	t.Parallel()
	for _, url := range []string{servertest.Redis(t).URL, "redis://127.0.0.1:1", "unix:///nowhere"} {
		if client := Current(clientOf(t, url)); fmt.Sprintf("%T", client) != "*redis.Client" {
			t.Errorf("%s is used by a %T", url, client)
		}
	}
}

// TestANodeOfAClusterThatComesLaterIsUsedAsTheCluster: also where many find out at once. Nobody gets a part of the keys
// as if it were all of them.
func TestANodeOfAClusterThatComesLaterIsUsedAsTheCluster(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	nodes := servertest.ClusterNodes(t, 0)
	nodes[0].Stop()
	var clients []redis.UniversalClient // one for each way to send commands
	for range 3 {
		client := clientOf(t, nodes[0].URL)
		if err := client.Get(ctx, "pulse:queues:shop").Err(); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Fatalf("before it is there it answers %v", err)
		}
		clients = append(clients, client)
	}
	alone := Current(clients[0])
	nodes[0].Start() // it remembers the cluster
	servertest.Eventually(t, "the cluster", func() bool {
		return !slices.ContainsFunc(nodes, func(node *servertest.RedisServer) bool {
			return !strings.Contains(node.Client.ClusterInfo(ctx).Val(), "cluster_state:ok")
		})
	})
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			if err := clients[0].Set(ctx, fmt.Sprint("a", i), "x", 0).Err(); err != nil {
				t.Errorf("a command: %v", err)
			}
			_, err := clients[1].Pipelined(ctx, func(pipe redis.Pipeliner) error {
				pipe.Set(ctx, fmt.Sprint("b", i), "x", 0)
				pipe.Set(ctx, fmt.Sprint("c", i), "x", 0)
				return nil
			})
			if err != nil {
				t.Errorf("a pipeline: %v", err)
			}
			_, err = clients[2].TxPipelined(ctx, func(pipe redis.Pipeliner) error {
				pipe.Set(ctx, fmt.Sprintf("d{%d}", i), "x", 0)
				pipe.Incr(ctx, fmt.Sprintf("e{%d}", i))
				return nil
			})
			if err != nil {
				t.Errorf("a transaction: %v", err)
			}
		})
	}
	group.Wait()
	var all int64
	for _, node := range nodes {
		keys := node.Client.DBSize(ctx).Val()
		if all += keys; keys == 0 {
			t.Errorf("%s has no key", node.Addr)
		}
	}
	if all != 100 {
		t.Errorf("there are %d keys of 100", all)
	}
	if masters, err := Masters(ctx, clients[0]); err != nil || len(masters) != 3 {
		t.Errorf("it has the masters %v, %v", masters, err)
	}
	if err := alone.Ping(ctx).Err(); !errors.Is(err, errNodeOfCluster) {
		t.Errorf("who took it for one server gets %v", err)
	}
	if err := clients[0].Close(); err != nil {
		t.Error(err)
	}
	if err := Current(clients[0]).Ping(ctx).Err(); !errors.Is(err, redis.ErrClosed) {
		t.Errorf("after Close the cluster answers %v", err)
	}
}
