package redisconn

import (
	"context"
	"errors"
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
