// Package poll drives an adapter's session over a source, from the first question to the snapshot.
package poll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// Source answers an adapter's requests: one reply each, in order. An error is that it could not
// be asked at all.
type Source interface {
	Do(ctx context.Context, requests []adapter.Request) ([]adapter.Reply, error)
}

// What one poll may ask, the same as for a foreign adapter.
const (
	maxRounds   = 64
	maxRequests = 200_000 // a round
)

// Poller polls one session over one source. It is for one poll at a time.
type Poller struct {
	Session adapter.Session
	Source  Source
}

// Poll asks until the session has its snapshot, which passes the protocol's rules, or says why
// there is none.
func (p *Poller) Poll(ctx context.Context, now time.Time) (*protocol.QueueSnapshot, error) {
	step := p.Session.Poll(now)
	for round := 0; len(step.Requests) > 0; round++ {
		if round == maxRounds || len(step.Requests) > maxRequests {
			return nil, fmt.Errorf("the adapter asked %d requests in round %d: a poll may take %d rounds of %d requests", len(step.Requests), round+1, maxRounds, maxRequests)
		}
		replies, err := p.Source.Do(ctx, step.Requests)
		if err != nil {
			return nil, err
		}
		step = p.Session.Next(replies)
	}
	if step.Err != nil {
		return nil, step.Err
	}
	if step.Snapshot == nil {
		return nil, errors.New("the adapter ended its poll with neither a snapshot nor a reason")
	}
	if err := step.Snapshot.Validate(); err != nil {
		return nil, fmt.Errorf("the adapter's snapshot breaks the protocol: %w", err)
	}
	return step.Snapshot, nil
}
