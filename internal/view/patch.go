package view

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/gravito-framework/pulse/protocol"
)

// Patch is the JSON Merge Patch (RFC 7396) that turns prev into next, or nil where only the time has changed. It
// compares rows as Go values, because comparing their JSON costs ten times as much. So each member of a row has
// a line below; a test draws rows that differ in any of them.
func Patch(prev, next *View) []byte {
	w := &writer{}
	w.open()
	w.int("generated_at", next.GeneratedAt)
	before := len(w.buf)
	switch was, is := prev.RedisDown, next.RedisDown; {
	case is == nil && was != nil:
		w.null("redis_down")
	case is != nil && (was == nil || *was != *is):
		w.name("redis_down")
		is.write(w)
	}
	w.part("totals", func() { w.patchTotals(&prev.Totals, &next.Totals) })
	w.part("apps", func() {
		for _, name := range slices.Sorted(maps.Keys(next.Apps)) {
			was, is := prev.Apps[name], next.Apps[name]
			if was == nil {
				w.name(name)
				is.write(w)
				continue
			}
			w.part(name, func() {
				patchMap(w, "sources", was.Sources, is.Sources, w.patchSource)
				patchMap(w, "queues", was.Queues, is.Queues, w.patchQueue)
				patchMap(w, "servers", was.Servers, is.Servers, w.patchServer)
				if len(is.Alerts) == 0 && len(was.Alerts) > 0 {
					w.null("alerts")
				} else {
					patchMap(w, "alerts", was.Alerts, is.Alerts, w.patchAlert)
				}
			})
		}
		for name := range prev.Apps {
			if next.Apps[name] == nil {
				w.null(name)
			}
		}
	})
	if !slices.Equal(prev.Problems, next.Problems) {
		w.problems(next.Problems) // a list: a merge patch replaces it whole
	}
	if len(w.buf) == before {
		return nil
	}
	w.close()
	return w.buf
}

// part writes a member that is the patch of an object, unless nothing in it changed.
func (w *writer) part(name string, fill func()) {
	start := len(w.buf)
	w.name(name)
	w.open()
	empty := len(w.buf)
	fill()
	if len(w.buf) == empty {
		w.buf = w.buf[:start]
		return
	}
	w.close()
}

// row is a source, a queue, a server or an alert. Two rows are equal where their JSON is.
type row interface{ appendJSON(dst []byte) []byte }

// patchMap writes the patch of a map of rows. Only those that differ are looked into.
func patchMap[R interface {
	comparable
	row
}](w *writer, name string, prev, next map[string]R, patch func(prev, next R)) {
	var none R
	w.part(name, func() {
		for key, now := range next {
			was := prev[key]
			switch was {
			case now:
			case none:
				w.row(key, now)
			default:
				w.part(key, func() { patch(was, now) })
			}
		}
		for key := range prev {
			if next[key] == none {
				w.null(key)
			}
		}
	})
}

func (w *writer) patchTotals(prev, next *Totals) {
	w.changedKnown("waiting", prev.Waiting, next.Waiting)
	w.changedKnown("active", prev.Active, next.Active)
	w.changedKnown("delayed", prev.Delayed, next.Delayed)
	w.changedKnown("failed", prev.Failed, next.Failed)
	w.changedInt("queues", int64(prev.Queues), int64(next.Queues))
	w.changedInt("servers", int64(prev.Servers), int64(next.Servers))
	if len(next.Unknown) == 0 && len(prev.Unknown) > 0 {
		w.null("unknown")
	} else {
		w.part("unknown", func() {
			for _, name := range slices.Sorted(maps.Keys(next.Unknown)) {
				w.changedInt(name, int64(prev.Unknown[name]), int64(next.Unknown[name]))
			}
			for name := range prev.Unknown {
				if next.Unknown[name] == 0 {
					w.null(name)
				}
			}
		})
	}
	w.part("lost", func() {
		w.changedInt("queues", int64(prev.Lost.Queues), int64(next.Lost.Queues))
		w.changedInt("servers", int64(prev.Lost.Servers), int64(next.Lost.Servers))
	})
}

func (w *writer) patchSource(prev, next *Source) {
	w.changedText("status", string(prev.Status), string(next.Status))
	w.changedInt("timestamp", prev.Timestamp, next.Timestamp)
}

func (w *writer) patchQueue(prev, next *Queue) {
	w.changedText("name", prev.Name, next.Name)
	w.changedText("driver", string(prev.Driver), string(next.Driver))
	w.changedText("origin", prev.origin(), next.origin())
	if prev.readOnly() != next.readOnly() {
		w.bool("read_only", next.readOnly())
	}
	w.changedOptional("source", prev.Source, next.Source)
	w.changedText("status", string(prev.Status), string(next.Status))
	w.changedText("health", string(prev.Health), string(next.Health))
	w.changedOptional("health_reason", prev.Reason, next.Reason)
	if next.Trend.IsZero() && !prev.Trend.IsZero() {
		w.null("trend")
	} else {
		w.part("trend", func() { w.patchTrend(&prev.Trend, &next.Trend) })
	}
	w.part("metrics", func() {
		w.changedInt("waiting", prev.Metrics.Waiting, next.Metrics.Waiting)
		w.changedKnown("active", prev.Metrics.Active, next.Metrics.Active)
		w.changedKnown("delayed", prev.Metrics.Delayed, next.Metrics.Delayed)
		w.changedKnown("failed", prev.Metrics.Failed, next.Metrics.Failed)
	})
	w.patchMeta(prev.Meta, next.Meta)
}

