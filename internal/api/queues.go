package api

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/gravito-framework/pulse/internal/view"
)

// flatRow is about how much a flat row takes beside its names, in bytes.
const flatRow = 400

// queues answers with the queues as flat rows.
func (s *Server) queues(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		writeProblem(w, http.StatusBadRequest, "The query cannot be read: it takes app, queue, driver and status, each escaped and separated by &.")
		return
	}
	filter := view.Filter{App: q.Get("app"), Queue: q.Get("queue"), Driver: q.Get("driver"), Status: view.Status(q.Get("status"))}
	switch filter.Status {
	case "", view.Fresh, view.Stale, view.Lost:
	default:
		writeProblem(w, http.StatusBadRequest, fmt.Sprintf("The query's status is %.40q: it takes fresh, stale or lost.", filter.Status))
		return
	}
	v, err := s.Live.newest(r.Context())
	if err != nil {
		s.unavailable(w, err)
		return
	}
	room := s.reserve(w, r, v.restSize()+flatRow*v.view.Totals.Queues)
	if room == nil {
		return
	}
	defer room.leave()
	body, rows := v.view.AppendQueues(nil, filter)
	if rows == 0 && filter.Status != "" { // it may be there with another status
		anyhow := filter
		anyhow.Status = ""
		_, rows = v.view.AppendQueues(nil, anyhow)
	}
	if rows == 0 && filter.Queue != "" {
		// An autoscaler that asks for a queue by a wrong name must not take it for an empty one.
		writeProblem(w, http.StatusNotFound, fmt.Sprintf("There is no such queue as %.200q here: its name is to be exact; /api/v1/queues has them all.", filter.Queue))
		return
	}
	s.made(w, r, room, "application/json", body)
}

// made sends an answer that was made for this client alone.
func (s *Server) made(w http.ResponseWriter, r *http.Request, room *room, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = compress(body)
	}
	room.shrink(len(body))
	_ = newClient(w).send(newMessage(body))
}
