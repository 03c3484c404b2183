package api

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
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
	doubts   map[string]error       // what could not be read while it is found out whether Redis can be; nil if it is not
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

// doubt notes that something could not be read, unless it turns out that Redis cannot be read at all. The log says that
// once, for all who read.
func (s *Server) doubt(ctx context.Context, what string, err error) {
	t := &s.reads
	t.mu.Lock()
	defer t.mu.Unlock()
	isLooking := t.doubts != nil
	if !isLooking {
		t.doubts = map[string]error{}
	}
	if len(t.doubts) < maxReadTroubles {
		t.doubts[what] = err
	}
	if isLooking {
		return
	}
	s.Live.tasks.Go(func() {
		isDown := s.Live.IsDown(ctx)
		t.mu.Lock()
		doubts := t.doubts
		t.doubts = nil
		t.mu.Unlock()
		if isDown {
			return
		}
		for _, what := range slices.Sorted(maps.Keys(doubts)) {
			t.note(s.Log, what, doubts[what])
		}
	})
}

// howSince says in what way Redis cannot be read since a time, as far as everybody may know who looks: the log has all
// of err.
func howSince(err error, since string) string {
	unserved, isUnserved := errors.AsType[*redisconn.UnservedError](err)
	switch {
	case isUnserved:
		return "Redis cannot be used since " + since + ": " + unserved.Why + "; " + unserved.Remedy
	case redisconn.IsRefusal(err):
		return "Redis has answered " + publish.CauseOf(err) + " since " + since
	}
	return "Redis has not answered since " + since
}

// couldRead notes how reading something for a request went. Where it failed it answers so, and returns false.
func (s *Server) couldRead(w http.ResponseWriter, r *http.Request, what string, err error) bool {
	switch {
	case r.Context().Err() != nil: // if err, too, it is no trouble: the caller has gone
	case err == nil:
		s.reads.note(s.Log, what, nil)
	default:
		s.doubt(context.WithoutCancel(r.Context()), what, err)
	}
	if err == nil {
		return true
	}
	w.Header().Set("Retry-After", "5")
	detail := "Redis does not answer; the log says why."
	if unserved, is := errors.AsType[*redisconn.UnservedError](err); is {
		detail = "Redis cannot be used: " + unserved.Why + "; " + unserved.Remedy + "."
	} else if redisconn.IsRefusal(err) {
		detail = "Redis answers: " + err.Error()
	}
	writeProblem(w, http.StatusServiceUnavailable, detail)
	return false
}
