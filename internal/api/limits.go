package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// maxRequests is how many requests may be under way beside the streams.
	maxRequests = 1000
	// usualBudget is what all clients together may take where the server is told nothing, in bytes.
	usualBudget = 64 << 20
	// privateWait is how long such a request waits for its turn.
	privateWait = 5 * time.Second
)

// limited bounds the requests that are under way. Streams have a limit of their own; liveness and a login
// are always answered.
func (s *Server) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path := r.URL.Path; path != "/healthz" && path != "/login" && path != "/api/v1/stream" {
			if !s.requests.TryAcquire(1) {
				writeBusy(w, fmt.Sprintf("This server has %d requests under way, which is the most it takes. Try again in a few seconds, and ask less often.", maxRequests))
				return
			}
			defer s.requests.Release(1)
		}
		next.ServeHTTP(w, r)
	})
}

// room is the part of the budget that one client's own answer has.
type room struct {
	of   *semaphore.Weighted
	size int64
}

func (s *Server) budget() int64 { return cmp.Or(s.Budget, usualBudget) }

// reserve waits for room for an answer of up to size bytes. Where there is none in time it answers so,
// and returns nil.
func (s *Server) reserve(w http.ResponseWriter, r *http.Request, size int) *room {
	ctx, cancel := context.WithTimeout(r.Context(), privateWait)
	defer cancel()
	room := &room{s.private, min(int64(size), s.budget())}
	if s.private.Acquire(ctx, room.size) != nil {
		writeBusy(w, "This server makes too many large answers at a time. Try again in a few seconds; the view as a whole, without app, driver and q, is always at hand.")
		return nil
	}
	return room
}

// shrink gives back what the answer did not need.
func (r *room) shrink(size int) {
	if less := r.size - int64(size); less > 0 {
		r.of.Release(less)
		r.size -= less
	}
}

func (r *room) leave() { r.of.Release(r.size) }

func writeBusy(w http.ResponseWriter, detail string) {
	w.Header().Set("Retry-After", "5")
	writeProblem(w, http.StatusServiceUnavailable, detail)
}
