// Package adapter is the contract between adapters and hosts. An adapter knows a queue system: it says what to
// ask and what the answers mean, and never does I/O itself. A host talks to the server.
//
// A host opens an adapter once, and has [Drive] poll it. A poll is this loop:
//
//	step := session.Poll(ctx, now)
//	for step.Requests != nil {
//		step = session.Next(ctx, answer(step.Requests)) // one reply a request, in order
//	}
//	// step.Snapshot or step.Err
//
// Most adapters need [Flow], which leads a session from step to step, and [Questions], which keeps each request
// beside the purpose of its reply. Most hosts need [Drive] and [RepliesOf]; [Guard] checks what a session asks.
//
// An adapter sees no clock but the time that Poll hands it, and can change nothing: a Guard lets only commands
// through that read. The same methods, with values as bytes, are the WebAssembly ABI.
package adapter

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// Adapter reads one queue system.
type Adapter interface {
	Describe() Description
	// Open checks the settings and returns a session, which keeps what it learns between polls. It refuses
	// settings that it doesn't have ([Settings.Only]), and is a [*SettingError] where one has another value
	// than it takes.
	Open(context.Context, Settings) (Session, error)
}

// Description says what an adapter may ask. A host reads it before the first poll.
type Description struct {
	Name     string
	Version  string
	Source   Source
	Commands []string // the Redis commands or SQS operations it asks; it may ask no other
	// IsStranger says that nobody here knows what it asks: [Drive] then asks such that a Redis with large values bears it.
	IsStranger bool
}

// Source is the kind of server an adapter's requests are for.
type Source string

// The sources there are.
const (
	Redis Source = "redis"
	SQS   Source = "sqs"
)

// Session is an opened adapter. It is for one poll at a time. The contexts are for sessions that run foreign
// code, which a host may have to stop; the sessions of this project compute and return.
type Session interface {
	// Poll begins a poll at now, the only clock the session sees.
	Poll(ctx context.Context, now time.Time) Step
	// Next takes the replies to the last step's requests, one each, in order.
	Next(ctx context.Context, replies []Reply) Step
	// Close ends the session and frees what it holds.
	Close() error
}

// Breaker is a session of foreign code, which [Drive] tells that it broke a rule.
type Breaker interface {
	Session
	// Break ends the poll and what runs the code. why goes on after the adapter's name.
	Break(ctx context.Context, why error) Step
}

// DescriptionOf is the session's own description, where it has one, and else its adapter's. A module may know
// only once it is open which adapter it is.
func DescriptionOf(s Session, otherwise Description) Description {
	if s, ok := s.(interface{ Describe() Description }); ok {
		return s.Describe()
	}
	return otherwise
}

// Step is what a session wants next: exactly one of its fields is set.
type Step struct {
	Requests []Request               // ask these, then call Next
	Snapshot *protocol.QueueSnapshot // the poll is over
	Err      error                   // the poll is over and read nothing; a sentence for a person
}

// Request is one question. For Redis a command and its arguments; for SQS an operation and its
// input as JSON.
type Request []string

// ErrReplies ends a poll in which the host did not answer each request with one reply.
var ErrReplies = errors.New("the host did not answer each request once: this is a defect of the host")

// Done is the step that ends a poll with its snapshot.
func Done(s *protocol.QueueSnapshot) Step { return Step{Snapshot: s} }

// Fail is the step that ends a poll that read nothing. why is a sentence for a person.
func Fail(why string) Step { return Step{Err: errors.New(why)} }

// Command is the name that r goes by in a description: the first word, in capitals, or the first two
// of a command that has subcommands.
func (r Request) Command() string {
	if len(r) == 0 {
		return ""
	}
	name := strings.ToUpper(r[0]) // no copy where it is upper case already
	switch name {
	case "CLIENT", "CLUSTER", "XINFO":
		if len(r) > 1 {
			return name + " " + strings.ToUpper(r[1])
		}
	}
	return name
}
