package recorder_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/recorder"
	"github.com/gravito-framework/pulse/protocol"
	"github.com/gravito-framework/pulse/protocol/schema"
)

const slowKey = "pulse:slow:shop"

// everything is slow.
var everything = map[recorder.Kind]time.Duration{recorder.HTTP: 1, recorder.Job: 1, recorder.Query: 1, recorder.Other: 1}

// running is a recorder that runs as long as its test, or until stop is called.
func running(t *testing.T, server *servertest.RedisServer, log io.Writer) (r *recorder.Recorder, stop func()) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2, DialerRetries: 1, MaxRetries: -1, DialTimeout: time.Second, ReadTimeout: time.Second})
	r, err := recorder.New(recorder.Options{
		App: "shop", ID: "web-1", Redis: client, SlowAfter: everything, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	stop = background(t, r)
	t.Cleanup(func() {
		stop()
		client.Close()
	})
	return r, stop
}

// background runs r until stop is called, which waits for its end.
func background(t *testing.T, r *recorder.Recorder) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// entries are what is in the stream, the newest first.
func entries(t *testing.T, c *redis.Client) []protocol.SlowEntry {
	t.Helper()
	messages, err := c.XRevRange(t.Context(), slowKey, "+", "-").Result()
	if err != nil {
		t.Fatal(err)
	}
	var out []protocol.SlowEntry
	for _, m := range messages {
		fields := map[string]string{}
		for name, value := range m.Values {
			fields[name], _ = value.(string)
		}
		data, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		checkSchema(t, schema.SlowEntry, data)
		e, err := protocol.DecodeSlow(fields)
		if err != nil {
			t.Errorf("%v: %v", fields, err)
		}
		out = append(out, e)
	}
	return out
}

func TestASlowRequestIsNamedByItsRouteAndNeverByItsURL(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	r, stop := running(t, server, io.Discard)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/any/{rest...}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST shop.example/pay", func(http.ResponseWriter, *http.Request) {})
	h := r.Middleware(mux)
	for _, target := range []string{"GET /orders/sesame?token=sesame", "PUT /any/sesame", "POST http://shop.example/pay?card=sesame", "GET /sesame", "SESAME /any/x"} {
		method, url, _ := strings.Cut(target, " ")
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), method, url, http.NoBody))
	}
	stop()
	var names []string
	for _, e := range entries(t, server.Client) {
		names = append(names, e.Kind+" "+e.Name)
		if e.ThresholdMS != 0 || e.Host == "" || strings.Contains(fmt.Sprint(e), "sesame") {
			t.Errorf("%+v", e)
		}
	}
	want := []string{"http (other method) /any/{rest...}", "http GET (no pattern)", "http POST shop.example/pay", "http PUT /any/{rest...}", "http GET /orders/{id}"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAHandlerThatPanicsIsNotedToo(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	r, stop := running(t, server, io.Discard)
	func() {
		defer func() { _ = recover() }()
		r.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
	}()
	stop()
	if got := entries(t, server.Client); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestAHandlerKeepsAllThatItsResponseWriterCanDo(t *testing.T) {
	t.Parallel()
	r, err := recorder.New(recorder.Options{App: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(r.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, flushes := w.(http.Flusher)
		_, hijacks := w.(http.Hijacker)
		_, copies := w.(io.ReaderFrom)
		fmt.Fprint(w, flushes, hijacks, copies, http.NewResponseController(w).Flush())
	})))
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "true true true <nil>" {
		t.Errorf("%s", body)
	}
	server.Client().CloseIdleConnections()
}

func TestWhatShouldStayOpenIsNotSlow(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	r, stop := running(t, server, io.Discard)
	h := r.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
	upgrade := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	upgrade.Header.Set("Upgrade", "websocket")
	r.Middleware(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), upgrade)
	stop()
	if got := entries(t, server.Client); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsFastEnoughCostsNoMemoryAndIsNotNoted(t *testing.T) {
	server := servertest.Redis(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2})
	defer client.Close()
	r, err := recorder.New(recorder.Options{App: "shop", Redis: client, SlowAfter: map[recorder.Kind]time.Duration{recorder.HTTP: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	h := r.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, req := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, req) }); n > 0 {
		t.Errorf("a request takes %v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() { r.Slow(recorder.Job, "send invoice", time.Second-1, nil) }); n > 0 {
		t.Errorf("a job takes %v allocations", n)
	}
	stop := background(t, r)
	stop()
	if got := entries(t, server.Client); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestAJobAndAQueryAreNotedWithWhatTheyTook(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	r, stop := running(t, server, io.Discard)
	r.Slow(recorder.Query, "SELECT * FROM orders WHERE id = ?", 1500*time.Millisecond, map[string]any{"rows": 3})
	r.Slow("task", strings.Repeat("é", 1000), time.Second, map[string]any{"x": strings.Repeat("x", 1<<20)})
	r.Slow(recorder.Job, "", time.Second, map[string]any{"f": func() {}})
	r.Time(recorder.Job, "send invoice")()
	stop()
	got := entries(t, server.Client)
	if len(got) != 4 {
		t.Fatalf("%+v", got)
	}
	for i := range got {
		got[i].Timestamp, got[i].Host = 0, ""
	}
	left := map[string]any{"meta_left_out": true}
	want := []protocol.SlowEntry{
		{Kind: "job", Name: "send invoice", DurationMS: got[0].DurationMS},
		{Kind: "job", Name: "unnamed", DurationMS: 1000, Meta: left},
		{Kind: "other", Name: strings.Repeat("é", 250) + "…", DurationMS: 1000, Meta: left},
		{Kind: "query", Name: "SELECT * FROM orders WHERE id = ?", DurationMS: 1500, Meta: map[string]any{"rows": 3.0}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTheStreamOfSlowEntriesIsBounded(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	r, stop := running(t, server, io.Discard)
	const n = 3 * protocol.SlowMaxLen
	for i := range n {
		r.Slow(recorder.Job, fmt.Sprint(i), time.Second, nil)
		if i%100 == 0 { // nothing is dropped where Redis keeps up
			servertest.Eventually(t, "the entry is written", func() bool {
				last, err := server.Client.XRevRangeN(t.Context(), slowKey, "+", "-", 1).Result()
				return err == nil && len(last) > 0 && last[0].Values["name"] == fmt.Sprint(i)
			})
		}
	}
	stop()
	// Redis trims whole nodes of a hundred.
	if length := server.Client.XLen(t.Context(), slowKey).Val(); length < protocol.SlowMaxLen || length > protocol.SlowMaxLen+200 {
		t.Errorf("it has %d entries", length)
	}
	if got := entries(t, server.Client)[0].Name; got != fmt.Sprint(n-1) || r.SlowDropped() > 0 {
		t.Errorf("the newest is %s, %d are dropped", got, r.SlowDropped())
	}
}

func TestWithRedisGoneNothingWaitsAndWhatIsDroppedIsCounted(t *testing.T) {
	t.Parallel()
	for name, outage := range map[string]struct {
		begin, end func(*servertest.RedisServer) error
	}{
		"stopped": {func(s *servertest.RedisServer) error { s.Stop(); return nil }, func(s *servertest.RedisServer) error { s.Start(); return nil }},
		"frozen": {
			func(s *servertest.RedisServer) error { return syscall.Kill(s.PID(), syscall.SIGSTOP) },
			func(s *servertest.RedisServer) error { return syscall.Kill(s.PID(), syscall.SIGCONT) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := servertest.Redis(t)
			log := &servertest.Output{}
			r, stop := running(t, server, log)
			h := r.Middleware(http.NotFoundHandler())
			request := func() {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
			}
			request()
			servertest.Eventually(t, "the first entry", func() bool { return server.Client.XLen(t.Context(), slowKey).Val() == 1 })
			if err := outage.begin(server); err != nil {
				t.Fatal(err)
			}
			// Were one of them to wait for Redis, the test would never end: only they bring it back.
			for range 2000 {
				request()
			}
			servertest.Eventually(t, "a word on the outage", func() bool { return strings.Count(log.String(), "cannot write slow entries") == 1 })
			for range 2000 {
				request()
			}
			if n := r.SlowDropped(); n < 2000 {
				t.Errorf("%d of 4000 are dropped", n)
			}
			if err := outage.end(server); err != nil {
				t.Fatal(err)
			}
			servertest.Eventually(t, "a word on the end of the outage", func() bool { return strings.Contains(log.String(), "writes slow entries again") })
			request()
			servertest.Eventually(t, "an entry after it", func() bool { return server.Client.XLen(t.Context(), slowKey).Val() > 1 })
			stop()
			if n := strings.Count(log.String(), "cannot write slow entries"); n != 1 {
				t.Errorf("the log says it %d times:\n%s", n, log)
			}
		})
	}
}
