package recorder

import (
	"context"
	"time"

	"github.com/gravito-framework/pulse/internal/logonce"
	"github.com/gravito-framework/pulse/internal/publish"
)

const (
	// slowBatch is how many entries go out at once.
	slowBatch = 100
	// slowTimeout bounds one round trip, where the client's own limits are longer.
	slowTimeout = 2 * time.Second
	// maxRetryWait is the longest wait between two tries while Redis is gone.
	maxRetryWait = 8 * time.Second
	// logInterval is the shortest time between two log lines on bursts.
	logInterval = time.Minute
)

// writeSlow writes what waits until ctx ends, and then what is left if Redis is there.
func (r *Recorder) writeSlow(ctx context.Context) {
	w := slowWriter{r: r}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case first := <-r.slow.waiting:
			w.write(ctx, r.moreSlow(first))
		}
		if w.pause > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(w.pause):
			}
		}
	}
	for w.pause == 0 {
		left := r.moreSlow()
		if len(left) == 0 {
			return
		}
		w.write(ctx, left)
	}
	r.slow.dropped.Add(uint64(len(r.slow.waiting)))
}

// moreSlow adds to a batch what else waits, up to slowBatch.
func (r *Recorder) moreSlow(batch ...map[string]string) []map[string]string {
	for len(batch) < slowBatch {
		select {
		case next := <-r.slow.waiting:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// slowWriter is the one goroutine that writes slow entries.
type slowWriter struct {
	r      *Recorder
	pause  time.Duration // until the next try; 0 while Redis answers
	told   uint64        // how many dropped entries the log knows of
	nextAt time.Time     // when the log may hear of more

	outages logonce.Troubles // of cannotWrite only
}

// write writes a batch, to its end also where ctx has ended meanwhile. What fails is dropped rather than
// tried again: it may be in the stream.
func (w *slowWriter) write(ctx context.Context, batch []map[string]string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), slowTimeout)
	defer cancel()
	written, err := w.r.store.Slow(ctx, w.r.o.App, batch)
	w.r.slow.dropped.Add(uint64(len(batch) - written))
	log, dropped := w.r.o.Log, w.r.SlowDropped()
	switch {
	case err != nil:
		if isWorthALine, times := w.outages.Only(publish.CauseOf(err), time.Now()); isWorthALine {
			warn(log, times, "cannot write slow entries; those that find no room are dropped until it works", "app", w.r.o.App, "error", err)
		}
		w.pause = min(max(2*w.pause, 500*time.Millisecond), maxRetryWait)
		return
	case w.outages.AllGone():
		log.Info("writes slow entries again", "app", w.r.o.App, "dropped", dropped-w.told)
	case dropped > w.told && time.Now().After(w.nextAt):
		log.Warn("slow entries came faster than Redis took them", "app", w.r.o.App, "dropped", dropped-w.told)
	default:
		w.pause = 0
		return
	}
	w.pause, w.told, w.nextAt = 0, dropped, time.Now().Add(logInterval)
}
