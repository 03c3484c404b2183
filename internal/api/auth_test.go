package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gravito-framework/pulse/internal/api"
	"github.com/gravito-framework/pulse/internal/dashboard"
	"github.com/gravito-framework/pulse/internal/pagetest"
)

// routes is every route there is, with the method it takes.
var routes = map[string]string{
	"/": http.MethodGet, "/api/v1/view": http.MethodGet, "/assets/app.js": http.MethodGet, "/healthz": http.MethodGet,
	"/login": http.MethodPost, "/logout": http.MethodPost, "/nope": http.MethodGet, "/api/v1/stream": http.MethodHead,
}

// closed is a server with a token, and what it logs.
func closed(token string) (h http.Handler, log *bytes.Buffer) {
	log = &bytes.Buffer{}
	l := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := &pagetest.Store{}
	server := &api.Server{Live: api.NewLive(s.Read, 0, l), Ping: func(context.Context) error { return nil }, Token: token, Log: l}
	return server.Handler(), log
}

// ask is a request with headers, as name and value in turn.
func ask(t *testing.T, h http.Handler, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Host = "localhost:8787"
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func login(t *testing.T, h http.Handler, token string, headers ...string) *http.Response {
	t.Helper()
	return ask(t, h, http.MethodPost, "/login", url.Values{"token": {token}}.Encode(), headers...)
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	t.Parallel()
	const token = "sesame"
	h, _ := closed(token)
	for path, method := range routes {
		for _, headers := range [][]string{nil, {"Authorization", "Bearer " + token}, {"Authorization", "Bearer wrong"}} {
			for _, m := range []string{method, http.MethodHead, http.MethodDelete} {
				r := ask(t, h, m, path, "", headers...)
				for name, want := range map[string]string{
					"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff",
					"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
					"Permissions-Policy": "camera=()",
				} {
					if !strings.HasPrefix(r.Header.Get(name), want) {
						t.Errorf("%s %s with %v: %d has %s %q", m, path, headers, r.StatusCode, name, r.Header.Get(name))
					}
				}
				if policy := r.Header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
					t.Errorf("%s %s: the policy is %s", m, path, policy)
				}
				if r.Header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s %s: other sites may read it", m, path)
				}
			}
		}
	}
}

// A page elsewhere may make its own name resolve to 127.0.0.1.
func TestWithoutATokenEveryRouteButHealthIsForLoopbackNamesOnly(t *testing.T) {
	t.Parallel()
	h, _ := closed("")
	for path, method := range routes {
		for _, host := range []string{"evil.example", "evil.example:8787", "localhost.evil.example", "0.0.0.0:8787", "10.0.0.7", "[::2]:80", "", "127.0.0.1@evil.example"} {
			r := ask(t, h, method, path, "", "Host", host)
			if path == "/healthz" {
				if r.StatusCode != http.StatusOK {
					t.Errorf("%s as %q: %d", path, host, r.StatusCode)
				}
				continue
			}
			if r.StatusCode != http.StatusForbidden || r.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s as %q: %d", path, host, r.StatusCode)
			}
		}
	}
}

func TestRefusedIsALoginForPeopleAndAChallengeForPrograms(t *testing.T) {
	t.Parallel()
	h, _ := closed("sesame")
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if r := ask(t, h, method, "/", ""); r.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s /: %d %v", method, r.StatusCode, r.Header)
		}
	}
	if page := text(t, ask(t, h, http.MethodGet, "/", "")); !strings.Contains(page, `action="login"`) || strings.Contains(page, "queue-table") {
		t.Errorf("it is not the login: %s", page)
	}
	for _, path := range []string{"/api/v1/view", "/api/v1/stream", "/nope", "/logout", "//api/v1/view", "/assets/../api/v1/view", "/healthz/../api/v1/view", "/api/v1/view/"} {
		r := ask(t, h, http.MethodGet, path, "")
		switch {
		case strings.HasPrefix(path, "/assets/"): // open, but what it leads to is not
			if r.StatusCode == http.StatusOK {
				t.Errorf("%s is open", path)
			}
		case r.StatusCode != http.StatusUnauthorized || r.Header.Get("WWW-Authenticate") != `Bearer realm="Gravito Pulse"` || r.Header.Get("Content-Type") != "application/problem+json":
			t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
		}
	}
	// What the login page refers to is there without a session.
	files, err := fs.ReadDir(dashboard.Assets(), ".")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		path := "/assets/" + file.Name()
		if r := ask(t, h, http.MethodGet, path, ""); r.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

