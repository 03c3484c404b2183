package redis

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
	"github.com/gravito-framework/pulse/probes/redislist"
)

func TestEveryAllowedCommandOnlyReadsSaysRedisItself(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	// They read, although Redis' flags don't say so: they are about the server and not about keys.
	readOnlyToo := []string{"CLIENT LIST", "CLIENT INFO", "CLUSTER INFO", "ROLE"}
	for _, listed := range adapter.ReadCommands() {
		name := listed.Name
		command, sub, _ := strings.Cut(strings.ToLower(name), " ")
		asked := command
		if sub != "" {
			asked += "|" + sub
		}
		reply, err := server.Client.Do(t.Context(), "COMMAND", "INFO", asked).Slice()
		if err != nil {
			t.Fatal(err)
		}
		info, _ := reply[0].([]any)
		if len(info) < 4 {
			t.Fatalf("%s: Redis doesn't know it: %v", name, reply)
		}
		flags, _ := info[2].([]any)
		if !slices.Contains(flags, any("readonly")) && !slices.Contains(readOnlyToo, name) {
			t.Errorf("%s: its flags are %v", name, flags)
		}
		for _, bad := range []string{"write", "admin", "blocking", "pubsub"} {
			if slices.Contains(flags, any(bad)) && name != "CLIENT LIST" {
				t.Errorf("%s: its flags are %v", name, flags)
			}
		}
		if first, _ := info[3].(int64); first != int64(listed.Key) {
			t.Errorf("%s: its key is argument %d, not %d", name, first, listed.Key)
		}
	}
}

