package api

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/gravito-framework/pulse/internal/logonce"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/view"
)

// Read hands over every document there is, and returns how far Redis' clock is ahead of ours, or says why Redis
// could not be asked. add reports whether anything in the document could be read.
type Read func(ctx context.Context, now time.Time, add func(view.Document) (readable bool)) (ahead time.Duration, err error)

const (
	// viewMaxAge is how old a view may be before an answer takes a new reading.
	viewMaxAge = time.Second
	// readInterval is the time between two readings while there are streams.
	readInterval = 2 * time.Second
	// maxRetryDelay is the longest time between two tries while Redis doesn't answer: as long the view may still say so
	// once it does.
	maxRetryDelay = 5 * time.Second
	// oldAfter is how old a view may be and still be an answer where a reading takes long.
	oldAfter = 10 * time.Second
	// readTimeout bounds one reading, with what is made of what was read: on a fraction of a processor that takes most of
	// the time. How long Redis may take is up to the Read.
	readTimeout = 2 * time.Minute
)

const (
	// keptPatches and keptPatchBytes bound the patches that are kept for clients that are behind: such
	// a client gets one after the other, and one that is further behind gets the view as a whole.
	keptPatches    = 32
	keptPatchBytes = 1 << 20
)

// Live keeps the newest version. It reads for requests and streams, and not at all while there are none:
// that would cost Redis time for a view that is shown nowhere.
type Live struct {
	read Read
	log  *slog.Logger
	now  func() time.Time

	// Only the reading that is under way uses these, or while there is none, the holder of mu.
	builder   view.Builder
	ahead     time.Duration // how far Redis' clock was ahead of ours at the last reading that worked
	readAt    int64         // when the last reading that worked was, Unix ms by Redis' clock
	downSince time.Time     // zero while Redis can be read
	outages   logonce.Troubles
	wait      time.Duration // until Redis that doesn't answer is tried again

	mu       sync.Mutex // guards what is below
	current  *version
	nothing  error         // why current is nil
	patches  []*message    // the newest, the last one leads to current
	changed  chan struct{} // closed when current is replaced
	reading  *reading      // nil while none is under way
	triedAt  time.Time
	watchers int
	stop     context.CancelFunc // of the loop, while there are watchers
	tasks    sync.WaitGroup
}

// reading is one look at Redis, for all requests that come meanwhile.
type reading struct {
	done chan struct{} // closed at its end
	err  error         // that of its end, if it could make no version
}

// NewLive makes a Live that reads with read. budget is about how many bytes the rows of a view may take; 0 is
// no bound.
func NewLive(read Read, budget int64, log *slog.Logger) *Live {
	return &Live{read: read, builder: view.Builder{Budget: budget}, log: log, now: time.Now, changed: make(chan struct{})}
}

// errDefect is that a reading panicked; the log says where.
var errDefect = errors.New("a reading failed: this is a defect")

// nothingYetError is that no view was ever made, and why the last reading made none.
type nothingYetError struct{ error }

func (n nothingYetError) Unwrap() error { return n.error }

// newest returns a version that is at most viewMaxAge old. While Redis doesn't answer, or takes long, it
// returns the last numbers with a problem that says so, or with their time.
func (l *Live) newest(ctx context.Context) (*version, error) {
	v, r := l.ask(ctx)
	if r == nil {
		if v == nil {
			return nil, l.whyNothing()
		}
		return v, nil
	}
	var timeout <-chan time.Time
	if limit := l.waitLimit(v); limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timeout:
		return v, nil
	case <-r.done:
	}
	v = l.latest()
	return v, r.err
}

