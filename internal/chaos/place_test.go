//go:build linux

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// place is where the programs' Redis is.
type place struct {
	nodes    []*servertest.RedisServer // every server that holds keys, replicas too
	sentinel *servertest.SentinelServer
	proxy    *Proxy                  // before the one server, if there is one
	queues   *servertest.RedisServer // that of the app's queues, where it is another than the protocol's
	client   redis.UniversalClient   // the app's own
	address  string                  // of a URL, what is after the login
	scheme   string
	sqs      string // the URL of the app's SQS, to which nothing happens
}

// durable are settings of a server that has after a kill what it had before: the kernel has it. Without waiting for the
// disk, which may be busy for seconds.
var durable = []string{"--appendonly", "yes", "--appendfsync", "no"}

// single is one server.
func single(t *testing.T) *place {
	t.Helper()
	server := servertest.Redis(t, append(users(t), durable...)...)
	return &place{nodes: []*servertest.RedisServer{server}, client: server.Client, scheme: "redis://", address: server.Addr}
}

// proxied is one server behind a proxy.
func proxied(t *testing.T) *place {
	t.Helper()
	p := single(t)
	var err error
	if p.proxy, err = NewProxy(t.Context(), p.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.proxy.Close)
	p.address = p.proxy.Addr
	return p
}

// busy is one server behind a proxy, with so many lists that what is said of them takes a slow line long.
func busy(t *testing.T) *place {
	t.Helper()
	p := proxied(t)
	for i := range 300 {
		if err := p.client.RPush(t.Context(), fmt.Sprintf("jobs:%d", i), "1").Err(); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// apart is one server for the protocol and another for the queues.
func apart(t *testing.T) *place {
	t.Helper()
	p := single(t)
	p.queues = servertest.Redis(t, append(users(t), durable...)...)
	p.client = p.queues.Client
	return p
}

// cluster is three masters, each with a replica.
func cluster(t *testing.T) *place {
	t.Helper()
	p := &place{scheme: "redis://"}
	p.nodes = servertest.ClusterNodes(t, 1, append(users(t, inACluster(t)...), durable...)...)
	var addrs []string
	for _, n := range p.nodes {
		addrs = append(addrs, n.Addr)
	}
	p.address = strings.Join(addrs, ",")
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = client.Close() })
	p.client = client
	servertest.Eventually(t, "replicas in step", func() bool {
		return len(p.with(t, "master_link_status:up")) == 3
	})
	return p
}

// sentinel is a master and a replica, and a Sentinel that watches them.
func sentinel(t *testing.T) *place {
	t.Helper()
	master := servertest.Redis(t, append(users(t), durable...)...)
	replica := servertest.Redis(t, append(append(users(t), durable...), "--replicaof", "127.0.0.1", master.Port())...)
	p := &place{nodes: []*servertest.RedisServer{master, replica}, client: master.Client, scheme: "redis+sentinel://"}
	p.sentinel = servertest.Sentinel(t, "queues", master)
	p.address = p.sentinel.Addr + "/queues"
	servertest.Eventually(t, "a replica in step, which the sentinel knows", func() bool {
		replicas, err := p.sentinel.Client.Replicas(t.Context(), "queues").Result()
		return err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok"
	})
	return p
}

// with are the nodes that say this of their replication.
func (p *place) with(t *testing.T, info string) []*servertest.RedisServer {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(p.nodes), func(n *servertest.RedisServer) bool {
		said, err := n.Client.Info(t.Context(), "replication").Result()
		return err != nil || !strings.Contains(said, info)
	})
}

func (p *place) url(user string) string {
	return fmt.Sprintf("%spulse-%s:%s-password@%s", p.scheme, user, user, p.address)
}

func (p *place) queuesURL(user string) string {
	if p.queues == nil {
		return p.url(user)
	}
	return fmt.Sprintf("redis://pulse-%s:%s-password@%s", user, user, p.queues.Addr)
}

// appKeys are the app's keys: a queue of BullMQ's, a list, and what is none of our business.
var appKeys = []string{"bull:orders:wait", "bull:orders:meta", "bull:orders:1", "bull:orders:2", "bull:orders:failed", "bull:orders:id", "jobs:mail", "session:ada"}

// workKeys is how the keys begin that the application goes on changing.
const workKeys = "work:"

// furnish writes them.
func (p *place) furnish(t *testing.T) {
	t.Helper()
	_, err := p.client.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
		ctx := t.Context()
		pipe.RPush(ctx, "bull:orders:wait", "1", "2")
		pipe.HSet(ctx, "bull:orders:meta", "version", "bullmq:5.0.0", "opts.maxLenEvents", "10000", "max", "10", "duration", "1000")
		pipe.HSet(ctx, "bull:orders:1", "timestamp", "1764000000000")
		pipe.HSet(ctx, "bull:orders:2", "timestamp", "1764000000000")
		pipe.ZAdd(ctx, "bull:orders:failed", redis.Z{Score: 1764000000000, Member: "3"})
		pipe.Set(ctx, "bull:orders:id", "3", 0)
		pipe.RPush(ctx, "jobs:mail", "1", "2", "3")
		pipe.Set(ctx, "session:ada", strings.Repeat("secret ", 1000), 0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// digest is one of all that is not Pulse's, key by key.
func (p *place) digest(t *testing.T) string {
	t.Helper()
	nodes := []*servertest.RedisServer{p.queues}
	if p.queues == nil {
		nodes = p.with(t, "role:master")
	}
	var lines []string
	for _, n := range nodes {
		lines = append(lines, strings.Split(strings.TrimSpace(n.Digest()), "\n")...)
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" || strings.HasPrefix(line, `"`+workKeys) })
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n") // of a master that has come back there may be two for a moment
}

// users are a server's settings that make the users of docs/acl.md, with more rights for each. Beside BullMQ's the
// monitor reads the app's lists.
func users(t *testing.T, more ...string) []string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(servertest.Root(), "docs", "acl.md"))
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for line := range strings.Lines(string(page)) {
		rules, is := strings.CutPrefix(strings.TrimSpace(line), "ACL SETUSER ")
		if !is {
			continue
		}
		args = append(args, "--user")
		args = append(args, strings.Fields(rules)...)
		args = append(args, more...)
		if strings.HasPrefix(rules, "pulse-monitor ") {
			args = append(args, "~jobs:*", "+type")
		}
	}
	if args == nil {
		t.Fatal("docs/acl.md has no users")
	}
	return args
}

// inACluster are the rights that docs/acl.md says each user needs there, beside.
func inACluster(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(servertest.Root(), "docs", "acl.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, is := strings.Cut(string(page), "Redis Cluster: `")
	text, _, isToo := strings.Cut(text, "`")
	if !is || !isToo {
		t.Fatal("docs/acl.md doesn't say what a cluster needs")
	}
	return strings.Fields(text)
}

// rightsOf are the commands that a user may use.
func rightsOf(t *testing.T, user string) []string {
	t.Helper()
	args := users(t)
	i := slices.Index(args, "pulse-"+user)
	if i < 0 {
		t.Fatalf("docs/acl.md has no user pulse-%s", user)
	}
	var out []string
	for _, rule := range args[i+1:] {
		if rule == "--user" {
			break
		}
		if command, is := strings.CutPrefix(rule, "+"); is {
			out = append(out, command)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
