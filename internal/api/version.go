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

	size  *atomic.Int64   // about how large rest is, of the version before; shared by all
	rest  func() []byte   // the view's JSON after its first member, the time: shared by all views of one seq
	etag  func() string   // of rest
	json  func() *message // the view's JSON
	gzip  func() *message // the same, compressed
	event func() *message // the stream's event that carries the whole view
}

// usualRow is about how large a row's JSON is, in bytes.
const usualRow = 320

// timeOnly is how the JSON of a view begins that was made at time 0.
const timeOnly = `{"generated_at":0`

// newVersion makes a version of next, which comes after prev, and the event that patches prev. That is
// nil where nothing but the time has changed, or where there is no prev.
func newVersion(prev *version, next *view.View) (v *version, patch *message) {
	v = &version{seq: 1, view: next}
	if prev != nil {
		v.seq = prev.seq
		if change := view.Patch(prev.view, next); change != nil {
			v.seq++
			patch = eventOf("patch", v.seq, change)
		} else {
			v.rest, v.etag, v.size = prev.rest, prev.etag, prev.size
		}
	}
	if v.rest == nil {
		size := new(atomic.Int64)
		if prev != nil {
			size = prev.size
		} else {
			size.Store(usualRow * int64(next.Totals.Queues+next.Totals.Servers))
		}
		v.size = size
		rest := sync.OnceValue(func() []byte { return restOf(next, size) })
		v.rest = rest
		v.etag = sync.OnceValue(func() string { return "W/" + etag(rest()) }) // weak: the time is not in it
	}
	head := fmt.Appendf(nil, `{"generated_at":%d`, next.GeneratedAt)
	v.json = sync.OnceValue(func() *message { return newMessage(head, v.rest()) })
	v.gzip = sync.OnceValue(func() *message { return newMessage(compress(head, v.rest())) })
	v.event = sync.OnceValue(func() *message { return eventOf("view", v.seq, head, v.rest()) })
	return v, patch
}

// restOf is v's JSON after its first member, the time. size is how large the one before was: memory that grows while it is
// written to takes twice as much.
func restOf(v *view.View, size *atomic.Int64) []byte {
	undated := *v
	undated.GeneratedAt = 0
	room := size.Load()
	rest := undated.AppendJSON(make([]byte, 0, room+room/64))
	size.Store(int64(len(rest)))
	return rest[len(timeOnly):]
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
