package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/view"
)

// sink is a client that takes everything at once.
type sink struct{ bytes int }

func (*sink) Header() http.Header           { return http.Header{} }
func (*sink) WriteHeader(int)               {}
func (*sink) Flush()                        {}
func (s *sink) Write(p []byte) (int, error) { s.bytes += len(p); return len(p), nil }

// republished is 10,000 queues in 50 apps, each with other numbers at each time.
func republished(app, look int) view.Document {
	var rows []string
	for q := range 200 {
		rows = append(rows, fmt.Sprintf(`{"name":"queue-%d-of-the-shop","driver":"sqs","metrics":{"waiting":%d,"active":%d,"delayed":0,"failed":%d},"meta":{"region":"eu-west-1","dlq":"queue-%[1]d-dead"}}`,
			q, (q*7919+look*31)%5000, (q+look)%40, (q+look)%7))
	}
	return view.Document{Key: fmt.Sprintf("pulse:queues:app-%d", app), Data: fmt.Appendf(nil, `{"timestamp":%d,"app":"app-%d","queues":[%s]}`, time.Now().UnixMilli(), app, strings.Join(rows, ","))}
}

// BenchmarkStream sends the whole view of 10,000 queues, and then six times the numbers of one app, which is
// what 12 seconds are. It compares the bytes of one client and the time of an event for all of them with those of a
// plain stream.
func BenchmarkStream(b *testing.B) {
	for _, clients := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) {
			took, bytes := map[bool]time.Duration{}, map[bool]int{}
			var whole, events int
			for b.Loop() {
				for _, zips := range []bool{false, true} {
					versions := make([]*message, 0, 7)
					var build view.Builder
					var last *version
					for look := range 7 {
						for app := range 50 {
							if app == 0 {
								build.Add(republished(app, look))
							} else {
								build.Add(republished(app, 0))
							}
						}
						v, patch := newVersion(last, build.Finish(time.Now()))
						if last = v; patch == nil {
							patch = v.event()
							_ = v.rest()
						}
						versions = append(versions, patch)
					}
					var s sending
					s.budget = usualBudget
					sinks := make([]sink, clients)
					feeds := make([]feed, clients)
					for i := range feeds {
						feeds[i] = feed{client: newClient(&sinks[i]), sending: &s, zips: zips}
						_ = feeds[i].begin()
					}
					for n, m := range versions {
						began := time.Now()
						for i := range feeds {
							if err := feeds[i].event(m); err != nil {
								b.Fatal(err)
							}
						}
						if n > 0 {
							took[zips] += time.Since(began)
							events++
						}
						if n == 0 && zips {
							whole = 1000 * sinks[0].bytes / m.size
						}
					}
					bytes[zips] = sinks[0].bytes
				}
			}
			b.ReportMetric(float64(bytes[true])/float64(bytes[false]), "of_plain_bytes")
			b.ReportMetric(float64(whole)/1000, "of_plain_view")
			b.ReportMetric(float64(bytes[false])/1e6, "plain_MB")
			b.ReportMetric(float64(took[true].Microseconds())/float64(events/2), "µs/event")
			b.ReportMetric(float64(took[false].Microseconds())/float64(events/2), "plain_µs/event")
		})
	}
}
