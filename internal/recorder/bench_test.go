//go:build unix

package recorder_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/alert"
	"github.com/gravito-framework/pulse/internal/discover"
	"github.com/gravito-framework/pulse/internal/publish"
	"github.com/gravito-framework/pulse/internal/recorder"
	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/internal/view"
)

// BenchmarkMinute measures a minute's work of 10,000 queues in 50 apps, of which a tenth has changed, in turn with
// reading the same view alone: what is measured is the processor's time in this process.
func BenchmarkMinute(b *testing.B) {
	const apps, each = 50, 200
	server := servertest.Redis(b)
	address, err := redisconn.Parse(server.URL)
	if err != nil {
		b.Fatal(err)
	}
	client := address.Client(b.Context())
	defer client.Close()
	now := time.Now().Add(-20 * time.Hour)
	report := func(minute int) {
		pipe := server.Client.Pipeline()
		for app := range apps {
			name := fmt.Sprintf("app-%d", app)
			var queues []string
			for i := range each {
				n := i
				if i%10 == minute%10 {
					n += minute
				}
				queues = append(queues, fmt.Sprintf(`{"name":"queue-%d","driver":"bullmq","metrics":{"waiting":%d,"active":3,"delayed":0,"failed":7},"meta":{"workers":4,"completed":%d}}`, i, n, n))
			}
			pipe.Set(b.Context(), "pulse:queues:"+name, fmt.Sprintf(`{"timestamp":%d,"app":%q,"queues":[%s]}`, now.UnixMilli(), name, strings.Join(queues, ",")), 0)
		}
		if _, err := pipe.Exec(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	reading := func() func(context.Context) (*view.View, error) {
		reader := discover.New(client, "redis", 10_000)
		var builder view.Builder
		return func(ctx context.Context) (*view.View, error) {
			builder.Forget()
			if _, err := reader.Read(ctx, time.Now(), builder.Add); err != nil {
				return nil, err
			}
			return builder.Finish(now), nil
		}
	}
	alone := reading()
	rules, err := alert.ParseRules(alert.DefaultRules)
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	r := &recorder.Recorder{
		View: reading(), Store: recorder.NewStore(client, "redis", 24*time.Hour), Log: log,
		Alerts: &alert.Manager{Rules: rules, Keeper: publish.New(client, "redis", time.Minute), Log: log},
	}
	var ours, theirs []time.Duration
	minute := 0
	work := func(isMeasured bool) {
		minute++
		now = now.Add(time.Minute)
		report(minute)
		took := worked(b, func() error {
			sum, err := r.Once(b.Context(), "me")
			if err == nil && sum.Queues != apps*each {
				err = fmt.Errorf("it recorded %+v", sum)
			}
			return err
		})
		of := worked(b, func() error { _, err := alone(b.Context()); return err })
		if isMeasured {
			ours, theirs = append(ours, took), append(theirs, of)
		}
	}
	for range 3 { // what is new costs more
		work(false)
	}
	for b.Loop() {
		work(true)
	}
	b.ReportMetric(servertest.Median(ours)/servertest.Median(theirs), "x_of_reading")
	b.ReportMetric(servertest.Median(ours)*1000, "cpu-ms")
}

// worked is for how long the processor worked at something.
func worked(b *testing.B, what func() error) time.Duration {
	b.Helper()
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began := used()
	if err := what(); err != nil {
		b.Fatal(err)
	}
	return used() - began
}
