package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// TestEachCauseIsOneWhateverItsWords: the log has a line for each.
func TestEachCauseIsOneWhateverItsWords(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := servertest.Redis(t)
	web := httptest.NewTLSServer(http.NotFoundHandler())
	defer web.Close()
	ask := func(o *redis.Options) error {
		o.MaxRetries, o.Protocol = -1, 2
		client := redis.NewClient(o)
		defer client.Close()
		return client.Get(ctx, "a").Err()
	}
	refused := ask(&redis.Options{Addr: "127.0.0.1:1"})
	login := ask(&redis.Options{Addr: server.Addr, Username: "ada", Password: "wrong"})
	_, certificate := http.Get(web.URL) // as a client of Redis says it
	timeout, cancel := context.WithTimeout(ctx, 0)
	defer cancel()
	for _, tc := range []struct {
		want string
		err  error
	}{
		{"it does not answer", refused},
		{"it does not answer", fmt.Errorf("read: %w", io.EOF)},
		{"it does not answer", timeout.Err()},
		{"its name", &net.DNSError{Err: "no such host", Name: "redis.internal"}},
		{"its certificate", certificate},
		{"WRONGPASS", fmt.Errorf("read from redis 10.0.0.7:6379: %w", login)},
		{"NOPERM", errors.New("read list mails: NOPERM: no permissions; allow +llen on mails")},
		{"NOPERM", errors.New("find lists: NOPERM: no permissions; allow +scan")},
		{"AccessDenied", errors.New("list queues: AccessDenied: User: arn:aws:iam::1:user/a may not")},
		{"LOADING", errors.New("read list mails: LOADING Redis is loading")},
		{"another reason", errors.New("the server's reply is no Redis reply: it begins with \"7\"")},
		{"another reason", errors.New("the server's reply is no Redis reply: it begins with \"8\"")},
		{"NOPERM, it does not answer", fmt.Errorf("poll: %w", errors.Join(refused, errors.New("read list a: NOPERM: no"), refused))},
	} {
		if tc.err == nil {
			t.Fatalf("%s has no error", tc.want)
		}
		if got := CauseOf(tc.err); got != tc.want {
			t.Errorf("the cause of %q is %q, want %q", tc.err, got, tc.want)
		}
	}
}
