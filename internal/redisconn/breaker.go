package redisconn

import (
	"errors"
	"net"
	"sync"
	"time"
)

// leftAlone is how long a node is left alone that has not answered in time. A poll asks a node again and again:
// without this each of its questions would wait as long as the first, and the poll would end before the other
// nodes' answers are there.
const leftAlone = 5 * time.Second

// breaker keeps a node of a cluster from being asked while it is known to hang. It is a [redis.Limiter].
type breaker struct {
	mu    sync.Mutex
	until time.Time
	why   error
}

// notAskedError is why a node is not asked: the error that it had.
type notAskedError struct{ error }

func (e notAskedError) Unwrap() error { return e.error }

// Allow is asked before each command or pipeline.
func (b *breaker) Allow() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Now().Before(b.until) {
		return notAskedError{b.why}
	}
	return nil
}

// ReportResult is told how each of them went.
func (b *breaker) ReportResult(err error) {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() && !errors.As(err, &notAskedError{}) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.until, b.why = time.Now().Add(leftAlone), err
	}
}
