package wasmhost

import (
	"context"
	"errors"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// Later is a session whose module is still being compiled, or already is: on a fraction of a processor
// that takes longer than a poll may. Its first polls only say so.
type Later struct {
	opened  chan struct{} // closed once session or err is there
	session adapter.Session
	err     error
}

var errCompiling = errors.New("it is still being compiled; its queues are read as soon as that is done")

// OpenLater opens in the background what open opens, such as a module it loads.
func OpenLater(ctx context.Context, open func(context.Context) (adapter.Session, error)) *Later {
	l := &Later{opened: make(chan struct{})}
	go func() {
		defer close(l.opened)
		l.session, l.err = open(ctx)
	}()
	return l
}

// Describe is what the adapter says of itself; nothing before it is open.
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

// Close closes the session once it is open.
func (l *Later) Close() error {
	<-l.opened
	if l.session == nil {
		return nil
	}
	return l.session.Close()
}
