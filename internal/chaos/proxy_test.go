package chaos

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// echo is a server that answers each line with it, and a proxy before it.
func echo(t *testing.T) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewReader(c); ; {
					line, err := lines.ReadString('\n')
					if err != nil {
						return
					}
					_, _ = io.WriteString(c, line)
				}
			}()
		}
	}()
	p, err := NewProxy(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// caller is a connection through the proxy.
type caller struct {
	net.Conn
	t *testing.T
}

func call(t *testing.T, p *Proxy) caller {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return caller{c, t}
}

func (c caller) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// hears reads as much as want is long, in at most a minute.
func (c caller) hears(want string) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); string(got[:n]) != want {
		c.t.Fatalf("%.80q came back (%v), want %.80q", got[:n], err, want)
	}
}

// hearsNothing reads for a moment.
func (c caller) hearsNothing() {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("%d bytes came, and %v", n, err)
	}
}

func TestWithoutAFaultEverythingComesThrough(t *testing.T) {
	t.Parallel()
	c := call(t, echo(t))
	long := strings.Repeat("x", 1<<20) + "\n"
	go func() { _, _ = io.WriteString(c, long) }() // it would wait for who reads
	c.hears(long)
}

func TestWhatIsLateComesWithTheEndOfTheFault(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := call(t, p)
	p.Set(Fault{Latency: time.Hour})
	c.say("late\n")
	c.hearsNothing()
	p.Set(Fault{})
	c.hears("late\n")
	p.Set(Fault{Latency: time.Millisecond})
	c.say("late\n")
	c.hears("late\n")
}

func TestASlowLineBringsPortions(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := call(t, p)
	p.Set(Fault{Rate: 20})
	c.say("0123456789\n")
	c.hears("01")
	c.hears("23")
	p.Set(Fault{Rate: 1})
	c.hears("456789\n") // the portion that waits sees that the fault is over; the next are as fast as they were
	c.say("ab\n")
	c.hears("a")
	p.Set(Fault{})
	c.hears("b\n")
}

func TestALongReplyIsCutAndItsConnectionEnds(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := call(t, p)
	p.Set(Fault{CutOver: 5})
	c.say("+OK\r\n")
	c.hears("+OK\r\n")
	c.say("0123456789\n")
	c.hears("01234")
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after half of it comes %v", err)
	}
}

func TestGarbageTakesTheRepliesPlaceInTurn(t *testing.T) {
	t.Parallel()
	p := echo(t)
	c := call(t, p)
	p.Set(Fault{Garbage: []string{"one", "two"}})
	for _, want := range []string{"one", "two", "one"} {
		c.say("ask\n")
		c.hears(want)
	}
	p.Set(Fault{})
	c.say("ask\n")
	c.hears("ask\n")
}

func TestWhatIsHalfOpenStaysSo(t *testing.T) {
	t.Parallel()
	p := echo(t)
	old := call(t, p)
	old.say("well\n")
	old.hears("well\n")
	p.Set(Fault{HalfOpen: true})
	made := call(t, p)
	for _, c := range []caller{old, made} {
		c.say("hello\n")
		c.hearsNothing()
	}
	p.Set(Fault{})
	for _, c := range []caller{old, made} {
		c.say("hello\n")
		c.hearsNothing() // and no end either
	}
	c := call(t, p)
	c.say("hello\n")
	c.hears("hello\n")
}

func TestCloseEndsEveryConnection(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]Fault{"none": {}, "late": {Latency: time.Hour}, "slow": {Rate: 1}, "half-open": {HalfOpen: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := echo(t)
			c := call(t, p)
			p.Set(f)
			c.say("0123456789\n")
			p.Close() // it waits for its goroutines
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection goes on")
			}
		})
	}
}
