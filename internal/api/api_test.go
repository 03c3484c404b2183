package api_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
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

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gravito-framework/pulse/internal/api"
	"github.com/gravito-framework/pulse/internal/dashboard"
	"github.com/gravito-framework/pulse/internal/pagetest"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/internal/view"
)

// answer is a response that has been read.
type answer struct {
	status  int
	header  http.Header
	cookies []*http.Cookie
	body    string
}

// call makes a request of a server, without following redirects.
func call(t testing.TB, method, target string, change func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= 400 && !strings.Contains(resp.Header.Get("Content-Type"), "html") {
		var p struct {
			Title, Detail string
			Status        int
		}
		if json.Unmarshal(body, &p) != nil || p.Status != resp.StatusCode || p.Title == "" || p.Detail == "" || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d is no problem JSON: %s", method, target, resp.StatusCode, body)
		}
	}
	if !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s %s: its headers are %v", method, target, resp.Header)
	}
	return answer{resp.StatusCode, resp.Header, resp.Cookies(), string(body)}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestViewOfAStrangerIsCachedAndNarrowed(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := pagetest.Serve(t, redis, "")
	pagetest.Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"emails","driver":"celery","metrics":{"waiting":12}},{"name":"orders","driver":"sqs","metrics":{"waiting":1}}]`)
	a := call(t, http.MethodGet, server.URL+"/api/v1/view", nil)
	if a.status != http.StatusOK || !strings.Contains(a.body, `"celery/emails":{"name":"emails"`) || !strings.Contains(a.body, `"totals":{"waiting":13,`) {
		t.Fatalf("the view is %d %s", a.status, a.body)
	}
	if again := call(t, http.MethodGet, server.URL+"/api/v1/view", header("If-None-Match", a.header.Get("ETag"))); again.status != http.StatusNotModified || again.body != "" {
		t.Errorf("with its ETag it is %d %s", again.status, again.body)
	}
	zipped := call(t, http.MethodGet, server.URL+"/api/v1/view", header("Accept-Encoding", "br, gzip;q=0.5"))
	z, err := gzip.NewReader(strings.NewReader(zipped.body))
	if err != nil || zipped.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("gzip: %v, %v", err, zipped.header)
	}
	if plain, err := io.ReadAll(z); err != nil || !json.Valid(plain) || !strings.Contains(string(plain), "emails") {
		t.Errorf("unzipped it is %s, %v", plain, err)
	}
	if a := call(t, http.MethodGet, server.URL+"/api/v1/view?driver=sqs&q=ORD", nil); strings.Contains(a.body, "emails") || !strings.Contains(a.body, `"totals":{"waiting":1,`) {
		t.Errorf("narrowed it is %s", a.body)
	}
}

func TestQueryThatCannotBeReadIsRefused(t *testing.T) {
	t.Parallel()
	server := pagetest.Serve(t, servertest.Redis(t), "")
	for _, query := range []string{"?app=shop;driver=sqs", "?q=%"} {
		if a := call(t, http.MethodGet, server.URL+"/api/v1/view"+query, nil); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", query, a.status)
		}
	}
}

func TestNothingCanBeChanged(t *testing.T) {
	t.Parallel()
	server := pagetest.Serve(t, servertest.Redis(t), "")
	for _, path := range []string{"/", "/api/v1/view", "/api/v1/stream", "/api/v1/slow", "/healthz", "/assets/app.js"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			if a := call(t, method, server.URL+path, nil); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET" {
				t.Errorf("%s %s: %d", method, path, a.status)
			}
		}
	}
	for _, path := range []string{"/nope", "/assets/", "/assets/nope.js", "/api/v2/view"} {
		if a := call(t, http.MethodGet, server.URL+path, nil); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

func TestRubbishInRedisHarmsNobody(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	server := pagetest.Serve(t, redis, "")
	ctx := t.Context()
	redis.Client.Set(ctx, "pulse:index", "rubbish", 0)
	redis.Client.Set(ctx, "pulse:scan", "rubbish", 0)
	redis.Client.LPush(ctx, "pulse:queues:list", "rubbish")
	redis.Client.Set(ctx, "pulse:queues:large", strings.Repeat("[", 10<<20), 0)
	redis.Client.Set(ctx, "pulse:server:x", "\xff\xfe", 0)
	pipe := redis.Client.Pipeline()
	for i := range 3000 {
		pipe.Set(ctx, fmt.Sprintf("pulse:queues:rubbish-%d", i), "{", 0)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	pagetest.Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"emails","driver":"sqs","metrics":{"waiting":12}}]`)
	a := call(t, http.MethodGet, server.URL+"/api/v1/view", nil)
	for _, part := range []string{`"waiting":12`, "larger than 8 MiB", "WRONGTYPE", "more problems are not listed"} {
		if a.status != http.StatusOK || !strings.Contains(a.body, part) {
			t.Errorf("the view is %d, without %s: %.2000s", a.status, part, a.body)
		}
	}
}

func TestOnlyWhoMayReadsTheView(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	const token = "open sesame"
	closed := pagetest.Serve(t, redis, token)
	status := func(target string, change func(*http.Request)) int {
		a := call(t, http.MethodGet, target, change)
		if strings.Contains(a.body, token) || strings.Contains(fmt.Sprint(a.header), token) {
			t.Errorf("%s tells the token", target)
		}
		return a.status
	}
	for _, tc := range []struct {
		path   string
		change func(*http.Request)
		want   int
	}{
		{"/api/v1/view", nil, 401},
		{"/api/v1/stream", nil, 401},
		{"/", nil, 401},
		{"/nope", nil, 401},
		{"/healthz", nil, 200},
		{stylesheet(t), nil, 200},
		{"/api/v1/view", header("Authorization", "Bearer "+token), 200},
		{"/api/v1/view", header("Authorization", "bearer  "+token), 200},
		{"/api/v1/view", header("Authorization", "Bearer open"), 401},
		{"/api/v1/view", header("Authorization", "Basic "+token), 401},
		{"/api/v1/view", header("Cookie", "pulse_session="+token), 401},
		{"/api/v1/view", header("Cookie", "pulse_session=9999999999.00"), 401},
	} {
		if got := status(closed.URL+tc.path, tc.change); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.path, got, tc.want)
		}
	}
	login := func(token string) answer {
		return call(t, http.MethodPost, closed.URL+"/login", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Body = io.NopCloser(strings.NewReader(url.Values{"token": {token}}.Encode()))
			r.ContentLength = -1
		})
	}
	if a := login("wrong"); a.status != http.StatusUnauthorized || len(a.cookies) > 0 {
		t.Errorf("a wrong token: %d, %v", a.status, a.cookies)
	}
	a := login(token)
	if a.status != http.StatusSeeOther || len(a.cookies) != 1 {
		t.Fatalf("the right token: %d, %v", a.status, a.cookies)
	}
	c := a.cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.Value, token) {
		t.Errorf("the session's cookie is %v", c)
	}
	if got := status(closed.URL+"/api/v1/view", header("Cookie", c.Name+"="+c.Value)); got != 200 {
		t.Errorf("with the session: %d", got)
	}
	if got := status(closed.URL+"/api/v1/view", header("Cookie", c.Name+"=9"+c.Value)); got != 401 {
		t.Errorf("with a session made longer: %d", got)
	}

	// Without a token it answers only to names of this machine: a page elsewhere may point its own
	// name here, but cannot make a browser send another.
	open := pagetest.Serve(t, redis, "")
	for host, want := range map[string]int{"localhost:1": 200, "127.0.0.1": 200, "[::1]:80": 200, "evil.example": 403, "127.0.0.1.evil.example": 403, "192.168.1.5": 403} {
		if got := status(open.URL+"/api/v1/view", func(r *http.Request) { r.Host = host }); got != want {
			t.Errorf("as %s: %d, want %d", host, got, want)
		}
	}
}

