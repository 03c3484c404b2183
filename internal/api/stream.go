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
	h.Set("Vary", "Accept-Encoding")
	f := &feed{client: newClient(w), sending: &s.sending, zips: acceptsGzip(r)}
	if f.zips {
		h.Set("Content-Encoding", "gzip")
	}
	if r.Method == http.MethodHead {
		return // its events would go nowhere
	}
	// From here on v is not used, so that a client that reads slowly does not hold it.
	if s.feed(f, r, v.event(), v.seq) == nil {
		_ = f.end()
	}
}

// feed sends whole, which is the version seq, and what comes after. An error is the client's, which gets no more.
func (s *Server) feed(f *feed, r *http.Request, whole *message, seq uint64) error {
	if err := f.begin(); err != nil {
		return err
	}
	if _, streams := f.client.response.(http.Flusher); !streams {
		// Something before us buffers: it gets one view, and comes again.
		if err := f.text(fmt.Appendf(nil, "retry: %d\n\n", pollRetry)); err != nil {
			return err
		}
		return f.event(whole)
	}
	ctx := r.Context()
	s.Live.watch(ctx)
	var end <-chan time.Time
	if d := s.streamFor(r); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		end = timer.C
	}
	if err := f.text(fmt.Appendf(nil, "retry: %d\n\n", retry)); err != nil {
		return err
	}
	if err := f.event(whole); err != nil {
		return err
	}
	if err := f.client.flush(); err != nil {
		return err
	}
	comment := time.NewTicker(commentEvery)
	defer comment.Stop()
	for {
		loggedOut := s.loggedOut.next()
		if !s.mayRead(r) {
			return nil // the session has ended
		}
		changed, err := s.catchUp(f, &seq)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-end:
			return f.text([]byte(": the end of this stream; connect again\n\n"))
		case <-comment.C:
			// A page cannot see a comment; that the view was looked at again it can.
			text := fmt.Appendf(nil, ": still here\n\nevent: patch\nid: %d\ndata: {\"generated_at\":%d}\n\n", seq, s.Live.generatedAt())
			if err := f.text(text); err != nil {
				return err
			}
			if err := f.client.flush(); err != nil {
				return err
			}
		case <-changed:
		case <-loggedOut:
		}
	}
}

// catchUp sends what leads from the version seq to the newest one, and moves seq on. The channel is
// closed at the next change.
func (s *Server) catchUp(f *feed, seq *uint64) (changed <-chan struct{}, err error) {
	for sent := false; ; sent = true {
		m, next, changed := s.Live.after(*seq)
		if m == nil {
			if sent {
				err = f.client.flush()
			}
			return changed, err
		}
		if err := f.event(m); err != nil {
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
