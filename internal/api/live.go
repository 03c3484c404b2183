package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gravito-framework/pulse/internal/view"
)

// Read hands over every document there is, and returns how far Redis' clock is ahead of ours, or says why Redis
// could not be asked. add reports whether anything in the document could be read.
type Read func(ctx context.Context, now time.Time, add func(view.Document) (readable bool)) (ahead time.Duration, err error)

const (
	// goodFor is how old a view may be that is given out.
	goodFor = time.Second
	// every is how often the view is made anew while somebody watches.
	every = 2 * time.Second
	// slowest is how seldom it is tried while Redis doesn't answer.
	slowest = 10 * time.Second
	// readTimeout bounds one reading.
	readTimeout = 8 * time.Second
)

// version is a view and how it goes out: encoded once for everybody, and not before somebody asks.
type version struct {
	seq    uint64
	view   *view.View
	down   bool      // Redis did not answer: the last numbers, once more
	madeAt time.Time // by this machine's clock
	patch  []byte    // from the version before; nil if nothing changed

	timeless func() []byte // the view's JSON as if made at 0
	etag     func() string // of everything but the time it was made
	gzip     func() []byte
}

// zero is how the JSON of a timeless view begins.
const zero = `{"generated_at":0`

// json is the view's JSON. The time comes first in it, so the rest need not be encoded again.
func (v *version) json() []byte {
	return fmt.Appendf(nil, `{"generated_at":%d%s`, v.view.GeneratedAt, v.timeless()[len(zero):])
}

// Live keeps the newest version. It reads when somebody asks, never on its own: a reading while
// nobody looks costs Redis and tells nobody.
type Live struct {
	read Read
	log  *slog.Logger
	now  func() time.Time

	// Of the one reading that may be under way; where none is, of whoever holds mu.
	builder   view.Builder
	ahead     time.Duration // how far Redis' clock was ahead of ours at the last reading that worked
	downSince time.Time     // zero while Redis answers
	wait      time.Duration // until Redis that doesn't answer is tried again

	mu       sync.Mutex // guards what is below
	current  *version
	changed  chan struct{} // closed when current is replaced
	reading  *reading      // nil while none is under way
	triedAt  time.Time
	watchers int
	stop     context.CancelFunc // of the loop, while there are watchers
	tasks    sync.WaitGroup
}

// reading is one look at Redis, for everybody who asks meanwhile.
type reading struct {
	done chan struct{} // closed at its end
	err  error         // that of its end, if it could make no version
}

// NewLive makes a Live that reads with read. budget is about how many bytes the rows of a view may take; 0 is
// no bound.
func NewLive(read Read, budget int64, log *slog.Logger) *Live {
	return &Live{read: read, builder: view.Builder{Budget: budget}, log: log, now: time.Now, changed: make(chan struct{})}
}

var (
	// errNothingYet is that no view was ever made, because Redis has not answered since the start.
	errNothingYet = errors.New("Redis does not answer, and has not since this program started")
	// errDefect is that a reading panicked; the log says where.
	errDefect = errors.New("a reading failed: this is a defect")
)

// newest returns a version that is at most goodFor old. While Redis doesn't answer, or takes long, it
// returns the last numbers with a problem that says so, or with their time.
func (l *Live) newest(ctx context.Context) (*version, error) {
	v, r := l.ask(ctx)
	if r == nil {
		if v == nil {
			return nil, errNothingYet
		}
		return v, nil
	}
	var enough <-chan time.Time
	if limit := l.patience(v); limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-enough:
		return v, nil
	case <-r.done:
	}
	v, _ = l.latest()
	return v, r.err
}

// ask returns the last version and the reading that makes the next one, begun if that is due; nil if
// the last one will do.
func (l *Live) ask(ctx context.Context) (*version, *reading) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); l.reading == nil && now.Sub(l.triedAt) >= max(goodFor, l.wait) {
		l.triedAt = now
		r := &reading{done: make(chan struct{})}
		l.reading = r
		// Whoever asked may go; others wait for the same.
		ctx := context.WithoutCancel(ctx)
		l.tasks.Go(func() {
			r.err = l.refresh(ctx, now)
			l.mu.Lock()
			l.reading = nil
			l.mu.Unlock()
			close(r.done)
		})
	}
	return l.current, l.reading
}

