package servertest

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
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

func TestWaitingTakesSoLongHoweverSlowATryIs(t *testing.T) {
	t.Parallel()
	for _, slow := range []time.Duration{0, 7 * time.Second, 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			f, began, tries := &failing{TB: t}, time.Now(), 0
			var last time.Duration // since began
			done := make(chan struct{})
			go func() {
				defer close(done)
				waitFor(f, "it", nil, func() error {
					tries++
					last = time.Since(began)
					time.Sleep(slow)
					return errors.New("no")
				})
			}()
			<-done
			if f.said != "it does not answer: no" || tries < 2 || last <= maxWait || last > maxWait+slow+2*pause {
				t.Errorf("with tries of %v the last of %d began after %v, and it says %q", slow, tries, last, f.said)
			}
		})
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
