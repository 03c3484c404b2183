package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// After the host has closed an instance for breaking a bound, it waits before it starts the next one.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
)

// Session is an opened module: an instance, or the wait for the next one.
type Session struct {
	module      *Module
	settings    []byte // as RESP
	app, source string
	about       adapter.Description

	guest *guest // nil after it was closed
	guard adapter.Guard
	now   time.Time // of the poll
	asked int       // requests in the last step

	closed   bool
	failures int       // one after another
	retryAt  time.Time // by the polls' clock
	failure  error     // the last one's
}

// Bounds of what is read from an instance.
const (
	maxRequestsSize = adapter.MaxRequestBytes + 20*adapter.MaxRequests // of their bytes as RESP
	maxSnapshot     = protocol.MaxDocument
	maxSentence     = 500
)

var errSessionClosed = errors.New("the session is closed: open another one")

// Describe is the adapter's own description, once it is open.
func (s *Session) Describe() adapter.Description { return s.about }

func (s *Session) open(ctx context.Context) error {
	g, err := s.module.start(ctx)
	if err != nil {
		return err
	}
	about, err := g.open(ctx, s.settings)
	if err != nil {
		g.instance.close(ctx)
		return err
	}
	s.guest, s.about = g, about
	return nil
}

func (g *guest) open(ctx context.Context, settings []byte) (adapter.Description, error) {
	tag, text, err := g.give(ctx, "pulse_open", settings)
	switch {
	case err != nil:
		return adapter.Description{}, err
	case tag == adapter.TagError:
		return adapter.Description{}, errors.New(sentence(text))
	case tag != adapter.TagDone:
		return adapter.Description{}, fmt.Errorf("pulse_open answered with the tag %q: it takes K or E", tag)
	}
	return g.describe(ctx)
}

// Poll begins a poll. Where the last instance broke a bound and was closed, Poll starts another one, or says again
// why there is none.
func (s *Session) Poll(ctx context.Context, now time.Time) adapter.Step {
	s.now, s.asked = now, 0
	if s.closed {
		return adapter.Step{Err: errSessionClosed}
	}
	if s.module.closed.Load() {
		return s.failed(ctx, errModuleClosed)
	}
	if s.guest == nil {
		if now.Before(s.retryAt) {
			return adapter.Step{Err: s.failure}
		}
		if err := s.open(ctx); err != nil {
			return s.failed(ctx, err)
		}
	}
	s.guard = adapter.Guard{Adapter: s.about}
	s.guest.left = s.guest.most
	s.guest.log.begin(now)
	tag, data, err := s.guest.tagged(ctx, "pulse_poll", uint64(now.UnixMilli()))
	return s.step(ctx, tag, data, err)
}

// Next hands the replies to the instance.
func (s *Session) Next(ctx context.Context, replies []adapter.Reply) adapter.Step {
	if s.closed {
		return adapter.Step{Err: errSessionClosed}
	}
	if s.guest == nil || s.asked == 0 || len(replies) != s.asked {
		return adapter.Step{Err: adapter.ErrReplies}
	}
	s.asked = 0
	if s.module.closed.Load() {
		return s.failed(ctx, errModuleClosed)
	}
	s.guest.buffer = adapter.AppendReplies(s.guest.buffer[:0], replies)
	tag, data, err := s.guest.give(ctx, "pulse_next", s.guest.buffer)
	return s.step(ctx, tag, data, err)
}

// Break ends a poll in which the instance broke a rule of [adapter.Drive], and closes the instance. why goes on after its name.
func (s *Session) Break(ctx context.Context, why error) adapter.Step {
	return s.failed(ctx, fmt.Errorf("it %w", why))
}

// Close closes the instance.
func (s *Session) Close() error {
	s.closed = true
	if s.guest != nil {
		s.guest.instance.close(context.Background())
		s.guest = nil
	}
	return nil
}

