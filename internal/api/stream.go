package api

import (
	"fmt"
	"net/http"
	"time"
)

const (
	commentEvery = 15 * time.Second
	// retry is how soon a browser reconnects, in milliseconds.
	retry = 2000
	// pollRetry is the same where an answer cannot stream, and every answer is one view.
	pollRetry = 5000
	// streamReserve is what is left before a request's deadline for the stream's end.
	streamReserve = 5 * time.Second
	// maxStreams is how many streams there may be. One costs about 30 KiB, and what the kernel buffers.
	maxStreams = 1000
)

// stream sends the whole view, then a patch whenever something changes.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodHead {
		if !s.streams.TryAcquire(1) {
			writeBusy(w, fmt.Sprintf("This server has %d streams open, which is the most it keeps. Close a page that is not looked at, poll /api/v1/view instead, or try again.", maxStreams))
			return
		}
		defer s.streams.Release(1)
	}
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
		return // its events would go nowhere
	}
	c := newClient(w)
	// From here on v is not used, so that a client that reads slowly does not hold it.
	whole, seq := v.event(), v.seq
	if _, streams := w.(http.Flusher); !streams {
		// Something before us buffers: it gets one view, and comes again.
		if c.write(fmt.Appendf(nil, "retry: %d\n\n", pollRetry)) == nil {
			_ = s.sending.write(c, whole)
		}
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
	if c.write(fmt.Appendf(nil, "retry: %d\n\n", retry)) != nil || s.sending.write(c, whole) != nil || c.flush() != nil {
		return
	}
	comment := time.NewTicker(commentEvery)
	defer comment.Stop()
	for {
		changed, err := s.catchUp(c, &seq)
		if err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-end:
			_ = c.write([]byte(": the end of this stream; connect again\n\n"))
			_ = c.flush()
			return
		case <-comment.C:
			if !s.mayRead(r) {
				return // the session has ended
			}
			// A page cannot see a comment; that the view was looked at again it can.
			text := fmt.Sprintf(": still here\n\nevent: patch\nid: %d\ndata: {\"generated_at\":%d}\n\n", seq, s.Live.generatedAt())
			if c.write([]byte(text)) != nil || c.flush() != nil {
				return
			}
		case <-changed:
		}
	}
}

// catchUp sends what leads from the version seq to the newest one, and moves seq on. The channel is
// closed at the next change.
func (s *Server) catchUp(c *client, seq *uint64) (changed <-chan struct{}, err error) {
	for sent := false; ; sent = true {
		m, next, changed := s.Live.after(*seq)
		if m == nil {
			if sent {
				err = c.flush()
			}
			return changed, err
		}
		if err := s.sending.write(c, m); err != nil {
			return nil, err
		}
		*seq = next
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
