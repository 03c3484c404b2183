package adaptertest

import (
	"context"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// Source answers an adapter's requests, one reply each, as those of a poll do.
type Source interface {
	Do(ctx context.Context, requests []adapter.Request) ([]adapter.Reply, error)
}

// Noted is a source that notes what it is asked and what it answers, round by round.
type Noted struct {
	Source
	Requests [][]adapter.Request
	Replies  [][]adapter.Reply
}

// Do answers as the source that it is made of.
func (n *Noted) Do(ctx context.Context, requests []adapter.Request) ([]adapter.Reply, error) {
	replies, err := n.Source.Do(ctx, requests)
	n.Requests, n.Replies = append(n.Requests, requests), append(n.Replies, replies)
	return replies, err
}
