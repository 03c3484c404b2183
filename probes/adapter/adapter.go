// Package adapter is the contract between what knows a queue system and what talks to it: an
// Adapter says what to ask and what the answers mean, and never does I/O itself.
//
// A host opens an adapter once and then drives polls:
//
//	step := session.Poll(now)
//	for step.Requests != nil {
//		step = session.Next(answer(step.Requests)) // one reply a request, in order
//	}
//	// step.Snapshot or step.Err
//
// The same verbs, with values as bytes, are the WebAssembly ABI.
package adapter

import (
	"errors"
	"fmt"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// Adapter reads one queue system.
type Adapter interface {
	Describe() Description
	// Open checks the settings and returns a session, which keeps what it learns between polls.
	Open(Settings) (Session, error)
}

// Description is what a host must know before it lets an adapter ask anything.
type Description struct {
	Name     string
	Version  string
	Source   Source
	Commands []string // the Redis commands or SQS operations it asks; it may ask no other
}

// Source is the kind of server an adapter's requests are for.
type Source string

// The sources there are.
const (
	Redis Source = "redis"
	SQS   Source = "sqs"
)

// Settings are an adapter's settings by name. "app" is always there; "source" may be.
type Settings map[string]string

// Session is an opened adapter. It is for one poll at a time.
type Session interface {
	// Poll begins a poll at now, the only clock the session sees.
	Poll(now time.Time) Step
	// Next takes the replies to the last step's requests, one each, in order.
	Next(replies []Reply) Step
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

// Reply is one answer: nil (no such value), int64, string, []any of these, or [Error].
type Reply struct{ Value any }

// Error is an answer that refuses: Redis' error line, or SQS' code and message.
type Error struct {
	Code    string // "NOPERM", "WRONGTYPE", "AccessDenied", …
	Message string
}

func (e Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// Err is the refusal that r is, or nil.
func (r Reply) Err() error {
	if e, ok := r.Value.(Error); ok {
		return e
	}
	return nil
}

// Code is the code of the refusal that r is, or "".
func (r Reply) Code() string {
	e, _ := r.Value.(Error)
	return e.Code
}

// Int is r as an integer.
func (r Reply) Int() (int64, error) {
	if n, ok := r.Value.(int64); ok {
		return n, nil
	}
	return 0, r.unexpected("an integer")
}

// Text is r as text; a missing value is "".
func (r Reply) Text() (string, error) {
	switch v := r.Value.(type) {
	case string:
		return v, nil
	case nil:
		return "", nil
	}
	return "", r.unexpected("text")
}

// List is r as a list; a missing value is empty.
func (r Reply) List() ([]any, error) {
	switch v := r.Value.(type) {
	case []any:
		return v, nil
	case nil:
		return nil, nil
	}
	return nil, r.unexpected("a list")
}

func (r Reply) unexpected(want string) error {
	if err := r.Err(); err != nil {
		return err
	}
	return fmt.Errorf("the answer is %T where %s is due", r.Value, want)
}

// ErrReplies is the end of a poll whose host answered something other than one reply a request.
var ErrReplies = errors.New("the host did not answer each request once: this is a defect of the host")

// Done is the step that ends a poll with what it read.
func Done(s *protocol.QueueSnapshot) Step { return Step{Snapshot: s} }

// Fail is the step that ends a poll that read nothing.
func Fail(format string, args ...any) Step { return Step{Err: fmt.Errorf(format, args...)} }
