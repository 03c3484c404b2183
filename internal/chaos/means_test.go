//go:build linux

package chaos

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// What the faults are made with.

func (h *house) signal(node *servertest.RedisServer, s syscall.Signal) {
	h.t.Helper()
	if err := syscall.Kill(node.PID(), s); err != nil {
		h.t.Fatal(err)
	}
}

// do tells the first server something.
func (h *house) do(words ...any) {
	h.t.Helper()
	if err := h.nodes[0].Client.Do(h.t.Context(), words...).Err(); err != nil {
		h.t.Fatalf("%v: %v", words, err)
	}
}

// answers waits until the first server takes commands.
func (h *house) answers() {
	h.t.Helper()
	servertest.Eventually(h.t, "redis-server", func() bool { return h.nodes[0].Client.Ping(h.t.Context()).Err() == nil })
}

// users turns the programs' users on or off; who is there is sent away.
func (h *house) users(onOff string) {
	h.t.Helper()
	for _, user := range []string{"monitor", "reporter", "host", "aggregator", "recorder"} {
		h.do("ACL", "SETUSER", "pulse-"+user, onOff)
		h.do("CLIENT", "KILL", "USER", "pulse-"+user)
	}
}

// filled is a server with so many keys that loading them can be watched.
func filled(t *testing.T) *place {
	t.Helper()
	p := single(t)
	for _, words := range [][]any{
		{"DEBUG", "POPULATE", "20000", "filler", "100"},
		{"CONFIG", "SET", "loading-process-events-interval-bytes", "1024"},
	} {
		if err := p.client.Do(t.Context(), words...).Err(); err != nil {
			t.Fatalf("%v: %v", words, err)
		}
	}
	return p
}

// reload makes the first server load its data anew, as after a start, which takes as long as it is told to.
func (h *house) reload() {
	h.do("CONFIG", "SET", "key-load-delay", "3000") // microseconds a key
	patient := redis.NewClient(&redis.Options{Addr: h.nodes[0].Addr, Protocol: 2, DisableIdentity: true, ReadTimeout: -1, MaxRetries: -1})
	var wait sync.WaitGroup
	wait.Go(func() { patient.Do(context.Background(), "DEBUG", "RELOAD") })
	h.t.Cleanup(func() {
		h.nodes[0].Stop()
		wait.Wait()
		_ = patient.Close()
	})
	servertest.Eventually(h.t, "a server that loads", func() bool {
		err := h.nodes[0].Client.Get(h.t.Context(), "session:ada").Err()
		return err != nil && strings.HasPrefix(err.Error(), "LOADING")
	})
}

// masterOf is the master that has a key. It is the one that the fault befalls.
func (h *house) masterOf(key string) *servertest.RedisServer {
	h.t.Helper()
	for _, n := range h.with(h.t, "role:master") {
		if n.Client.Exists(h.t.Context(), key).Err() == nil { // else it says MOVED
			h.fallen = n
		}
	}
	return h.fallen
}

// stopSlotOf stops the master that has a key, and its replica.
func (h *house) stopSlotOf(key string) {
	h.t.Helper()
	master := h.masterOf(key)
	replicas := h.with(h.t, "master_port:"+master.Port())
	h.stopped = append(replicas, master)
	for _, n := range h.stopped { // the replica first, so that it takes nothing over
		n.Stop()
	}
}

// move is a slot between two masters.
type move struct {
	slot     int64
	from, to *servertest.RedisServer
}

// pulseKeys are Pulse's own.
var pulseKeys = []string{
	"pulse:index", "pulse:queues:shop:reporter", "pulse:server:shop:host", "pulse:scan",
	"pulse:history:shop", "pulse:trend:shop", "pulse:alerts", "pulse:owner:recorder",
}

// migrate moves a slot of each of the app's and of Pulse's keys half of the way: what is in it is at its new place,
// and its old one says ASK. An application goes on working meanwhile.
func (h *house) migrate() {
	ctx := h.t.Context()
	masters := h.with(h.t, "role:master")
	for _, key := range append(slices.Clone(pulseKeys), appKeys...) {
		slot, err := h.client.ClusterKeySlot(ctx, key).Result()
		if err != nil {
			h.t.Fatal(err)
		}
		// All to one: two masters that swap slots in a hurry may end up disagreeing about which of them has a slot.
		m := move{slot: slot, from: h.masterOf(key), to: masters[0]}
		if m.from == m.to {
			continue
		}
		id := func(n *servertest.RedisServer) string { return n.Client.Do(ctx, "CLUSTER", "MYID").Val().(string) }
		for _, err := range []error{
			m.to.Client.Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", id(m.from)).Err(),
			m.from.Client.Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", id(m.to)).Err(),
			m.from.Client.Do(ctx, "MIGRATE", "127.0.0.1", m.to.Port(), "", "0", "5000", "KEYS", key).Err(),
		} {
			if err != nil {
				h.t.Fatalf("slot %d of %s: %v", slot, key, err)
			}
		}
		h.moves = append(h.moves, m)
	}
	worker, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() {
		for i := 0; worker.Err() == nil; i++ {
			h.client.SetEx(worker, fmt.Sprintf("%s%d", workKeys, i%1000), i, time.Minute)
		}
	})
	h.stopWork = func() { stop(); work.Wait() }
	h.t.Cleanup(h.stopWork)
}

// migrated moves the slots the rest of the way: from now on their old places say MOVED.
func (h *house) migrated() {
	ctx := h.t.Context()
	masters := h.with(h.t, "role:master")
	for _, m := range h.moves {
		to := m.to.Client.Do(ctx, "CLUSTER", "MYID").Val()
		// The new one first, then all the others: who only heard of it from them might not believe it.
		slices.SortFunc(masters, func(a, b *servertest.RedisServer) int {
			return cmp.Compare(isOther(a, m.to), isOther(b, m.to))
		})
		for _, n := range masters {
			if err := n.Client.Do(ctx, "CLUSTER", "SETSLOT", m.slot, "NODE", to).Err(); err != nil {
				h.t.Fatalf("slot %d: %v", m.slot, err)
			}
		}
	}
	h.stopWork()
}

func isOther(a, b *servertest.RedisServer) int {
	if a == b {
		return 0
	}
	return 1
}