func TestARefusedRequestSendsNothing(t *testing.T) {
	t.Parallel()
	const notListed = " is refused: only commands that read are sent, and it is not on the list of them"
	for _, c := range []struct {
		request adapter.Request
		want    string
	}{
		{adapter.Request{"DEL", "bull:orders:wait"}, `"DEL"` + notListed},
		{adapter.Request{"del", "bull:orders:wait"}, `"DEL"` + notListed},
		{adapter.Request{"FLUSHALL"}, `"FLUSHALL"` + notListed},
		{adapter.Request{"EVAL", "return 1", "0"}, `"EVAL"` + notListed},
		{adapter.Request{"KEYS", "*"}, `"KEYS"` + notListed},
		{adapter.Request{"BLPOP", "k", "0"}, `"BLPOP"` + notListed},
		{adapter.Request{"SORT", "k"}, `"SORT"` + notListed},
		{adapter.Request{"CLIENT", "KILL", "ID", "1"}, `"CLIENT KILL"` + notListed},
		{adapter.Request{"client", "pause", "1"}, `"CLIENT PAUSE"` + notListed},
		{adapter.Request{"CLIENT"}, `"CLIENT"` + notListed},
		{adapter.Request{"CLIENT LIST"}, `"CLIENT LIST"` + notListed}, // two words in one argument
		{adapter.Request{"GET\r\nDEL", "k"}, `"GET\r\nDEL"` + notListed},
		{adapter.Request{""}, `""` + notListed},
		{adapter.Request{}, `""` + notListed},
		{adapter.Request{"LLEN"}, "LLEN is refused: it names no key"},
		{adapter.Request{"get", ""}, "GET is refused: it names no key"},
	} {
		t.Run(strings.Join(c.request, " "), func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var connections atomic.Int32
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					c, err := listener.Accept()
					if err != nil {
						return
					}
					connections.Add(1)
					c.Close()
				}
			}()
			client := redis.NewClient(&redis.Options{Addr: listener.Addr().String()})
			// A good one before it isn't sent either.
			replies, err := New(client, "redis").Do(t.Context(), []adapter.Request{{"LLEN", "bull:orders:wait"}, c.request})
			client.Close()
			listener.Close()
			<-done
			if err == nil || err.Error() != c.want || replies != nil {
				t.Errorf("%v, %v", replies, err)
			}
			if n := connections.Load(); n > 0 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

func TestACommandIsKnownInAnyCase(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	server.Client.RPush(t.Context(), "list", "a", "b")
	got, err := New(server.Client, "redis").Do(t.Context(), []adapter.Request{{"llen", "list"}, {"LLen", "list"}, {"Client", "list"}, {"scan", "0"}})
	if err != nil {
		t.Fatal(err)
	}
	if list, _ := got[2].Text(); adaptertest.Value(got[0]) != int64(2) || adaptertest.Value(got[1]) != int64(2) || !strings.Contains(list, "addr=") {
		t.Errorf("%v", got)
	}
}

func TestRepliesAreInOrderAndRefusalsAreReplies(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := servertest.Redis(t)
	c := server.Client
	c.RPush(ctx, "list", "a", "b", "c")
	c.ZAdd(ctx, "zset", redis.Z{Score: 1, Member: "one"}, redis.Z{Score: 2, Member: "two"})
	c.HSet(ctx, "hash", "name", "ada")
	c.Set(ctx, "text", "x", 0)
	cases := []struct {
		request adapter.Request
		want    any
	}{
		{adapter.Request{"LLEN", "list"}, int64(3)},
		{adapter.Request{"LLEN", "nothing"}, int64(0)},
		{adapter.Request{"LRANGE", "list", "-2", "-1"}, []any{"b", "c"}},
		{adapter.Request{"LRANGE", "nothing", "0", "1"}, []any{}},
		{adapter.Request{"LINDEX", "list", "0"}, "a"},
		{adapter.Request{"LINDEX", "list", "7"}, nil},
		{adapter.Request{"LLEN", "text"}, adapter.Error{Code: "WRONGTYPE", Message: "Operation against a key holding the wrong kind of value"}},
		{adapter.Request{"ZCARD", "zset"}, int64(2)},
		{adapter.Request{"ZCOUNT", "zset", "-inf", "1"}, int64(1)},
		{adapter.Request{"ZRANGE", "zset", "0", "-1", "WITHSCORES"}, []any{"one", "1", "two", "2"}},
		{adapter.Request{"HGET", "hash", "name"}, "ada"},
		{adapter.Request{"HGET", "hash", "age"}, nil},
		{adapter.Request{"HMGET", "hash", "age", "name"}, []any{nil, "ada"}},
		{adapter.Request{"HEXISTS", "hash", "name"}, int64(1)},
		{adapter.Request{"EXISTS", "hash"}, int64(1)},
		{adapter.Request{"GET", "text"}, "x"},
		{adapter.Request{"GET", "nothing"}, nil},
		{adapter.Request{"GET", "list"}, adapter.Error{Code: "WRONGTYPE", Message: "Operation against a key holding the wrong kind of value"}},
		{adapter.Request{"PTTL", "text"}, int64(-1)},
		{adapter.Request{"TYPE", "zset"}, "zset"},
		{adapter.Request{"SCAN", "0", "MATCH", "te*t", "COUNT", "1000"}, []any{"0", []any{"text"}}},
		{adapter.Request{"LRANGE", "list", "x", "y"}, adapter.Error{Code: "ERR", Message: "value is not an integer or out of range"}},
		{adapter.Request{"HGET", "hash"}, adapter.Error{Code: "ERR", Message: "wrong number of arguments for 'hget' command"}},
	}
	var requests []adapter.Request
	var want []any
	for _, c := range cases {
		requests = append(requests, c.request)
		want = append(want, c.want)
	}
	got, err := New(c, "redis").Do(ctx, requests)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, adaptertest.Values(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAThousandCommandsARoundTrip(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	const most = 5500
	values := make([]any, 0, 2*most)
	for i := range most {
		values = append(values, strconv.Itoa(i), i)
	}
	server.Client.MSet(t.Context(), values...)
	for asked, want := range map[int]int{0: 0, 1: 1, 1000: 1, 1001: 2, 2500: 3, most: 6} {
		client := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, DisableIdentity: true})
		count := &servertest.Trips{}
		client.AddHook(count)
		requests := make([]adapter.Request, asked)
		for i := range requests {
			requests[i] = adapter.Request{"GET", strconv.Itoa(i)}
		}
		replies, err := New(client, "redis").Do(t.Context(), requests)
		client.Close()
		if err != nil || len(replies) != asked {
			t.Fatalf("%d replies to %d requests, %v", len(replies), asked, err)
		}
		for i, r := range replies {
			if got := adaptertest.Value(r); got != requests[i][1] {
				t.Fatalf("of %d requests number %d is answered with %v", asked, i, got)
			}
		}
		if n, longest := count.Since(); n != want || longest > batch {
			t.Errorf("%d requests took %d round trips of up to %d commands, not %d", asked, n, longest, want)
		}
	}
}

// slow answers every batch with nothing, after a while, and notes how many were under way together.
type slow struct {
	mu          sync.Mutex
	under, most int
}

func (s *slow) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (s *slow) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (s *slow) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under += n
	s.most = max(s.most, s.under)
}

