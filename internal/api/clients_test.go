package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/pagetest"
	"github.com/gravito-framework/pulse/internal/runtime"
	"github.com/gravito-framework/pulse/internal/servertest"
)

// fill makes a view of about 5 MB, of which each row has the text.
func fill(s *pagetest.Store, text string) {
	const apps, queues = 13, 100
	for app := range apps {
		var rows []string
		for q := range queues {
			rows = append(rows, fmt.Sprintf(`{"name":"q%d","driver":"sqs","metrics":{"waiting":1},"meta":{"text":"%s%s"}}`, q, text, strings.Repeat("x", 3800)))
		}
		s.Set(fmt.Sprintf("pulse:queues:app-%d", app), `"app":"app-%d","queues":[%s]`, app, strings.Join(rows, ","))
	}
}

// viewSize is about how large the JSON of a view of fill is, in bytes.
const viewSize = 13 * 100 * 4000

// live is a server of s on a listener, until stop.
func live(t testing.TB, s *pagetest.Store, listener net.Listener) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	log := slog.New(slog.DiscardHandler)
	h := pagetest.Handler(s.Read, log)
	go func() { served <- runtime.Serve(ctx, h, listener, log) }()
	return func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	}
}

func loopback(t testing.TB) net.Listener {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// perClient is what a client costs beside what all share, in bytes: of streams that never read, of streams
// that read, and of requests for the whole view that never read, n of each, that take an encoding.
func perClient(t testing.TB, n int, encoding string) float64 {
	t.Helper()
	s := &pagetest.Store{}
	fill(s, "first")
	l := loopback(t)
	stop := live(t, s, l)
	defer stop()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	buf := make([]byte, 64<<10)
	connect := func(request string, reads bool) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		if !reads {
			if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.WriteString(c, "GET "+request+" HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: "+encoding+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		first := buf[:15]
		if _, err := io.ReadFull(c, first); err != nil || string(first) != "HTTP/1.1 200 OK" {
			t.Fatalf("the answer to %s begins with %q, %v", request, first, err)
		}
		end := []byte(`"problems":[]}`) // of the view
		if encoding == "gzip" {
			end = []byte("\x00\x00\xff\xff\r\n") // of the blocks that are the view's event, and of a chunk
		}
		for have := 0; reads; {
			n, err := c.Read(buf[have:])
			if err != nil {
				t.Fatal(err)
			}
			got := buf[:have+n]
			reads = !bytes.Contains(got, end)
			have = copy(buf, got[max(0, len(got)-len(end)):])
		}
	}
	connect("/api/v1/stream", true)
	connect("/api/v1/stream", false)
	connect("/api/v1/view", false)
	before, reads := inUse(), s.Count()
	for range n {
		connect("/api/v1/stream", true)
	}
	for range n { // these last: they are closed after 10 s
		connect("/api/v1/stream", false)
		connect("/api/v1/view", false)
	}
	// Of each reading meanwhile the clients may share another copy of the view: a large one is not kept until the next is made.
	used := inUse() - before - int64(s.Count()-reads)*viewSize
	if left := goruntime.NumGoroutine(); encoding == "identity" && left < 3*n { // a compressed view fits in the kernel's buffers
		t.Fatalf("some clients were closed before the memory was measured: %d goroutines are left", left)
	}
	return float64(used) / float64(3*n)
}

// inUse is the memory of the heap and the stacks.
func inUse() int64 {
	var m goruntime.MemStats
	goruntime.GC()
	goruntime.GC() // what was in pools is gone after the second
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse) //nolint:gosec // far from its end
}

// TestClientHoldsNoCopy is alone: others would be in its measurement.
func TestClientHoldsNoCopy(t *testing.T) { //nolint:paralleltest // see above
	for _, encoding := range []string{"identity", "gzip"} {
		if cost := perClient(t, 100, encoding); cost > 64<<10 {
			t.Errorf("a client that takes %s costs %.0f KiB beside a view of 5 MB", encoding, cost/1024)
		}
	}
}

func BenchmarkClients(b *testing.B) {
	var cost float64
	for b.Loop() {
		cost = perClient(b, 150, "identity")
	}
	b.ReportMetric(cost/1024, "KiB/client")
}

// answered opens a connection on synctest's clock and reads its answer's head.
func answered(t *testing.T, p *servertest.Pipes, path string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c := p.Dial()
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 200 ") {
		t.Fatalf("%s begins with %q, %v", path, line, err)
	}
	return c, r
}

