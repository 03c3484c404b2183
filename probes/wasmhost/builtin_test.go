package wasmhost_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	sourceredis "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/wasmhost"
)

// builtinModule is the module of the built-in adapters, built from this tree.
func builtinModule(t testing.TB) []byte {
	t.Helper()
	wasm, err := builtOnce()
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

var builtOnce = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "pulse-wasm-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "adapters.wasm")
	// As the Makefile builds it.
	build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", path, "../wasm")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, &exec.Error{Name: string(out), Err: err}
	}
	return os.ReadFile(path)
})

func TestTheBuiltInModuleReadsARealRedis(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	if err := server.Client.RPush(t.Context(), "jobs", "a", "b", "c").Err(); err != nil {
		t.Fatal(err)
	}
	module, err := wasmhost.Load(t.Context(), builtinModule(t), wasmhost.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close(t.Context())
	session, err := module.Open(t.Context(), adapter.Settings{"adapter": "redislist", "app": "shop", "keys": "jobs"})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	p := &poll.Poller{Adapter: module.Describe(), Session: session, Source: sourceredis.New(server.Client, "redis")}
	for range 3 {
		s, err := p.Poll(t.Context(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Queues) != 1 || s.Queues[0].Metrics.Waiting != 3 {
			t.Fatalf("%+v", s)
		}
	}
	t.Logf("%+v %+v", module.Describe(), session.(*wasmhost.Session).Usage())
}
