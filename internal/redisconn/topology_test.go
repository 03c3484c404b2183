package redisconn

import (
	"fmt"
	"strings"
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
		if _, ok := client.(*redis.ClusterClient); !ok {
			t.Fatalf("it is used by a %T", client)
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

func TestOneServerStaysOneServer(t *testing.T) {
	t.Parallel()
	for _, url := range []string{servertest.Redis(t).URL, "redis://127.0.0.1:1", "unix:///nowhere"} {
		if client := clientOf(t, url); fmt.Sprintf("%T", client) != "*redis.Client" {
			t.Errorf("%s is used by a %T", url, client)
		}
	}
}

func TestANodeOfAClusterThatCameLaterIsRefusedWithTheRemedy(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t, "--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(servertest.FreePort(t)))
	server.Stop()
	client := clientOf(t, server.URL)
	server.Start()
	for range 2 {
		if err := client.Get(t.Context(), "pulse:queues:shop").Err(); err == nil || !strings.Contains(err.Error(), "it is a node of a Redis Cluster") {
			t.Errorf("it answers %v", err)
		}
	}
}
