package recorder

import (
	"net/http"
	"strings"
	"time"
)

// Middleware notes the requests that take as long as Options.SlowAfter says for [HTTP], or longer.
// Put it around the [http.ServeMux]:
//
//	http.ListenAndServe(addr, r.Middleware(mux))
//
// An entry is named by the method and by the pattern that the mux has found, such as
// "GET /orders/{id}". The URL itself is never written: it may hold secrets. A handler between that
// copies its request hides the pattern; the entry is then "GET (no pattern)".
//
// The handler gets the very [http.ResponseWriter] that came in, so all it can do is still there. An
// event stream and an upgraded connection last long because they should, and are no slow requests.
func (r *Recorder) Middleware(next http.Handler) http.Handler {
	after := r.slow.after[HTTP]
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		began := time.Now()
		defer func() { // also where the handler panics
			if took := time.Since(began); took >= after && !lastsLong(w, req) {
				r.Slow(HTTP, routeName(req), took, nil)
			}
		}()
		next.ServeHTTP(w, req)
	})
}

// lastsLong is true of what is meant to stay open.
func lastsLong(w http.ResponseWriter, req *http.Request) bool {
	return req.Header.Get("Upgrade") != "" || strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream")
}

// routeName is the method and the pattern, which may have a method of its own.
func routeName(req *http.Request) string {
	method := req.Method
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
	default:
		method = "(other method)" // it is the client's text
	}
	_, route, hasMethod := strings.Cut(req.Pattern, " ")
	if !hasMethod {
		route = or(req.Pattern, "(no pattern)")
	}
	return method + " " + strings.TrimLeft(route, " \t")
}
