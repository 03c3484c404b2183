package runtime

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// loopback is a listener and its URL.
func loopback(t *testing.T) (net.Listener, string) {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l, "http://" + l.Addr().String() + "/"
}

func fetch(ctx context.Context, url string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestRequestsEndWithTheProgram(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	listener, url := loopback(t)
	began := make(chan struct{})
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(began)
			<-r.Context().Done()
			_, _ = io.WriteString(w, "the end")
		}), listener, slog.New(slog.DiscardHandler))
	}()
	answer := make(chan string, 1)
	go func() {
		body, err := fetch(t.Context(), url)
		if err != nil {
			body = err.Error()
		}
		answer <- body
	}()
	<-began
	stop()
	if err := <-served; err != nil {
		t.Errorf("the server ended with %v", err)
	}
	if got := <-answer; got != "the end" {
		t.Errorf("a connected client got %q", got)
	}
	if body, err := fetch(t.Context(), url); err == nil {
		t.Errorf("after its end it answered %q", body)
	}
}

func TestWhoDoesNotEndIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := servertest.NewPipes()
		ctx, stop := context.WithCancel(t.Context())
		release, served := make(chan struct{}), make(chan error, 1)
		go func() {
			served <- Serve(ctx, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }), l, slog.New(slog.DiscardHandler))
		}()
		client := l.Dial()
		if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		began := time.Now()
		stop()
		if err := <-served; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if d := time.Since(began); d < shutdownTimeout || d > shutdownTimeout+time.Second {
			t.Errorf("its end took %v, want %v", d, shutdownTimeout)
		}
		if _, err := client.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is still there")
		}
		close(release)
	})
}

func TestClientThatSaysNothingIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := servertest.NewPipes()
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- Serve(ctx, http.NotFoundHandler(), l, slog.New(slog.DiscardHandler)) }()
		client := l.Dial()
		began := time.Now()
		go func() { _, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHo") }()
		if _, err := io.ReadAll(client); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("half a request was waited for %v", d)
		}
		stop()
		if err := <-served; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
}

func TestTakenAddressIsASentence(t *testing.T) {
	t.Parallel()
	listener, _ := loopback(t)
	defer listener.Close()
	err := HTTP(t.Context(), http.NotFoundHandler(), listener.Addr().String(), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), listener.Addr().String()) || !strings.Contains(err.Error(), "set PULSE_LISTEN to a free address") {
		t.Errorf("a taken address is %v", err)
	}
}

// What the kernel takes of an answer is memory of this machine, and looks as if somebody had read it.
func TestKernelKeepsLittleOfAnUnreadAnswer(t *testing.T) {
	t.Parallel()
	listener, _ := loopback(t)
	ctx, stop := context.WithCancel(t.Context())
	written, served := make(chan int, 1), make(chan error, 1)
	go func() {
		served <- Serve(ctx, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second))
			total := 0
			for chunk := make([]byte, 4<<10); ; {
				n, err := w.Write(chunk)
				if total += n; err != nil {
					written <- total
					return
				}
			}
		}), listener, slog.New(slog.DiscardHandler))
	}()
	var dialer net.Dialer
	client, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if n := <-written; n > 1<<20 {
		t.Errorf("%d KiB were written to a client that reads nothing", n>>10)
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
