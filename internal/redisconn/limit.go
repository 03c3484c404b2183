package redisconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The bounds on replies. go-redis allocates as much memory as a reply announces, before the reply has come. So
// we replace what is too large before go-redis sees it.
const (
	// maxValue is the largest value: a document of the protocol has at most 8 MiB, and one byte more is
	// read of a larger one.
	maxValue = 8<<20 + 1
	// maxElement is the largest value in a list: names, members and fields are short.
	maxElement = 64 << 10
	// maxExchange is how much of the replies to one write is read. Small values are read beyond that, too, so
	// that one huge reply of a pipeline does not cost the others.
	maxExchange = 20 << 20
	// small is the size of a value, and the cost of a list, that is always read.
	small = 1 << 10
	// elementCost is what go-redis keeps for each element of a list, beside what is in it.
	elementCost = 48
	// maxRead is how much is read at once: a connection keeps as much memory as that.
	maxRead = 64 << 10
	// maxLine is the longest line that is not a value, such as an error.
	maxLine = 64 << 10
	// maxDepth is how deep lists nest: those that Redis sends have six levels.
	maxDepth = 16
)

// leftOut begins the text that replaces an element of a list that is too large.
const leftOut = "\x00left out: "

// IsLeftOut reports whether element replaces an element of a list that was too large to read.
func IsLeftOut(element string) bool { return strings.HasPrefix(element, leftOut) }

// WhyLeftOut is why an element was left out that [IsLeftOut].
func WhyLeftOut(element string) string { return strings.TrimPrefix(element, leftOut) }

// dialer makes a connection.
type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// lastWait is how long a reply is waited for that is under way when the program is told to end.
const lastWait = 500 * time.Millisecond

// bounded wraps a dialer: its connections leave out values that are too large, and say why the server does not serve us.
// When life ends they wait no longer for the replies that are under way: go-redis would, whatever the commands' contexts say.
func bounded(life context.Context, dial dialer, isTLS bool) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		switch {
		case err != nil && isTLS:
			return nil, notOverTLS(life, network, addr, err)
		case err != nil:
			return nil, err
		}
		c := &boundedConn{Conn: conn, network: network, addr: addr, isTLS: isTLS, life: life}
		c.forget = context.AfterFunc(life, func() { c.waitNoLonger(false) })
		if raw, ok := conn.(syscall.Conn); ok {
			return &boundedSyscallConn{c, raw}, nil
		}
		return c, nil
	}
}

// boundedConn is a connection to a Redis that bounds its replies. It is for one reader.
type boundedConn struct {
	net.Conn

	network, addr string
	isTLS         bool
	isAnswered    bool            // something has come
	life          context.Context //nolint:containedctx // no call's, but the program's
	forget        func() bool     // that life ends

	mu     sync.Mutex
	endsAt time.Time // when the command that is under way is waited for no longer, once life has ended

	replies replies
	ready   []byte // replies within the bounds, not yet read
	buf     []byte // the memory of ready, to be used again
	bad     error  // why nothing more can be read
}

// boundedSyscallConn is a boundedConn of which go-redis can ask the kernel, before it uses it again, whether it
// is still open.
type boundedSyscallConn struct {
	*boundedConn

	raw syscall.Conn
}

func (c *boundedSyscallConn) SyscallConn() (syscall.RawConn, error) { return c.raw.SyscallConn() }

// waitNoLonger is for a program that has been told to end: a command then has lastWait in all, however slowly its reply comes.
func (c *boundedConn) waitNoLonger(isNewCommand bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if isNewCommand || c.endsAt.IsZero() {
		c.endsAt = time.Now().Add(lastWait)
	}
	_ = c.SetDeadline(c.endsAt)
}

func (c *boundedConn) Close() error {
	c.forget()
	return c.Conn.Close()
}

