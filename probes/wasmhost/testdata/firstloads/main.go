// Command firstloads loads modules at once, before the process has loaded any other.
package main

import (
	"context"
	"os"
	"sync"

	"github.com/gravito-framework/pulse/probes/wasmhost"
	"github.com/gravito-framework/pulse/probes/wasmhost/wasmhosttest"
)

func main() {
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			m, err := wasmhost.Load(context.Background(), wasmhosttest.Module{}.Bytes(), wasmhost.Options{CacheDir: os.Args[1]})
			if err != nil {
				panic(err)
			}
			_ = m.Close(context.Background())
		})
	}
	group.Wait()
}
