package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/api"
	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/logonce"
	"github.com/gravito-framework/pulse/internal/pagetest"
	"github.com/gravito-framework/pulse/internal/recorder"
	"github.com/gravito-framework/pulse/internal/runtime"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/internal/view"
)

// These tests are about time, so they run on synctest's clock and on documents that the test makes;
// a goroutine that outlives its test fails it.

// wire is a ResponseWriter that streams. With a hold it takes nothing until that is closed.
type wire struct {
	hold   chan struct{}
	mu     sync.Mutex
	header http.Header
	status int
	text   bytes.Buffer
}

func (w *wire) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}
func (w *wire) WriteHeader(status int) { w.status = status }
func (w *wire) Flush()                 {}
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	hold := w.hold
	w.mu.Unlock()
	if hold != nil {
		<-hold // not a lock: synctest would not wait for that
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *wire) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

type event struct{ name, id, data string }

// all is the events so far.
func (w *wire) all() (all []event) {
	for block := range strings.SplitSeq(w.String(), "\n\n") {
		var e event
		for line := range strings.SplitSeq(block, "\n") {
			switch field, value, _ := strings.Cut(line, ": "); field {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			}
		}
		if e.name != "" {
			all = append(all, e)
		}
	}
	return all
}

// watch opens a stream; end closes it from the client's side and waits for the handler.
func watch(t *testing.T, ctx context.Context, h http.Handler, w http.ResponseWriter) (end func(), ended <-chan struct{}) { //nolint:revive // t comes first in a test's helper
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(w, request(ctx, http.MethodGet, "/api/v1/stream"))
	}()
	return func() { cancel(); <-done; synctest.Wait() }, done
}

func request(ctx context.Context, method, path string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, method, path, http.NoBody)
	r.Host = "localhost"
	return r
}

func get(t testing.TB, h http.Handler, path string, encodings ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := request(t.Context(), http.MethodGet, path)
	r.Header["Accept-Encoding"] = encodings
	h.ServeHTTP(w, r)
	return w
}

// patched is the view that a stream's events make.
func patched(t *testing.T, events []event) []byte {
	t.Helper()
	if len(events) == 0 || events[0].name != "view" {
		t.Fatalf("the stream does not begin with a view: %v", events)
	}
	text := []byte(events[0].data)
	for _, e := range events[1:] {
		if e.name == "view" {
			text = []byte(e.data)
			continue
		}
		next, err := jsonpatch.MergePatch(text, []byte(e.data))
		if err != nil {
			t.Fatalf("the patch %s: %v", e.data, err)
		}
		text = next
	}
	return text
}

func TestPatchesMakeTheVeryViewOfThatMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, w := &pagetest.Store{}, &wire{}
		h := pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
		s.Set("pulse:queues:shop", pagetest.OneQueue, 1)
		end, _ := watch(t, t.Context(), h, w)
		time.Sleep(2500 * time.Millisecond) // between two readings
		for i, change := range []func(){
			func() { s.Set("pulse:queues:shop", pagetest.OneQueue, 2) },
			func() {
				s.Set("pulse:queues:shop", `"app":"shop","queues":[{"name":"emails","driver":"sqs","metrics":{"waiting":2,"failed":1},"meta":{"a":{"b":1,"c":[1,{"d":null}]},"paused":true}}]`)
			},
			func() {
				s.Set("pulse:queues:shop", `"app":"shop","queues":[{"name":"emails","driver":"sqs","metrics":{"waiting":2,"failed":null},"meta":{"a":{"c":[2]},"paused":null}}]`)
			},
			func() {
				s.Set("pulse:queues:shop", `"app":"shop","queues":[{"name":"emails","driver":"sqs","metrics":{"waiting":2},"meta":{"a":"text"}},{"name":"a/b~1c","driver":"rabbit","metrics":{"waiting":1}}]`)
			},
			func() { s.Set("pulse:queues:shop", `"app":"shop","queues":[]`) },
			func() { s.Set("pulse:queues:blog", `"app":"blog","queues":[{"name":"x","metrics":{}}]`) },
			func() {
				s.Set("pulse:server:blog:web-1", `"system":{"hostname":"web-1","cpu_usage":1},"process":{},"meta":{"app_name":"blog"}`)
			},
			func() { s.Set("pulse:server:blog:web-1", "") },
			func() { s.Set("pulse:queues:shop", "") },
			func() { s.Forget("pulse:server:blog:web-1", "pulse:queues:blog") },
			func() { s.Fail(errors.New("connection refused")) },
			func() { time.Sleep(20 * time.Second) }, // fresh becomes stale by itself
			func() { s.Fail(nil) },
			func() { time.Sleep(20 * time.Second) },
		} {
			before := len(w.all())
			change()
			time.Sleep(12 * time.Second) // Redis that was down is tried every 10 s
			if len(w.all()) == before {
				t.Errorf("change %d sent nothing", i)
			}
			want := get(t, h, "/api/v1/view").Body.Bytes()
			if diff := cmp.Diff(value(t, want), value(t, patched(t, w.all()))); diff != "" {
				t.Errorf("after change %d (-view +patched):\n%s", i, diff)
			}
		}
		end()
	})
}

func TestStreamSaysItsPlaceAndWhenToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, w := &pagetest.Store{}, &wire{}
		s.Set("pulse:queues:shop", pagetest.OneQueue, 1)
		end, _ := watch(t, t.Context(), pagetest.Handler(s.Read, slog.New(slog.DiscardHandler)), w)
		time.Sleep(time.Second)
		s.Set("pulse:queues:shop", pagetest.OneQueue, 2)
		time.Sleep(5 * time.Second)
		end()
		if !strings.HasPrefix(w.String(), "retry: 2000\n\nevent: view\nid: 1\ndata: {") || !strings.Contains(w.String(), "\n\nevent: patch\nid: 2\ndata: {") {
			t.Errorf("the stream is %q", w)
		}
		if got := w.header.Get("Content-Type"); got != "text/event-stream" || w.header.Get("Cache-Control") != "no-store, no-transform" {
			t.Errorf("its headers are %v", w.header)
		}
	})
}

func TestStreamEndsBeforeItsDeadline(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		deadline, streamFor, want time.Duration
	}{
		"the request's deadline": {60 * time.Second, 0, 55 * time.Second},
		"the stream's own":       {600 * time.Second, 270 * time.Second, 270 * time.Second},
		"whichever comes first":  {60 * time.Second, 270 * time.Second, 55 * time.Second},
		"no time left at all":    {2 * time.Second, 0, time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, w, began := &pagetest.Store{}, &wire{}, time.Now()
				s.Set("pulse:queues:shop", pagetest.OneQueue, 1)
				log := slog.New(slog.DiscardHandler)
				server := &api.Server{Live: api.NewLive(s.Read, 0, log), StreamFor: tc.streamFor, Log: log}
				ctx, cancel := context.WithTimeout(t.Context(), tc.deadline)
				end, ended := watch(t, ctx, server.Handler(), w)
				<-ended
				if got := time.Since(began); got != tc.want {
					t.Errorf("it ended after %v, want %v", got, tc.want)
				}
				if !strings.Contains(w.String(), "event: view\n") || !strings.HasSuffix(w.String(), ": the end of this stream; connect again\n\n") {
					t.Errorf("the stream is %q", w)
				}
				end()
				cancel()
			})
		})
	}
}

func TestIdleStreamIsHeardEvery15Seconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, w := &pagetest.Store{}, &wire{}
		end, _ := watch(t, t.Context(), pagetest.Handler(s.Read, slog.New(slog.DiscardHandler)), w)
		time.Sleep(61 * time.Second)
		end()
		if n := strings.Count(w.String(), ": still here\n\nevent: patch\nid: 1\ndata: {\"generated_at\":"); n != 4 {
			t.Errorf("within a minute it was heard %d times: %q", n, w)
		}
	})
}

