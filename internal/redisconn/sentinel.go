package redisconn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// loggingIn is a dialer that logs in where a server asks for a login. Many Sentinels have the login of the
// servers that they watch, and many have none. go-redis has one setting for all, and a Sentinel without a
// password refuses one.
func loggingIn(o *redis.UniversalOptions, dial dialer) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		_ = conn.SetDeadline(time.Now().Add(dialTimeout))
		if err := logInIfAsked(conn, o.Username, o.Password); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("log in to %s: %w", addr, err)
		}
		return conn, conn.SetDeadline(time.Time{})
	}
}

func logInIfAsked(conn net.Conn, user, password string) error {
	replies := bufio.NewReaderSize(conn, 512) // there is never more to read than the one reply
	answer, err := ask(conn, replies, "PING")
	if err != nil || !strings.HasPrefix(answer, "-NOAUTH") {
		return err
	}
	login := []string{"AUTH", user, password}
	if user == "" {
		login = []string{"AUTH", password}
	}
	answer, err = ask(conn, replies, login...)
	if refusal, refused := strings.CutPrefix(answer, "-"); refused {
		return errors.New(refusal)
	}
	return err
}

// ask sends one command, and returns its reply, which is one line.
func ask(conn net.Conn, replies *bufio.Reader, words ...string) (string, error) {
	command := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, word := range words {
		command = fmt.Appendf(command, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := conn.Write(command); err != nil {
		return "", err
	}
	line, err := replies.ReadSlice('\n')
	return strings.TrimRight(string(line), "\r\n"), err
}
