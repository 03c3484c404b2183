package api_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/pagetest"
	"github.com/gravito-framework/pulse/internal/servertest"
)

// exposed are the metrics of one queue with all there is to say of it, of one with a hostile name, of one that is
// lost, and of two servers.
func exposed(t *testing.T) string {
	t.Helper()
	var text string
	synctest.Test(t, func(t *testing.T) {
		s := &pagetest.Store{}
		h := pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
		s.Set("pulse:queues:blog", `"app":"blog","queues":[{"name":"gone","driver":"sqs","metrics":{"waiting":5}}]`)
		s.Set("pulse:server:blog:old", `"system":{"hostname":"old","cpu_usage":5},"meta":{"app_name":"blog"}`)
		get(t, h, "/metrics")
		time.Sleep(2 * time.Second)
		s.Set("pulse:queues:blog", "")
		s.Set("pulse:server:blog:old", "")
		at := time.Now().UnixMilli()
		s.Set("pulse:queues:shop:sqs", `"app":"shop","source":"sqs","queues":[
			{"name":"orders","driver":"sqs","metrics":{"waiting":9007199254740991,"active":2,"delayed":1,"failed":0},"meta":{"oldest_at":%d,"workers":4,"paused":false,"processed":1234,"processed_failed":34}},
			{"name":"a\"} 1\n# HELP <b>\\","driver":"celery","metrics":{"waiting":0},"meta":{"paused":"yes"}}]`, at-90_500)
		s.Set("pulse:trend:shop", `"app":"shop","queues":{"sqs/orders":{"health":"growing","trend":{"waiting_per_min":-90,"drain_seconds":60}}}`)
		s.Set("pulse:server:shop:web-1", `"system":{"hostname":"web-1","cpu_usage":12.5,"memory_total":100,"memory_free":40,"load_avg":[0.5,1,2]},"process":{"memory_rss":7},"meta":{"app_name":"shop"}`)
		w := get(t, h, "/metrics")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
			t.Fatalf("it is %d %s", w.Code, w.Header())
		}
		text = w.Body.String()
	})
	return text
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	var samples []string
	for line := range strings.Lines(exposed(t)) {
		if !strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "pulse_build_info{") {
			samples = append(samples, strings.TrimSuffix(line, "\n"))
		}
	}
	const orders, hostile, gone = `{app="shop",queue="orders",driver="sqs",source="sqs"`, `{app="shop",queue="a\"} 1\n# HELP <b>\\",driver="celery",source="sqs"`,
		`{app="blog",queue="gone",driver="sqs",source=""`
	want := []string{
		`pulse_queue_jobs` + hostile + `,state="waiting"} 0`,
		`pulse_queue_jobs` + orders + `,state="waiting"} 9007199254740991`,
		`pulse_queue_jobs` + orders + `,state="active"} 2`,
		`pulse_queue_jobs` + orders + `,state="delayed"} 1`,
		`pulse_queue_jobs` + orders + `,state="failed"} 0`,
		`pulse_queue_oldest_job_age_seconds` + orders + `} 90`,
		`pulse_queue_waiting_change_per_second` + orders + `} -1.5`,
		`pulse_queue_drain_seconds` + orders + `} 60`,
		`pulse_queue_workers` + orders + `} 4`,
		`pulse_queue_paused` + orders + `} 0`,
		`pulse_queue_jobs_processed_total` + orders + `} 1234`,
		`pulse_queue_jobs_failed_total` + orders + `} 34`,
		`pulse_queue_health` + hostile + `,health="unknown"} 1`,
		`pulse_queue_health` + orders + `,health="growing"} 1`,
		`pulse_queue_last_report_timestamp_seconds` + gone + `} 946684800`,
		`pulse_queue_last_report_timestamp_seconds` + hostile + `} 946684802`,
		`pulse_queue_last_report_timestamp_seconds` + orders + `} 946684802`,
		`pulse_server_up{app="blog",server="old"} 0`,
		`pulse_server_up{app="shop",server="web-1"} 1`,
		`pulse_server_cpu_usage_ratio{app="shop",server="web-1"} 0.125`,
		`pulse_server_memory_total_bytes{app="shop",server="web-1"} 100`,
		`pulse_server_memory_available_bytes{app="shop",server="web-1"} 40`,
		`pulse_server_load1{app="shop",server="web-1"} 0.5`,
		`pulse_process_resident_memory_bytes{app="shop",server="web-1"} 7`,
		`pulse_problems 1`,
		`pulse_redis_up 1`,
	}
	if diff := cmp.Diff(want, samples); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestPrometheusTakesTheMetrics asks Prometheus' own tool: what it has read, it says of names, types and help.
func TestPrometheusTakesTheMetrics(t *testing.T) {
	t.Parallel()
	check := servertest.Promtool(t, "check", "metrics")
	check.Stdin = strings.NewReader(exposed(t))
	if said, err := check.CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("promtool: %v\n%s", err, said)
	}
}

// TestLastNumbersAreNoSamples: while Redis doesn't answer, a queue has no sample, and Prometheus sees it end.
func TestLastNumbersAreNoSamples(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &pagetest.Store{}
		h := pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
		s.Set("pulse:queues:shop", `"app":"shop","queues":[{"name":"orders","driver":"sqs","metrics":{"waiting":5}}]`)
		if text := get(t, h, "/metrics").Body.String(); !strings.Contains(text, "pulse_queue_jobs{") {
			t.Fatalf("it begins with %s", text)
		}
		s.Fail(errors.New("connection refused"))
		time.Sleep(5 * time.Second)
		text := get(t, h, "/metrics").Body.String()
		if strings.Contains(text, "pulse_queue_") || !strings.Contains(text, "\npulse_redis_up 0\n") {
			t.Errorf("without Redis it is %s", text)
		}
	})
}

// manyQueues is a store of 10,000 queues in 50 apps.
func manyQueues() *pagetest.Store {
	s := &pagetest.Store{}
	for app := range 50 {
		var rows []string
		for q := range 200 {
			rows = append(rows, fmt.Sprintf(`{"name":"queue-%d","driver":"bullmq","metrics":{"waiting":%d,"active":3,"delayed":1,"failed":2},"meta":{"workers":2,"paused":false,"oldest_at":%d}}`, q, q, time.Now().UnixMilli()))
		}
		s.Set(fmt.Sprintf("pulse:queues:app-%d", app), `"app":"app-%d","queues":[%s]`, app, strings.Join(rows, ","))
	}
	return s
}

// BenchmarkScrape compares a compressed scrape of 10,000 queues with compressing alone.
func BenchmarkScrape(b *testing.B) {
	s := manyQueues()
	h := pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
	plain := get(b, h, "/metrics").Body.Bytes()
	var ours, raw []time.Duration
	for b.Loop() {
		start := time.Now()
		if w := get(b, h, "/metrics", "gzip"); w.Code != http.StatusOK {
			b.Fatalf("it is %d %s", w.Code, w.Body)
		}
		ours = append(ours, time.Since(start))
		start = time.Now()
		z, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = z.Write(plain)
		_ = z.Close()
		raw = append(raw, time.Since(start))
	}
	b.ReportMetric(servertest.Median(ours)/servertest.Median(raw), "x_of_gzip")
	b.ReportMetric(servertest.Median(ours)*1000, "scrape-ms")
	b.ReportMetric(float64(len(plain))/(1<<20), "MiB")
}
