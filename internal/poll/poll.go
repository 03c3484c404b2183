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

// Source answers an adapter's requests: one reply each, in order. An error is that it could not
// be asked at all.
type Source interface {
	Do(ctx context.Context, requests []adapter.Request) ([]adapter.Reply, error)
}

// What one poll may ask.
const (
	maxRounds   = 64
	maxRequests = 200_000  // a round
	maxBytes    = 16 << 20 // a round
)

// Poller polls one session over one source. It is for one poll at a time.
type Poller struct {
	Adapter adapter.Description // what the session may ask
	Session adapter.Session
	Source  Source
}

// Poll asks until the session has its snapshot, or says why there is none.
func (p *Poller) Poll(ctx context.Context, now time.Time) (*protocol.QueueSnapshot, error) {
	step := p.Session.Poll(ctx, now)
	for round := 1; len(step.Requests) > 0; round++ {
		if err := p.check(step.Requests, round); err != nil {
			return nil, fmt.Errorf("the adapter %s %w", p.Adapter.Name, err)
		}
		replies, err := p.Source.Do(ctx, step.Requests)
		if err != nil {
			return nil, err
		}
		step = p.Session.Next(ctx, replies)
	}
	if step.Err != nil {
		return nil, step.Err
	}
	if step.Snapshot == nil {
		return nil, errors.New("the adapter ended its poll with neither a snapshot nor a reason")
	}
	return step.Snapshot, nil
}

// check refuses what a session may not ask, before any of it is sent. The error goes on after the
// adapter's name.
func (p *Poller) check(requests []adapter.Request, round int) error {
	if round > maxRounds || len(requests) > maxRequests {
		return fmt.Errorf("asked %d requests in round %d: a poll may take %d rounds of %d requests", len(requests), round, maxRounds, maxRequests)
	}
	size := 0
	last := ""
	for _, r := range requests {
		for _, argument := range r {
			size += len(argument)
		}
		if len(r) > 0 && r[0] == last {
			continue
		}
		command := r.Command()
		if p.Adapter.Source == adapter.SQS && len(r) > 0 {
			command = r[0] // an operation's name is as AWS writes it
		}
		if !slices.Contains(p.Adapter.Commands, command) {
			return fmt.Errorf("asked %.80q, which it does not describe: it describes %q", command, p.Adapter.Commands)
		}
		last = command // of two words it is no request's first, and looked up each time
	}
	if size > maxBytes {
		return fmt.Errorf("asked %d bytes of requests in round %d: a round may have %d", size, round, maxBytes)
	}
	return nil
}