func TestEverybodyGetsTheSameBytesOfOneReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &pagetest.Store{}
		s.Set("pulse:queues:shop", pagetest.OneQueue, 1)
		h := pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
		var wires [50]wire
		var ends []func()
		for i := range wires {
			end, _ := watch(t, t.Context(), h, &wires[i])
			ends = append(ends, end)
		}
		synctest.Wait()
		for i := range 10 {
			s.Set("pulse:queues:shop", pagetest.OneQueue, i)
			time.Sleep(2 * time.Second)
		}
		time.Sleep(time.Second)
		for i := range wires {
			if got := wires[i].String(); got != wires[0].String() {
				t.Errorf("client %d got %q, the first one %q", i, got, &wires[0])
			}
		}
		if n := s.Count(); n > 12 {
			t.Errorf("Redis was read %d times in 21 s", n)
		}
		for _, end := range ends {
			end()
		}
		before := s.Count()
		time.Sleep(time.Minute)
		if s.Count() != before {
			t.Error("Redis is read while nobody watches")
		}
	})
}

func TestSlowClientMissesNothing(t *testing.T) {
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
		for i := range 5 {
			s.Set("pulse:queues:shop", pagetest.OneQueue, 10+i)
			s.Set(fmt.Sprintf("pulse:queues:app-%d", i), `"app":"app-%d","queues":[]`, i)
			time.Sleep(2 * time.Second)
		}
		close(hold)
		time.Sleep(2500 * time.Millisecond)
		for i, e := range w.all() {
			if want := []string{"view", "patch"}[min(i, 1)]; e.name != want || e.id != fmt.Sprint(i+1) {
				t.Errorf("event %d is %s %s, want %s", i, e.name, e.id, want)
			}
		}
		want := get(t, h, "/api/v1/view").Body.Bytes()
		if diff := cmp.Diff(value(t, want), value(t, patched(t, w.all()))); diff != "" {
			t.Errorf("(-view +patched):\n%s", diff)
		}
		end()
	})
}

// One change and then none, while a client was slow: the usual case, as reports are 10 s apart.
func TestSlowClientMissesNoSingleChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		s, w := &pagetest.Store{}, &wire{hold: hold}
		s.Set("pulse:queues:shop", pagetest.OneQueue, 1)
		h := pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
		end, _ := watch(t, t.Context(), h, w)
		time.Sleep(500 * time.Millisecond)
		s.Set("pulse:queues:shop", pagetest.OneQueue, 2)
		time.Sleep(5 * time.Second)
		w.mu.Lock()
		w.hold = nil
		w.mu.Unlock()
		close(hold)
		time.Sleep(2500 * time.Millisecond)
		want := get(t, h, "/api/v1/view").Body.Bytes()
		if diff := cmp.Diff(value(t, want), value(t, patched(t, w.all()))); diff != "" {
			t.Errorf("(-view +patched):\n%s", diff)
		}
		end()
	})
}

// dial asks for the stream and reads its first bytes.
func dial(t *testing.T, p *servertest.Pipes) net.Conn {
	t.Helper()
	client := p.Dial()
	if _, err := client.Write([]byte("GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 15)
	if _, err := client.Read(first); err != nil || string(first) != "HTTP/1.1 200 OK" {
		t.Fatalf("the stream begins with %q, %v", first, err)
	}
	return client
}

func TestServerEndsWhateverItsClientsDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &pagetest.Store{}
		s.Set("pulse:queues:shop", pagetest.OneQueue, 1)
		listener := servertest.NewPipes()
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() {
			served <- runtime.Serve(ctx, pagetest.Handler(s.Read, slog.New(slog.DiscardHandler)), listener, slog.New(slog.DiscardHandler))
		}()

		// One takes nothing after its first bytes, one goes, one reads on. synctest finds who is left.
		slow, gone, reader := dial(t, listener), dial(t, listener), dial(t, listener)
		defer slow.Close()
		defer reader.Close()
		var got bytes.Buffer
		read := make(chan struct{})
		go func() {
			defer close(read)
			_, _ = got.ReadFrom(reader)
		}()
		_ = gone.Close()
		for i := range 30 { // longer than any time limit of the server
			s.Set("pulse:queues:shop", pagetest.OneQueue, i)
			time.Sleep(3 * time.Second)
		}
		if _, err := slow.Write([]byte("x")); err == nil {
			t.Error("a client that took nothing for 90 s is still connected")
		}
		began := time.Now()
		stop()
		if err := <-served; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("its end took %v", d)
		}
		<-read
		if n := strings.Count(got.String(), "event: patch"); n < 29 {
			t.Errorf("who read on got %d of 30 changes", n)
		}
	})
}

