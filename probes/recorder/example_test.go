package recorder_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/probes/recorder"
)

func Example() {
	server, client := redisServer()
	defer server.Close()
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

func ExampleRecorder_Middleware() {
	server, client := redisServer()
	defer server.Close()
	defer client.Close()

	r, err := recorder.New(recorder.Options{
		App: "shop", Redis: client,
		SlowAfter: map[recorder.Kind]time.Duration{recorder.HTTP: time.Nanosecond}, // 1 s if not set
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx) // as long as the program runs
	}()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "an order") })
	web := httptest.NewServer(r.Middleware(mux)) // your server
	if resp, err := web.Client().Get(web.URL + "/orders/7?token=secret"); err == nil {
		resp.Body.Close()
	}
	web.Close()
	stop()
	<-done // what is noted is written by now

	for _, entry := range client.XRange(context.Background(), "pulse:slow:shop", "-", "+").Val() {
		fmt.Println(entry.Values["kind"], entry.Values["name"])
	}
	// Output: http GET /orders/{id}
}

func ExampleRecorder_Time() {
	server, client := redisServer()
	defer server.Close()
	defer client.Close()
	r, err := recorder.New(recorder.Options{App: "shop", Redis: client})
	if err != nil {
		log.Fatal(err)
	}
	sendInvoice := func() {
		defer r.Time(recorder.Job, "send invoice")()
		// …
	}
	sendInvoice()
	fmt.Println(r.SlowDropped(), "dropped") // it took less than a second: nothing is noted
	// Output: 0 dropped
}

// redisServer is your Redis.
func redisServer() (*miniredis.Miniredis, *redis.Client) {
	server, err := miniredis.Run()
	if err != nil {
		log.Fatal(err)
	}
	return server, redis.NewClient(&redis.Options{Addr: server.Addr(), Protocol: 2})
}
