package api

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gravito-framework/pulse/internal/view"
)

const (
	commentEvery = 15 * time.Second
	// retry is how soon a browser reconnects, in milliseconds.
	retry = 2000
	// pollRetry is the same where an answer cannot stream, and every answer is one view.
	pollRetry = 5000
	// streamReserve is what is left before a request's deadline for the stream's end.
	streamReserve = 5 * time.Second
	// writeTimeout is how long a client may take to accept an event.
	writeTimeout = 10 * time.Second
)

// stream sends the whole view, then a patch whenever something changes.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	v, err := s.Live.newest(r.Context())
	if err != nil {
		s.unavailable(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform") // a proxy that compresses would hold events back
	h.Set("X-Accel-Buffering", "no")                 // and so would one that collects them
	if r.Method == http.MethodHead {
		return // nobody would read the events
	}
	out := &events{w: w, control: http.NewResponseController(w)}
	if _, streams := w.(http.Flusher); !streams {
		// Something before us buffers: it gets one view, and comes again.
		out.retry(pollRetry)
		_ = out.send("view", v.seq, v.json())
		return
	}
	ctx := r.Context()
	s.Live.watch(ctx)
	var end <-chan time.Time
	if d := s.streamFor(r); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		end = timer.C
	}
	out.retry(retry)
	if out.send("view", v.seq, v.json()) != nil {
		return
	}
	comment := time.NewTicker(commentEvery)
	defer comment.Stop()
	for sent := v; ; {
		now, changed := s.Live.latest()
		if err := out.advance(sent, now); err != nil {
			return
		}
		sent = now
		select {
		case <-ctx.Done():
			return
		case <-end:
			_ = out.comment("the end of this stream; connect again")
			return
		case <-comment.C:
			now, _ = s.Live.latest()
			// A page cannot see a comment; that the view was looked at again it can.
			if out.comment("still here") != nil || out.send("patch", sent.seq, fmt.Appendf(nil, `{"generated_at":%d}`, now.view.GeneratedAt)) != nil {
				return
			}
		case <-changed:
		}
	}
}

// streamFor is how long this stream may last; 0 is no limit.
func (s *Server) streamFor(r *http.Request) time.Duration {
	d := s.StreamFor
	if deadline, ok := r.Context().Deadline(); ok {
		left := max(time.Until(deadline)-streamReserve, time.Millisecond)
		if d == 0 || left < d {
			d = left
		}
	}
	return d
}

// events writes server-sent events.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buf     bytes.Buffer
}

// advance sends what leads from one version to another.
func (e *events) advance(from, to *version) error {
	if to.seq == from.seq {
		return nil
	}
	patch := to.patch
	if to.seq != from.seq+1 || patch == nil {
		// A slow client has missed versions; it gets one patch for all of them. The newest may be a
		// reading that found nothing new, which has no patch of its own.
		if patch = view.Patch(from.view, to.view); patch == nil {
			return nil
		}
	}
	return e.send("patch", to.seq, patch)
}

// send writes an event. JSON has no line break in it, so one data line will do.
func (e *events) send(event string, id uint64, data []byte) error {
	fmt.Fprintf(&e.buf, "event: %s\nid: %s\ndata: ", event, strconv.FormatUint(id, 10))
	e.buf.Write(data)
	e.buf.WriteString("\n\n")
	return e.flush()
}

func (e *events) retry(ms int) { fmt.Fprintf(&e.buf, "retry: %d\n\n", ms) }

func (e *events) comment(text string) error {
	fmt.Fprintf(&e.buf, ": %s\n\n", text)
	return e.flush()
}

func (e *events) flush() error {
	// A client that takes nothing must not keep us waiting. Not every writer has deadlines.
	_ = e.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := e.w.Write(e.buf.Bytes())
	e.buf.Reset()
	if err != nil {
		return err
	}
	return e.control.Flush()
}
