package wasmhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// guest is an instance, and the run time it has left in this poll.
type guest struct {
	instance   *instance
	isStranger bool          // as its description says
	left       time.Duration // run time
	most       time.Duration // run time of a poll
	log        *lines
	buffer     []byte // of the replies, kept from one round to the next
	cut        bool   // the caller's time was over while it ran, and it cannot go on
}

// errStopped means that the caller's time was over, before the instance ran or while it did.
var errStopped = errors.New("stopped by the caller")

// stopped is errStopped with what ended ctx.
func stopped(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w: %w", errStopped, ctx.Err(), cause)
	}
	return fmt.Errorf("%w: %w", errStopped, context.Cause(ctx))
}

// timed runs the instance within what is left of its run time.
func (g *guest) timed(ctx context.Context, run func(context.Context) error) error {
	if ctx.Err() != nil {
		return stopped(ctx) // before it ran
	}
	began := time.Now()
	limited, cancel := context.WithTimeout(withLog(ctx, g.log), max(g.left, 0))
	defer cancel()
	err := run(limited)
	g.left -= time.Since(began)
	if err != nil && g.stoppedByCaller(ctx) {
		g.cut = true
		return stopped(ctx)
	}
	return err
}

// stoppedByCaller says whether the caller ended a call that failed. A deadline is the instance's own fault where it had
// computed for half of its time: a caller that waits no longer than that for each poll is to see it closed, too.
func (g *guest) stoppedByCaller(ctx context.Context) bool {
	return errors.Is(ctx.Err(), context.Canceled) || ctx.Err() != nil && g.left > g.most/2
}

func (g *guest) call(ctx context.Context, name string, arguments ...uint64) (result uint64, err error) {
	err = g.timed(ctx, func(ctx context.Context) (err error) {
		result, err = g.instance.call(ctx, name, arguments...)
		return err
	})
	return result, err
}

// result calls a function that returns a text. The text is valid until the next call.
func (g *guest) result(ctx context.Context, name string, most int, arguments ...uint64) ([]byte, error) {
	result, err := g.call(ctx, name, arguments...)
	if err != nil {
		return nil, err
	}
	at, size := uint32(result>>32), uint32(result)
	data, ok := g.instance.read(at, size)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s answered with %d bytes at %d: its memory has %d", name, size, at, g.instance.memory())
	case size == 0:
		return nil, fmt.Errorf("%s answered with nothing", name)
	case len(data) > most:
		return nil, fmt.Errorf("%s answered with %d bytes: at most %d are read", name, size, most)
	}
	return data, nil
}

// tagged calls a function that returns a text which begins with a tag.
func (g *guest) tagged(ctx context.Context, name string, arguments ...uint64) (tag byte, data []byte, err error) {
	data, err = g.result(ctx, name, max(maxRequestsSize, maxSnapshot)+1, arguments...)
	if err != nil {
		return 0, nil, err
	}
	return data[0], data[1:], nil
}

// give calls a function with data, which it first writes to where the guest wants it.
func (g *guest) give(ctx context.Context, name string, data []byte) (tag byte, result []byte, err error) {
	size := uint64(len(data))
	at, err := g.call(ctx, "pulse_alloc", size)
	switch {
	case err != nil:
		return 0, nil, err
	case uint32(at) == 0:
		return 0, nil, fmt.Errorf("pulse_alloc refused %d bytes", size)
	case !g.instance.write(uint32(at), data):
		return 0, nil, fmt.Errorf("pulse_alloc answered %d for %d bytes: its memory has %d", uint32(at), size, g.instance.memory())
	}
	return g.tagged(ctx, name, uint64(uint32(at)), size)
}

// maxLog is how many bytes of what an instance prints in a minute are logged, in at most maxLines lines. A poll that takes
// longer has no more of them.
const maxLog, maxLines = 8 << 10, 100

// lines are what an instance prints, as lines in a log.
type lines struct {
	log  *slog.Logger
	name string
	part []byte    // of a line that has no end yet
	size int       // of what was printed in this minute
	said int       // lines in this minute
	from time.Time // when the minute began
}

// Write logs what the instance printed. It never fails: the instance does not learn what became of it.
func (l *lines) Write(p []byte) (int, error) {
	taken := p[:min(len(p), max(maxLog-l.size, 0))]
	cut := len(taken) < len(p) && l.size <= maxLog
	l.size += len(p)
	if l.log == nil {
		return len(p), nil
	}
	l.part = append(l.part, taken...)
	for l.said < maxLines {
		line, rest, ok := bytes.Cut(l.part, []byte("\n"))
		if !ok {
			break
		}
		l.say(line)
		l.part = rest
	}
	if l.said == maxLines && l.size <= maxLog {
		cut, l.part = true, nil
	}
	if cut {
		l.flush()
		l.log.Warn("an adapter printed more than is logged in a minute; the rest is dropped", "adapter", l.name, "bytes", maxLog, "lines", maxLines)
		l.size = maxLog + 1 // said once
	}
	return len(p), nil
}

// flush logs a line that has no end.
func (l *lines) flush() {
	if len(l.part) > 0 {
		l.say(l.part)
		l.part = nil
	}
}

// begin begins a poll.
func (l *lines) begin(now time.Time) {
	if age := now.Sub(l.from); age < 0 || age >= time.Minute {
		l.size, l.said, l.from = 0, 0, now
	}
}

func (l *lines) say(line []byte) {
	if line = bytes.TrimSpace(line); len(line) > 0 {
		l.said++
		l.log.Info("an adapter printed a line", "adapter", l.name, "line", oneLine(line))
	}
}

// oneLine is a foreign text as one line of UTF-8 without control characters, and without those that turn what follows around.
func oneLine(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(text), "\ufffd"))
}