// patience is how long to wait for a better version than v: not for long where Redis is known to
// hang; 0 is as long as it takes, where there is none or it is so old that what it calls fresh is not.
func (l *Live) patience(v *version) time.Duration {
	switch {
	case v == nil:
		return 0
	case v.down:
		return 500 * time.Millisecond
	case l.now().Sub(v.madeAt) < slowest:
		return 2 * time.Second
	}
	return 0
}

func (l *Live) latest() (*version, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current, l.changed
}

// refresh reads and makes the next version, or says why there is none.
func (l *Live) refresh(ctx context.Context, now time.Time) (err error) {
	defer func() {
		if v := recover(); v != nil {
			l.log.Error("a reading failed: this is a defect", "panic", v, "stack", string(debug.Stack()))
			err = errDefect
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	l.builder.Forget() // what a reading left that panicked
	ahead, err := l.read(ctx, l.now(), l.builder.Add)
	prev, _ := l.latest()
	var next *view.View
	if err == nil {
		l.up()
		l.ahead = ahead
		next = l.builder.Finish(l.now().Add(l.ahead))
	} else {
		l.down(now, err)
		l.builder.Forget()
		if prev == nil {
			return errNothingYet
		}
		// A reading that failed took its time, and the ages of the last numbers go on.
		next = l.builder.View(l.now().Add(l.ahead))
	}
	if err != nil {
		next.Problems = append([]view.Problem{{Key: "redis", Reason: fmt.Sprintf("Redis has not answered since %s; these are the last numbers",
			l.downSince.Add(l.ahead).UTC().Format("15:04:05 UTC"))}}, next.Problems...)
	}
	v := newVersion(prev, next)
	v.down, v.madeAt = err != nil, l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = v
	if v.patch != nil || prev == nil {
		close(l.changed)
		l.changed = make(chan struct{})
	}
	return nil
}

// down says once that Redis doesn't answer, and waits longer before each further try.
func (l *Live) down(now time.Time, err error) {
	if l.downSince.IsZero() {
		l.downSince = now
		l.log.Warn("cannot read; the last numbers are shown until it works", "error", err)
	}
	l.wait = min(max(2*l.wait, every), slowest)
}

func (l *Live) up() {
	if !l.downSince.IsZero() {
		l.log.Info("reads again")
	}
	l.downSince, l.wait = time.Time{}, 0
}

// newVersion makes a version of next, which comes after prev.
func newVersion(prev *version, next *view.View) *version {
	v := &version{seq: 1, view: next}
	v.gzip = sync.OnceValue(func() []byte { return compress(v.json()) })
	if prev != nil {
		v.patch = view.Patch(prev.view, next)
		if v.seq = prev.seq; v.patch == nil {
			v.timeless, v.etag = prev.timeless, prev.etag
			return v
		}
		v.seq++
	}
	v.timeless = sync.OnceValue(func() []byte {
		timeless := *next
		timeless.GeneratedAt = 0
		return timeless.AppendJSON(nil)
	})
	v.etag = sync.OnceValue(func() string { return "W/" + etag(v.timeless()) }) // weak: the time is not in it
	return v
}

func compress(data []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // the level is a valid one
	_, _ = w.Write(data)                            // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// watch makes the view be made anew as long as ctx lasts, for whoever waits for changes.
func (l *Live) watch(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers++
	if l.watchers == 1 {
		var loopCtx context.Context
		loopCtx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
		l.tasks.Go(func() { l.keepFresh(loopCtx) })
	}
	context.AfterFunc(ctx, l.unwatch)
}

func (l *Live) unwatch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watchers--; l.watchers == 0 {
		l.stop()
	}
}

func (l *Live) keepFresh(ctx context.Context) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		_, _ = l.newest(ctx) // what is wrong is in the version, or has been logged
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