func TestSessionEndsByItselfAndAtLogout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const token = "open sesame"
		h, log := closed(token)
		r := login(t, h, " "+token+"\n") // as it is pasted
		if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "./" || len(r.Cookies()) != 1 {
			t.Fatalf("the login is %d %v", r.StatusCode, r.Header)
		}
		c, second := r.Cookies()[0], login(t, h, token).Cookies()[0]
		if c.MaxAge != 12*60*60 || c.Path != "/" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
			t.Errorf("the cookie is %v", c)
		}
		status := func(value string) int {
			return ask(t, h, http.MethodGet, "/api/v1/view", "", "Cookie", c.Name+"="+value).StatusCode
		}
		time.Sleep(12*time.Hour - time.Second)
		if got := status(c.Value); got != http.StatusOK {
			t.Errorf("after nearly 12 h: %d", got)
		}
		id, seal := c.Value[:strings.LastIndexByte(c.Value, '.')], c.Value[strings.LastIndexByte(c.Value, '.')+1:]
		ends, nonce, _ := strings.Cut(id, ".")
		flipped := strings.Map(func(r rune) rune {
			if r == '0' {
				return '1'
			}
			return r
		}, seal)
		for name, value := range map[string]string{
			"no seal": id, "an empty seal": id + ".", "another's seal": id + "." + flipped + "00", "half a seal": id + "." + seal[:32],
			"another end": ends + "0." + nonce + "." + seal, "another's random part": ends + "." + nonce[1:] + "." + seal, "no random part": ends + "." + seal,
			"a sign": "+" + c.Value, "nothing": "", "no number": "x." + seal, "a long one": strings.Repeat("9", 5000) + "." + seal,
		} {
			if got := status(value); got != http.StatusUnauthorized {
				t.Errorf("%s: %d", name, got)
			}
		}
		other, _ := closed("another token")
		if r := ask(t, other, http.MethodGet, "/api/v1/view", "", "Cookie", c.Name+"="+c.Value); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("with another token the session goes on: %d", r.StatusCode)
		}
		// A wrong bearer is refused, whatever else comes with it.
		if r := ask(t, h, http.MethodGet, "/api/v1/view", "", "Cookie", c.Name+"="+c.Value, "Authorization", "Bearer wrong"); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("a wrong bearer beside a session: %d", r.StatusCode)
		}
		out := ask(t, h, http.MethodPost, "/logout", "", "Cookie", c.Name+"="+c.Value)
		if cs := out.Cookies(); out.StatusCode != http.StatusSeeOther || len(cs) != 1 || cs[0].Name != c.Name || cs[0].MaxAge != -1 || cs[0].Value != "" || cs[0].Path != c.Path {
			t.Errorf("the logout is %d %v", out.StatusCode, out.Header)
		}
		for name, copied := range map[string]string{"the cookie": c.Value, "its seal in capitals": id + "." + strings.ToUpper(seal)} {
			if got := status(copied); got != http.StatusUnauthorized {
				t.Errorf("after its logout, with %s: %d", name, got)
			}
		}
		if got := status(second.Value); got != http.StatusOK {
			t.Errorf("the logout ended another session, begun in the same second: %d", got)
		}
		time.Sleep(time.Second)
		if got := status(second.Value); got != http.StatusUnauthorized {
			t.Errorf("after 12 h: %d", got)
		}
		if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "a wrong token was shown") || strings.Contains(said, token) || strings.Contains(said, seal) {
			t.Errorf("the log is %q", said)
		}
	})
}

// Else who copied a cookie, or left a page open, would see the queues for ever.
func TestStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]time.Duration{"a logout": time.Hour + time.Second, "its time": 12 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, _ := closed("sesame")
				c := login(t, h, "sesame").Cookies()[0]
				r := request(t.Context(), http.MethodGet, "/api/v1/stream")
				r.AddCookie(c)
				began, ended := time.Now(), make(chan struct{})
				go func() {
					defer close(ended)
					h.ServeHTTP(&wire{}, r)
				}()
				if name == "a logout" {
					time.Sleep(time.Hour + time.Second) // between two looks at the session
					ask(t, h, http.MethodPost, "/logout", "", "Cookie", c.Name+"="+c.Value)
				}
				<-ended
				if got := time.Since(began); got != want {
					t.Errorf("it ended after %v, want %v", got, want)
				}
			})
		})
	}
}

