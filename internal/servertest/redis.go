package servertest

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// RedisServer is a real redis-server.
type RedisServer struct {
	t    testing.TB
	Addr string
	URL  string
	// Client is for the test's own use.
	Client  *redis.Client
	args    []string
	running *running
}

// Redis starts a redis-server, with args as further arguments.
func Redis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	path := need(t, "redis-server", "apt-get install redis-server")
	port := FreePort(t)
	s := &RedisServer{t: t, Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	s.URL = "redis://" + s.Addr
	s.args = append([]string{path, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", t.TempDir(),
		"--save", "", "--appendonly", "no", "--enable-debug-command", "yes"}, args...)
	s.Client = redis.NewClient(&redis.Options{Addr: s.Addr, Protocol: 2})
	t.Cleanup(func() { _ = s.Client.Close() })
	s.Start()
	return s
}

// Start starts it, again after a Stop, on the same port and empty.
func (s *RedisServer) Start() {
	s.t.Helper()
	s.running = start(s.t, exec.Command(s.args[0], s.args[1:]...))
	waitFor(s.t, "redis-server", s.running.ended, func() error { return s.Client.Ping(context.Background()).Err() })
}

// Stop kills it.
func (s *RedisServer) Stop() { s.running.stop() }

// PID is the running process' id.
func (s *RedisServer) PID() int { return s.running.cmd.Process.Pid }

// Port is the port it listens on.
func (s *RedisServer) Port() string {
	_, port, _ := net.SplitHostPort(s.Addr)
	return port
}

// Digest returns a digest of each key, so that a difference shows where it is. It leaves out the keys below
// pulse: and those that expire.
func (s *RedisServer) Digest() string {
	s.t.Helper()
	ctx := context.Background()
	keys, err := s.Client.Keys(ctx, "*").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	keys = slices.DeleteFunc(keys, func(key string) bool {
		return strings.HasPrefix(key, "pulse:") || s.Client.PTTL(ctx, key).Val() > 0
	})
	slices.Sort(keys)
	args := []any{"DEBUG", "DIGEST-VALUE"}
	for _, key := range keys {
		args = append(args, key)
	}
	values, err := s.Client.Do(ctx, args...).StringSlice()
	if err != nil {
		s.t.Fatal(err)
	}
	var digest strings.Builder
	for i, v := range values {
		fmt.Fprintf(&digest, "%q %s\n", keys[i], v)
	}
	return digest.String()
}

// Cluster starts a Redis Cluster of three masters and returns their addresses.
func Cluster(t testing.TB) []string {
	t.Helper()
	var addrs []string
	for _, node := range ClusterNodes(t, 0) {
		addrs = append(addrs, node.Addr)
	}
	return addrs
}

// ClusterNodes starts a Redis Cluster of three masters, each with so many replicas, and returns the servers.
func ClusterNodes(t testing.TB, replicas int, args ...string) []*RedisServer {
	t.Helper()
	cli := need(t, "redis-cli", "apt-get install redis-tools")
	var nodes []*RedisServer
	var addrs []string
	for range 3 * (1 + replicas) {
		// The bus gets a free port, too. Its default is port+10000, which another program may have.
		bus := strconv.Itoa(FreePort(t))
		s := Redis(t, append([]string{"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "2000"}, args...)...)
		nodes, addrs = append(nodes, s), append(addrs, s.Addr)
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxWait) // redis-cli waits for the nodes for ever
	defer cancel()
	out, err := exec.CommandContext(ctx, cli, append(append([]string{"--cluster", "create"}, addrs...), "--cluster-yes", "--cluster-replicas", strconv.Itoa(replicas))...).CombinedOutput()
	if err != nil {
		t.Fatalf("make a cluster: %v\n%s", err, out)
	}
	for _, node := range nodes {
		waitFor(t, "a node of the cluster", node.running.ended, func() error {
			info, err := node.Client.ClusterInfo(ctx).Result()
			if err == nil && !strings.Contains(info, "cluster_state:ok") {
				err = fmt.Errorf("it is not ready: %s", info)
			}
			return err
		})
	}
	return nodes
}
