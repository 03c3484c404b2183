package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/internal/config"
	"github.com/gravito-framework/pulse/internal/dashboard"
)

const (
	sessionCookie = "pulse_session"
	sessionLife   = 12 * time.Hour
	maxLoginBody  = 4 << 10
)

// authorized lets through whoever may see the view. Liveness is everybody's, and so is the login
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
			writeHTML(w, http.StatusUnauthorized, dashboard.Login(false))
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

// isToken compares digests, so that neither the time nor the length tells anything.
func (s *Server) isToken(token string) bool {
	a, b := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.Token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// session is a cookie's value: when it ends, and a seal that only who has the token can make. The
// token itself stays out of the browser, and no server needs to remember a session.
func (s *Server) session(ends time.Time) string {
	text := strconv.FormatInt(ends.Unix(), 10)
	return text + "." + hex.EncodeToString(s.seal(text))
}

func (s *Server) seal(text string) []byte {
	mac := hmac.New(sha256.New, []byte(s.Token))
	mac.Write([]byte("pulse session until " + text))
	return mac.Sum(nil)
}

func (s *Server) isSession(value string, now time.Time) bool {
	text, seal, _ := strings.Cut(value, ".")
	given, err := hex.DecodeString(seal)
	if err != nil || !hmac.Equal(given, s.seal(text)) {
		return false
	}
	ends, err := strconv.ParseInt(text, 10, 64)
	return err == nil && now.Unix() < ends
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxLoginBody)
	if s.Token != "" {
		if !s.isToken(strings.TrimSpace(r.PostFormValue("token"))) {
			if !s.guesses.wrong(r, s.Log) {
				writeTooManyGuesses(w)
				return
			}
			writeHTML(w, http.StatusUnauthorized, dashboard.Login(true))
			return
		}
		ends := time.Now().Add(sessionLife)
		http.SetCookie(w, s.cookie(r, s.session(ends), int(sessionLife.Seconds())))
	}
	s.home(w, r)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
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

// overTLS tells whether the browser speaks TLS, as far as can be known: perhaps to something in
// front of us. Without it a browser would not take a Secure cookie, and the login lead to itself.
func overTLS(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	// Where nobody tells: browsers send Sec-Fetch-Site only over TLS, and to their own machine.
	return r.TLS != nil || strings.EqualFold(strings.TrimSpace(first), "https") ||
		r.Header.Get("Sec-Fetch-Site") != "" && !config.IsLoopback(r.Host)
}
