package redisconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// passed is what passes of a stream that comes in parts of a size.
func passed(stream string, size int) (string, error) {
	var r replies
	var out []byte
	for len(stream) > 0 {
		n := min(size, len(stream))
		var err error
		if out, err = r.pass(out, []byte(stream[:n])); err != nil {
			return string(out), err
		}
		stream = stream[n:]
	}
	return string(out), nil
}

func bulk(n int) string { return fmt.Sprintf("$%d\r\n%s\r\n", n, strings.Repeat("x", n)) }

// manyBytes is a connection that has as much to read as there is room for.
type manyBytes struct{ net.Conn }

func (manyBytes) Read(p []byte) (int, error) { return copy(p, bulk(len(p))), nil }

// TestAConnectionKeepsLittleMemory: go-redis reads a large value at once.
func TestAConnectionKeepsLittleMemory(t *testing.T) {
	t.Parallel()
	c := &boundedConn{life: context.Background(), Conn: manyBytes{}}
	if n, err := c.Read(make([]byte, 8<<20)); n == 0 || err != nil || cap(c.buf) > 2*maxRead {
		t.Errorf("it has read %d bytes, %v, and keeps %d", n, err, cap(c.buf))
	}
}

func TestWhatIsTooLargeIsReplacedAndItsNeighboursStay(t *testing.T) {
	t.Parallel()
	left := func(reason string) string {
		return fmt.Sprintf("$%d\r\n%s%s\r\n", len(leftOut)+len(reason), leftOut, reason)
	}
	const full = maxExchange - small
	for name, c := range map[string]struct{ stream, want string }{
		"every kind":            {"+OK\r\n-ERR no\r\n:7\r\n$-1\r\n$0\r\n\r\n*-1\r\n*0\r\n*2\r\n*1\r\n:1\r\n$1\r\n\n\r\n:2\r\n", ""},
		"every kind of RESP3":   {"%1\r\n+a\r\n~2\r\n:1\r\n_\r\n>1\r\n#t\r\n,1.5\r\n(9\r\n=5\r\ntxt:a\r\n!1\r\nE\r\n", ""},
		"the largest value":     {bulk(maxValue), ""},
		"a larger value":        {":1\r\n" + bulk(maxValue+1) + ":2\r\n", ":1\r\n-TOOLARGE the reply is a value of 8388610 bytes: at most 8388609 are read\r\n:2\r\n"},
		"the largest element":   {"*2\r\n" + bulk(maxElement) + ":1\r\n", ""},
		"a larger element":      {"*2\r\n" + bulk(maxElement+1) + ":1\r\n+OK\r\n", "*2\r\n" + left("a value of 65537 bytes: at most 65536 are read") + ":1\r\n+OK\r\n"},
		"too many elements":     {"*1000000\r\n" + strings.Repeat("$1\r\na\r\n", 1_000_000) + ":7\r\n", "-TOOLARGE the reply is a list of 1000000 elements: with it the replies are larger than 20 MiB\r\n:7\r\n"},
		"a length of nonsense":  {"*2000000000\r\n:1\r\n", "-TOOLARGE the reply is a list of 2000000000 elements: with it the replies are larger than 20 MiB\r\n"},
		"a list in a list":      {"*2\r\n*600000\r\n" + strings.Repeat(":1\r\n", 600_000) + ":7\r\n", "*2\r\n" + left("a list of 600000 elements: with it the replies are larger than 20 MiB") + ":7\r\n"},
		"nothing but small fit": {strings.Repeat(bulk(full/4), 4) + bulk(2000) + bulk(1000) + "*21\r\n" + strings.Repeat(":1\r\n", 21), strings.Repeat(bulk(full/4), 4) + "-TOOLARGE the reply is a value of 2000 bytes: with it the replies are larger than 20 MiB\r\n" + bulk(1000) + "*21\r\n" + strings.Repeat(":1\r\n", 21)},
	} {
		if c.want == "" {
			c.want = c.stream
		}
		for _, size := range []int{1, 7, 4096, 1 << 30} {
			if size < 4096 && len(c.stream) > 1<<20 {
				continue
			}
			if got, err := passed(c.stream, size); got != c.want || err != nil {
				t.Errorf("%s in parts of %d: %.200q, want %.200q, %v", name, size, got, c.want, err)
			}
		}
	}
}

func TestWhatIsNoReplyEndsTheConnection(t *testing.T) {
	t.Parallel()
	for stream, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n":     `it begins with "HTTP/1.1 400 Bad Req"`,
		"$x\r\n":                           `it has a length of "$x"`,
		"*-2\r\n":                          `it has a length of "*-2"`,
		"\x16\x03\x01\n":                   "it begins with binary data",
		"\r\n":                             `it begins with ""`,
		"+" + strings.Repeat("a", maxLine): "it has a line of more than 64 KiB",
		strings.Repeat("*1\r\n", maxDepth+1) + ":1":   "its lists nest deeper than 16",
		":1\r\n*2\r\n$3\r\nabc\r\n|1\r\n+a\r\n:1\r\n": `it begins with "|1"`,
	} {
		if _, err := passed(stream, 5); err == nil || err.Error() != "the server's reply is no Redis reply: "+want {
			t.Errorf("%.40q: %v, want %s", stream, err, want)
		}
	}
}

