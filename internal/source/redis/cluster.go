package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/probes/adapter"
)

// askCluster answers a request that names no key for the whole cluster: each of its masters knows
// only its own keys and clients.
func askCluster(ctx context.Context, c *redis.ClusterClient, r adapter.Request) *redis.Cmd {
	out := redis.NewCmd(ctx, arguments(r)...)
	var err error
	switch r.Command() {
	case "SCAN":
		err = scanCluster(ctx, c, r, out)
	case "CLIENT LIST":
		err = clientsOfCluster(ctx, c, out)
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
	v, err := masters[0].Do(ctx, arguments(r)...).Result()
	out.SetVal(v)
	return err
}

func clientsOfCluster(ctx context.Context, c *redis.ClusterClient, out *redis.Cmd) error {
	masters, err := redisconn.Masters(ctx, c)
	if err != nil {
		return err
	}
	var all strings.Builder
	for _, m := range masters {
		list, err := m.ClientList(ctx).Result()
		if err != nil {
			return err
		}
		all.WriteString(list)
	}
	out.SetVal(all.String())
	return nil
}

// scanCluster scans the masters one after another. Its cursor is the master's place and, after a
// dot, that master's own cursor; "0" is the beginning and the end, as ever.
func scanCluster(ctx context.Context, c *redis.ClusterClient, r adapter.Request, out *redis.Cmd) error {
	masters, err := redisconn.Masters(ctx, c)
	if err != nil {
		return err
	}
	if len(r) < 2 {
		return masters[0].Do(ctx, arguments(r)...).Err() // no cursor: let Redis say so
	}
	place, cursor := 0, r[1]
	if before, after, ok := strings.Cut(r[1], "."); ok {
		place, _ = strconv.Atoi(before)
		cursor = after
	}
	if place < 0 || place >= len(masters) {
		place, cursor = 0, "0" // the cluster has fewer masters than before
	}
	args := arguments(r)
	args[1] = cursor
	reply, err := masters[place].Do(ctx, args...).Slice()
	if err != nil {
		return err
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
	reply[0] = fmt.Sprintf("%d.%s", place, cursor)
	if place == len(masters) {
		reply[0] = "0"
	}
	out.SetVal(reply)
	return nil
}