func TestEndedSessionsAreABoundedList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _ := closed("sesame")
		var sessions []string
		for i := range 10_001 {
			if i > 0 && i < 3 {
				time.Sleep(time.Second)
			}
			c := login(t, h, "sesame").Cookies()[0]
			sessions = append(sessions, c.Name+"="+c.Value)
			ask(t, h, http.MethodPost, "/logout", "", "Cookie", sessions[i])
		}
		for i, want := range map[int]int{0: http.StatusOK, 1: http.StatusUnauthorized, 2: http.StatusUnauthorized, 10_000: http.StatusUnauthorized} {
			if got := ask(t, h, http.MethodGet, "/api/v1/view", "", "Cookie", sessions[i]).StatusCode; got != want {
				t.Errorf("ended session %d of 10,001: %d, want %d", i, got, want)
			}
		}
	})
}

func TestTokenIsToldToNobody(t *testing.T) {
	t.Parallel()
	const token = "hunter2-hunter2"
	h, log := closed(token)
	for path, method := range routes {
		for _, r := range []*http.Response{
			ask(t, h, method, path, "", "Authorization", "Bearer "+token), ask(t, h, method, path, ""), ask(t, h, http.MethodPut, path, ""),
			ask(t, h, method, path+"?token="+token+"x", "", "Authorization", "Bearer "+token+"x"), login(t, h, token), login(t, h, token+"x"),
		} {
			if all := fmt.Sprint(r.Header) + text(t, r); strings.Contains(all, token) || strings.Contains(all, "hunter2") {
				t.Errorf("%s %s: %d tells the token: %s", method, path, r.StatusCode, all)
			}
		}
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("the log tells the token: %s", log)
	}
}

func TestLoginTakesAShortFormOnly(t *testing.T) {
	t.Parallel()
	h, _ := closed("sesame")
	for name, r := range map[string]*http.Response{
		"a wrong token":      login(t, h, "sesam"),
		"no token":           login(t, h, ""),
		"in the query":       ask(t, h, http.MethodPost, "/login?token=sesame", "x=1"),
		"a body too long":    ask(t, h, http.MethodPost, "/login", "x="+strings.Repeat("x", 8<<10)+"&token=sesame"),
		"rubbish":            ask(t, h, http.MethodPost, "/login", "%zz&;;=token"),
		"of another type":    ask(t, h, http.MethodPost, "/login", `{"token":"sesame"}`, "Content-Type", "application/json"),
		"a multipart's half": ask(t, h, http.MethodPost, "/login", "--x\r\n", "Content-Type", "multipart/form-data; boundary=x"),
	} {
		if page := text(t, r); r.StatusCode != http.StatusUnauthorized || len(r.Cookies()) > 0 || !strings.Contains(page, `role="alert"`) {
			t.Errorf("%s: %d %v", name, r.StatusCode, r.Header)
		}
	}
	if r := ask(t, h, http.MethodGet, "/login", ""); r.StatusCode != http.StatusSeeOther {
		t.Errorf("its address typed again: %d", r.StatusCode)
	}
}

// A browser takes no Secure cookie over plain HTTP, so that a login there would lead back to itself
// for ever; and wherever there is TLS the cookie must not leave it.
func TestSessionStaysWithinTLSWhereThereIsTLS(t *testing.T) {
	t.Parallel()
	h, _ := closed("sesame")
	for name, tc := range map[string]struct {
		headers []string
		want    bool
	}{
		"a laptop":                       {[]string{"Host", "localhost:8787", "Sec-Fetch-Site", "same-origin"}, false},
		"a network without TLS":          {[]string{"Host", "10.0.0.7:8787"}, false},
		"a proxy that tells":             {[]string{"Host", "pulse.example", "X-Forwarded-Proto", "https"}, true},
		"a proxy that tells of several":  {[]string{"Host", "pulse.example", "X-Forwarded-Proto", "HTTPS, http"}, true},
		"a proxy that does not tell":     {[]string{"Host", "pulse.example", "Sec-Fetch-Site", "same-origin"}, true},
		"a tunnel to a name of loopback": {[]string{"Host", "localhost", "X-Forwarded-Proto", "https"}, true},
	} {
		r := login(t, h, "sesame", tc.headers...)
		if len(r.Cookies()) != 1 || r.Cookies()[0].Secure != tc.want {
			t.Errorf("%s: %v, want Secure %v", name, r.Header["Set-Cookie"], tc.want)
		}
	}
}

