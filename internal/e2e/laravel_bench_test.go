//go:build unix

package e2e

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// BenchmarkLaravelRequestWithRedisFrozen measures a handler's slowest requests while Redis answers nothing,
// in turn with those of the same application without the package. Every request is one that the package
// notes: with the thresholds as they are hardly any is.
//
// PHP's own server keeps a response open until the package has done its writing; behind PHP-FPM the client
// has it before.
func BenchmarkLaravelRequestWithRedisFrozen(b *testing.B) {
	const requests = 1000 // a p99 is the tenth slowest
	server := servertest.Redis(b)
	with := newLaravelApp(b, server, true, "SLOW_AFTER=0")
	without := newLaravelApp(b, server, false)
	withURL, withoutURL := with.serve()+"/orders/1", without.serve()+"/orders/1"
	measure := func(a *laravelApp, url string) time.Duration {
		began := time.Now()
		if err := a.get(url); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	for _, state := range []struct {
		name   string
		signal syscall.Signal
	}{{"healthy", syscall.SIGCONT}, {"frozen", syscall.SIGSTOP}} {
		b.Run(state.name, func(b *testing.B) {
			if err := syscall.Kill(server.PID(), state.signal); err != nil {
				b.Fatal(err)
			}
			var ours, theirs []time.Duration
			for b.Loop() {
				for range requests {
					ours = append(ours, measure(with, withURL))
					theirs = append(theirs, measure(without, withoutURL))
				}
			}
			for _, times := range [][]time.Duration{ours, theirs} {
				slices.Sort(times)
			}
			b.ReportMetric(at(ours, 99)/at(theirs, 99), "p99_of_without")
			b.ReportMetric(at(ours, 50)/at(theirs, 50), "p50_of_without")
			b.ReportMetric(1000*at(ours, 99), "p99-ms")
			b.ReportMetric(1000*at(ours, 100), "max-ms")
		})
	}
	_ = syscall.Kill(server.PID(), syscall.SIGCONT)
}

// at is a percentile of sorted times, in seconds.
func at(times []time.Duration, percentile int) float64 {
	return times[max(len(times)*percentile/100-1, 0)].Seconds()
}
