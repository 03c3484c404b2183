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
	// guessWait is how long a wrong token is not answered, and mostGuesses how many wait at a time: 32 guesses a
	// second at most.
	guessWait   = 500 * time.Millisecond
	mostGuesses = 16
	// sayGuesses is how often the log hears of them.
	sayGuesses = time.Minute
)

// guesses holds back those who guess the token. Nobody who has it ever waits.
type guesses struct {
	waiting atomic.Int32

	mu      sync.Mutex
	saidAt  time.Time
	notSaid int
}

// wrong waits, and says so in the log. It is false where too many wait already.
func (g *guesses) wrong(r *http.Request, log *slog.Logger) bool {
	g.say(r, log)
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > mostGuesses {
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

func (g *guesses) say(r *http.Request, log *slog.Logger) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Sub(g.saidAt) < sayGuesses {
		g.notSaid++
		return
	}
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	log.Warn("a wrong token was shown", "peer", peer, "more_before", g.notSaid)
	g.saidAt, g.notSaid = now, 0
}

func writeTooManyGuesses(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	writeProblem(w, http.StatusTooManyRequests, "Too many wrong tokens at a time. The value of PULSE_TOKEN is taken at once.")
}
