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
// in turn with those of the same application without the package: as it is, when none of these requests is
// slow; and when each of them counts as slow and is to be written.
//
// PHP's own server keeps a response open until the package has done its writing; behind PHP-FPM the client
// has it before.
func BenchmarkLaravelRequestWithRedisFrozen(b *testing.B) {
	const requests = 2000 // a p99 is the twentieth slowest
	server := servertest.Redis(b)
	without := newLaravelApp(b, server, false)
	withoutURL := without.serve() + "/orders/1"
	measure := func(a *laravelApp, url string) time.Duration {
		began := time.Now()
		if err := a.get(url); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	for _, state := range []struct {
		name   string
		slow   []string // variables
		signal syscall.Signal
	}{
		{"frozen,none-slow", nil, syscall.SIGSTOP},
		{"frozen,all-slow", []string{"SLOW_AFTER=0"}, syscall.SIGSTOP},
		{"healthy,all-slow", []string{"SLOW_AFTER=0"}, syscall.SIGCONT},
	} {
		b.Run(state.name, func(b *testing.B) {
			with := newLaravelApp(b, server, true, state.slow...)
			withURL := with.serve() + "/orders/1"
			if err := syscall.Kill(server.PID(), state.signal); err != nil {
				b.Fatal(err)
			}
			var ours, theirs []time.Duration
			for b.Loop() {
				for i := range requests {
					if i%2 == 0 { // the second of two may find warm caches
						ours = append(ours, measure(with, withURL))
						theirs = append(theirs, measure(without, withoutURL))
					} else {
						theirs = append(theirs, measure(without, withoutURL))
						ours = append(ours, measure(with, withURL))
					}
				}
			}
			for _, times := range [][]time.Duration{ours, theirs} {
				slices.Sort(times)
			}
			if err := syscall.Kill(server.PID(), syscall.SIGCONT); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(at(ours, 99)/at(theirs, 99), "p99_of_without")
			b.ReportMetric(at(ours, 50)/at(theirs, 50), "p50_of_without")
			b.ReportMetric(1000*at(ours, 99), "p99-ms")
			b.ReportMetric(1000*at(ours, 100), "max-ms")
		})
	}
}

// at is a percentile of sorted times, in seconds.
func at(times []time.Duration, percentile int) float64 {
	return times[max(len(times)*percentile/100-1, 0)].Seconds()
}
