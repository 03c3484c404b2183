package redisconn

import (
	"errors"
	"net"
	"sync"
	"time"
)

// leftAlone is how long we leave a node alone after it did not answer in time. A poll asks a node again and
// again: without this each request would wait as long as the first, and the poll would end before the other
// nodes have answered.
const leftAlone = 5 * time.Second

// breaker keeps us from asking a node of a cluster that hangs. It is a [redis.Limiter].
type breaker struct {
	mu    sync.Mutex
	until time.Time
	why   error
}

// notAskedError is why a node is not asked: the error of the last time.
type notAskedError struct{ error }

func (e notAskedError) Unwrap() error { return e.error }

// Allow returns an error while the node is to be left alone. go-redis calls it before each command or pipeline.
func (b *breaker) Allow() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Now().Before(b.until) {
		return notAskedError{b.why}
	}
	return nil
}

// ReportResult notes that a command or pipeline ended with err. go-redis calls it after each of them.
func (b *breaker) ReportResult(err error) {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() && !errors.As(err, &notAskedError{}) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.until, b.why = time.Now().Add(leftAlone), err
	}
}
