package api

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gravito-framework/pulse/internal/logonce"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/redisconn"
)

// readTroubles are why requests cannot read something of Redis, each of which is logged once.
type readTroubles struct {
	mu       sync.Mutex
	troubles logonce.Troubles
	now      map[string]readTrouble // by what is read
}

type readTrouble struct {
	kind   string
	isSaid bool // a line about it was logged, or about another since it was last read
}

// maxReadTroubles bounds the things of which trouble is remembered: a caller may ask for any app's.
const maxReadTroubles = 1000

// note notes how reading something went, and logs that where it is news.
func (t *readTroubles) note(log *slog.Logger, what string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	trouble, hadTrouble := t.now[what]
	if err == nil {
		if hadTrouble {
			t.troubles.Gone(trouble.kind)
			delete(t.now, what)
		}
		if trouble.isSaid {
			log.Info("reads " + what + " again")
		}
		return
	}
	if !hadTrouble && len(t.now) >= maxReadTroubles {
		return
	}
	kind := what + ": " + publish.CauseOf(err)
	if hadTrouble && trouble.kind != kind {
		t.troubles.Gone(trouble.kind)
	}
	trouble.kind = kind
	if isWorthALine, times := t.troubles.There(kind, time.Now()); isWorthALine {
		trouble.isSaid = true
		attributes := []any{"error", err}
		if times > 1 {
			attributes = append(attributes, "times", times)
		}
		log.Warn("cannot read "+what, attributes...)
	}
	if t.now == nil {
		t.now = map[string]readTrouble{}
	}
	t.now[what] = trouble
}

// couldRead notes how reading something for a request went. Where it failed it answers so, and returns false.
func (s *Server) couldRead(w http.ResponseWriter, r *http.Request, what string, err error) bool {
	if r.Context().Err() == nil { // else it is no trouble: the caller has gone
		s.reads.note(s.Log, what, err)
	}
	if err == nil {
		return true
	}
	w.Header().Set("Retry-After", "5")
	detail := "Redis does not answer; the log says why."
	if redisconn.IsRefusal(err) {
		detail = "Redis answers: " + err.Error()
	}
	writeProblem(w, http.StatusServiceUnavailable, detail)
	return false
}
