package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"github.com/gravito-framework/pulse/internal/dashboard"
	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/recorder"
	"github.com/gravito-framework/pulse/internal/redisconn"
)

// Server is the aggregator's routes.
type Server struct {
	Live *Live
	// Redis is where slow entries are, which are read at each request for them.
	Redis redis.UniversalClient
	// History reads the histories of apps, from a time on in Unix ms. bad says why there is none of an app.
	History func(ctx context.Context, from int64, apps map[string]recorder.Wants, each func(app string, d *history.Decoder)) (bad map[string]error, err error)
	// Ping asks Redis for a sign of life, on a connection that no reading keeps busy.
	Ping func(ctx context.Context) error
	// Token is what a caller must show. If it is empty, requests to a loopback address need none.
	Token string
	// Authenticated is true for a request that was authenticated before it came here, such as by AWS IAM:
	// it needs no token. nil is a plain server; elsewhere a loopback address means nothing.
	Authenticated func(ctx context.Context) bool
	// StreamFor bounds one stream; 0 is until the client goes. A stream also ends shortly before
	// its request's deadline.
	StreamFor time.Duration
	// Budget is about how many bytes the answers may take that are made for one client each, and again how many
	// those that are being written; 0 is 64 MiB.
	Budget int64
	// Version is the program's, as /metrics says it.
	Version string
	Log     *slog.Logger

	pings     singleflight.Group
	sums      sumCache
	guesses   guesses
	loggedOut loggedOut
	sending   sending
	streams   *semaphore.Weighted // one each
	requests  *semaphore.Weighted // one each
	private   *semaphore.Weighted // bytes of the budget
	reads     readTroubles
}

// Handler is the server's routes, behind the token.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.Handle("GET /assets/", assets(dashboard.Assets()))
	s.handleOperations(mux)
	mux.HandleFunc("GET /login", s.home) // typed again after a login that failed
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /logout", s.logout)
	s.streams, s.requests, s.private = semaphore.NewWeighted(maxStreams), semaphore.NewWeighted(maxRequests), semaphore.NewWeighted(s.budget())
	s.sending.budget = int(s.budget())
	return s.recovered(headers(s.authorized(s.limited(problems(mux)))))
}

func (s *Server) index(w http.ResponseWriter, r *http.Request) {
	writeHTML(w, r, http.StatusOK, dashboard.Index(s.Token != ""))
}

func writeHTML(w http.ResponseWriter, r *http.Request, status int, page []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		page = compress(page)
	}
	w.WriteHeader(status)
	_, _ = w.Write(page)
}

func etag(parts ...[]byte) string {
	hash := sha256.New()
	for _, part := range parts {
		hash.Write(part)
	}
	return `"` + base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:12]) + `"`
}

func (s *Server) view(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		writeProblem(w, http.StatusBadRequest, "The query cannot be read: it takes app, driver and q, each escaped and separated by &.")
		return
	}
	v, err := s.Live.newest(r.Context())
	if err != nil {
		s.unavailable(w, err)
		return
	}
	c := newClient(w)
	app, driver, text := q.Get("app"), q.Get("driver"), q.Get("q")
	if app+driver+text == "" {
		if body := viewBody(w, r, v); body != nil {
			_ = s.sending.write(c, body)
		}
		return
	}
	// A part is made for this client alone. It is no larger than the whole.
	room := s.reserve(w, r, v.restSize())
	if room == nil {
		return
	}
	defer room.leave()
	part, _ := newVersion(nil, v.view.Narrow(app, driver, text))
	if body := viewBody(w, r, part); body != nil {
		room.shrink(body.size)
		_ = c.send(body)
	}
}

// viewBody sets the headers for v, and returns its body; nil where the caller has it already.
func viewBody(w http.ResponseWriter, r *http.Request, v *version) *message {
	h := w.Header()
	h.Set("ETag", v.etag())
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept-Encoding")
	if matches(r.Header.Get("If-None-Match"), v.etag()) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "application/json")
	body := v.json
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = v.gzip
	}
	h.Set("Content-Length", strconv.Itoa(body().size))
	return body()
}

// matches is true if an If-None-Match header names etag. Strong and weak are the same in that comparison.
func matches(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}

func acceptsGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if name == "gzip" {
			q = strings.TrimPrefix(strings.TrimSpace(q), "q=")
			weight, err := strconv.ParseFloat(q, 64)
			return err != nil || weight > 0
		}
	}
	return false
}

func (s *Server) unavailable(w http.ResponseWriter, err error) {
	if errors.Is(err, errDefect) {
		writeProblem(w, http.StatusInternalServerError, "The request failed; the log says why.")
		return
	}
	w.Header().Set("Retry-After", "5")
	detail := "The request ended before there was an answer."
	if nothing, is := errors.AsType[nothingYetError](err); is {
		detail = howSince(nothing.error, "this program started") + ". It is tried again; the log says why."
	}
	writeProblem(w, http.StatusServiceUnavailable, detail)
}

// pingTimeout is how long Redis may take for a sign of life.
const pingTimeout = time.Second

// healthz says that this server is alive, and whether Redis is: one ping for all requests that come meanwhile.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	others := context.WithoutCancel(r.Context()) // wait for the same ping
	ping := s.pings.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(others, pingTimeout)
		defer cancel()
		return redisconn.Serves(s.Ping(ctx)), nil
	})
	state := "down" // why is in the log: this route takes no token
	select {
	case <-r.Context().Done():
		return
	case answer := <-ping:
		if serves, _ := answer.Val.(bool); serves {
			state = "up"
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "ok", "redis": state})
}

// problem is an error as RFC 9457 has it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

func writeProblem(w http.ResponseWriter, status int, detail string) {
	h := w.Header()
	h.Del("Content-Length")
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem{"about:blank", http.StatusText(status), status, detail})
}

// problems makes the mux's own answers, 404 and 405, problem JSON.
func problems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "" {
				w.Header().Set("Allow", method)
				writeProblem(w, http.StatusMethodNotAllowed, "This API only reads: "+r.URL.Path+" takes "+method+".")
				return
			}
		}
		writeProblem(w, http.StatusNotFound, "There is nothing at "+r.URL.Path+".")
	})
}

// headers are those of every answer. The page runs only its own scripts and styles, so hostile text
// in a queue's name stays text.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()")
		if overTLS(r) { // else browsers ignore these two, and complain
			h.Set("Strict-Transport-Security", "max-age=31536000")
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		next.ServeHTTP(w, r)
	})
}

// recovered turns a panic into an answer: in Lambda it would end the process.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				s.Log.Error("a request failed: this is a defect", "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
				writeProblem(w, http.StatusInternalServerError, "The request failed; the log says why.")
			}
		}()
		next.ServeHTTP(w, r)
	})
}
