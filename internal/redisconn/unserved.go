package redisconn

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// UnservedError is why servers that can be reached do not serve us, and what to do about it. It is no refusal: no command was
// answered.
type UnservedError struct {
	Who    string // such as "10.0.0.7:6379"
	Why    string // such as "it speaks no TLS"
	Remedy string
	err    error // nil where a connection was made: there go-redis would go on with it instead
}

func (u *UnservedError) Error() string { return u.Who + ": " + u.Why + "; " + u.Remedy }

// Unwrap is what happened, if that is known.
func (u *UnservedError) Unwrap() error { return u.err }

// tooManyClients is what Redis says to a connection that is one too many, before it closes it.
var tooManyClients = []string{"ERR max number of clients reached", "ERR max number of clients + cluster connections reached"}

// turnedAway is why Redis closes a new connection, which it says before; nil if what it says first is something else.
func turnedAway(addr, first string) error {
	said, _, _ := strings.Cut(strings.TrimPrefix(first, "-"), "\r\n")
	if !slices.Contains(tooManyClients, said) {
		return nil
	}
	return &UnservedError{addr, said, "close connections that nobody uses (CLIENT LIST shows them), or raise its maxclients", nil}
}

// unanswered is err, of a connection over which no answer has come; or that the server speaks TLS and we do not.
func unanswered(ctx context.Context, network, addr string, err error) error {
	if (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) && speaksTLS(ctx, network, addr) {
		return &UnservedError{addr, "it speaks TLS only", "write rediss in the URL's scheme instead of redis", nil}
	}
	return err
}

// notOverTLS is err, of a TLS connection that was not made; or that the server speaks no TLS.
func notOverTLS(ctx context.Context, network, addr string, err error) error {
	if (IsTimeout(err) || errors.As(err, &tls.RecordHeaderError{})) && speaksPlain(ctx, network, addr) {
		return &UnservedError{addr, "it speaks no TLS", "write redis in the URL's scheme instead of rediss", err}
	}
	return err
}

// probeTimeout is how long a server may take to show what it speaks.
const probeTimeout = 500 * time.Millisecond

// speaksPlain reports whether a server answers a PING as a Redis does, be it with a refusal.
func speaksPlain(ctx context.Context, network, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(probeTimeout))
	answer, err := ask(conn, bufio.NewReaderSize(conn, 512), "PING")
	return err == nil && (strings.HasPrefix(answer, "+") || strings.HasPrefix(answer, "-"))
}

// speaksTLS reports whether a server answers a TLS handshake. Nothing is sent over it.
func speaksTLS(ctx context.Context, network, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // who it is does not matter
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		_, isAlert := errors.AsType[tls.AlertError](err) // such as that it wants a certificate of ours
		return isAlert
	}
	_ = conn.Close()
	return true
}

// knowingMaster is a [redis.Hook] of a client that asks Sentinels.
type knowingMaster struct{ name, sentinels string }

// DialHook is part of [redis.Hook]. That no Sentinel knows a master's name is no [redis.Nil], which would be a missing
// key.
func (k knowingMaster) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if !errors.Is(err, redis.Nil) {
			return conn, err
		}
		who := "the sentinels " + k.sentinels
		if all, is := errors.AsType[interface {
			error
			Unwrap() []error
		}](err); is && slices.ContainsFunc(all.Unwrap(), func(err error) bool { return !errors.Is(err, redis.Nil) }) {
			who = "those of " + who + " that answer"
		}
		return nil, &UnservedError{who, fmt.Sprintf("they know no master called %q", k.name), "write one of the names that SENTINEL MASTERS lists behind the / of the URL", nil}
	}
}

// ProcessHook is part of [redis.Hook].
func (knowingMaster) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook is part of [redis.Hook].
func (knowingMaster) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
