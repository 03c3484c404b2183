package servertest

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failing is a test that keeps how it fails, and ends its goroutine.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestWaitingForAServerThatHasEndedFailsAtOnce(t *testing.T) {
	t.Parallel()
	path := need(t, "redis-server", "apt-get install redis-server")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	server := start(t, exec.Command(path, "--port", port, "--bind", "127.0.0.1"))
	f := &failing{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		waitFor(f, "redis-server", server.ended, func() error { return errors.New("connection refused") })
	}()
	<-done
	if f.said != "redis-server has ended" {
		t.Errorf("it says %q", f.said)
	}
}

func TestClusterNodesHaveBusPortsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, addr := range Cluster(t) {
		client := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, DialTimeout: time.Second})
		port, err := client.ConfigGet(t.Context(), "cluster-port").Result()
		_ = client.Close()
		if err != nil || port["cluster-port"] == "0" {
			t.Errorf("%s: %v, %v", addr, port, err)
		}
	}
}
