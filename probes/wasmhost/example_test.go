package wasmhost_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/wasmhost"
	"github.com/gravito-framework/pulse/probes/wasmhost/wasmhosttest"
	"github.com/gravito-framework/pulse/protocol"
)

// read reads a queue's counts with any adapter, the built-in module or a stranger's. cache is a directory for
// compiled modules, or "". The client speaks RESP2 (Options.Protocol).
func read(ctx context.Context, wasm []byte, cache string, settings adapter.Settings, client *redis.Client) (*protocol.QueueSnapshot, error) {
	module, err := wasmhost.Load(ctx, wasm, wasmhost.Options{CacheDir: cache})
	if err != nil {
		return nil, err
	}
	defer module.Close(ctx)
	session, err := module.Open(ctx, settings)
	if err != nil {
		return nil, err
	}
	return adapter.Drive(ctx, module.Describe(), session, time.Now(), func(requests []adapter.Request) ([]adapter.Reply, error) {
		pipe, answers := client.Pipeline(), make([]*redis.Cmd, len(requests))
		for i, r := range requests {
			answers[i] = pipe.Do(ctx, r.Arguments()...)
		}
		_, _ = pipe.Exec(ctx) // each answer has its own error
		return adapter.RepliesOf(answers)
	})
}

// The built-in module is several adapters: the setting adapter says which.
func Example() {
	server, client := redisServer()
	defer server.Close()
	defer client.Close()
	_, _ = server.Lpush("jobs", "one")
	_, _ = server.Lpush("jobs", "two")

	wasm, err := builtinAdapters() // os.ReadFile("build/adapters.wasm"), after make build
	if err != nil {
		log.Fatal(err)
	}
	snapshot, err := read(context.Background(), wasm, cacheDir(), adapter.Settings{"app": "shop", "adapter": "redislist", "keys": "jobs"}, client)
	if err != nil {
		log.Fatal(err)
	}
	for _, q := range snapshot.Queues {
		fmt.Println(q.Name, q.Metrics.Waiting)
	}
	// Output: jobs 2
}

// A stranger's module is read by the same function, with settings of its own.
func Example_stranger() {
	server, client := redisServer()
	defer server.Close()
	defer client.Close()
	_, _ = server.Lpush("jobs", "one")

	wasm := wasmhosttest.Module{}.Bytes() // os.ReadFile("stranger.wasm")
	snapshot, err := read(context.Background(), wasm, "", adapter.Settings{"app": "shop"}, client)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(snapshot.App, snapshot.Queues[0].Name)
	// Output: shop jobs
}

func redisServer() (*miniredis.Miniredis, *redis.Client) {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	return server, redis.NewClient(&redis.Options{Addr: server.Addr(), Protocol: 2})
}

func builtinAdapters() ([]byte, error) {
	dir, err := os.MkdirTemp("", "pulse-example-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "adapters.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", path, "../wasm")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, errors.New(string(out))
	}
	return os.ReadFile(path)
}
