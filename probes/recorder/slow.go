package recorder

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// Kind is what was slow.
type Kind string

// The kinds that the protocol knows.
const (
	HTTP  Kind = "http"
	Job   Kind = "job"
	Query Kind = "query"
	Other Kind = "other"
)

// DefaultSlowAfter is how long something may take that Options.SlowAfter has no word on.
const DefaultSlowAfter = time.Second

const (
	// slowBuffer is how many entries wait for Redis: a burst, or an outage of a few seconds.
	slowBuffer = 256
	// maxSlowName and maxSlowMeta bound what one entry may hold, in bytes.
	maxSlowName = 500
	maxSlowMeta = 8 << 10
)

// slow is what waits to be written. Anybody puts in, one goroutine takes out.
type slow struct {
	after   map[Kind]time.Duration
	waiting chan map[string]string
	dropped atomic.Uint64
}

func newSlow(after map[Kind]time.Duration) *slow {
	s := &slow{after: make(map[Kind]time.Duration, 4), waiting: make(chan map[string]string, slowBuffer)}
	for _, kind := range []Kind{HTTP, Job, Query, Other} {
		s.after[kind] = or(after[kind], DefaultSlowAfter)
	}
	return s
}

// Slow notes something that took that long, if that is as long as Options.SlowAfter says or longer.
// The name is a job's class or a statement with placeholders: values don't belong there, nor do
// secrets. meta may be nil.
//
// It never waits: where there is no room for one more entry it is dropped, and counted by
// [Recorder.SlowDropped]. It is safe for concurrent use.
func (r *Recorder) Slow(kind Kind, name string, took time.Duration, meta map[string]any) {
	after, known := r.slow.after[kind]
	if !known {
		kind, after = Other, r.slow.after[Other]
	}
	if took < after {
		return
	}
	e := protocol.SlowEntry{
		Timestamp: r.now().UnixMilli(), Kind: string(kind), Name: short(or(name, "unnamed")),
		DurationMS: took.Milliseconds(), ThresholdMS: after.Milliseconds(), Host: strings.ToValidUTF8(r.hostname, "?"), Meta: meta,
	}
	// The fields are made here: later, the caller may be changing its meta.
	fields, err := e.Fields()
	if err != nil || len(fields["meta"]) > maxSlowMeta {
		e.Meta = map[string]any{"meta_left_out": true} // it is no JSON, or too large: the entry is worth more
		if fields, err = e.Fields(); err != nil {
			r.slow.dropped.Add(1)
			return
		}
	}
	select {
	case r.slow.waiting <- fields:
	default:
		r.slow.dropped.Add(1)
	}
}

// Time starts a clock, and returns what stops it and notes what took too long:
//
//	defer r.Time(recorder.Job, "send invoice")()
func (r *Recorder) Time(kind Kind, name string) (stop func()) {
	began := time.Now()
	return func() { r.Slow(kind, name, time.Since(began), nil) }
}

// SlowDropped is how many slow entries never reached Redis: it was gone, or they came faster than it
// took them.
func (r *Recorder) SlowDropped() uint64 { return r.slow.dropped.Load() }

// short is a name that is UTF-8 and of a length that a page can show.
func short(name string) string {
	return protocol.Shorten(strings.ToValidUTF8(name, "?"), maxSlowName)
}
