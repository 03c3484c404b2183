//go:build unix

package e2e

import (
	"encoding/json"
	"syscall"
	"testing"
)

// A Redis that is stopped in its tracks takes connections and answers none: the worst way to be slow.
func TestRedisFrozenUnderEveryProgram(t *testing.T) {
	t.Parallel()
	e := startEverything(t)
	freeze(t, e, syscall.SIGSTOP)
	e.complains()
	if redis := health(t, e.listen); redis != "down" {
		t.Errorf("Redis is %s, says healthz", redis)
	}
	freeze(t, e, syscall.SIGCONT)
	e.recovers()
	if redis := health(t, e.listen); redis != "up" {
		t.Errorf("Redis is %s, says healthz", redis)
	}
	// Frozen once more, it must keep no program from ending.
	freeze(t, e, syscall.SIGSTOP)
	e.ends()
}

func freeze(t *testing.T, e *everything, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(e.redis.PID(), signal); err != nil {
		t.Fatal(err)
	}
}

// health is what an aggregator says of Redis.
func health(t *testing.T, listen string) string {
	t.Helper()
	body, err := get(t, listen, "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	var health struct{ Redis string }
	if err := json.Unmarshal(body, &health); err != nil {
		t.Fatal(err)
	}
	return health.Redis
}