func (s *slow) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error {
		s.count(1)
		time.Sleep(time.Second)
		s.count(-1)
		return nil
	}
}

func TestTwoBatchesAreUnderWayAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", Protocol: 2})
		defer client.Close()
		s := &slow{}
		client.AddHook(s)
		requests := make([]adapter.Request, 6*batch)
		for i := range requests {
			requests[i] = adapter.Request{"LLEN", "a"}
		}
		if _, err := New(client, "redis").Do(t.Context(), requests); err != nil {
			t.Fatal(err)
		}
		if s.most != atOnce {
			t.Errorf("%d batches were under way together, not %d", s.most, atOnce)
		}
	})
}

func TestAConnectionThatIsRefusedIsAnErrorAndNoReplies(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	if err := server.Client.Do(t.Context(), "ACL", "SETUSER", "monitor", "reset", "on", ">right", "~bull:*", "+llen").Err(); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]*redis.Options{
		"WRONGPASS ":               {Username: "monitor", Password: "wrong"},
		"DB index is out of range": {DB: 99},
		"NOPERM ":                  {Username: "monitor", Password: "right", DB: 4},
	} {
		o.Addr, o.Protocol, o.DisableIdentity, o.DialerRetries, o.MaxRetries = server.Addr, 2, true, 1, -1
		client := redis.NewClient(o)
		replies, err := New(client, "redis").Do(t.Context(), []adapter.Request{{"LLEN", "bull:a:wait"}, {"LLEN", "bull:b:wait"}})
		client.Close()
		if err == nil || !strings.Contains(err.Error(), want) || replies != nil {
			t.Errorf("want %s: %v, %v", want, replies, err)
		}
	}
}

func TestARedisThatCannotBeAskedIsAnError(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, DialerRetries: 1, MaxRetries: -1})
	defer client.Close()
	source := New(client, "redis "+server.Addr)
	ask := func(ctx context.Context) error {
		replies, err := source.Do(ctx, []adapter.Request{{"LLEN", "a"}, {"LLEN", "b"}})
		if err != nil && replies != nil {
			t.Errorf("replies beside an error: %v", replies)
		}
		return err
	}
	if err := ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ask(ended); err == nil {
		t.Error("no error when the context has ended")
	}
	server.Stop()
	if err := ask(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "read from redis "+server.Addr+": ") {
		t.Errorf("while it is down: %v", err)
	}
	server.Start()
	// The pool may hold more than one broken connection.
	servertest.Eventually(t, "the source works again", func() bool { return ask(t.Context()) == nil })
}