func (c *boundedConn) Write(p []byte) (int, error) {
	c.replies.spent.Store(0)
	if c.life.Err() != nil {
		c.waitNoLonger(true)
	}
	return c.Conn.Write(p)
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.life.Err() != nil { // go-redis has given this read another time
		c.waitNoLonger(false)
	}
	for len(c.ready) == 0 {
		if c.bad != nil {
			return 0, c.bad
		}
		n, err := c.Conn.Read(p[:min(len(p), maxRead)])
		isFirst := !c.isAnswered
		c.isAnswered = true
		switch {
		case n == 0 && isFirst && !c.isTLS:
			err = unanswered(c.life, c.network, c.addr, err)
			if unserved, is := errors.AsType[*UnservedError](err); is {
				c.bad = unserved // go-redis' client of a Sentinel reads once more
			}
			return 0, err
		case n == 0:
			return 0, err
		case isFirst:
			if c.bad = turnedAway(c.addr, string(p[:n])); c.bad != nil {
				return 0, c.bad
			}
		}
		c.buf, c.bad = c.replies.pass(c.buf[:0], p[:n])
		c.ready = c.buf
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

// replies follows a stream of replies, and leaves out values that are too large. The replies are RESP2, and
// between go-redis and a Sentinel RESP3.
type replies struct {
	spent atomic.Int64 // how much was read since the last write, in bytes
	line  []byte       // the beginning of a line of which the end has not come
	body  int64        // how many bytes of a value are still to come, with the line break after it
	open  []int64      // how many elements of each open list are still to come
	// While dropping nothing passes, until the value ends that began with dropFrom lists open.
	dropping bool
	dropFrom int
}

// pass appends data to out, without the values that are too large.
func (r *replies) pass(out, data []byte) ([]byte, error) {
	for len(data) > 0 {
		if r.body > 0 {
			n := int(min(r.body, int64(len(data))))
			if !r.dropping {
				out = append(out, data[:n]...)
			}
			data = data[n:]
			if r.body -= int64(n); r.body == 0 {
				r.end()
			}
			continue
		}
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if len(r.line)+len(line) > maxLine {
			return out, fmt.Errorf("the server's reply is no Redis reply: it has a line of more than %d KiB", maxLine>>10)
		}
		r.line = append(r.line, line...)
		if !whole {
			break
		}
		data = rest
		r.line = append(r.line, '\n')
		var err error
		if out, err = r.begin(out); err != nil {
			return out, err
		}
		r.line = r.line[:0]
	}
	return out, nil
}

// begin begins a value, of which the first line has come.
func (r *replies) begin(out []byte) ([]byte, error) {
	kind := r.line[0]
	switch kind {
	case '+', '-', ':', '_', '#', ',', '(':
		out = r.show(out)
		r.spent.Add(int64(len(r.line)))
		r.end()
		return out, nil
	case '$', '=', '!', '*', '~', '>', '%':
	default:
		return out, fmt.Errorf("the server's reply is no Redis reply: it begins with %s", shortened(r.line))
	}
	n, err := strconv.ParseInt(string(bytes.TrimRight(r.line[1:], "\r\n")), 10, 64)
	switch {
	case err != nil || n < -1:
		return out, fmt.Errorf("the server's reply is no Redis reply: it has a length of %s", shortened(r.line))
	case n == -1:
		out = r.show(out)
		r.end()
		return out, nil
	case kind == '$', kind == '=', kind == '!':
		return r.beginValue(out, n), nil
	case kind == '%':
		n = 2 * min(n, maxExchange) // a name and a value each
	}
	return r.beginList(out, n)
}

// shortened shows the beginning of a line. It does not show bytes that are no text: they may be others each time,
// and the same trouble is to read the same.
func shortened(line []byte) string {
	text := bytes.TrimRight(line, "\r\n")
	if bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "binary data"
	}
	return fmt.Sprintf("%.20q", text)
}

func (r *replies) beginValue(out []byte, n int64) []byte {
	limit := int64(maxValue)
	if len(r.open) > 0 {
		limit = maxElement
	}
	switch {
	case r.dropping:
	case n > limit:
		out = r.drop(out, fmt.Sprintf("a value of %d bytes: at most %d are read", n, limit))
	case !r.affords(n):
		out = r.drop(out, fmt.Sprintf("a value of %d bytes: with it the replies are larger than %d MiB", n, maxExchange>>20))
	default:
		out = r.show(out)
	}
	r.body = n + int64(len("\r\n"))
	return out
}

func (r *replies) beginList(out []byte, n int64) ([]byte, error) {
	switch {
	case len(r.open) == maxDepth:
		return out, fmt.Errorf("the server's reply is no Redis reply: its lists nest deeper than %d", maxDepth)
	case r.dropping:
	case n > maxExchange || !r.affords(n*elementCost):
		out = r.drop(out, fmt.Sprintf("a list of %d elements: with it the replies are larger than %d MiB", n, maxExchange>>20))
	default:
		out = r.show(out)
	}
	r.open = append(r.open, n)
	if n == 0 {
		r.open[len(r.open)-1] = 1 // it ends at once
		r.end()
	}
	return out, nil
}

// affords reports whether there is room for a value of this cost, and counts the cost if so.
func (r *replies) affords(cost int64) bool {
	if cost > small && r.spent.Load()+cost > maxExchange {
		return false
	}
	r.spent.Add(cost)
	return true
}

// show appends the line that has come, unless it belongs to a value that is dropped.
func (r *replies) show(out []byte) []byte {
	if r.dropping {
		return out
	}
	return append(out, r.line...)
}

// drop leaves out the value that begins, and puts the reason in its place: as a refusal, or within a list as a
// text, because not every reader of a list looks for refusals in it.
func (r *replies) drop(out []byte, reason string) []byte {
	r.dropping, r.dropFrom = true, len(r.open)
	if len(r.open) == 0 {
		return fmt.Appendf(out, "-TOOLARGE the reply is %s\r\n", reason)
	}
	text := leftOut + reason
	return fmt.Appendf(out, "$%d\r\n%s\r\n", len(text), text)
}

// end ends a value, and the lists that it is the last element of.
func (r *replies) end() {
	for {
		if r.dropping && len(r.open) == r.dropFrom {
			r.dropping = false
		}
		if len(r.open) == 0 {
			return
		}
		left := &r.open[len(r.open)-1]
		if *left--; *left > 0 {
			return
		}
		r.open = r.open[:len(r.open)-1]
	}
}