// whole is a ResponseWriter that cannot stream.
type whole struct{ w *wire }

func (w whole) Header() http.Header         { return w.w.Header() }
func (w whole) WriteHeader(status int)      { w.w.WriteHeader(status) }
func (w whole) Write(p []byte) (int, error) { return w.w.Write(p) }

func TestWhereNothingStreamsAStreamIsOneView(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, w := &pagetest.Store{}, &wire{}
		s.Set("pulse:queues:shop", pagetest.OneQueue, 1)
		_, ended := watch(t, t.Context(), pagetest.Handler(s.Read, slog.New(slog.DiscardHandler)), whole{w})
		<-ended
		if all := w.all(); len(all) != 1 || all[0].name != "view" || !strings.HasPrefix(w.String(), "retry: 5000\n\n") {
			t.Errorf("it is %q", w)
		}
	})
}

func TestHeadOfAStreamIsItsHeadersOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, w := &pagetest.Store{}, &wire{}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		pagetest.Handler(s.Read, slog.New(slog.DiscardHandler)).ServeHTTP(w, request(ctx, http.MethodHead, "/api/v1/stream"))
		if time.Since(began) > time.Second || w.String() != "" || w.header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("after %v it is %q with %v", time.Since(began), w, w.header)
		}
	})
}

func TestRedisDownIsOneLineAndTheLastNumbers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &pagetest.Store{}
		h := pagetest.Handler(s.Read, slog.New(slog.NewTextHandler(&log, nil)))
		s.Set("pulse:queues:shop", pagetest.OneQueue, 12)
		type viewJSON struct {
			Apps map[string]struct {
				Queues map[string]struct {
					Status  string
					Metrics map[string]int
				}
			}
			Problems  []view.Problem
			RedisDown *view.RedisDown `json:"redis_down"`
		}
		look := func() (v viewJSON) {
			w := get(t, h, "/api/v1/view")
			if err := json.Unmarshal(w.Body.Bytes(), &v); w.Code != http.StatusOK || err != nil {
				t.Fatalf("the view is %d %s", w.Code, w.Body)
			}
			return v
		}
		if v := look(); len(v.Problems) > 0 || v.RedisDown != nil {
			t.Fatalf("problems: %v, down: %v", v.Problems, v.RedisDown)
		}
		readAt := time.Now().UnixMilli()
		s.Fail(errors.New("read from redis 10.0.0.7:6379: connection refused"))
		before := s.Count()
		time.Sleep(2 * time.Second)
		for range 60 {
			v := look()
			if len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Reason, "Redis has not answered since 00:00:02 UTC") {
				t.Fatalf("problems: %v", v.Problems)
			}
			if v.RedisDown == nil || v.RedisDown.ReadAt != readAt || v.RedisDown.Since != readAt+2000 {
				t.Fatalf("Redis is down: %v", v.RedisDown)
			}
			if strings.Contains(v.Problems[0].Reason, "10.0.0.7") {
				t.Error("the view tells where Redis is")
			}
			if q := v.Apps["shop"].Queues["sqs/emails"]; q.Metrics["waiting"] != 12 {
				t.Fatalf("the last numbers are gone: %+v", v)
			}
			time.Sleep(time.Second)
		}
		if q := look().Apps["shop"].Queues["sqs/emails"]; q.Status != "stale" {
			t.Errorf("a minute later its status is %s", q.Status)
		}
		if n := s.Count() - before; n < 10 || n > 15 {
			t.Errorf("Redis was asked %d times in a minute", n)
		}
		s.Fail(nil)
		s.Set("pulse:queues:shop", pagetest.OneQueue, 13)
		time.Sleep(5 * time.Second)
		if v := look(); len(v.Problems) > 0 || v.RedisDown != nil || v.Apps["shop"].Queues["sqs/emails"].Metrics["waiting"] != 13 {
			t.Errorf("when Redis answers again it is %+v", v)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[0], "10.0.0.7:6379") || !strings.Contains(lines[1], "reads again") {
			t.Errorf("the log is:\n%s", &log)
		}
	})
}