func TestClientThatReadsNothingIsClosed(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/api/v1/stream", "/api/v1/view", "/api/v1/view?driver=sqs"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, p := &pagetest.Store{}, servertest.NewPipes()
				fill(s, "first")
				stop := live(t, s, p)
				c, _ := answered(t, p, path)
				defer c.Close()
				time.Sleep(9 * time.Second)
				synctest.Wait()
				if _, err := c.Read(make([]byte, 1)); err != nil {
					t.Errorf("after 9 s it is closed: %v", err)
				}
				time.Sleep(11 * time.Second)
				_ = c.SetReadDeadline(time.Now().Add(time.Second))
				if _, err := io.Copy(io.Discard, c); err != nil {
					t.Errorf("11 s after its last byte it is still open: %v", err)
				}
				stop()
			})
		})
	}
}

// A client that reads 2 kB/s needs the better part of an hour for the view. It is served as long as it reads.
func TestClientThatReadsSlowlyIsServed(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/api/v1/stream", "/api/v1/view", "/api/v1/view?driver=sqs"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, p := &pagetest.Store{}, servertest.NewPipes()
				fill(s, "first")
				stop := live(t, s, p)
				c, r := answered(t, p, path)
				defer c.Close()
				got := 0
				for buf := make([]byte, 16<<10); got < 5_000_000; time.Sleep(8 * time.Second) {
					n, err := io.ReadFull(r, buf)
					if got += n; err != nil {
						t.Fatalf("after %d bytes: %v", got, err)
					}
				}
				stop()
			})
		})
	}
}

// Each of these reads, and slowly, so that the views of many versions would stay in memory for it. There
// is room for the newest ones.
func TestSlowReadersOfOldViewsMakeRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := &pagetest.Store{}, servertest.NewPipes()
		stop := live(t, s, p)
		const clients = 20 // of 5 MB each: 64 MiB have room for 12
		var mu sync.Mutex
		var closed []int
		var reading sync.WaitGroup
		var conns []net.Conn
		for i := range clients {
			fill(s, fmt.Sprint("version ", i))
			time.Sleep(2 * time.Second)
			c, r := answered(t, p, "/api/v1/stream")
			conns = append(conns, c)
			reading.Go(func() {
				for buf := make([]byte, 16<<10); ; time.Sleep(5 * time.Second) {
					if _, err := io.ReadFull(r, buf); err != nil {
						mu.Lock()
						closed = append(closed, i)
						mu.Unlock()
						return
					}
				}
			})
		}
		time.Sleep(time.Minute)
		mu.Lock()
		got := closed
		mu.Unlock()
		if len(got) < 7 || len(got) > 9 {
			t.Errorf("%d of %d clients were closed to make room", len(got), clients)
		}
		for i := range got {
			if got[i] != i {
				t.Errorf("client %d was closed, not those that have the oldest views: %v", got[i], got)
				break
			}
		}
		for _, c := range conns {
			_ = c.Close()
		}
		reading.Wait()
		stop()
	})
}

func TestClientFarBehindGetsTheViewAnew(t *testing.T) {
	t.Parallel()
	for name, large := range map[string]bool{"many small patches": false, "few large ones": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, w := &pagetest.Store{}, &wire{}
				s.Set("pulse:queues:shop", pagetest.OneQueue, 1)
				h := pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
				end, _ := watch(t, t.Context(), h, w)
				synctest.Wait()
				hold := make(chan struct{})
				w.mu.Lock()
				w.hold = hold
				w.mu.Unlock()
				changes := 80
				if large {
					changes = 4
				}
				for i := range changes {
					s.Set("pulse:queues:shop", pagetest.OneQueue, 10+i)
					if large {
						fill(s, fmt.Sprint(i))
					}
					time.Sleep(2 * time.Second)
				}
				close(hold)
				time.Sleep(2500 * time.Millisecond)
				all := w.all()
				// That the view was looked at again may be said before it.
				news := slices.DeleteFunc(slices.Clone(all), func(e event) bool { return e.name == "patch" && !strings.Contains(e.data, "apps") })
				if len(news) < 3 || len(news) > 4 || news[2].name != "view" {
					t.Errorf("what it missed came as %d events", len(news)-2)
				}
				want := get(t, h, "/api/v1/view").Body.Bytes()
				if diff := cmp.Diff(value(t, want), value(t, patched(t, all))); diff != "" {
					t.Errorf("(-view +patched):\n%s", diff)
				}
				s.Set("pulse:queues:shop", pagetest.OneQueue, 2)
				time.Sleep(2500 * time.Millisecond)
				if all := w.all(); all[len(all)-1].name != "patch" {
					t.Error("after that it gets no patches")
				}
				end()
			})
		})
	}
}

