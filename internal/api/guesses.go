package api

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// guessWait is how long the answer to a wrong token waits, and maxGuesses how many wait at a time: 32 guesses
	// a second at most.
	guessWait  = 500 * time.Millisecond
	maxGuesses = 16
	// guessRetry is when to come again of whom too many came at a time, in seconds: those that wait are gone then.
	guessRetry = "1"
	// guessLogInterval is how often there is a line about them in the log.
	guessLogInterval = time.Minute
)

// guesses makes wrong tokens wait for their answer. The right one never waits.
type guesses struct {
	waiting atomic.Int32

	mu       sync.Mutex
	loggedAt time.Time
	unlogged int
}

// wrong makes a request with a wrong token wait, and logs it. It is false if too many wait already.
func (g *guesses) wrong(r *http.Request, log *slog.Logger) bool {
	g.logGuess(r, log)
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > maxGuesses {
		return false
	}
	timer := time.NewTimer(guessWait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
	return true
}

func (g *guesses) logGuess(r *http.Request, log *slog.Logger) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Sub(g.loggedAt) < guessLogInterval {
		g.unlogged++
		return
	}
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	log.Warn("a wrong token was shown", "peer", peer, "more_before", g.unlogged)
	g.loggedAt, g.unlogged = now, 0
}

func writeTooManyGuesses(w http.ResponseWriter) {
	w.Header().Set("Retry-After", guessRetry)
	writeProblem(w, http.StatusTooManyRequests, "Too many wrong tokens at a time. The value of PULSE_TOKEN is taken at once.")
}
