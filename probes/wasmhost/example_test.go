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
)

// read reads a queue's counts with any adapter: the built-in module, as here, or a stranger's. The client speaks
// RESP2 (Options.Protocol).
func read(ctx context.Context, wasm []byte, settings adapter.Settings, client *redis.Client) (adapter.Step, error) {
	module, err := wasmhost.Load(ctx, wasm, wasmhost.Options{CacheDir: cacheDir()})
	if err != nil {
		return adapter.Step{}, err
	}
	defer module.Close(ctx)
	session, err := module.Open(ctx, settings)
	if err != nil {
		return adapter.Step{}, err
	}
	defer session.Close()
	step := session.Poll(ctx, time.Now())
	for len(step.Requests) > 0 {
		replies := make([]adapter.Reply, len(step.Requests))
		for i, r := range step.Requests {
			if replies[i], err = adapter.ReplyOf(client.Do(ctx, r.Arguments()...).Result()); err != nil {
				return step, err
			}
		}
		step = session.Next(ctx, replies)
	}
	return step, step.Err
}

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
	step, err := read(context.Background(), wasm, adapter.Settings{"app": "shop", "adapter": "redislist", "keys": "jobs"}, client)
	if err != nil {
		log.Fatal(err)
	}
	for _, q := range step.Snapshot.Queues {
		fmt.Println(q.Name, q.Metrics.Waiting)
	}
	// Output: jobs 2
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