// step is a result as a step.
func (s *Session) step(ctx context.Context, tag byte, data []byte, err error) adapter.Step {
	if err != nil {
		return s.failed(ctx, err)
	}
	switch tag {
	case adapter.TagRequests:
		requests, err := adapter.ParseRequests(data, adapter.MaxRequests)
		switch {
		case err != nil:
			err = fmt.Errorf("its requests cannot be read: %w", err)
		case len(requests) == 0:
			err = errors.New("it asked nothing: a poll ends with S or E")
		default:
			if err = s.guard.Check(requests); err != nil {
				err = fmt.Errorf("it %w", err)
			}
		}
		if err != nil {
			return s.failed(ctx, err)
		}
		s.asked = len(requests)
		return adapter.Step{Requests: requests}
	case adapter.TagSnapshot:
		snapshot, err := s.snapshot(data)
		if err != nil {
			return s.failed(ctx, err)
		}
		s.failures = 0
		s.guest.log.flush()
		return adapter.Done(snapshot)
	case adapter.TagError:
		s.failures = 0
		s.guest.log.flush()
		return adapter.Step{Err: errors.New(sentence(data))}
	}
	return s.failed(ctx, fmt.Errorf("its result has the tag %q: a poll takes R, S or E", tag))
}

// snapshot reads a snapshot by the rules for documents of any program. The host sets its source and its time.
func (s *Session) snapshot(data []byte) (*protocol.QueueSnapshot, error) {
	if len(data) > maxSnapshot {
		return nil, fmt.Errorf("its snapshot has %d bytes: at most %d are read", len(data), maxSnapshot)
	}
	snapshot, problems, err := protocol.DecodeSnapshot(data)
	if err != nil {
		return nil, fmt.Errorf("its snapshot cannot be read: %w", err)
	}
	if s.module.options.Strict {
		if err := protocol.CheckSnapshot(data); err != nil {
			return nil, fmt.Errorf("a reader of its snapshot leaves something out: %w", err)
		}
	}
	if snapshot.App != s.app {
		return nil, fmt.Errorf("its snapshot is of the app %.80q: it was given %q", snapshot.App, s.app)
	}
	snapshot.Source, snapshot.Timestamp = s.source, s.now.UnixMilli()
	snapshot.Problems = problems
	return &snapshot, nil
}

// failed closes the instance, and is the step that says why. The wait for the next one doubles each time.
func (s *Session) failed(ctx context.Context, err error) adapter.Step {
	byCaller := errors.Is(err, errStopped) // the module did nothing wrong
	if byCaller && s.guest != nil && !s.guest.cut {
		return adapter.Step{Err: err} // it stays as it is, and begins another poll when it is asked to
	}
	if s.guest != nil {
		s.guest.log.flush()
		s.guest.instance.close(ctx)
		s.guest = nil
	}
	switch {
	case byCaller:
		return adapter.Step{Err: err}
	case s.module.closed.Load():
		return adapter.Step{Err: errModuleClosed}
	}
	wait := lastRetry
	if s.failures < 10 { // so that it does not overflow
		wait = min(firstRetry<<s.failures, lastRetry)
	}
	s.failures++
	s.retryAt = s.now.Add(wait)
	// The same words each time, so that a log that gets them every few seconds writes them once.
	s.failure = fmt.Errorf("it was closed, and will be started again: %w", err)
	return adapter.Step{Err: s.failure}
}

// sentence is a foreign text for a person to read: UTF-8, on one line, and not too long.
func sentence(data []byte) string {
	if len(data) == 0 {
		return "the adapter gave no reason"
	}
	return protocol.Shorten(oneLine(data[:min(len(data), 2*maxSentence)]), maxSentence)
}

// Usage is what a session's instance has used.
type Usage struct {
	Memory  int64         // bytes, now
	RunTime time.Duration // in the last poll
}

// Usage is what the instance has used; nothing where it was closed.
func (s *Session) Usage() Usage {
	if s.guest == nil {
		return Usage{}
	}
	return Usage{Memory: s.guest.instance.memory(), RunTime: s.module.options.runTime() - s.guest.left}
}
