package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/api"
	"github.com/gravito-framework/pulse/internal/pagetest"
	"github.com/gravito-framework/pulse/internal/runtime"
	"github.com/gravito-framework/pulse/internal/servertest"
)

func TestCompressedStreamIsReadableAsItComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := &pagetest.Store{}, servertest.NewPipes()
		fill(s, "first")
		s.Set("pulse:queues:shop", pagetest.OneQueue, 1)
		log := slog.New(slog.DiscardHandler)
		server := &api.Server{Live: api.NewLive(s.Read, 0, log), StreamFor: 40 * time.Second, Log: log}
		h := server.Handler()
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- runtime.Serve(ctx, h, p, log) }()
		c := p.Dial()
		defer c.Close()
		if _, err := io.WriteString(c, "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept-Encoding: br, gzip;q=0.8\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if head := answer.Header; head.Get("Content-Encoding") != "gzip" || head.Get("Vary") != "Accept-Encoding" ||
			head.Get("Cache-Control") != "no-store, no-transform" || head.Get("X-Accel-Buffering") != "no" {
			t.Errorf("its headers are %v", head)
		}
		body := bufio.NewReader(answer.Body)
		plain, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		plain.Multistream(false) // as browsers read it
		r := bufio.NewReader(plain)
		got := &wire{}
		next := func() (block string) {
			t.Helper()
			asked := time.Now()
			for !strings.HasSuffix(block, "\n\n") {
				line, err := r.ReadString('\n')
				if block += line; err != nil {
					t.Fatalf("after %.200q: %v", block, err)
				}
			}
			if waited := time.Since(asked); waited > 2*time.Second {
				t.Errorf("%.100q came only after %v", block, waited)
			}
			_, _ = got.Write([]byte(block))
			return block
		}
		if first := next(); first != "retry: 2000\n\n" {
			t.Errorf("it begins with %q", first)
		}
		next()
		time.Sleep(15 * time.Second)
		synctest.Wait()
		written := time.Now()
		for _, want := range []string{": still here\n\n", "event: patch\n"} {
			if comment := next(); !strings.HasPrefix(comment, want) || time.Since(written) > 0 {
				t.Errorf("it says %q %v after the comment was written", comment, time.Since(written))
			}
		}
		for i := range 5 {
			s.Set("pulse:queues:shop", pagetest.OneQueue, 10+i)
			if patch := next(); !strings.HasPrefix(patch, "event: patch\n") {
				t.Errorf("a change is %.100q", patch)
			}
			want := get(t, h, "/api/v1/view").Body.Bytes()
			if diff := cmp.Diff(value(t, want), value(t, patched(t, got.all()))); diff != "" {
				t.Errorf("after change %d (-view +patched):\n%s", i, diff)
			}
		}
		rest, err := io.ReadAll(r)
		if err != nil || !strings.HasSuffix(string(rest), ": the end of this stream; connect again\n\n") {
			t.Errorf("it ends with %q, %v", rest, err)
		}
		if after, err := io.ReadAll(body); err != nil || len(after) > 0 {
			t.Errorf("after the end there are %d bytes, %v", len(after), err)
		}
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// unzipped is what a stream's bytes are, which must be one gzip stream with its end.
func unzipped(t *testing.T, zipped string) string {
	t.Helper()
	r := bytes.NewReader([]byte(zipped))
	plain, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	plain.Multistream(false)
	text, err := io.ReadAll(plain)
	if err != nil || r.Len() > 0 {
		t.Fatalf("%v, and %d bytes after the end", err, r.Len())
	}
	return string(text)
}

func TestCompressedStreamEndsWhereItsSessionDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, zipped, plain := &pagetest.Store{}, &wire{}, &wire{}
		fill(s, "first")
		h := pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r := request(ctx, http.MethodGet, "/api/v1/stream")
			r.Header.Set("Accept-Encoding", "gzip")
			h.ServeHTTP(zipped, r)
		}()
		end, _ := watch(t, t.Context(), h, plain)
		time.Sleep(time.Second)
		fill(s, "second")
		time.Sleep(17*time.Second + 500*time.Millisecond) // between two readings
		cancel()
		<-done
		end()
		if got := unzipped(t, zipped.String()); got != plain.String() {
			t.Errorf("of %d bytes it has %d, or others", len(plain.String()), len(got))
		}
	})
}

// buffered is a ResponseWriter that cannot stream.
type buffered struct{ http.ResponseWriter }

func TestCompressedStreamThatIsBufferedIsOneView(t *testing.T) {
	t.Parallel()
	s, w := &pagetest.Store{}, httptest.NewRecorder()
	fill(s, "first")
	r := request(t.Context(), http.MethodGet, "/api/v1/stream")
	r.Header.Set("Accept-Encoding", "gzip")
	pagetest.Handler(s.Read, slog.New(slog.DiscardHandler)).ServeHTTP(buffered{w}, r)
	if got := unzipped(t, w.Body.String()); !strings.HasPrefix(got, "retry: 5000\n\nevent: view\n") || !strings.HasSuffix(got, "}\n\n") {
		t.Errorf("it is %.200q", got)
	}
}

func TestStreamIsPlainForThoseThatTakeNoGzip(t *testing.T) {
	t.Parallel()
	for _, accepts := range []string{"", "identity", "br", "gzip;q=0"} {
		s, w := &pagetest.Store{}, httptest.NewRecorder()
		s.Set("pulse:queues:shop", pagetest.OneQueue, 1)
		r := request(t.Context(), http.MethodGet, "/api/v1/stream")
		r.Header.Set("Accept-Encoding", accepts)
		pagetest.Handler(s.Read, slog.New(slog.DiscardHandler)).ServeHTTP(buffered{w}, r)
		if w.Header().Get("Content-Encoding") != "" || w.Header().Get("Vary") != "Accept-Encoding" || !strings.HasPrefix(w.Body.String(), "retry: 5000\n\n") {
			t.Errorf("%q: %v %.100q", accepts, w.Header(), w.Body)
		}
	}
}
