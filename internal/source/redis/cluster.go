package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/probes/adapter"
)

// lostNodes are the nodes of a cluster that could not be reached. It is safe for concurrent use.
type lostNodes struct {
	mu       sync.Mutex
	nodes    map[string]bool // a sentence for each
	requests int             // how many requests had no answer
	last     error
}

// add notes that a node could not be reached.
func (l *lostNodes) add(err error) (said string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.nodes == nil {
		l.nodes = map[string]bool{}
	}
	said = redisconn.Unreachable(err)
	l.nodes[said] = true
	l.last = err
	return said
}

// refuse is the reply to a request for a node that could not be reached.
func (l *lostNodes) refuse(err error) adapter.Reply {
	said := l.add(err)
	l.mu.Lock()
	l.requests++
	l.mu.Unlock()
	return adapter.Refusal(clusterDownError("its node cannot be reached: " + said).Error())
}

// all returns an error if none of so many requests had an answer.
func (l *lostNodes) all(requests int) error {
	if l.requests == requests {
		return l.last
	}
	return nil
}

// err names the nodes, if there are any.
func (l *lostNodes) err() error {
	if len(l.nodes) == 0 {
		return nil
	}
	return errors.New("a part of the cluster cannot be reached, and the queues there are missing: " + strings.Join(slices.Sorted(maps.Keys(l.nodes)), "; "))
}

// askCluster answers a request that names no key for the whole cluster: each of its masters knows
// only its own keys and clients.
func askCluster(ctx context.Context, c *redis.ClusterClient, r adapter.Request, lost *lostNodes) *redis.Cmd {
	out := redis.NewCmd(ctx, arguments(r)...)
	var err error
	switch r.Command() {
	case "SCAN":
		err = scanCluster(ctx, c, r, out, lost)
	case "CLIENT LIST":
		err = clientsOfCluster(ctx, c, out, lost)
	default: // the same at each of them
		err = askAnyMaster(ctx, c, r, out)
	}
	if err != nil {
		out.SetErr(err)
	}
	return out
}

func askAnyMaster(ctx context.Context, c *redis.ClusterClient, r adapter.Request, out *redis.Cmd) error {
	masters, err := redisconn.Masters(ctx, c)
	if err != nil {
		return err
	}
	for _, m := range masters {
		var v any
		if v, err = m.Do(ctx, arguments(r)...).Result(); err == nil || redisconn.IsRefusal(err) {
			out.SetVal(v)
			return err
		}
	}
	return err
}

// clientsOfCluster lists the clients of all masters. It refuses where a master cannot be reached, because the clients
// of a part of the cluster are no answer.
func clientsOfCluster(ctx context.Context, c *redis.ClusterClient, out *redis.Cmd, lost *lostNodes) error {
	masters, err := redisconn.Masters(ctx, c)
	if err != nil {
		return err
	}
	var all strings.Builder
	var unreachable error
	answers := 0
	for _, m := range masters {
		list, err := m.ClientList(ctx).Result()
		switch {
		case redisconn.IsRefusal(err) || ctx.Err() != nil:
			return err
		case err != nil:
			unreachable = err
		default:
			answers++
			all.WriteString(list)
		}
	}
	switch {
	case unreachable != nil && answers > 0:
		return clusterDownError("a node cannot be reached: " + lost.add(unreachable))
	case unreachable != nil:
		return unreachable
	}
	out.SetVal(all.String())
	return nil
}

// clusterDownError is a refusal, as if Redis had said that a part of the cluster is down.
type clusterDownError string

func (c clusterDownError) Error() string { return "CLUSTERDOWN " + string(c) }

// RedisError makes it one of go-redis' [redis.Error].
func (clusterDownError) RedisError() {}

// skippedOne ends the cursor of a walk that left a master out.
const skippedOne = "!"

// scanCluster scans the masters one after another. Its cursor is the master's place and, after a dot, that master's
// own cursor; "0" is the beginning and the end, as in Redis. It notes a master that cannot be reached as lost, and
// goes on with the next. Such a walk has no end but a refusal: at an end an adapter forgets the queues that it did not see.
func scanCluster(ctx context.Context, c *redis.ClusterClient, r adapter.Request, out *redis.Cmd, lost *lostNodes) error {
	masters, err := redisconn.Masters(ctx, c)
	if err != nil {
		return err
	}
	if len(r) < 2 {
		return masters[0].Do(ctx, arguments(r)...).Err() // no cursor: let Redis say so
	}
	place, cursor, skipped := 0, r[1], ""
	if before, after, ok := strings.Cut(r[1], "."); ok {
		place, _ = strconv.Atoi(before)
		if cursor, ok = strings.CutSuffix(after, skippedOne); ok {
			skipped = skippedOne
		}
	}
	if skipped != "" && place >= len(masters) {
		return clusterDownError("a node could not be reached while keys were looked for, so what is there stays as it is known")
	}
	if place < 0 || place >= len(masters) {
		place, cursor = 0, "0" // the cluster has fewer masters than before
	}
	args := arguments(r)
	args[1] = cursor
	reply, err := masters[place].Do(ctx, args...).Slice()
	switch {
	case err == nil:
	case redisconn.IsRefusal(err) || ctx.Err() != nil || len(masters) == 1:
		return err
	default:
		lost.add(err)
		reply, skipped = []any{"0", []any{}}, skippedOne
	}
	if len(reply) != 2 {
		return fmt.Errorf("SCAN answered %d values, not a cursor and keys", len(reply))
	}
	if next, _ := reply[0].(string); next == "0" {
		place++
		cursor = "0"
	} else {
		cursor = next
	}
	reply[0] = fmt.Sprintf("%d.%s%s", place, cursor, skipped)
	if place == len(masters) && skipped == "" {
		reply[0] = "0"
	}
	out.SetVal(reply)
	return nil
}
