package recorder_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/probes/recorder"
)

func Example() {
	server, err := miniredis.Run() // your Redis
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), Protocol: 2})
	defer client.Close()

	r, err := recorder.New(recorder.Options{App: "shop", ID: "web-1", Redis: client})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx) // as long as the program runs
	}()

	for !server.Exists("pulse:server:shop:web-1") {
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("alive for", server.TTL("pulse:server:shop:web-1"))
	stop()
	<-done
	// Output: alive for 30s
}

func ExampleRecorder_Heartbeat() {
	r, err := recorder.New(recorder.Options{App: "shop", Environment: "staging"})
	if err != nil {
		log.Fatal(err)
	}
	h, err := r.Heartbeat(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(h.App(), h.Meta.Text("environment"), *h.Process.MemoryRSS > 0)
	// Output: shop staging true
}
