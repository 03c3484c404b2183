package api

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

// hashed are the names that have a hash of what the file holds, as esbuild gives them: another version has another name.
var hashed = regexp.MustCompile(`-[0-9A-Z]{8}\.(js|css)$`)

// asset is a file of the page.
type asset struct {
	data []byte
	gzip func() []byte // the same, compressed when the first client wants it
	etag string
	kind string // its content type
}

// assets serves the page's files. They have no time of their own, being part of the program: a browser knows the version
// that it has by the hash in its name, or by a digest of what it holds.
func assets(files fs.FS) http.Handler {
	var known sync.Map // of assets, by name
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/assets/")
		found, ok := known.Load(name)
		if !ok {
			data, err := fs.ReadFile(files, name)
			if err != nil {
				writeProblem(w, http.StatusNotFound, "There is nothing at "+r.URL.Path+".")
				return
			}
			kind := mime.TypeByExtension(path.Ext(name))
			if path.Ext(name) == ".js" {
				kind = "text/javascript; charset=utf-8" // whatever this machine calls it: browsers run nothing else
			}
			found, _ = known.LoadOrStore(name, &asset{data, sync.OnceValue(func() []byte { return squeeze(data) }), etag(data), kind})
		}
		found.(*asset).serve(w, r, name)
	})
}

// squeeze takes its time: it is done once for all clients.
func squeeze(data []byte) []byte {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestCompression) // the level is a valid one
	return compressWith(w, w.Close, data)
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request, name string) {
	h := w.Header()
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if hashed.MatchString(name) {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if a.kind != "" {
		h.Set("Content-Type", a.kind)
	}
	body, tag := a.data, a.etag
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body, tag = a.gzip(), strings.TrimSuffix(tag, `"`)+`-gzip"` // other bytes, so another tag
	}
	h.Set("ETag", tag)
	r.Header.Del("Range") // a part of compressed bytes is of no use to anybody
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}
