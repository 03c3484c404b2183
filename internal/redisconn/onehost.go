package redisconn

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// oneHost is the client of a URL with one host. That may be a node of a cluster, and may say so only long after this
// program has started. From then on oneHost uses the cluster.
type oneHost struct {
	// Client makes no connection of its own: its hook, which is oneHost, sends each command to what is used now.
	*redis.Client

	alone       *redis.Client
	makeCluster func() *redis.ClusterClient

	mu       sync.Mutex
	cluster  *redis.ClusterClient // nil until the host has said that it is a node of one
	isClosed bool
}

func newOneHost(o *redis.Options, makeCluster func() *redis.ClusterClient) *oneHost {
	h := &oneHost{Client: redis.NewClient(o), makeCluster: makeCluster}
	h.AddHook(h)
	alone := *o
	alone.OnConnect = func(ctx context.Context, cn *redis.Conn) error {
		if isNodeOfCluster(ctx, cn) {
			h.useCluster()
			return errNodeOfCluster
		}
		return noTouch(ctx, cn)
	}
	h.alone = redis.NewClient(&alone)
	return h
}

// Current is the client that client stands for now: that of one server, or a [redis.ClusterClient]. It stays what it
// is. If the server turns out to be a node of a cluster, the next Current is another one, and this one refuses.
func Current(client redis.UniversalClient) redis.UniversalClient {
	if h, is := client.(*oneHost); is {
		return h.current()
	}
	return client
}

func (h *oneHost) current() redis.UniversalClient {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cluster != nil {
		return h.cluster
	}
	return h.alone
}

func (h *oneHost) useCluster() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cluster == nil && !h.isClosed {
		h.cluster = h.makeCluster()
	}
}

// Close closes all connections.
func (h *oneHost) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.isClosed = true
	err := errors.Join(h.Client.Close(), h.alone.Close())
	if h.cluster != nil {
		err = errors.Join(err, h.cluster.Close())
	}
	return err
}

// DialHook is part of [redis.Hook].
func (h *oneHost) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook is part of [redis.Hook].
func (h *oneHost) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := h.current().Process(ctx, cmd)
		if errors.Is(err, errNodeOfCluster) { // nothing was sent yet
			err = h.current().Process(ctx, cmd)
		}
		return err
	}
}

// ProcessPipelineHook is part of [redis.Hook].
func (h *oneHost) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := exec(ctx, h.current(), cmds)
		if errors.Is(err, errNodeOfCluster) {
			err = exec(ctx, h.current(), cmds)
		}
		return err
	}
}

// exec sends the commands in one pipeline. go-redis has put MULTI and EXEC around those of a transaction, and would
// do so again.
func exec(ctx context.Context, client redis.UniversalClient, cmds []redis.Cmder) error {
	pipe := client.Pipeline()
	if strings.EqualFold(cmds[0].Name(), "multi") {
		pipe, cmds = client.TxPipeline(), cmds[1:len(cmds)-1]
	}
	_ = pipe.BatchProcess(ctx, cmds...)
	_, err := pipe.Exec(ctx)
	return err
}