// TestWhatFailsJustBeforeTheEndOfAnOutageIsNoTroubleOfItsOwn: it cannot be read while the view cannot, whose reader says it.
func TestWhatFailsJustBeforeTheEndOfAnOutageIsNoTroubleOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log servertest.Output
		logger := slog.New(slog.NewTextHandler(&log, nil))
		s, failed := &pagetest.Store{}, error(nil)
		h := (&api.Server{
			Live: api.NewLive(s.Read, 0, logger), Log: logger,
			History: func(context.Context, int64, map[string]recorder.Wants, func(string, *history.Decoder)) (map[string]error, error) {
				return nil, failed
			},
		}).Handler()
		look := func(err error, last time.Duration) {
			failed = err
			s.Fail(err)
			for began := time.Now(); time.Since(began) < last; time.Sleep(100 * time.Millisecond) {
				get(t, h, "/api/v1/view")
				get(t, h, "/api/v1/history?key=shop/sqs/mails")
			}
		}
		look(nil, 3*time.Second)
		look(&net.OpError{Op: "dial", Err: errors.New("connection refused")}, time.Minute)
		for tries := s.Count(); s.Count() == tries; {
			look(failed, 100*time.Millisecond)
		}
		look(failed, 4800*time.Millisecond) // the next try is 5 s after that one
		look(nil, 5*time.Second)
		if said := log.String(); strings.Count(said, "\n") != 2 || !strings.Contains(said, `msg="cannot read; the last numbers`) || !strings.Contains(said, `msg="reads again"`) {
			t.Errorf("it said\n%s", said)
		}
	})
}

// TestEachCauseOfAnOutageIsALineAndFlappingIsNone: and the view says what Redis answers, where it does.
func TestEachCauseOfAnOutageIsALineAndFlappingIsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &pagetest.Store{}
		h := pagetest.Handler(s.Read, slog.New(slog.NewTextHandler(&log, nil)))
		s.Set("pulse:queues:shop", pagetest.OneQueue, 12)
		look := func(err error) string {
			s.Fail(err)
			var body string
			for range 10 {
				time.Sleep(time.Second)
				body = get(t, h, "/api/v1/view").Body.String()
			}
			return body
		}
		refused := fmt.Errorf("read from redis 10.0.0.7:6379: %w", &net.OpError{Op: "dial", Err: errors.New("connection refused")})
		wrong := fmt.Errorf("read from redis 10.0.0.7:6379: %w", wrongPassError{})
		look(nil)
		if body := look(refused); !strings.Contains(body, "Redis has not answered since 00:00:1") {
			t.Errorf("while it is refused the view is %s", body)
		}
		if body := look(wrong); !strings.Contains(body, "Redis has answered WRONGPASS since 00:00:1") || strings.Contains(body, "invalid") {
			t.Errorf("while its login is wrong the view is %s", body)
		}
		look(refused)
		look(nil)
		const first = "connection refused,WRONGPASS,reads again"
		said := func() string {
			var words []string
			for line := range strings.Lines(log.String()) {
				for _, word := range []string{"connection refused", "WRONGPASS", "reads again", " times="} {
					if strings.Contains(line, word) {
						words = append(words, word)
					}
				}
			}
			return strings.Join(words, ",")
		}
		if got := said(); got != first {
			t.Errorf("the log says %s:\n%s", got, &log)
		}
		for range 20 {
			look(refused)
			look(nil)
		}
		if got := said(); got != first {
			t.Errorf("when it has flapped for a while the log says %s:\n%s", got, &log)
		}
		time.Sleep(logonce.Quiet)
		look(refused)
		if got := said(); got != first+",connection refused, times=" || !strings.Contains(log.String(), "times=22") {
			t.Errorf("ten minutes later the log says %s:\n%s", got, &log)
		}
	})
}

// wrongPassError is what Redis answers to a wrong login.
type wrongPassError struct{}