func TestAClusterIsOneRedis(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	addrs := servertest.Cluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, Protocol: 2, ClientName: "worker"})
	defer client.Close()
	const keys = 3000
	pipe := client.Pipeline()
	var requests []adapter.Request
	var want []string
	for i := range keys {
		key := fmt.Sprintf("key:%d", i)
		pipe.Set(ctx, key, i, 0)
		requests = append(requests, adapter.Request{"GET", key})
		want = append(want, key)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	source := New(client, "redis cluster")

	// One request that names no key among those that do.
	replies, err := source.Do(ctx, slices.Insert(slices.Clone(requests), 5, adapter.Request{"CLIENT", "LIST"}))
	if err != nil {
		t.Fatal(err)
	}
	list, err := replies[5].Text()
	if err != nil {
		t.Error(err)
	}
	for i, r := range slices.Delete(replies, 5, 6) {
		if got := adaptertest.Value(r); got != strconv.Itoa(i) {
			t.Fatalf("key %d is %v", i, got)
		}
	}
	for _, addr := range addrs {
		if !strings.Contains(list, "laddr="+addr+" ") {
			t.Errorf("no client of %s in CLIENT LIST", addr)
		}
	}
	if strings.Count(list, "name=worker ") < len(addrs) || strings.Contains(strings.TrimSpace(list), "\n\n") {
		t.Errorf("CLIENT LIST of all is not one list:\n%s", list)
	}

	var found []string
	cursor := "0"
	for round := 0; ; round++ {
		replies, err := source.Do(ctx, []adapter.Request{{"SCAN", cursor, "MATCH", "key:*", "COUNT", "500"}})
		if err != nil {
			t.Fatal(err)
		}
		page, err := replies[0].List()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range adaptertest.Value(page[1]).([]any) {
			found = append(found, key.(string))
		}
		if cursor, _ = page[0].Text(); cursor == "0" {
			break
		}
		if round > 100 {
			t.Fatalf("SCAN doesn't end: its cursor is %s", cursor)
		}
	}
	slices.Sort(want)
	slices.Sort(found)
	if diff := cmp.Diff(want, slices.Compact(found)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	// Redis refuses a cursor that is rubbish, or the scan begins anew; it never breaks the source.
	replies, err = source.Do(ctx, []adapter.Request{{"SCAN", "rubbish"}, {"SCAN", "99.7"}, {"SCAN", "-1.0"}, {"SCAN"}})
	if err != nil {
		t.Fatal(err)
	}
	if replies[0].Code() != "ERR" || replies[1].Err() != nil || replies[2].Err() != nil || replies[3].Code() != "ERR" {
		t.Errorf("%v", replies)
	}
}

// TestAFrozenNodeLeavesTimeForTheOthers: a poll asks for several rounds, and has ten seconds for all of them.
func TestAFrozenNodeLeavesTimeForTheOthers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	nodes := servertest.ClusterNodes(t, 0, "--cluster-require-full-coverage", "no")
	address, err := redisconn.Parse("redis://" + nodes[0].Addr + "," + nodes[1].Addr)
	if err != nil {
		t.Fatal(err)
	}
	client := address.Client(ctx)
	defer client.Close()
	var requests []adapter.Request
	for i := range 30 {
		key := fmt.Sprintf("jobs-%d", i)
		if err := client.RPush(ctx, key, "x").Err(); err != nil {
			t.Fatal(err)
		}
		requests = append(requests, adapter.Request{"LLEN", key})
	}
	source := New(client, "redis cluster")
	freeze := func(signal syscall.Signal) {
		if err := syscall.Kill(nodes[2].PID(), signal); err != nil {
			t.Fatal(err)
		}
	}
	freeze(syscall.SIGSTOP)
	defer freeze(syscall.SIGCONT)
	for poll := range 2 {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		for round := range 5 {
			replies, err := source.Do(ctx, requests)
			if replies == nil || err == nil || strings.Count(err.Error(), nodes[2].Addr) != 1 {
				t.Fatalf("poll %d, round %d: %v, %v", poll, round, replies, err)
			}
			if answered := len(slices.DeleteFunc(replies, func(r adapter.Reply) bool { return r.Err() != nil })); answered == 0 || answered == len(requests) {
				t.Errorf("poll %d, round %d: %d answers", poll, round, answered)
			}
		}
		cancel()
	}
	freeze(syscall.SIGCONT)
	servertest.Eventually(t, "all answers", func() bool {
		replies, err := source.Do(ctx, requests)
		return err == nil && !slices.ContainsFunc(replies, func(r adapter.Reply) bool { return r.Err() != nil })
	})
}

// mortalCluster is a cluster without replicas that goes on where a node dies.
func mortalCluster(t *testing.T) ([]*servertest.RedisServer, *redis.ClusterClient) {
	t.Helper()
	nodes := servertest.ClusterNodes(t, 0, "--cluster-require-full-coverage", "no")
	var addrs []string
	for _, node := range nodes {
		addrs = append(addrs, node.Addr)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, Protocol: 2, ClusterStateReloadInterval: time.Second})
	t.Cleanup(func() { _ = client.Close() })
	return nodes, client
}

