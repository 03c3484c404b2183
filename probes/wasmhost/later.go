package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// Later is a session of a module that is compiled in the background: on a fraction of a processor that takes longer
// than a poll may. Until then its polls only say so.
type Later struct {
	opened  chan struct{} // closed once session or err is there
	session adapter.Session
	err     error
}

var errCompiling = errors.New("it is still being compiled; its queues are read as soon as that is done")

// OpenLater calls open in the background, which may load and compile a module.
func OpenLater(ctx context.Context, open func(context.Context) (adapter.Session, error)) *Later {
	l := &Later{opened: make(chan struct{})}
	go func() {
		defer close(l.opened)
		l.session, l.err = open(ctx)
	}()
	return l
}

// Describe is the adapter's own description; it is empty before the adapter is open.
func (l *Later) Describe() adapter.Description {
	select {
	case <-l.opened:
		return adapter.DescriptionOf(l.session, adapter.Description{})
	default:
		return adapter.Description{}
	}
}

// Poll begins a poll, or says that it cannot yet, or why it never will.
func (l *Later) Poll(ctx context.Context, now time.Time) adapter.Step {
	select {
	case <-l.opened:
	default:
		return adapter.Step{Err: errCompiling}
	}
	if l.err != nil {
		return adapter.Step{Err: l.err}
	}
	return l.session.Poll(ctx, now)
}

// Next hands the replies on.
func (l *Later) Next(ctx context.Context, replies []adapter.Reply) adapter.Step {
	return l.session.Next(ctx, replies)
}

// Break hands on which rule the instance broke, as [Session.Break] takes it.
func (l *Later) Break(ctx context.Context, why error) adapter.Step {
	if s, ok := l.session.(adapter.Breaker); ok {
		return s.Break(ctx, why)
	}
	return adapter.Step{Err: fmt.Errorf("it %w", why)}
}

// Close closes the session once it is open.
func (l *Later) Close() error {
	<-l.opened
	if l.session == nil {
		return nil
	}
	return l.session.Close()
}
