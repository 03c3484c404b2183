package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/dashboard"
)

const (
	sessionCookie = "pulse_session"
	maxLoginBody  = 4 << 10
)

// authorized lets a request through that may read the view. Open to all are liveness, and the login
// with what it needs to look like one.
func (s *Server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		switch {
		case path == "/healthz" || s.mayRead(r):
			next.ServeHTTP(w, r)
		case s.Token == "" && s.Authenticated != nil:
			writeProblem(w, http.StatusForbidden, "This function has no PULSE_TOKEN, so it answers only requests that AWS IAM has authenticated. Set PULSE_TOKEN, or the URL's AuthType to AWS_IAM.")
		case s.Token == "":
			writeProblem(w, http.StatusForbidden, "This server has no PULSE_TOKEN, so it answers only to the name localhost or a loopback address. Set PULSE_TOKEN to reach it under another name.")
		case path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			writeHTML(w, r, http.StatusUnauthorized, dashboard.Login(""))
		case path == "/login" || strings.HasPrefix(path, "/assets/"):
			next.ServeHTTP(w, r)
		case r.Header.Get("Authorization") != "" && !s.guesses.wrong(r, s.Log):
			writeTooManyGuesses(w)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="Gravito Pulse"`)
			writeProblem(w, http.StatusUnauthorized, "It takes the header Authorization: Bearer with the value of PULSE_TOKEN, or a login at the dashboard.")
		}
	})
}

func (s *Server) mayRead(r *http.Request) bool {
	switch {
	case s.Authenticated != nil && s.Authenticated(r.Context()):
		return true // its Authorization header is the signature, so it could show no token
	case s.Token == "":
		return s.Authenticated == nil && config.IsLoopback(r.Host)
	}
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return s.isToken(strings.TrimSpace(token))
	}
	cookie, err := r.Cookie(sessionCookie)
	return err == nil && s.isSession(cookie.Value, time.Now())
}

// isToken compares digests, so that the time it takes says nothing about the token or its length.
func (s *Server) isToken(token string) bool {
	a, b := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.Token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxLoginBody)
	if s.Token != "" {
		if !s.isToken(strings.TrimSpace(r.PostFormValue("token"))) {
			if !s.guesses.wrong(r, s.Log) {
				w.Header().Set("Retry-After", guessRetry)
				writeHTML(w, r, http.StatusTooManyRequests, dashboard.Login(dashboard.TooManyGuesses))
				return
			}
			writeHTML(w, r, http.StatusUnauthorized, dashboard.Login(dashboard.WrongToken))
			return
		}
		ends := time.Now().Add(sessionLife)
		http.SetCookie(w, s.cookie(r, s.newSession(ends), int(sessionLife.Seconds())))
	}
	s.home(w, r)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	for _, cookie := range r.CookiesNamed(sessionCookie) {
		s.endSession(cookie.Value, time.Now())
	}
	http.SetCookie(w, s.cookie(r, "", -1))
	s.home(w, r)
}

// home sends back to the dashboard, relative to where it is: a stage of an API Gateway is a prefix.
func (s *Server) home(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", "./")
	w.WriteHeader(http.StatusSeeOther)
}

func (s *Server) cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: overTLS(r),
	}
}

// overTLS is true if the browser speaks TLS, as far as can be known: perhaps to something in
// front of us. Without it a browser would not take a Secure cookie, and the login lead to itself.
func overTLS(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	// Without that header: browsers send Sec-Fetch-Site only over TLS, and to their own machine.
	return r.TLS != nil || strings.EqualFold(strings.TrimSpace(first), "https") ||
		r.Header.Get("Sec-Fetch-Site") != "" && !config.IsLoopback(r.Host)
}