func (w *writer) patchAlert(prev, next Alert) {
	w.changedText("rule", prev.Rule, next.Rule)
	w.changedText("kind", prev.Kind, next.Kind)
	w.changedText("key", prev.Key, next.Key)
	w.changedOptional("reason", prev.Reason, next.Reason)
	w.changedInt("since", prev.Since, next.Since)
	if next.Sent == 0 && prev.Sent != 0 {
		w.null("sent")
	} else {
		w.changedInt("sent", prev.Sent, next.Sent)
	}
}

func (w *writer) patchTrend(prev, next *protocol.Trend) {
	w.changedFloat("processed_per_min", prev.ProcessedPerMin, next.ProcessedPerMin)
	w.changedFloat("arriving_per_min", prev.ArrivingPerMin, next.ArrivingPerMin)
	w.changedKnown("wait_seconds", prev.WaitSeconds, next.WaitSeconds)
	w.changedFloat("waiting_per_min", prev.WaitingPerMin, next.WaitingPerMin)
	w.changedKnown("drain_seconds", prev.DrainSeconds, next.DrainSeconds)
	switch was, is := prev.DrainRange, next.DrainRange; {
	case is == nil && was != nil:
		w.null("drain_range")
	case is != nil && (was == nil || *was != *is):
		w.raw("drain_range", fmt.Appendf(nil, "[%d,%d]", is[0], is[1])) // a list: a merge patch replaces it whole
	}
}

func (w *writer) patchServer(prev, next *Server) {
	w.changedText("status", string(prev.Status), string(next.Status))
	w.changedInt("timestamp", prev.Timestamp, next.Timestamp)
	switch {
	case next.System == nil && prev.System != nil:
		w.null("system")
	case next.System != nil && prev.System == nil:
		w.name("system")
		w.buf = next.System.AppendJSON(w.buf)
	case next.System != nil:
		w.part("system", func() { w.patchSystem(prev.System, next.System) })
	}
	switch {
	case next.Process == nil && prev.Process != nil:
		w.null("process")
	case next.Process != nil && prev.Process == nil:
		w.name("process")
		w.buf = next.Process.AppendJSON(w.buf)
	case next.Process != nil:
		w.part("process", func() { w.patchProcess(prev.Process, next.Process) })
	}
	w.patchMeta(prev.Meta, next.Meta)
}

func (w *writer) patchSystem(prev, next *protocol.System) {
	w.changedText("hostname", prev.Hostname, next.Hostname)
	w.changedText("platform", prev.Platform, next.Platform)
	w.changedFloat("cpu_usage", prev.CPUUsage, next.CPUUsage)
	w.changedFloat("cpu_cores", prev.CPUCores, next.CPUCores)
	w.changedKnown("memory_total", prev.MemoryTotal, next.MemoryTotal)
	w.changedKnown("memory_free", prev.MemoryFree, next.MemoryFree)
	if !slices.Equal(prev.LoadAvg, next.LoadAvg) {
		w.name("load_avg")
		w.buf = protocol.AppendFloats(w.buf, next.LoadAvg)
	}
	w.changedKnown("disk_total", prev.DiskTotal, next.DiskTotal)
	w.changedKnown("disk_free", prev.DiskFree, next.DiskFree)
}

func (w *writer) patchProcess(prev, next *protocol.Process) {
	w.changedInt("pid", prev.PID, next.PID)
	w.changedFloat("uptime", prev.Uptime, next.Uptime)
	w.changedFloat("cpu_usage", prev.CPUUsage, next.CPUUsage)
	w.changedKnown("memory_rss", prev.MemoryRSS, next.MemoryRSS)
	w.changedKnown("memory_heap", prev.MemoryHeap, next.MemoryHeap)
}

func (w *writer) changedText(name, prev, next string) {
	if prev != next {
		w.text(name, next)
	}
}

// changedOptional writes a text that is absent while it is empty.
func (w *writer) changedOptional(name, prev, next string) {
	if next == "" && prev != "" {
		w.null(name)
	} else {
		w.changedText(name, prev, next)
	}
}

func (w *writer) changedInt(name string, prev, next int64) {
	if prev != next {
		w.int(name, next)
	}
}

// changedKnown writes a number that is absent while it is nil.
func (w *writer) changedKnown(name string, prev, next *int64) {
	switch {
	case next == nil && prev != nil:
		w.null(name)
	case next != nil && (prev == nil || *prev != *next):
		w.int(name, *next)
	}
}

// changedFloat writes a number that is absent while it is nil.
func (w *writer) changedFloat(name string, prev, next *float64) {
	switch {
	case next == nil && prev != nil:
		w.null(name)
	case next != nil && (prev == nil || *prev != *next):
		w.name(name)
		w.buf = protocol.AppendFloat(w.buf, *next)
	}
}

func (w *writer) patchMeta(prev, next protocol.Meta) {
	if !prev.Equal(next) {
		w.part("meta", func() { w.patchObject(prev, next) })
	}
}

// patchObject writes the patch of an object with members of any type.
func (w *writer) patchObject(prev, next protocol.Meta) {
	before := make(map[string][]byte, 8)
	for name, value := range prev.All() {
		before[string(name)] = value
	}
	for name, is := range next.All() {
		was, had := before[string(name)]
		delete(before, string(name))
		switch {
		case had && bytes.Equal(was, is):
		case had && was[0] == '{' && is[0] == '{':
			w.part(string(name), func() { w.patchObject(protocol.ObjectOf(was), protocol.ObjectOf(is)) })
		default:
			w.raw(string(name), is)
		}
	}
	for name := range before {
		w.null(name)
	}
}
