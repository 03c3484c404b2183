package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/wasmhost/wasmhosttest"
)

// plugins is a directory of two adapters: the module of the built-in ones, and one that never returns.
func plugins(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	loops := wasmhosttest.Module{Poll: []byte{wasmhosttest.OpLoop, 0x40, wasmhosttest.OpBr, 0, 0x0b, wasmhosttest.OpUnreachable}}
	for name, wasm := range map[string][]byte{"adapters.wasm": servertest.Adapters(t), "loops.wasm": loops.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), wasm, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestAModulesQueuesAreInTheViewBesideTheRest also has a neighbour that is stopped in each of its polls.
func TestAModulesQueuesAreInTheViewBesideTheRest(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	if err := server.Client.RPush(t.Context(), "jobs", "a", "b").Err(); err != nil {
		t.Fatal(err)
	}
	if err := server.Client.RPush(t.Context(), "mails", "a", "b", "c").Err(); err != nil {
		t.Fatal(err)
	}
	before := server.Digest()
	common := []string{
		"PULSE_REDIS_URL=" + server.URL, "PULSE_APP=shop", "PULSE_INTERVAL=2s", "PULSE_LIST_KEYS=jobs", "XDG_CACHE_HOME=" + t.TempDir(),
		"PULSE_ADAPTERS=" + plugins(t), `PULSE_ADAPTER_CONFIG={"gravito-pulse":{"adapter":"redislist","keys":"mails"}}`,
	}
	listen := address(t)
	reporter := program(t, redisReporter, common...)
	program(t, aggregator, "PULSE_REDIS_URL="+server.URL, "PULSE_LISTEN="+listen)
	var v viewJSON
	servertest.Eventually(t, "both lists, and why there is no more", func() bool {
		var err error
		v, err = view(t, listen)
		return err == nil && v.Totals.Queues == 2 && len(v.Problems) > 0
	})
	for key, waiting := range map[string]int64{"redis-list/jobs": 2, "redis-list/mails": 3} {
		got := v.Apps["shop"].Queues[key]
		if diff := cmp.Diff(map[string]int64{"waiting": waiting}, got.Metrics); diff != "" || got.Status != "fresh" {
			t.Errorf("%s is %+v (-want +got):\n%s", key, got, diff)
		}
	}
	// It is said once: in the log, and as one problem.
	const want = "test: it was closed, and will be started again: pulse_poll failed: it ran until its time was over"
	if len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Reason, want) {
		t.Errorf("problems: %+v", v.Problems)
	}
	version := v.Apps["shop"].Sources["redis"].Timestamp
	servertest.Eventually(t, "another report", func() bool {
		v, err := view(t, listen)
		return err == nil && v.Apps["shop"].Sources["redis"].Timestamp > version
	})
	if n := strings.Count(reporter.Stderr(), want); n != 1 {
		t.Errorf("it is logged %d times:\n%s", n, reporter.Stderr())
	}
	if diff := cmp.Diff(before, server.Digest()); diff != "" {
		t.Errorf("watching changed the queues (-before +after):\n%s", diff)
	}
}

func TestAModuleThatIsNoneIsStatus2(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notes.wasm")
	if err := os.WriteFile(path, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, pkg := range []string{redisReporter, local} {
		p := servertest.Run(t, servertest.Build(t, pkg), []string{
			"PULSE_REDIS_URL=redis://127.0.0.1:1", "PULSE_APP=shop", "PULSE_LISTEN=" + address(t), "PULSE_ADAPTERS=" + path,
		})
		want := "PULSE_ADAPTERS has " + path + `: it is not WebAssembly: it begins with "notes"`
		if status := p.Wait(); status != 2 || !strings.Contains(p.Stderr(), want) {
			t.Errorf("%s: status %d, it says %q, want %s", pkg, status, p.Stderr(), want)
		}
	}
}
