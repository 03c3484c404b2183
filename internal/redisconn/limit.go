package redisconn

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// What a server may send. go-redis makes room for what a reply says it holds before it is there, so what is too
// large is replaced before go-redis sees it.
const (
	// maxValue is the largest value: a document of the protocol has at most 8 MiB, and one byte more is
	// read of a larger one.
	maxValue = 8<<20 + 1
	// maxElement is the largest value in a list: names, members and fields are short.
	maxElement = 64 << 10
	// maxExchange is how much may be read after a write. What is small is read beyond that, too: one huge
	// reply of a pipeline leaves its neighbours there.
	maxExchange = 20 << 20
	// small is a value, and the cost of a list, that always passes.
	small = 1 << 10
	// elementCost is what go-redis keeps for each element of a list, beside what is in it.
	elementCost = 48
	// maxLine is the longest line that is not a value, such as an error.
	maxLine = 64 << 10
	// maxDepth is how deep lists nest: those that Redis sends have six levels.
	maxDepth = 16
)

// leftOut begins what stands in a list in place of an element that is too large.
const leftOut = "\x00left out: "

// IsLeftOut is true of what stands in a list in place of an element that was too large to be read.
func IsLeftOut(element string) bool { return strings.HasPrefix(element, leftOut) }

// bounded wraps a dialer: its connections leave out what is too large.
func bounded(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		c := &boundedConn{Conn: conn}
		if raw, ok := conn.(syscall.Conn); ok {
			return &boundedSyscallConn{c, raw}, nil
		}
		return c, nil
	}
}

// boundedConn is a connection to a Redis whose replies are bounded. It is for one reader.
type boundedConn struct {
	net.Conn

	replies replies
	ready   []byte // has passed, and was not read yet
	buf     []byte // where ready begins, to be used again
	bad     error  // why nothing more can be read
}

// boundedSyscallConn is one whose state go-redis can ask the kernel for, before it uses it again.
type boundedSyscallConn struct {
	*boundedConn

	raw syscall.Conn
}

func (c *boundedSyscallConn) SyscallConn() (syscall.RawConn, error) { return c.raw.SyscallConn() }

func (c *boundedConn) Write(p []byte) (int, error) {
	c.replies.spent.Store(0)
	return c.Conn.Write(p)
}

func (c *boundedConn) Read(p []byte) (int, error) {
	for len(c.ready) == 0 {
		if c.bad != nil {
			return 0, c.bad
		}
		n, err := c.Conn.Read(p)
		if n == 0 {
			return 0, err
		}
		c.buf, c.bad = c.replies.pass(c.buf[:0], p[:n])
		c.ready = c.buf
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

// replies follows a stream of replies, and leaves out what is too large. They are RESP2, and between go-redis
// and a Sentinel RESP3.
type replies struct {
	spent atomic.Int64 // since the last write, in bytes
	line  []byte       // the beginning of a line that has not come whole
	body  int64        // what is still to come of a value, with its end
	open  []int64      // how many elements are still to come of each list around
	// While dropping nothing passes, until the value that began with so many lists around is over.
	dropping bool
	dropFrom int
}

// pass appends to out what may pass of data.
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

// begin begins the value whose first line has come.
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
		return out, fmt.Errorf("the server's reply is no Redis reply: it begins with %.20q", r.line)
	}
	n, err := strconv.ParseInt(string(bytes.TrimRight(r.line[1:], "\r\n")), 10, 64)
	switch {
	case err != nil || n < -1:
		return out, fmt.Errorf("the server's reply is no Redis reply: it has a length of %.20q", r.line)
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

// affords counts what a value costs, where there is room for it.
func (r *replies) affords(cost int64) bool {
	if cost > small && r.spent.Load()+cost > maxExchange {
		return false
	}
	r.spent.Add(cost)
	return true
}

// show lets the line pass that has come.
func (r *replies) show(out []byte) []byte {
	if r.dropping {
		return out
	}
	return append(out, r.line...)
}

// drop leaves out the value that begins, and says so in its place: a refusal, as if the server had made it, or
// in a list a text, because a refusal there is not read by everybody.
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
