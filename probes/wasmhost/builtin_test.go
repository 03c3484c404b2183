package wasmhost_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	sourceredis "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/wasmhost"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// cacheDir is where the tests of this process keep the built-in module compiled: under the race detector
// compiling it takes half a minute.
var cacheDir = sync.OnceValue(func() string { return filepath.Join(servertest.Dir(), "cache") })

var builtinModules [2]struct {
	once   sync.Once
	module *wasmhost.Module
	err    error
}

// builtinModule is the module of the built-in adapters, which all tests share.
func builtinModule(t testing.TB, trusted bool) *wasmhost.Module {
	t.Helper()
	shared := &builtinModules[0]
	if trusted {
		shared = &builtinModules[1]
	}
	wasm := servertest.Adapters(t)
	shared.once.Do(func() {
		shared.module, shared.err = wasmhost.Load(context.Background(), wasm, wasmhost.Options{Trusted: trusted, CacheDir: cacheDir()})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.module
}

func TestTheBuiltInModuleReadsARealRedis(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	if err := server.Client.RPush(t.Context(), "jobs", "a", "b", "c").Err(); err != nil {
		t.Fatal(err)
	}
	module := builtinModule(t, false)
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

// TestTheDocumentationShowsTheExample: what docs/adapters.md says of a program of one's own is what the examples run.
func TestTheDocumentationShowsTheExample(t *testing.T) {
	t.Parallel()
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	shown := servertest.CodeOf(t, "adapters.md", "go")
	if len(shown) != 1 || !strings.Contains(string(examples), "\n"+shown[0]) {
		t.Errorf("docs/adapters.md shows %q, which example_test.go does not have", shown)
	}
	if body := strings.Count(shown[0], "\n") - 2; body != 17 {
		t.Errorf("its body has %d lines: README.md says 17", body)
	}
}
