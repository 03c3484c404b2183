package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gravito-framework/pulse/internal/view"
)

// version is a view and how it goes out: encoded once for all clients, when the first of them asks.
// A client that is being written to holds a message of it, never the version: that has all the rows.
type version struct {
	seq    uint64 // the same for views that differ in nothing but the time they were made
	view   *view.View
	down   bool      // Redis did not answer: the last numbers, once more
	madeAt time.Time // by this machine's clock

	tag   *atomic.Pointer[string] // see etag; shared by all views of one seq
	size  *atomic.Int64           // how large rest is, in bytes; 0 before it was made
	rest  func() [][]byte         // the view's JSON after its first member, the time, in chunks
	json  func() *message         // the view's JSON
	gzip  func() *message         // the same, compressed
	event func() *message         // the stream's event that carries the whole view
}

// keptSize is how large a view's JSON may be, in bytes, and be kept while the next view is read: a reading takes as much
// as the view again.
const keptSize = 1 << 20

// timeOnly is how the JSON of a view begins that was made at time 0.
const timeOnly = `{"generated_at":0`

// newVersion makes a version of next, which comes after prev, and the event that patches prev. That is
// nil where nothing but the time has changed, or where there is no prev.
func newVersion(prev *version, next *view.View) (v *version, patch *message) {
	v = &version{seq: 1, view: next, tag: new(atomic.Pointer[string])}
	if prev != nil {
		v.seq = prev.seq
		if change := view.Patch(prev.view, next); change != nil {
			v.seq++
			patch = eventOf("patch", v.seq, change)
		} else {
			v.tag = prev.tag
			if size := prev.size.Load(); size > 0 && size <= keptSize {
				v.rest, v.size = prev.rest, prev.size
			}
		}
	}
	v.encodeOnce()
	return v, patch
}

// unencoded is v, to be encoded once more by whoever asks first.
func (v *version) unencoded() *version {
	again := &version{seq: v.seq, view: v.view, down: v.down, madeAt: v.madeAt, tag: v.tag}
	again.encodeOnce()
	return again
}

func (v *version) encodeOnce() {
	if v.rest == nil {
		v.size = new(atomic.Int64)
		v.rest = sync.OnceValue(func() [][]byte { return restOf(v.view, v.size) })
	}
	head := fmt.Appendf(nil, `{"generated_at":%d`, v.view.GeneratedAt)
	v.json = sync.OnceValue(func() *message { return newMessage(v.after(head)...) })
	v.gzip = sync.OnceValue(func() *message { return newMessage(compress(v.after(head)...)) })
	v.event = sync.OnceValue(func() *message { return eventOf("view", v.seq, v.after(head)...) })
}

// etag is that of rest: a weak one, as the time is not in it.
func (v *version) etag() string {
	tag := v.tag.Load()
	if tag == nil {
		tag = new("W/" + etag(v.rest()...))
		v.tag.Store(tag)
	}
	return *tag
}

// after is v's JSON, whose first member is head.
func (v *version) after(head []byte) [][]byte { return append([][]byte{head}, v.rest()...) }

// restOf is v's JSON after its first member, the time. It sets size.
func restOf(v *view.View, size *atomic.Int64) [][]byte {
	undated := *v
	undated.GeneratedAt = 0
	rest := undated.JSON()
	rest[0] = rest[0][len(timeOnly):]
	size.Store(int64(newMessage(rest...).size))
	return rest
}

// restSize is how large v's JSON is without its time, in bytes.
func (v *version) restSize() int {
	_ = v.rest()
	return int(v.size.Load())
}

// eventOf is a server-sent event. JSON has no line break in it, so one data line will do.
func eventOf(name string, id uint64, data ...[]byte) *message {
	parts := [][]byte{fmt.Appendf(nil, "event: %s\nid: %d\ndata: ", name, id)}
	parts = append(parts, data...)
	return newMessage(append(parts, []byte("\n\n"))...)
}

// zippers keeps what compresses: its tables are as large as many a view.
var zippers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a valid one
	return w
}}

func compress(parts ...[]byte) []byte {
	w := zippers.Get().(*gzip.Writer)
	defer zippers.Put(w)
	return compressWith(w, w.Close, parts...)
}

// compressor is what makes bytes fewer: a [gzip.Writer], or a [flate.Writer].
type compressor interface {
	io.Writer
	Reset(to io.Writer)
}

// compressWith is what w makes of parts; end is how it ends them.
func compressWith(w compressor, end func() error, parts ...[]byte) []byte {
	var b bytes.Buffer
	w.Reset(&b)
	for _, part := range parts {
		_, _ = w.Write(part) // a buffer takes everything
	}
	_ = end()
	return bytes.Clone(b.Bytes()) // a buffer may have twice the room
}
