package servertest

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Trips is a hook of a Redis client that counts its round trips.
type Trips struct {
	mu         sync.Mutex
	n, longest int
}

// Since returns the number of round trips since its last call, and the number of commands in the longest.
func (c *Trips) Since() (n, longest int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, longest = c.n, c.longest
	c.n, c.longest = 0, 0
	return n, longest
}

func (c *Trips) add(commands int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	c.longest = max(c.longest, commands)
}

// DialHook implements [redis.Hook].
func (c *Trips) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements [redis.Hook].
func (c *Trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "hello" { // a new connection's
			c.add(1)
		}
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements [redis.Hook].
func (c *Trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.add(len(cmds))
		return next(ctx, cmds)
	}
}
