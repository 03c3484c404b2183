package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/protocol"
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

// codeIn finds a code in a sentence, such as NOPERM in "read list mails: NOPERM: no permissions": adapters make
// sentences of what was refused.
var codeIn = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:^|: )(?:([A-Z][A-Za-z]+):|([A-Z]{4,})) `)
})

// CauseOf is why something failed, in a few words, for a log that says each cause once: what was refused, such as OOM,
// that a name or a certificate is wrong, why we are not served, that nothing answered, or that it is none of these. There
// are few causes, because each gets a line. An error that is several has the causes of all.
func CauseOf(err error) string {
	if all, is := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); is {
		causes := map[string]bool{}
		for _, one := range all.Unwrap() {
			causes[CauseOf(one)] = true
		}
		return strings.Join(slices.Sorted(maps.Keys(causes)), ", ")
	}
	if unserved, is := errors.AsType[*redisconn.UnservedError](err); is {
		return unserved.Why
	}
	if refusal, is := errors.AsType[redis.Error](err); is && redisconn.IsRefusal(err) {
		code, _, _ := strings.Cut(refusal.Error(), " ")
		return protocol.Shorten(code, 40)
	}
	_, isName := errors.AsType[*net.DNSError](err)
	_, isNet := errors.AsType[net.Error](err)
	switch {
	case isName:
		return "its name"
	case strings.Contains(err.Error(), "tls: "), strings.Contains(err.Error(), "x509: "):
		return "its certificate" // or ours
	case isNet, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded):
		return "it does not answer"
	}
	if m := codeIn().FindStringSubmatch(err.Error()); m != nil {
		return m[1] + m[2]
	}
	return "another reason"
}

// WithRemedy is err, and what to do about it where Redis' user has no right to do that to key, or where the key, which is
// the protocol's, holds something else.
func WithRemedy(err error, key string) error {
	switch {
	case strings.HasPrefix(err.Error(), "WRONGTYPE"):
		return fmt.Errorf("%w; delete %s, which is made anew", err, key)
	case !strings.HasPrefix(err.Error(), "NOPERM"):
		return err
	}
	if m := commandOf().FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%w; allow +%s on ~%s (docs/acl.md)", err, strings.ToLower(m[1]+m[2]), key)
	}
	return fmt.Errorf("%w; allow its user ~%s (docs/acl.md)", err, key)
}
