//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

// heartbeatOf is what pulse-host prints, run by these words.
func heartbeatOf(t *testing.T, env []string, program string, args ...string) protocol.Heartbeat {
	t.Helper()
	p := servertest.Run(t, program, append([]string{"PULSE_APP=shop"}, env...), args...)
	if status := p.Wait(); status != 0 {
		t.Fatalf("status %d: %s", status, p.Stderr())
	}
	h, _, err := protocol.DecodeHeartbeat("", []byte(p.Stdout()))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestACPUSetIsTheMachine(t *testing.T) {
	t.Parallel()
	if h := heartbeatOf(t, nil, "/usr/bin/env", "taskset", "-c", "0", servertest.Build(t, host), "-once"); *h.System.CPUCores != 1 || *h.System.CPUUsage > 100 {
		t.Errorf("%v cores, %v %% used", *h.System.CPUCores, *h.System.CPUUsage)
	}
}

// TestTheHostsProcIsNoProcesssOwn: a container may report on its host, where processes have other numbers.
func TestTheHostsProcIsNoProcesssOwn(t *testing.T) {
	t.Parallel()
	proc := t.TempDir()
	for _, name := range []string{"stat", "meminfo", "loadavg", "uptime"} {
		data, err := os.ReadFile(filepath.Join("/proc", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := heartbeatOf(t, []string{"HOST_PROC=" + proc}, servertest.Build(t, host), "-once")
	const mib = 1 << 20
	if rss := *h.Process.MemoryRSS; rss < mib || rss > 200*mib || *h.Process.Uptime > 60 {
		t.Errorf("%d bytes, up for %v s", rss, *h.Process.Uptime)
	}
}
