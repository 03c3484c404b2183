package view

import (
	"maps"
	"slices"
	"strconv"

	"github.com/gravito-framework/pulse/protocol"
)

// AppendJSON appends v to dst.
func (v *View) AppendJSON(dst []byte) []byte {
	w := writer{buf: dst}
	v.write(&w)
	return w.buf
}

// chunkSize is how large a chunk of a view's JSON is, in bytes, chunkRoom what it has while a row is written to it.
const chunkSize, chunkRoom = 240 << 10, 256 << 10

// JSON is v in chunks, each of which but the last has the same size: memory that grows while it is written to takes more
// than twice as much.
func (v *View) JSON() [][]byte {
	w := writer{buf: make([]byte, 0, 1<<10), inChunks: true}
	v.write(&w)
	return append(w.chunks, w.buf)
}

func (v *View) write(w *writer) {
	w.open()
	w.int("generated_at", v.GeneratedAt)
	if v.RedisDown != nil {
		w.name("redis_down")
		v.RedisDown.write(w)
	}
	w.name("totals")
	v.Totals.write(w)
	w.name("apps")
	w.open()
	for _, name := range slices.Sorted(maps.Keys(v.Apps)) {
		w.name(name)
		v.Apps[name].write(w)
	}
	w.close()
	w.problems(v.Problems)
	w.close()
}

// MarshalJSON implements [json.Marshaler].
func (v *View) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

func (d *RedisDown) write(w *writer) {
	w.open()
	w.int("since", d.Since)
	w.int("read_at", d.ReadAt)
	w.close()
}

func (t *Totals) write(w *writer) {
	w.open()
	w.known("waiting", t.Waiting)
	w.known("active", t.Active)
	w.known("delayed", t.Delayed)
	w.known("failed", t.Failed)
	w.int("queues", int64(t.Queues))
	w.int("servers", int64(t.Servers))
	if len(t.Unknown) > 0 {
		w.name("unknown")
		w.open()
		for _, name := range slices.Sorted(maps.Keys(t.Unknown)) {
			w.int(name, int64(t.Unknown[name]))
		}
		w.close()
	}
	w.name("lost")
	w.open()
	w.int("queues", int64(t.Lost.Queues))
	w.int("servers", int64(t.Lost.Servers))
	w.close()
	w.close()
}

func (a *App) write(w *writer) {
	w.open()
	writeMap(w, "sources", a.Sources)
	writeMap(w, "queues", a.Queues)
	writeMap(w, "servers", a.Servers)
	if len(a.Alerts) > 0 {
		writeMap(w, "alerts", a.Alerts)
	}
	w.close()
}

func (s *Source) appendJSON(dst []byte) []byte {
	w := writer{buf: dst}
	w.open()
	w.text("status", string(s.Status))
	w.int("timestamp", s.Timestamp)
	w.close()
	return w.buf
}

func writeMap[R row](w *writer, name string, rows map[string]R) {
	w.name(name)
	w.open()
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		w.name(key)
		w.buf = rows[key].appendJSON(w.buf)
		w.endChunk()
	}
	w.close()
}

// writer appends JSON.
type writer struct {
	buf      []byte
	inChunks bool     // what is in buf becomes a chunk when it is large enough
	chunks   [][]byte // what was written before buf
}

// endChunk ends the chunks that are full, behind a value.
func (w *writer) endChunk() {
	for w.inChunks && len(w.buf) >= chunkSize {
		w.chunks = append(w.chunks, w.buf[:chunkSize])
		w.buf = append(make([]byte, 0, chunkRoom), w.buf[chunkSize:]...)
	}
}

func (w *writer) open()  { w.buf = append(w.buf, '{') }
func (w *writer) close() { w.buf = append(w.buf, '}') }

// name begins a member, with a comma unless it is an object's first. Behind a chunk there is a value.
func (w *writer) name(name string) {
	if n := len(w.buf); n == 0 || w.buf[n-1] != '{' {
		w.buf = append(w.buf, ',')
	}
	w.buf = append(protocol.AppendText(w.buf, name), ':')
}

// row writes a member that is a row.
func (w *writer) row(name string, r row) {
	w.name(name)
	w.buf = r.appendJSON(w.buf)
}

func (w *writer) raw(name string, value []byte) {
	w.name(name)
	w.buf = append(w.buf, value...)
}

func (w *writer) text(name, value string) {
	w.name(name)
	w.buf = protocol.AppendText(w.buf, value)
}

func (w *writer) int(name string, n int64) {
	w.name(name)
	w.buf = strconv.AppendInt(w.buf, n, 10)
}

func (w *writer) bool(name string, b bool) {
	w.name(name)
	w.buf = strconv.AppendBool(w.buf, b)
}

// known writes a member that is not there while it is nil.
func (w *writer) known(name string, n *int64) {
	if n != nil {
		w.int(name, *n)
	}
}

// knownOrNull writes a number that is null while it is nil.
func (w *writer) knownOrNull(name string, n *int64) {
	if n == nil {
		w.null(name)
	} else {
		w.int(name, *n)
	}
}

func (w *writer) null(name string) {
	w.name(name)
	w.buf = append(w.buf, "null"...)
}

func (w *writer) problems(problems []Problem) {
	w.name("problems")
	w.buf = append(w.buf, '[')
	for i, p := range problems {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.open()
		w.text("key", p.Key)
		w.text("reason", p.Reason)
		w.close()
	}
	w.buf = append(w.buf, ']')
}
