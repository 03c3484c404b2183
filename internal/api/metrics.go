package api

import (
	"bytes"
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gravito-framework/pulse/internal/view"
)

// metricsType is the content type of Prometheus' text format.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// sampleSize is about what the samples of a row take beside their labels, in bytes.
const sampleSize = 2 << 10

// metrics answers with the view as Prometheus' text.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	v, err := s.Live.newest(r.Context())
	if err != nil {
		s.unavailable(w, err)
		return
	}
	room := s.reserve(w, r, sampleSize*(v.view.Totals.Queues+v.view.Totals.Servers+1))
	if room == nil {
		return
	}
	defer room.leave()
	s.made(w, r, room, metricsType, metricsOf(v.view, !v.down, cmp.Or(s.Version, "unknown")))
}

// The families of metrics, in the order in which they are listed.
const (
	queueJobs = iota
	queueOldest
	queueChange
	queueDrain
	queueWorkers
	queuePaused
	queueProcessed
	queueProcessedFailed
	queueHealth
	queueReported
	serverUp
	serverCPU
	serverMemoryTotal
	serverMemoryAvailable
	serverLoad
	processMemory
	problemCount
	redisUp
	buildInfo
	families
)

var metricFamilies = [families]struct{ name, help string }{
	queueJobs:             {"pulse_queue_jobs", "Jobs in a queue by state. A count that the driver does not have, and an old one, is absent."},
	queueOldest:           {"pulse_queue_oldest_job_age_seconds", "How long the oldest waiting job has waited."},
	queueChange:           {"pulse_queue_waiting_change_per_second", "How the number of waiting jobs changes, by the trend of the last minutes."},
	queueDrain:            {"pulse_queue_drain_seconds", "In how long no job will wait, if the trend goes on."},
	queueWorkers:          {"pulse_queue_workers", "Workers that are connected, where the driver counts them."},
	queuePaused:           {"pulse_queue_paused", "1 where the queue is paused on purpose."},
	queueProcessed:        {"pulse_queue_jobs_processed_total", "Jobs that have ever been finished, where the driver counts them."},
	queueProcessedFailed:  {"pulse_queue_jobs_failed_total", "Jobs that have ever failed for good, where the driver counts them. They are among the finished ones."},
	queueHealth:           {"pulse_queue_health", "1 for the health that the recorder has judged: ok, growing, stalled, failing, paused or unknown."},
	queueReported:         {"pulse_queue_last_report_timestamp_seconds", "When the queue was last reported."},
	serverUp:              {"pulse_server_up", "1 while the server's heartbeat is there, 0 for a day after it ended."},
	serverCPU:             {"pulse_server_cpu_usage_ratio", "Share of all cores that is used, from 0 to 1."},
	serverMemoryTotal:     {"pulse_server_memory_total_bytes", "Memory of the host or container."},
	serverMemoryAvailable: {"pulse_server_memory_available_bytes", "Memory that could be used without swapping."},
	serverLoad:            {"pulse_server_load1", "Load average over one minute."},
	processMemory:         {"pulse_process_resident_memory_bytes", "Resident memory of the process that sends the heartbeat."},
	problemCount:          {"pulse_problems", "Problems that the view lists."},
	redisUp:               {"pulse_redis_up", "1 while Redis answers. While it does not, there is no sample of a queue or server."},
	buildInfo:             {"pulse_build_info", "The aggregator's version."},
}

// exposition is the text while it is made: the samples of each family.
type exposition [families]bytes.Buffer

// metricsOf is v in Prometheus' text format. The last numbers of a Redis that doesn't answer are no samples.
func metricsOf(v *view.View, isUp bool, version string) []byte {
	var e exposition
	if isUp {
		for _, name := range slices.Sorted(maps.Keys(v.Apps)) {
			app := v.Apps[name]
			for _, key := range slices.Sorted(maps.Keys(app.Queues)) {
				e.addQueue(name, app.Queues[key], v.GeneratedAt)
			}
			for _, id := range slices.Sorted(maps.Keys(app.Servers)) {
				e.addServer(name, id, app.Servers[id])
			}
		}
		e.add(problemCount, "", float64(len(v.Problems)))
	}
	e.add(redisUp, "", oneIf(isUp))
	e.add(buildInfo, labels("version", version), 1)
	return e.text()
}

