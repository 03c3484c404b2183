// Package poll drives an adapter's session over a source, from the first request to the snapshot.
//
// A [Poller] joins a session and a [Source]; [Poller.Poll] makes one poll. The source is asked only what
// [adapter.Guard] allows: commands that the adapter describes and that only read, in a bounded number. A part
// of the source that could not be asked is a problem in the snapshot, and the rest is still polled.
package poll

import (
	"context"
	"slices"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// Source answers an adapter's requests: one reply each, in order. An error without replies means that the
// source could not be asked at all. An error beside replies is about a part of the source, such as a node of a
// cluster: the requests to this part have a refusal as their reply.
type Source interface {
	Do(ctx context.Context, requests []adapter.Request) ([]adapter.Reply, error)
}

// SourceError is that the source could not be asked at all, which is no adapter's fault.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return e.Err.Error() }

func (e *SourceError) Unwrap() error { return e.Err }

// Poller polls one session over one source. It is for one poll at a time.
type Poller struct {
	Adapter adapter.Description // says what the session may ask, unless the session describes itself
	Session adapter.Session
	Source  Source
}

// Poll asks the source until the session returns its snapshot, or the error why there is none: a [*SourceError] where
// that is the source's.
func (p *Poller) Poll(ctx context.Context, now time.Time) (*protocol.QueueSnapshot, error) {
	var missing []protocol.Problem
	snapshot, err := adapter.Drive(ctx, p.Adapter, p.Session, now, func(requests []adapter.Request) ([]adapter.Reply, error) {
		replies, err := p.Source.Do(ctx, requests)
		if err != nil && replies != nil {
			if p := (protocol.Problem{Reason: err.Error()}); !slices.Contains(missing, p) {
				missing = append(missing, p)
			}
			err = nil
		}
		if err != nil {
			err = &SourceError{err}
		}
		return replies, err
	})
	if err != nil {
		return nil, err
	}
	snapshot.Problems = append(missing, snapshot.Problems...)
	return snapshot, nil
}
