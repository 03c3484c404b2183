package redisconn

import (
	"context"
	"errors"
	"net"
	"regexp"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Exec sends the commands in pipe. Each command keeps its own error. Exec returns an error only where the
// connection failed, for example because Redis refused the password or the database.
func Exec(ctx context.Context, pipe redis.Pipeliner) error {
	cmds, err := pipe.Exec(ctx)
	if slices.ContainsFunc(cmds, func(cmd redis.Cmder) bool { return cmd.Err() != nil }) {
		return nil
	}
	return err
}

// IsRefusal reports whether err is an error that Redis answered, such as NOPERM or WRONGTYPE. It is false where
// Redis could not be asked, and of [redis.Nil]: a missing key is an answer.
func IsRefusal(err error) bool {
	var refusal redis.Error
	return errors.As(err, &refusal) && !errors.Is(err, redis.Nil)
}

// Serves reports whether Redis answers those who may ask: err, which PING returned, is nil, or a refusal that is about
// PING alone. That its user may not use PING, that PING has another name there, and that nothing can be saved to
// disk, prove that Redis serves. That it is loading, busy, without its master or refuses the login does not.
func Serves(err error) bool {
	return err == nil || redis.HasErrorPrefix(err, "NOPERM") || redis.HasErrorPrefix(err, "MISCONF") || isUnknownPing.MatchString(err.Error())
}

// isUnknownPing matches what Redis says of PING where that has another name. Of another command it proves nothing: the server is
// no Redis that serves, such as a Sentinel, or none.
var isUnknownPing = regexp.MustCompile("(?i)^(ERR )?unknown command ['`]ping['`]")

// IsTimeout reports whether err is that no answer came in time.
func IsTimeout(err error) bool {
	timeout, isNet := errors.AsType[net.Error](err)
	return isNet && timeout.Timeout()
}

// Unreachable says which server could not be reached and why, from err, which must not be a refusal. The same
// trouble gives the same text: the connection's own port, which changes, is not in it.
func Unreachable(err error) string {
	if unserved, is := errors.AsType[*UnservedError](err); is {
		return unserved.Error()
	}
	op, isNet := errors.AsType[*net.OpError](err)
	if !isNet || op.Addr == nil {
		return err.Error()
	}
	return op.Addr.String() + ": " + op.Err.Error()
}
