// Package poll drives an adapter's session over a source, from the first question to the snapshot.
package poll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// Source answers an adapter's requests: one reply each, in order. An error without replies is that it could
// not be asked at all; beside replies it is about a part of it, such as a node of a cluster, and the
// requests that were for this part have a refusal as their reply.
type Source interface {
	Do(ctx context.Context, requests []adapter.Request) ([]adapter.Reply, error)
}

// Poller polls one session over one source. It is for one poll at a time.
type Poller struct {
	Adapter adapter.Description // what the session may ask, unless it describes that itself
	Session adapter.Session
	Source  Source
}

// Poll asks until the session has its snapshot, or says why there is none.
func (p *Poller) Poll(ctx context.Context, now time.Time) (*protocol.QueueSnapshot, error) {
	step := p.Session.Poll(ctx, now)
	var missing []protocol.Problem
	guard := adapter.Guard{Adapter: adapter.DescriptionOf(p.Session, p.Adapter)}
	for len(step.Requests) > 0 {
		if err := guard.Check(step.Requests); err != nil {
			return nil, fmt.Errorf("the adapter %s %w", guard.Adapter.Name, err)
		}
		replies, err := p.Source.Do(ctx, step.Requests)
		if err != nil {
			if replies == nil {
				return nil, err
			}
			if p := (protocol.Problem{Reason: err.Error()}); !slices.Contains(missing, p) {
				missing = append(missing, p)
			}
		}
		step = p.Session.Next(ctx, replies)
	}
	if step.Err != nil {
		return nil, step.Err
	}
	if step.Snapshot == nil {
		return nil, errors.New("the adapter ended its poll with neither a snapshot nor a reason")
	}
	step.Snapshot.Problems = append(missing, step.Snapshot.Problems...)
	return step.Snapshot, nil
}
