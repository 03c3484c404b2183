package redisconn

import (
	"context"
	"errors"
	"net"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Exec sends what is in pipe. Each command has its own error; the one returned is no command's: the
// connection was refused, for a password or a database, say.
func Exec(ctx context.Context, pipe redis.Pipeliner) error {
	cmds, err := pipe.Exec(ctx)
	if slices.ContainsFunc(cmds, func(cmd redis.Cmder) bool { return cmd.Err() != nil }) {
		return nil
	}
	return err
}

// IsRefusal is true of an error that Redis answered, such as NOPERM or WRONGTYPE, and false where it
// could not be asked. That there is no such key is an answer, no refusal.
func IsRefusal(err error) bool {
	var refusal redis.Error
	return errors.As(err, &refusal) && !errors.Is(err, redis.Nil)
}

// Unreachable says of err, which is no refusal, which server could not be reached and why. It is the same
// text for the same trouble: a connection's own port, which changes, is not in it.
func Unreachable(err error) string {
	op, isNet := errors.AsType[*net.OpError](err)
	if !isNet || op.Addr == nil {
		return err.Error()
	}
	return op.Addr.String() + ": " + op.Err.Error()
}
