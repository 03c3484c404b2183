package adapter

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// Drive makes one poll of a session, and returns its snapshot or the error why there is none. It calls ask with the
// requests of each round; ask returns one reply each, in order, or an error that ends the poll. Requests that
// [Guard] refuses are not asked. For a stranger ([Description]) ask is called several times a round: with what has small
// answers, and then with each other request alone, until ctx is over. about is the adapter's description, unless the session has
// one of its own.
func Drive(ctx context.Context, about Description, s Session, now time.Time, ask func([]Request) ([]Reply, error)) (*protocol.QueueSnapshot, error) {
	step := s.Poll(ctx, now)
	guard := Guard{Adapter: DescriptionOf(s, about)}
	if guard.Adapter.IsStranger && guard.Adapter.Source == Redis {
		ask = apart(ctx, ask)
	}
	for len(step.Requests) > 0 {
		if err := guard.Check(step.Requests); err != nil {
			step = refuse(ctx, s, guard.Adapter.Name, err)
			break
		}
		replies, err := ask(step.Requests)
		if tooMuch, ok := errors.AsType[tooMuchError](err); ok {
			step = refuse(ctx, s, guard.Adapter.Name, tooMuch)
			break
		}
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

// refuse ends a poll in which a session broke a rule. why goes on after the adapter's name.
func refuse(ctx context.Context, s Session, name string, why error) Step {
	if s, ok := s.(Breaker); ok {
		return s.Break(ctx, why)
	}
	return Fail("the adapter " + name + " " + why.Error())
}

// tooMuchError is the request beyond what a round may be answered.
type tooMuchError struct{ Request }

func (e tooMuchError) Error() string {
	return "asked for more than it may be answered in a round, which is " + strconv.Itoa(maxReplyBytes) + " bytes: " +
		Quote(strings.Join(e.Request, " "), 80)
}

// maxReplyBytes is how much a stranger's round may be answered, as RESP.
const maxReplyBytes = 16 << 20

// apart asks what has small answers at once, and each other request alone: Redis keeps all answers to what it is asked
// at once, and where its memory is bounded it removes keys for them. Where ctx is over, or the answers are
// too large in all, apart asks no more.
func apart(ctx context.Context, ask func([]Request) ([]Reply, error)) func([]Request) ([]Reply, error) {
	return func(requests []Request) ([]Reply, error) {
		replies := make([]Reply, len(requests))
		left := maxReplyBytes
		askFor := func(at ...int) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			part := make([]Request, len(at))
			for i, j := range at {
				part[i] = requests[j]
			}
			answers, err := ask(part)
			switch {
			case err != nil:
				return err
			case len(answers) != len(at):
				return ErrReplies
			}
			for i := range answers {
				replies[at[i]] = answers[i]
				left -= replySize(&answers[i])
			}
			if left < 0 {
				return tooMuchError{part[len(part)-1]}
			}
			return nil
		}
		var small, others []int
		for i, r := range requests {
			if command, _ := r.ReadOnly(); command.IsSized { // Check has seen that it is one
				small = append(small, i)
			} else {
				others = append(others, i)
			}
		}
		if len(small) > 0 {
			if err := askFor(small...); err != nil {
				return nil, err
			}
		}
		for _, i := range others {
			if err := askFor(i); err != nil {
				return nil, err
			}
		}
		return replies, nil
	}
}
