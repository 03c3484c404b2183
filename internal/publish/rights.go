package publish

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// try is the beginning of a script: a redis.pcall that says which command the user has no right to, for Redis says
// only that there is one. Any other refusal stays as it is.
const try = `
local function try(command, ...)
  local reply = redis.pcall(command, ...)
  local err = type(reply) == 'table' and reply.err
  if err and (string.find(err, "can't run this command", 1, true) or string.find(err, 'permissions to run', 1, true)) then
    return {err = 'NOPERM for ' .. command}
  end
  return reply
end`

// commandOf finds the command in what Redis, or a script with try, says of a right that its user doesn't have. It is
// compiled when there is trouble.
var commandOf = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^NOPERM (?:for ([A-Z]+)$|.* permissions to run the '([a-z|]+)' command)`)
})

// WithRemedy is err, and where Redis' user has no right to do that to key, what to allow it.
func WithRemedy(err error, key string) error {
	if !strings.HasPrefix(err.Error(), "NOPERM") {
		return err
	}
	if m := commandOf().FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%w; allow +%s on ~%s (docs/acl.md)", err, strings.ToLower(m[1]+m[2]), key)
	}
	return fmt.Errorf("%w; allow its user ~%s (docs/acl.md)", err, key)
}