func TestAFunctionAnswersWhomIAMKnows(t *testing.T) {
	t.Parallel()
	type key struct{}
	s := &pagetest.Store{}
	log := slog.New(slog.DiscardHandler)
	server := &api.Server{
		Live: api.NewLive(s.Read, 0, log), Ping: func(context.Context) error { return nil }, Log: log,
		Authenticated: func(ctx context.Context) bool { return ctx.Value(key{}) != nil },
	}
	h := server.Handler()
	// The signature is in the header that would carry the token.
	signed := httptest.NewRequestWithContext(context.WithValue(t.Context(), key{}, true), http.MethodGet, "/api/v1/view", http.NoBody)
	signed.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x")
	server.Token = "sesame"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, signed)
	if w.Code != http.StatusOK {
		t.Errorf("with a token, too, whom IAM knows gets %d", w.Code)
	}
	if r := ask(t, h, http.MethodGet, "/api/v1/view", "", "Host", "localhost"); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("and somebody else %d", r.StatusCode)
	}
	server.Token = ""
	for path, method := range routes {
		// That the name is loopback means nothing there.
		if r := ask(t, h, method, path, "", "Host", "localhost"); path != "/healthz" && r.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(context.WithValue(t.Context(), key{}, true), method, path, http.NoBody))
		if w.Code == http.StatusForbidden || w.Code == http.StatusUnauthorized {
			t.Errorf("%s for whom IAM knows: %d", path, w.Code)
		}
	}
}

// TestWhoGuessesTheTokenWaits, and nobody else does.
func TestWhoGuessesTheTokenWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &api.Server{Token: "sesame", Log: slog.New(slog.NewTextHandler(&log, nil)), Ping: func(context.Context) error { return nil }}
		h := s.Handler()
		ask := func(method, path, token string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("token="+token))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if method == http.MethodGet {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code == http.StatusTooManyRequests {
				// Who typed the token sees the login again, and programs read a problem.
				kind, says := "application/problem+json", `"detail":"Too many wrong tokens at a time. `
				if path == "/login" {
					kind, says = "text/html; charset=utf-8", `Wait a second before you try another.`
				}
				if w.Header().Get("Content-Type") != kind || !strings.Contains(w.Body.String(), says) || w.Header().Get("Retry-After") != "1" {
					t.Errorf("%s is refused with %v %s", path, w.Header(), w.Body)
				}
			}
			return w
		}
		began := time.Now()
		codes := make(chan int, 2000)
		var asking sync.WaitGroup
		for i := range cap(codes) {
			method, path := http.MethodGet, "/nowhere"
			if i%2 == 0 {
				method, path = http.MethodPost, "/login"
			}
			asking.Go(func() { codes <- ask(method, path, fmt.Sprint("guess ", i)).Code })
		}
		synctest.Wait()
		if code := ask(http.MethodGet, "/nowhere", "sesame").Code; code != http.StatusNotFound || time.Since(began) > 0 {
			t.Errorf("who has the token gets %d after %v", code, time.Since(began))
		}
		asking.Wait()
		close(codes)
		count := map[int]int{}
		for code := range codes {
			count[code]++
		}
		if count[http.StatusUnauthorized] != 16 || count[http.StatusTooManyRequests] != 1984 || time.Since(began) != 500*time.Millisecond {
			t.Errorf("of 2,000 guesses %v, after %v", count, time.Since(began))
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), `msg="a wrong token was shown" peer=192.0.2.1`) || strings.Contains(log.String(), "guess ") {
			t.Errorf("the log has %s", &log)
		}
		time.Sleep(time.Minute)
		ask(http.MethodGet, "/nowhere", "guess")
		if !strings.Contains(log.String(), "more_before=1999") {
			t.Errorf("a minute later the log has %s", &log)
		}
	})
}
