package servertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// SentinelServer is a real Sentinel.
type SentinelServer struct {
	Addr string
	// Client is for the test's own use.
	Client  *redis.SentinelClient
	t       testing.TB
	command []string
	running *running
}

// Sentinel starts a Sentinel that alone decides of the master called name, which is dead after half a second. More of
// its settings are lines, such as "requirepass secret".
func Sentinel(t testing.TB, name string, master *RedisServer, more ...string) *SentinelServer {
	t.Helper()
	path := need(t, "redis-server", "apt-get install redis-server")
	port := strconv.Itoa(FreePort(t))
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	settings := fmt.Sprintf("bind 127.0.0.1\nport %s\ndir %s\nsentinel monitor %s 127.0.0.1 %s 1\n"+
		"sentinel down-after-milliseconds %[3]s 500\nsentinel failover-timeout %[3]s 5000\n%[5]s\n", port, filepath.Dir(file), name, master.Port(), strings.Join(more, "\n"))
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &SentinelServer{t: t, Addr: net.JoinHostPort("127.0.0.1", port), command: []string{path, file, "--sentinel"}}
	s.Client = redis.NewSentinelClient(&redis.Options{Addr: s.Addr})
	t.Cleanup(func() { _ = s.Client.Close() })
	s.Start()
	return s
}

// Start starts it, again after a Stop, on the same port and with what it knew.
func (s *SentinelServer) Start() {
	s.t.Helper()
	s.running = start(s.t, exec.Command(s.command[0], s.command[1:]...))
	waitFor(s.t, "the sentinel", s.running.ended, func() error {
		err := s.Client.Ping(context.Background()).Err()
		if refusal := redis.Error(nil); errors.As(err, &refusal) {
			return nil // it asks for a login
		}
		return err
	})
}

// Stop kills it.
func (s *SentinelServer) Stop() { s.running.stop() }