// ask returns the last version and the reading that makes the next one, begun if that is due; nil if
// the last one will do.
func (l *Live) ask(ctx context.Context) (*version, *reading) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); l.reading == nil && now.Sub(l.triedAt) >= max(viewMaxAge, l.wait) {
		l.triedAt = now
		r := &reading{done: make(chan struct{})}
		l.reading = r
		// The request that began it may end; others wait for the same reading.
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

// waitLimit is how long to wait for a newer version than v: not for long where Redis is known to
// hang; 0 is as long as it takes, where there is none or it is so old that what it calls fresh is not.
func (l *Live) waitLimit(v *version) time.Duration {
	switch {
	case v == nil:
		return 0
	case v.down:
		return 500 * time.Millisecond
	case l.now().Sub(v.madeAt) < oldAfter:
		return 2 * time.Second
	}
	return 0
}

// IsDown reports whether Redis cannot be read, for whoever has just failed to: the log says so, and why, and need not say
// it once more. Where it could be read until now, IsDown takes another look.
func (l *Live) IsDown(ctx context.Context) bool {
	if v, _ := l.ask(ctx); v == nil || v.down {
		return true
	}
	due := time.NewTimer(viewMaxAge) // a look before that may be an old one
	defer due.Stop()
	select {
	case <-ctx.Done():
	case <-due.C:
	}
	if _, r := l.ask(ctx); r != nil {
		select {
		case <-ctx.Done():
		case <-r.done:
		}
	}
	v := l.latest()
	return v == nil || v.down
}

func (l *Live) whyNothing() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return nothingYetError{l.nothing}
}

func (l *Live) latest() *version {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
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
	prev := l.latest()
	if prev != nil && prev.size.Load() > keptSize {
		prev = prev.unencoded()
		l.mu.Lock()
		l.current = prev
		l.mu.Unlock()
	}
	ahead, err := l.read(ctx, l.now(), l.builder.Add)
	var next *view.View
	if err == nil {
		l.up()
		l.ahead = ahead
		next = l.builder.Finish(l.now().Add(l.ahead))
		l.readAt = next.GeneratedAt
	} else {
		l.down(now, err)
		l.builder.Forget()
		if prev == nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.nothing = err
			return nothingYetError{err}
		}
		// A reading that failed took its time, and the ages of the last numbers go on.
		next = l.builder.View(l.now().Add(l.ahead))
		since := l.downSince.Add(l.ahead)
		next.RedisDown = &view.RedisDown{Since: since.UnixMilli(), ReadAt: l.readAt}
		next.Problems = append([]view.Problem{{Key: "redis", Reason: howSince(err, since.UTC().Format("15:04:05 UTC")) + "; these are the last numbers"}}, next.Problems...)
	}
	v, patch := newVersion(prev, next)
	v.down, v.madeAt = err != nil, l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = v
	if patch != nil {
		l.keep(patch)
	}
	if patch != nil || prev == nil {
		close(l.changed)
		l.changed = make(chan struct{})
	}
	return nil
}

// keep adds a patch, and forgets old ones. The newest is always kept: most clients need no other.
func (l *Live) keep(patch *message) {
	l.patches = append(l.patches, patch)
	n, size := 0, 0
	for _, m := range slices.Backward(l.patches) {
		if size += m.size; n > 0 && (n == keptPatches || size > keptPatchBytes) {
			break
		}
		n++
	}
	// A new array: the old one would keep what is forgotten.
	l.patches = slices.Clone(l.patches[len(l.patches)-n:])
}

// after returns what a client that has the version seq is to be sent next, and which version it has
// then: a patch, or the whole view if it is too far behind. The message is nil if it has the newest.
func (l *Live) after(seq uint64) (m *message, next uint64, changed <-chan struct{}) {
	l.mu.Lock()
	v, changed := l.current, l.changed
	behind := int(v.seq - seq)
	if behind > 0 && behind <= len(l.patches) {
		m, next = l.patches[len(l.patches)-behind], seq+1
	}
	l.mu.Unlock()
	if m == nil && behind > 0 {
		m, next = v.event(), v.seq // encodes it the first time: not under the lock
	}
	return m, next, changed
}

// generatedAt is when the newest version was made, Unix ms.
func (l *Live) generatedAt() int64 {
	return l.latest().view.GeneratedAt
}

// down says why Redis cannot be read, once a cause, and waits longer before each further try.
func (l *Live) down(now time.Time, err error) {
	if l.downSince.IsZero() {
		l.downSince = now
	}
	if isWorthALine, times := l.outages.Only(publish.CauseOf(err), now); isWorthALine {
		attributes := []any{"error", err}
		if times > 1 {
			attributes = append(attributes, "times", times)
		}
		l.log.Warn("cannot read; the last numbers are shown until it works", attributes...)
	}
	l.wait = min(max(2*l.wait, readInterval), maxRetryDelay)
}

func (l *Live) up() {
	if l.outages.AllGone() {
		l.log.Info("reads again")
	}
	l.downSince, l.wait = time.Time{}, 0
}

// watch makes the view be read again and again until ctx ends.
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
	ticker := time.NewTicker(readInterval)
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