// TestADeadNodeRefusesOnlyWhatIsThere: of three masters one dies, and has no replica.
func TestADeadNodeRefusesOnlyWhatIsThere(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	nodes, client := mortalCluster(t)
	dead := nodes[1].Addr
	var requests []adapter.Request
	var isDead []bool
	for i := range 30 {
		key := fmt.Sprintf("jobs-%d", i)
		node, err := client.MasterForKey(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.RPush(ctx, key, "x").Err(); err != nil {
			t.Fatal(err)
		}
		requests = append(requests, adapter.Request{"LLEN", key})
		isDead = append(isDead, node.Options().Addr == dead)
	}
	source := New(client, "redis cluster")
	nodes[1].Stop()
	servertest.Eventually(t, "the living nodes' answers", func() bool {
		replies, err := source.Do(ctx, requests)
		if replies == nil || err == nil || !strings.Contains(err.Error(), "a part of the cluster cannot be reached") || strings.Count(err.Error(), dead) != 1 {
			return false
		}
		for i, reply := range replies {
			if n, _ := reply.Int(); reply.Code() == "CLUSTERDOWN" != isDead[i] || n != 1 && !isDead[i] {
				return false
			}
		}
		return true
	})
	var found []string
	for cursor := "0"; ; {
		replies, err := source.Do(ctx, []adapter.Request{{"SCAN", cursor, "COUNT", "1000"}})
		if replies == nil {
			t.Fatal(err)
		}
		if replies[0].Code() == "CLUSTERDOWN" { // no end: it did not see everything
			break
		}
		page, err := replies[0].List()
		if err != nil {
			t.Fatal(err)
		}
		keys, _ := page[1].List()
		for _, key := range keys {
			text, _ := key.Text()
			found = append(found, text)
		}
		if cursor, _ = page[0].Text(); cursor == "0" {
			t.Fatal("a walk that left a master out is said to be whole")
		}
	}
	for i, r := range requests {
		if slices.Contains(found, r[1]) == isDead[i] {
			t.Errorf("%s of a node that is dead (%v) is found, or not", r[1], isDead[i])
		}
	}
	if replies, err := source.Do(ctx, []adapter.Request{{"CLIENT", "LIST"}}); err == nil || replies[0].Code() != "CLUSTERDOWN" {
		t.Errorf("the clients of a part are taken for all: %v, %v", replies, err)
	}
	for _, i := range []int{0, 2} {
		nodes[i].Stop()
	}
	if replies, err := source.Do(ctx, requests); err == nil || replies != nil {
		t.Errorf("all nodes are dead: %v, %v", replies, err)
	}
}

// TestQueuesOnADeadNodeStayKnown: a glob found them before it died, and finds no longer that they exist.
func TestQueuesOnADeadNodeStayKnown(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	nodes, client := mortalCluster(t)
	const lists = 30
	for i := range lists {
		if err := client.RPush(ctx, fmt.Sprintf("jobs-%d", i), "x").Err(); err != nil {
			t.Fatal(err)
		}
	}
	session, err := redislist.Adapter{}.Open(ctx, adapter.Settings{"app": "shop", "keys": "jobs-*"})
	if err != nil {
		t.Fatal(err)
	}
	poller := poll.Poller{Adapter: redislist.Adapter{}.Describe(), Session: session, Source: New(client, "redis cluster")}
	now := time.Now()
	look := func() (rows, unread int) {
		now = now.Add(5 * time.Minute) // the next walk is due
		s, err := poller.Poll(ctx, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.Problems {
			if p.Queue != "" {
				unread++
			}
		}
		return len(s.Queues), unread
	}
	servertest.Eventually(t, "all lists", func() bool { rows, _ := look(); return rows == lists })
	nodes[1].Stop()
	servertest.Eventually(t, "problems of the lists on the dead node", func() bool { _, unread := look(); return unread > 0 })
	for range 5 {
		if rows, unread := look(); rows+unread != lists || rows == 0 {
			t.Errorf("%d lists are counted and %d are said not to be, of %d", rows, unread, lists)
		}
	}
}
