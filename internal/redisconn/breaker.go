package redisconn

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// leftAlone is how long we leave a node alone after it did not answer in time. A poll asks a node again and
	// again: without this each request would wait as long as the first, and the poll would end before the other
	// nodes have answered.
	leftAlone = 5 * time.Second
	// slotsFromOthers is how long we ask such a node nothing about the cluster, while others tell. So long
	// go-redis remembers a node that has left, and it picks at random which one it asks.
	slotsFromOthers = time.Minute
)

// errNoCommand is why no node is asked what it knows of a command. Our users may not run COMMAND (docs/acl.md), and
// go-redis would ask up to three nodes at each command of ours, also those that hang.
var errNoCommand = errors.New("COMMAND is never sent")

// errNoSlots is why go-redis goes on to the next node: it would believe this one, and send everything anywhere.
var errNoSlots = errors.New("this node knows of no slots: it has left the cluster, or the cluster is not ready; leave it out of the URL")

// breaker keeps us from asking a node of a cluster that hangs. It is a [redis.Limiter] and a [redis.Hook].
type breaker struct {
	// answeredAt is when a node of the cluster answered last, Unix ns. All nodes share it.
	answeredAt *atomic.Int64

	mu     sync.Mutex
	hungAt time.Time // when the node did not answer in time; zero if it has answered since
	why    error
}

// notAskedError is why a node is not asked: the error of the last time.
type notAskedError struct{ error }

func (e notAskedError) Unwrap() error { return e.error }

// Allow returns an error while the node is to be left alone. go-redis calls it before each command or pipeline.
func (b *breaker) Allow() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.hungAt) < leftAlone {
		return notAskedError{b.why}
	}
	return nil
}

// ReportResult notes that a command or pipeline ended with err. go-redis calls it after each of them.
func (b *breaker) ReportResult(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case errors.As(err, &notAskedError{}):
	case IsTimeout(err):
		b.hungAt, b.why = time.Now(), err
	case err == nil, errors.Is(err, redis.Nil), IsRefusal(err):
		b.hungAt = time.Time{}
		b.answeredAt.Store(time.Now().UnixNano())
	}
}

// mayTell returns an error where the node is not the one to ask which node has which slots.
func (b *breaker) mayTell() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	othersTell := b.answeredAt.Load() > b.hungAt.UnixNano()
	if !b.hungAt.IsZero() && othersTell && time.Since(b.hungAt) < slotsFromOthers {
		return notAskedError{b.why}
	}
	return nil
}

// DialHook is part of [redis.Hook].
func (b *breaker) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook is part of [redis.Hook].
func (b *breaker) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook keeps back what go-redis itself would ask, where that would wait for nothing, and the answer of a node
// that is in no cluster.
func (b *breaker) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		var err error
		switch strings.ToLower(cmd.FullName()) {
		case "command":
			err = errNoCommand
		case "cluster slots":
			err = b.mayTell()
		}
		if err != nil {
			cmd.SetErr(err)
			return err
		}
		err = next(ctx, cmd)
		if slots, is := cmd.(*redis.ClusterSlotsCmd); is && err == nil && len(slots.Val()) == 0 {
			err = errNoSlots
			cmd.SetErr(err)
		}
		return err
	}
}