func (e *exposition) addQueue(app string, q *view.Queue, now int64) {
	queue := labels("app", app, "queue", q.Name, "driver", q.DriverName(), "source", q.Source)
	e.add(queueReported, queue, float64(q.ReportedAt())/1000)
	if !q.IsCurrent() {
		return
	}
	e.addKnown(queueJobs, queue+`,state="waiting"`, &q.Metrics.Waiting)
	e.addKnown(queueJobs, queue+`,state="active"`, q.Metrics.Active)
	e.addKnown(queueJobs, queue+`,state="delayed"`, q.Metrics.Delayed)
	e.addKnown(queueJobs, queue+`,state="failed"`, q.Metrics.Failed)
	e.addKnown(queueOldest, queue, q.OldestSeconds(now))
	if rate := q.Trend.WaitingPerMin; rate != nil {
		e.add(queueChange, queue, *rate/60)
	}
	e.addKnown(queueDrain, queue, q.Trend.DrainSeconds)
	if workers, ok := q.Meta.Int("workers"); ok {
		e.addKnown(queueWorkers, queue, &workers)
	}
	if processed, ok := q.Meta.Int("processed"); ok {
		e.addKnown(queueProcessed, queue, &processed)
	}
	if failed, ok := q.Meta.Int("processed_failed"); ok {
		e.addKnown(queueProcessedFailed, queue, &failed)
	}
	if q.Meta.HasBool("paused") {
		e.add(queuePaused, queue, oneIf(q.Meta.Bool("paused")))
	}
	e.add(queueHealth, queue+`,health="`+string(q.Health)+`"`, 1)
}

func (e *exposition) addServer(app, id string, s *view.Server) {
	server := labels("app", app, "server", id)
	e.add(serverUp, server, oneIf(s.Status != view.Lost))
	if s.Status == view.Lost {
		return
	}
	if system := s.System; system != nil {
		if system.CPUUsage != nil {
			e.add(serverCPU, server, *system.CPUUsage/100)
		}
		e.addKnown(serverMemoryTotal, server, system.MemoryTotal)
		e.addKnown(serverMemoryAvailable, server, system.MemoryFree)
		if len(system.LoadAvg) > 0 {
			e.add(serverLoad, server, system.LoadAvg[0])
		}
	}
	if s.Process != nil {
		e.addKnown(processMemory, server, s.Process.MemoryRSS)
	}
}

func (e *exposition) addKnown(family int, labels string, n *int64) {
	if n != nil {
		e.add(family, labels, float64(*n))
	}
}

func (e *exposition) add(family int, labels string, value float64) {
	b := &e[family]
	b.WriteString(metricFamilies[family].name)
	if labels != "" {
		b.WriteByte('{')
		b.WriteString(labels)
		b.WriteByte('}')
	}
	b.WriteByte(' ')
	b.Write(strconv.AppendFloat(b.AvailableBuffer(), value, 'f', -1, 64))
	b.WriteByte('\n')
}

func (e *exposition) text() []byte {
	size := 0
	for i := range e {
		size += e[i].Len() + 200
	}
	out := make([]byte, 0, size)
	for i, family := range &metricFamilies {
		if e[i].Len() == 0 {
			continue
		}
		kind := "gauge"
		if strings.HasSuffix(family.name, "_total") {
			kind = "counter"
		}
		out = append(out, "# HELP "+family.name+" "+family.help+"\n# TYPE "+family.name+" "+kind+"\n"...)
		out = append(out, e[i].Bytes()...)
	}
	return out
}

// labels are names and values, the values escaped.
func labels(namesAndValues ...string) string {
	var b []byte
	for i := 0; i < len(namesAndValues); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, namesAndValues[i]...), `="`...)
		for _, c := range []byte(namesAndValues[i+1]) {
			switch c {
			case '\\', '"':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, `\n`...)
			default:
				b = append(b, c)
			}
		}
		b = append(b, '"')
	}
	return string(b)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
