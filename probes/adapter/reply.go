package adapter

import (
	"errors"
	"strconv"

	"github.com/gravito-framework/pulse/protocol"
)

// Reply is one answer: nothing, an integer, a text, a list of replies, or a refusal. Its zero value
// is nothing: Redis has no such value.
type Reply struct {
	kind    kind
	integer int64
	text    string   // a text; of a refusal its code and message, with a space between
	list    *[]Reply // a pointer, because few are lists and there are thousands of replies
}

type kind uint8

const (
	nothing kind = iota
	integer
	text
	list
	refusal
)

func (k kind) String() string {
	return [...]string{nothing: "nothing", integer: "an integer", text: "text", list: "a list", refusal: "a refusal"}[k]
}

// Int is the reply that is an integer.
func Int(n int64) Reply { return Reply{kind: integer, integer: n} }

// Text is the reply that is a text, of any bytes.
func Text(s string) Reply { return Reply{kind: text, text: s} }

// List is the reply that is a list; its items stay the caller's.
func List(items ...Reply) Reply { return Reply{kind: list, list: &items} }

// Refusal is the reply that refuses: the line that Redis says, such as "NOPERM no access", or an
// SQS error's code, a space and its message. The first word is its code.
func Refusal(line string) Reply { return Reply{kind: refusal, text: line} }

// Error is a refusal as an error.
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

// CodeOf is the code of the refusal that err is, or "".
func CodeOf(err error) string {
	e, _ := errors.AsType[Error](err)
	return e.Code
}

// IsNothing reports whether r is a missing value. An empty value is not missing.
func (r Reply) IsNothing() bool { return r.kind == nothing }

// Err is the refusal that r is, or nil.
func (r Reply) Err() error {
	if r.kind != refusal {
		return nil
	}
	code, message := cutCode(r.text)
	return Error{code, message}
}

// Code is the code of the refusal that r is, or "".
func (r Reply) Code() string {
	if r.kind != refusal {
		return ""
	}
	code, _ := cutCode(r.text)
	return code
}

func cutCode(line string) (code, message string) {
	for i := range len(line) {
		if line[i] == ' ' {
			return line[:i], line[i+1:]
		}
	}
	return line, ""
}

// Int is r as an integer.
func (r Reply) Int() (int64, error) {
	if r.kind == integer {
		return r.integer, nil
	}
	return 0, r.unexpected(integer)
}

// Text is r as text; a missing value is "".
func (r Reply) Text() (string, error) {
	if r.kind == text || r.kind == nothing {
		return r.text, nil
	}
	return "", r.unexpected(text)
}

// List is r as a list; a missing value is empty.
func (r Reply) List() ([]Reply, error) {
	switch r.kind {
	case list:
		return *r.list, nil
	case nothing:
		return nil, nil
	}
	return nil, r.unexpected(list)
}

// Count is r as a number of jobs: an integer that is not negative. A broken Redis may answer any.
func (r Reply) Count() (int64, error) {
	n, err := r.Int()
	if err == nil && (n < 0 || n > protocol.MaxCount) {
		return 0, errors.New("the answer is " + strconv.FormatInt(n, 10) + " where a number of jobs is due: this Redis is broken")
	}
	return n, err
}

func (r Reply) unexpected(want kind) error {
	if err := r.Err(); err != nil {
		return err
	}
	return errors.New("the answer is " + r.kind.String() + " where " + want.String() + " is due")
}

// ReplyOf makes a reply of a Redis client's answer in RESP2, such as go-redis' Cmd.Result: nil, an integer, text,
// a list of these, or an error. An error of Redis becomes a reply that refuses. err is any other error, so that
// there is no reply, or says that the client speaks RESP3: an adapter knows no maps and floats.
func ReplyOf(value any, err error) (Reply, error) {
	switch {
	case err == nil:
		return replyOf(value)
	case err.Error() == "redis: nil": // how a client says that a value is missing
		return Reply{}, nil
	}
	type saidByRedis interface {
		error
		RedisError()
	}
	if _, ok := errors.AsType[saidByRedis](err); ok {
		return Refusal(err.Error()), nil
	}
	return Reply{}, err
}

// RepliesOf makes a reply, as [ReplyOf] does, of each command that a client has sent, such as those of a pipeline of
// go-redis.
func RepliesOf[Command interface{ Result() (any, error) }](commands []Command) ([]Reply, error) {
	replies := make([]Reply, len(commands))
	for i, c := range commands {
		var err error
		if replies[i], err = ReplyOf(c.Result()); err != nil {
			return nil, err
		}
	}
	return replies, nil
}

var errNotRESP2 = errors.New("the client answered with something that RESP2 does not have: set its protocol version to 2")

func replyOf(value any) (Reply, error) {
	switch v := value.(type) {
	case nil:
		return Reply{}, nil
	case int64:
		return Int(v), nil
	case string:
		return Text(v), nil
	case []any:
		items := make([]Reply, len(v))
		for i, item := range v {
			var err error
			if items[i], err = replyOf(item); err != nil {
				return Reply{}, err
			}
		}
		return List(items...), nil
	case error:
		return Refusal(v.Error()), nil
	}
	return Reply{}, errNotRESP2
}

// Arguments are r as a Redis client's Do takes them.
func (r Request) Arguments() []any {
	out := make([]any, len(r))
	for i, word := range r {
		out[i] = word
	}
	return out
}
