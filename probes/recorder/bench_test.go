package recorder_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/probes/recorder"
)

// BenchmarkMiddleware makes requests that are fast enough of the same mux with the middleware and
// without, in turn: over a connection of loopback, as requests come, and as calls of the handler, where
// the middleware is all there is to see.
func BenchmarkMiddleware(b *testing.B) {
	r, err := recorder.New(recorder.Options{App: "shop"})
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, `{"id":"`+req.PathValue("id")+`"}`)
	})
	get := func(h http.Handler) func() {
		server := httptest.NewServer(h)
		b.Cleanup(server.Close)
		return func() {
			resp, err := server.Client().Get(server.URL + "/orders/7")
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	call := func(h http.Handler) func() {
		req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/orders/7", http.NoBody)
		return func() {
			w := httptest.NewRecorder()
			for range 100 {
				w.Body.Reset()
				h.ServeHTTP(w, req)
			}
		}
	}
	bareGet, ourGet, bareCall, ourCall := get(mux), get(r.Middleware(mux)), call(mux), call(r.Middleware(mux))
	took := map[string][]time.Duration{}
	measure := func(name string, f func()) {
		began := time.Now()
		f()
		took[name] = append(took[name], time.Since(began))
	}
	for first := true; b.Loop(); first = !first { // each goes first in turn: the second finds caches warm
		if first {
			measure("our get", ourGet)
			measure("our call", ourCall)
		}
		measure("bare get", bareGet)
		measure("bare call", bareCall)
		if !first {
			measure("our get", ourGet)
			measure("our call", ourCall)
		}
	}
	median := func(name string) float64 {
		slices.Sort(took[name])
		return float64(took[name][len(took[name])/2])
	}
	b.ReportMetric(median("our get")/median("bare get"), "x_of_bare_request")
	b.ReportMetric(median("our call")/median("bare call"), "x_of_bare_call")
	b.ReportMetric((median("our call")-median("bare call"))/100, "more-ns/call")
}