// events reads a stream's events.
type events struct{ scanner *bufio.Scanner }

// next is the next event but those that say nothing, and ok false at the end.
func (e *events) next() (name, data string, ok bool) {
	for e.scanner.Scan() {
		switch line := e.scanner.Text(); {
		case strings.HasPrefix(line, "event: "):
			name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = line[len("data: "):]
		case line == "" && name != "":
			return name, data, true
		}
	}
	return "", "", false
}

func TestStreamIsAViewAndThenWhatChanges(t *testing.T) {
	redis := servertest.Redis(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	pagetest.Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"emails","driver":"sqs","metrics":{"waiting":1}}]`)
	server := pagetest.Serve(t, redis, "")
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/stream", http.NoBody)
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	e := &events{bufio.NewScanner(resp.Body)}
	name, text, ok := e.next()
	if !ok || name != "view" || !strings.Contains(text, `"waiting":1`) {
		t.Fatalf("the first event is %s %s", name, text)
	}
	for i := 2; i < 5; i++ {
		pagetest.Set(t, redis, "pulse:queues:shop", `"app":"shop","queues":[{"name":"emails","driver":"sqs","metrics":{"waiting":%d}}]`, i)
		name, patch, ok := e.next()
		if !ok || name != "patch" {
			t.Fatalf("event %d is %s %s", i, name, patch)
		}
		next, err := jsonpatch.MergePatch([]byte(text), []byte(patch))
		if err != nil {
			t.Fatal(err)
		}
		want := call(t, http.MethodGet, server.URL+"/api/v1/view", nil).body
		if diff := cmp.Diff(value(t, []byte(want)), value(t, next)); diff != "" {
			t.Errorf("after patch %s (-view +patched):\n%s", patch, diff)
		}
		text = string(next)
	}
	cancel()
	server.CloseClientConnections()
	server.Client().CloseIdleConnections()
}

// value is JSON without the time that a view was made at.
func value(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	delete(v, "generated_at")
	return v
}

func TestNoViewUntilRedisHasAnswered(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	read := func(context.Context, time.Time, func(view.Document) bool) (time.Duration, error) {
		return 0, errors.New("connection refused")
	}
	handler := func() http.Handler {
		s := &api.Server{Live: api.NewLive(read, 0, slog.New(slog.NewTextHandler(&log, nil))), Log: slog.New(slog.DiscardHandler), Ping: func(context.Context) error { return errors.New("down") }}
		return s.Handler()
	}
	get := func(h http.Handler, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		r.Host = "localhost"
		h.ServeHTTP(w, r)
		return w
	}
	if w := get(handler(), "/api/v1/view"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("never up: %d %s", w.Code, w.Body)
	}
	if w := get(handler(), "/healthz"); w.Code != 200 || !strings.Contains(w.Body.String(), `"redis":"down"`) {
		t.Errorf("healthz: %d %s", w.Code, w.Body)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, &log)
	}
}

// TestOnePingForEverybody: a Redis that is far away must not be called down because many ask.
func TestOnePingForEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pings := 0
		s := &api.Server{Log: slog.New(slog.DiscardHandler), Ping: func(ctx context.Context) error {
			pings++
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
				return nil
			}
		}}
		h := s.Handler()
		ask := func(ctx context.Context) string {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/healthz", http.NoBody)
			r.Host = "localhost"
			h.ServeHTTP(w, r)
			return w.Body.String()
		}
		gone, goAway := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		asking.Go(func() { ask(gone) })
		synctest.Wait()
		goAway() // the first client who asked, for whom the ping was sent
		for range 60 {
			asking.Go(func() {
				if answer := ask(t.Context()); !strings.Contains(answer, `"redis":"up"`) {
					t.Error(answer)
				}
			})
		}
		asking.Wait()
		if pings != 1 {
			t.Errorf("Redis was pinged %d times", pings)
		}
	})
}

func TestTLSIsAskedForNextTime(t *testing.T) {
	t.Parallel()
	h := (&api.Server{Log: slog.New(slog.DiscardHandler), Ping: func(context.Context) error { return nil }}).Handler()
	for proto, want := range map[string]bool{"https": true, "http": false, "": false} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", http.NoBody)
		r.Host = "localhost"
		r.Header.Set("X-Forwarded-Proto", proto)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		for _, name := range []string{"Strict-Transport-Security", "Cross-Origin-Opener-Policy"} {
			if got := w.Header().Get(name) != ""; got != want {
				t.Errorf("by %q: %v", proto, w.Header())
			}
		}
	}
}

// stylesheet is where the page's is.
func stylesheet(t *testing.T) string {
	t.Helper()
	names, err := fs.Glob(dashboard.Assets(), "*.css")
	if err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
	return "/assets/" + names[0]
}