// refused checks that an answer says that there is no room, and what to do.
func refused(t *testing.T, w *httptest.ResponseRecorder, says string) {
	t.Helper()
	var p struct{ Detail string }
	if err := json.Unmarshal(w.Body.Bytes(), &p); w.Code != http.StatusServiceUnavailable || err != nil || w.Header().Get("Retry-After") == "" ||
		w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(p.Detail, says) {
		t.Errorf("it is %d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestThereAreSoManyStreamsAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &pagetest.Store{}
		s.Set("pulse:queues:shop", pagetest.OneQueue, 1)
		h := pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
		var ends []func()
		for range 1000 {
			end, _ := watch(t, t.Context(), h, &wire{})
			ends = append(ends, end)
		}
		synctest.Wait()
		refused(t, get(t, h, "/api/v1/stream"), "1000 streams")
		if w := get(t, h, "/api/v1/view"); w.Code != http.StatusOK {
			t.Errorf("the view is %d: a page without a stream asks for it", w.Code)
		}
		ends[0]()
		end, ended := watch(t, t.Context(), h, &wire{})
		synctest.Wait()
		select {
		case <-ended:
			t.Error("a place that is free again is not given")
		default:
		}
		for _, end := range append(ends[1:], end) {
			end()
		}
	})
}

func TestThereAreSoManyRequestsAtMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, hold := &pagetest.Store{}, make(chan struct{})
		s.Set("pulse:queues:shop", pagetest.OneQueue, 1)
		h := pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
		var asking sync.WaitGroup
		for range 1000 {
			asking.Go(func() { h.ServeHTTP(&wire{hold: hold}, request(t.Context(), http.MethodGet, "/api/v1/view")) })
		}
		synctest.Wait()
		refused(t, get(t, h, "/api/v1/view"), "1000 requests")
		if w := get(t, h, "/healthz"); w.Code != http.StatusOK {
			t.Errorf("/healthz is %d", w.Code)
		}
		close(hold)
		asking.Wait()
		if w := get(t, h, "/api/v1/view"); w.Code != http.StatusOK {
			t.Errorf("when they have ended it is %d", w.Code)
		}
	})
}

func TestNarrowedAnswersHaveABudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, hold := &pagetest.Store{}, make(chan struct{})
		fill(s, "first")
		h := pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
		var asking sync.WaitGroup
		ask := func(n int, path string) {
			for range n {
				asking.Go(func() { h.ServeHTTP(&wire{hold: hold}, request(t.Context(), http.MethodGet, path)) })
			}
			synctest.Wait()
		}
		ask(100, "/api/v1/view?app=app-1&q=q7") // small: they give back what they don't need
		if w := get(t, h, "/api/v1/view?app=app-1"); w.Code != http.StatusOK {
			t.Errorf("beside 100 small ones it is %d", w.Code)
		}
		ask(12, "/api/v1/view?driver=sqs") // of 5 MB each
		began := time.Now()
		refused(t, get(t, h, "/api/v1/view?driver=sqs"), "too many large answers")
		if waited := time.Since(began); waited != 5*time.Second {
			t.Errorf("it waited for %v", waited)
		}
		if w := get(t, h, "/api/v1/view"); w.Code != http.StatusOK {
			t.Errorf("the whole view is %d", w.Code)
		}
		time.AfterFunc(2*time.Second, func() { close(hold) })
		if w := get(t, h, "/api/v1/view?driver=sqs"); w.Code != http.StatusOK {
			t.Errorf("when there is room within its time it is %d", w.Code)
		}
		asking.Wait()
	})
}