// FuzzReplies passes anything, and compares how it comes in parts with how it comes whole.
func FuzzReplies(f *testing.F) {
	f.Add("*2\r\n$3\r\nabc\r\n*1\r\n:1\r\n-ERR\r\n", 3)
	f.Add("*3\r\n$70000\r\nabc\r\n*1\r\n:1\r\n-ERR\r\n", 1)
	f.Add("*2000000000\r\n*0\r\n$-1\r\n+OK\r\n", 2)
	f.Fuzz(func(t *testing.T, stream string, size int) {
		whole, err := passed(stream, len(stream))
		parts, err2 := passed(stream, 1+max(size, -size)&0xff)
		if whole != parts || (err == nil) != (err2 == nil) {
			t.Fatalf("%q, %v and in parts %q, %v", whole, err, parts, err2)
		}
		// The output passes a second time unchanged: nothing in it is too large or out of place.
		again, err3 := passed(whole, 3)
		if err == nil && (again != whole || err3 != nil) {
			t.Fatalf("%q, and of that %q, %v", whole, again, err3)
		}
		if !strings.ContainsAny(stream, "$*") && err == nil && !strings.HasPrefix(stream, whole) {
			t.Fatalf("%q becomes %q", stream, whole)
		}
	})
}

func TestLargeValuesOfARealServerAreLeftOut(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := servertest.Redis(t)
	client := clientOf(t, server.URL)
	large := strings.Repeat("x", 100<<20)
	if err := server.Client.Set(ctx, "large", large, 0).Err(); err != nil {
		t.Fatal(err)
	}
	server.Client.RPush(ctx, "list", "a", large[:1<<20], "b")
	server.Client.Set(ctx, "fits", large[:8<<20], 0)
	for range 3 { // the connection goes on
		pipe := client.Pipeline()
		whole, list, fits, one := pipe.Get(ctx, "large"), pipe.LRange(ctx, "list", 0, -1), pipe.Get(ctx, "fits"), pipe.LLen(ctx, "list")
		if _, err := pipe.Exec(ctx); !IsRefusal(err) {
			t.Fatal(err)
		}
		if err := whole.Err(); !redis.HasErrorPrefix(err, "TOOLARGE") {
			t.Errorf("a value of 100 MB: %v", err)
		}
		if got := list.Val(); len(got) != 3 || got[0] != "a" || !IsLeftOut(got[1]) || IsLeftOut(got[2]) || got[2] != "b" {
			t.Errorf("the list is %.200q", got)
		}
		if len(fits.Val()) != 8<<20 || one.Val() != 3 {
			t.Errorf("their neighbours: %d bytes, %d elements", len(fits.Val()), one.Val())
		}
	}
	if n := Current(client).PoolStats().TotalConns; n != 1 {
		t.Errorf("there are %d connections", n)
	}
}

// TestAHostileServerTakesNoMemory: its replies say that they hold more than any machine does.
func TestAHostileServerTakesNoMemory(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{"*2000000000\r\n", "$2000000000\r\n", strings.Repeat("*2000000\r\n", 100), "+" + strings.Repeat("x", 1<<20), strings.Repeat("*1\r\n", 1<<20)} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					_, _ = conn.Read(make([]byte, 1024))
					_, _ = io.WriteString(conn, reply)
					_, _ = conn.Read(make([]byte, 1024))
				}()
			}
		}()
		r, err := Parse("redis://" + listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		client := r.Client(ctx)
		err = client.Get(ctx, "key").Err()
		runtime.ReadMemStats(&after)
		if err == nil || errors.Is(err, redis.Nil) {
			t.Errorf("%.20q: %v", reply, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 500<<20 { // other tests run, too
			t.Errorf("%.20q takes %d MiB", reply, took>>20)
		}
		cancel()
		_ = client.Close()
		_ = listener.Close()
	}
}

func TestReadingDoesNotTouchWhatItReads(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	heard := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		var all strings.Builder
		for buf := make([]byte, 1024); ; {
			n, err := conn.Read(buf)
			all.Write(buf[:n])
			if err != nil || strings.Contains(all.String(), "get") {
				break
			}
			_, _ = io.WriteString(conn, strings.Repeat("-ERR unknown command\r\n", strings.Count(string(buf[:n]), "*")))
		}
		heard <- all.String()
	}()
	r, err := Parse("redis://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	client := r.Client(ctx)
	defer client.Close()
	go client.Get(ctx, "key")
	if diff := cmp.Diff(true, strings.Contains(strings.ToUpper(<-heard), "CLIENT\r\n$8\r\nNO-TOUCH\r\n$2\r\nON\r\n")); diff != "" {
		t.Error("it does not say NO-TOUCH")
	}
}
