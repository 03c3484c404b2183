package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// TestEventsComeThroughAProxyThatCompresses: one that collects them for its compressor shows none.
func TestEventsComeThroughAProxyThatCompresses(t *testing.T) {
	t.Parallel()
	redis := servertest.Redis(t)
	report := func(waiting string) {
		snapshot := fmt.Sprintf(`{"timestamp":%d,"app":"shop","queues":[{"name":"mail","driver":"other","metrics":{"waiting":%s}}]}`, time.Now().UnixMilli(), waiting)
		if err := redis.Client.Set(t.Context(), "pulse:queues:shop", snapshot, time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
	}
	report("1")
	listen := address(t)
	program(t, aggregator, "PULSE_REDIS_URL="+redis.URL, "PULSE_LISTEN="+listen)
	servertest.Eventually(t, "the aggregator", func() bool { _, err := view(t, listen); return err == nil })
	_, port, _ := strings.Cut(listen, ":")
	proxy := servertest.Node(t, "testdata/compressing-proxy.mjs", port)
	out, err := proxy.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Process.Kill(); _ = proxy.Wait() })
	proxyPort, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+strings.TrimSpace(proxyPort)+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip") // by hand: Go does not unpack it
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	if page := get("/"); page.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("the proxy does not compress: %v", page.Header)
	}
	stream := get("/api/v1/stream")
	events := make(chan string)
	go func() {
		defer close(events)
		for lines := bufio.NewScanner(stream.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				select {
				case events <- data:
				case <-t.Context().Done():
					return
				}
			}
		}
	}()
	for _, waiting := range []string{`"waiting":1`, `"waiting":2`} {
		for comes := time.After(time.Minute); ; {
			select {
			case data := <-events:
				if !strings.Contains(data, waiting) {
					continue
				}
			case <-comes:
				t.Fatalf("an event with %s never came", waiting)
			}
			break
		}
		report("2")
	}
}
