package redisconn

import (
	"context"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestAProgramThatEndsWaitsForNoMuteRedis: neither for a reply that it waits for when it is told to end, nor for one to
// which go-redis gives its time only then.
func TestAProgramThatEndsWaitsForNoMuteRedis(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{"a read that is under way": time.Second, "a read that begins": 0} {
		synctest.Test(t, func(t *testing.T) {
			life, end := context.WithCancel(t.Context())
			ours, mute := net.Pipe()
			defer mute.Close()
			conn, err := bounded(life, func(context.Context, string, string) (net.Conn, error) { return ours, nil }, false)(t.Context(), "tcp", "redis")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if after == 0 {
				end()
				synctest.Wait()
			} else {
				time.AfterFunc(after, end)
			}
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			began := time.Now()
			_, err = conn.Read(make([]byte, 1))
			if took := time.Since(began); took != after+lastWait || !os.IsTimeout(err) {
				t.Errorf("%s ends after %v: %v", name, took, err)
			}
		})
	}
}

// TestAProgramThatEndsWaitsForNoSlowReply: each piece of it that comes gives it no more time.
func TestAProgramThatEndsWaitsForNoSlowReply(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		life, end := context.WithCancel(t.Context())
		ours, slow := net.Pipe()
		var sends sync.WaitGroup
		defer sends.Wait()
		sends.Go(func() {
			for {
				if _, err := slow.Write([]byte("+")); err != nil {
					return
				}
				time.Sleep(200 * time.Millisecond)
			}
		})
		conn, err := bounded(life, func(context.Context, string, string) (net.Conn, error) { return ours, nil }, false)(t.Context(), "tcp", "redis")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		time.AfterFunc(time.Second, end)
		began := time.Now()
		for err == nil {
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, err = conn.Read(make([]byte, 1))
		}
		if took := time.Since(began); took != time.Second+lastWait || !os.IsTimeout(err) {
			t.Errorf("it ends after %v: %v", took, err)
		}
	})
}
