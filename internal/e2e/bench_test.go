package e2e

import (
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// BenchmarkColdStart measures from exec to the first request for an event, each function in turn
// with a toy that has the same libraries and does nothing.
func BenchmarkColdStart(b *testing.B) {
	asked := make(chan struct{}, 1)
	var config net.ListenConfig
	listener, err := config.Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/runtime/invocation/next") {
			asked <- struct{}{}
		}
		<-r.Context().Done()
	})}
	go server.Serve(listener) //nolint:errcheck // it ends with the benchmark
	defer server.Close()

	env := append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(),
		"PULSE_REDIS_URL=redis://127.0.0.1:6379", "PULSE_APP=shop", "PULSE_BULLMQ_QUEUES=orders", "PULSE_TOKEN=sesame-open-sesame",
	}, servertest.AWSEnv("http://127.0.0.1:1")...)
	start := func(path string) time.Duration {
		cmd := exec.CommandContext(b.Context(), path)
		cmd.Env = env
		began := time.Now()
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		<-asked
		took := time.Since(began)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return took
	}
	toy := servertest.Build(b, "internal/e2e/testdata/toy")
	for _, pkg := range []string{aggregator, redisReporter, sqsReporter} {
		b.Run(pkg[len("functions/"):], func(b *testing.B) {
			path := servertest.Build(b, pkg)
			var ours, theirs []time.Duration
			for b.Loop() {
				ours = append(ours, start(path))
				theirs = append(theirs, start(toy))
			}
			b.ReportMetric(servertest.Median(ours)/servertest.Median(theirs), "x_of_toy")
			b.ReportMetric(servertest.Median(ours)*1000, "start-ms")
		})
	}
}

// median is in seconds.
