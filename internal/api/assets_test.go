package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestAssets(t *testing.T) {
	t.Parallel()
	script := strings.Repeat("let a = 1\n", 100)
	h := assets(fstest.MapFS{
		"app-3F9A01BC.js": {Data: []byte(script)}, "app.js": {Data: []byte(script)}, "style-0123ABCD.css": {Data: []byte("a {}")},
		"dark-mode.css": {Data: []byte("a {}")}, "icon.svg": {Data: []byte("<svg/>")},
	})
	get := func(name, accepts, knows string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/assets/"+name, http.NoBody)
		r.Header.Set("Accept-Encoding", accepts)
		r.Header.Set("If-None-Match", knows)
		h.ServeHTTP(w, r)
		return w
	}
	const forGood, asked = "public, max-age=31536000, immutable", "no-cache"
	for name, want := range map[string]struct{ cache, kind string }{
		"app-3F9A01BC.js": {forGood, "text/javascript; charset=utf-8"}, "app.js": {asked, "text/javascript; charset=utf-8"},
		"style-0123ABCD.css": {forGood, "text/css; charset=utf-8"}, "dark-mode.css": {asked, "text/css; charset=utf-8"},
		"icon.svg": {asked, "image/svg+xml"},
	} {
		tags := map[string]bool{}
		for _, accepts := range []string{"", "gzip"} {
			w := get(name, accepts, "")
			head := w.Header()
			if w.Code != http.StatusOK || head.Get("Cache-Control") != want.cache || head.Get("Content-Type") != want.kind || head.Get("Vary") != "Accept-Encoding" || head.Get("Content-Encoding") != accepts {
				t.Errorf("%s for %q: %d %v", name, accepts, w.Code, head)
			}
			if again := get(name, accepts, head.Get("ETag")); again.Code != http.StatusNotModified {
				t.Errorf("%s for %q, again: %d", name, accepts, again.Code)
			}
			tags[head.Get("ETag")] = true
		}
		if len(tags) != 2 {
			t.Errorf("%s has the tags %v", name, tags)
		}
	}
	if plain, zipped := get("app.js", "", "").Body, get("app.js", "gzip", "").Body; plain.String() != script || zipped.Len() >= plain.Len()/5 {
		t.Errorf("%d bytes, compressed %d", plain.Len(), zipped.Len())
	}
	for _, name := range []string{"none-3F9A01BC.js", "", "../server.go", "app-3F9A01BC.js/"} {
		if w := get(name, "gzip", ""); w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Content-Encoding") != "" {
			t.Errorf("%q: %d %v", name, w.Code, w.Header())
		}
	}
}
