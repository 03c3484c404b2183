package adapter

import (
	"context"
	"errors"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// Drive makes one poll of a session, and returns its snapshot or the error why there is none. It calls ask with the
// requests of each round; ask returns one reply each, in order, or an error that ends the poll. Requests that
// [Guard] refuses are not asked. about is the adapter's description, unless the session has one of its own.
func Drive(ctx context.Context, about Description, s Session, now time.Time, ask func([]Request) ([]Reply, error)) (*protocol.QueueSnapshot, error) {
	step := s.Poll(ctx, now)
	guard := Guard{Adapter: DescriptionOf(s, about)}
	for len(step.Requests) > 0 {
		if err := guard.Check(step.Requests); err != nil {
			return nil, errors.New("the adapter " + guard.Adapter.Name + " " + err.Error())
		}
		replies, err := ask(step.Requests)
		if err != nil {
			return nil, err
		}
		step = s.Next(ctx, replies)
	}
	if step.Snapshot == nil && step.Err == nil {
		return nil, errors.New("the adapter ended its poll with neither a snapshot nor a reason")
	}
	return step.Snapshot, step.Err
}