func (wrongPassError) Error() string {
	return "WRONGPASS invalid username-password pair or user is disabled."
}
func (wrongPassError) RedisError() {}

func TestWhoGoesWhileRedisIsReadSaysNothingAboutRedis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &pagetest.Store{}
		s.Set("pulse:queues:shop", pagetest.OneQueue, 1)
		slow := func(ctx context.Context, now time.Time, add func(view.Document) bool) (time.Duration, error) {
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(500 * time.Millisecond):
				return s.Read(ctx, now, add)
			}
		}
		h := pagetest.Handler(slow, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		impatient := httptest.NewRecorder()
		var wait sync.WaitGroup
		wait.Go(func() { h.ServeHTTP(impatient, request(ctx, http.MethodGet, "/api/v1/view")) })
		synctest.Wait() // it is the one that reads
		var patient [10]*httptest.ResponseRecorder
		for i := range patient {
			wait.Go(func() { patient[i] = get(t, h, "/api/v1/view") })
		}
		wait.Wait()
		if impatient.Code != http.StatusServiceUnavailable || log.Len() > 0 {
			t.Errorf("who did not wait got %d, and the log is %q", impatient.Code, &log)
		}
		for _, w := range patient {
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "emails") {
				t.Errorf("who waited got %d %s", w.Code, w.Body)
			}
		}
		if s.Count() != 1 {
			t.Errorf("Redis was read %d times for ten askers at once", s.Count())
		}
	})
}

// A Redis that hangs costs a reading its time limit. Nobody waits for that who can have the last numbers.
func TestWhileRedisHangsTheLastNumbersAreThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &pagetest.Store{}
		s.Set("pulse:queues:shop", pagetest.OneQueue, 7)
		h := pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
		look := func(atMost time.Duration, says bool) {
			t.Helper()
			began := time.Now()
			w := get(t, h, "/api/v1/view")
			if d := time.Since(began); d > atMost {
				t.Errorf("it took %v", d)
			}
			body := w.Body.String()
			if w.Code != http.StatusOK || !strings.Contains(body, `"waiting":7`) || strings.Contains(body, "Redis has not answered since") != says {
				t.Errorf("%d %s", w.Code, body)
			}
		}
		look(0, false)
		time.Sleep(2 * time.Second)
		s.Hangs.Store(true)
		look(2*time.Second, false) // that it hangs is not known yet
		time.Sleep(10 * time.Second)
		for range 30 {
			look(500*time.Millisecond, true)
			time.Sleep(time.Second)
		}
		s.Hangs.Store(false)
		time.Sleep(20 * time.Second) // what hangs has ended, and the next try is due
		look(0, false)
		time.Sleep(20 * time.Second)
	})
}

// Numbers from before a pause call fresh what no longer is: they are no better than a wait.
func TestOldNumbersAreWaitedForWhileRedisHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &pagetest.Store{}
		s.Set("pulse:queues:shop", pagetest.OneQueue, 7)
		h := pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
		get(t, h, "/api/v1/view")
		time.Sleep(time.Hour)
		s.Hangs.Store(true)
		if body := get(t, h, "/api/v1/view").Body.String(); !strings.Contains(body, "Redis has not answered since") || !strings.Contains(body, `"status":"stale"`) {
			t.Errorf("an hour later it is %s", body)
		}
	})
}

func TestPanicIsAnAnswer(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := pagetest.Handler(func(context.Context, time.Time, func(view.Document) bool) (time.Duration, error) { panic("a defect") }, slog.New(slog.NewTextHandler(&log, nil)))
	for _, want := range []int{http.StatusInternalServerError, http.StatusServiceUnavailable} { // it keeps nothing locked
		w := get(t, h, "/api/v1/view")
		if w.Code != want || w.Header().Get("Content-Type") != "application/problem+json" || strings.Contains(w.Body.String(), "a defect") {
			t.Errorf("it is %d %s", w.Code, w.Body)
		}
	}
	if !strings.Contains(log.String(), "a defect") || !strings.Contains(log.String(), "stream_test.go") {
		t.Errorf("the log does not say where: %s", &log)
	}
}
