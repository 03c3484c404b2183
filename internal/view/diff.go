package view

import (
	"bytes"
	"reflect"
	"slices"

	"github.com/gravito-framework/pulse/protocol"
)

// patch is a merge patch of one object, under construction: what its members become, nil for those
// that go. Rows are compared as values, because taking their JSON apart again costs ten times as much,
// and at every report each row has at least a new timestamp. So each member of a row's JSON has a
// line below; a test draws rows that differ in any of them.
type patch map[string]any

// child sets the patch of a member that is an object itself, unless nothing in it changed.
func (p patch) child(name string, of patch) {
	if len(of) > 0 {
		p[name] = of
	}
}

// set sets a member that is always there.
func set[T comparable](p patch, name string, prev, next T) {
	if prev != next {
		p[name] = next
	}
}

// setOmitted sets a member that is not there while it is T's zero value.
func setOmitted[T comparable](p patch, name string, prev, next T) {
	var zero T
	switch {
	case prev == next:
	case next == zero:
		p[name] = nil
	default:
		p[name] = next
	}
}

// setKnown sets a member that is not there while it is nil.
func setKnown[T comparable](p patch, name string, prev, next *T) {
	switch {
	case next == nil && prev != nil:
		p[name] = nil
	case next != nil && (prev == nil || *prev != *next):
		p[name] = *next
	}
}

// setObject sets a member that is an object, or is not there while it is nil.
func setObject[T any](p patch, name string, prev, next *T, diff func(prev, next *T) patch) {
	switch {
	case next == nil && prev != nil:
		p[name] = nil
	case next != nil && prev == nil:
		p[name] = next
	case next != nil:
		p.child(name, diff(prev, next))
	}
}

// row is a queue or a server, which is known by what it was encoded as.
type row interface{ json() []byte }

func (q *Queue) json() []byte  { return q.encoded }
func (s *Server) json() []byte { return s.encoded }

// diffRows is the patch of a map of rows. Only those that differ are looked into.
func diffRows[R interface {
	comparable
	row
}](prev, next map[string]R, diff func(prev, next R) patch) patch {
	var none R
	p := patch{}
	for key, now := range next {
		before := prev[key]
		switch {
		case before == none:
			p[key] = now
		case before != now && !bytes.Equal(before.json(), now.json()):
			p[key] = diff(before, now)
		}
	}
	for key := range prev {
		if next[key] == none {
			p[key] = nil
		}
	}
	return p
}

func diffTotals(prev, next *Totals) patch {
	p := patch{}
	set(p, "waiting", prev.Waiting, next.Waiting)
	set(p, "active", prev.Active, next.Active)
	set(p, "delayed", prev.Delayed, next.Delayed)
	set(p, "failed", prev.Failed, next.Failed)
	set(p, "queues", prev.Queues, next.Queues)
	set(p, "servers", prev.Servers, next.Servers)
	if len(next.Unknown) == 0 && len(prev.Unknown) > 0 {
		p["unknown"] = nil
	} else {
		p.child("unknown", diffMap(prev.Unknown, next.Unknown))
	}
	return p
}

func diffQueue(prev, next *Queue) patch {
	p := patch{}
	set(p, "name", prev.Name, next.Name)
	set(p, "driver", prev.Driver, next.Driver)
	set(p, "origin", prev.Origin, next.Origin)
	set(p, "read_only", prev.ReadOnly, next.ReadOnly)
	setOmitted(p, "source", prev.Source, next.Source)
	set(p, "status", prev.Status, next.Status)
	set(p, "health", prev.Health, next.Health)
	set(p, "timestamp", prev.Timestamp, next.Timestamp)
	p.child("metrics", diffMetrics(&prev.Metrics, &next.Metrics))
	p.child("meta", diffMap(prev.Meta, next.Meta))
	return p
}

func diffMetrics(prev, next *protocol.Metrics) patch {
	p := patch{}
	set(p, "waiting", prev.Waiting, next.Waiting)
	setKnown(p, "active", prev.Active, next.Active)
	setKnown(p, "delayed", prev.Delayed, next.Delayed)
	setKnown(p, "failed", prev.Failed, next.Failed)
	return p
}

func diffServer(prev, next *Server) patch {
	p := patch{}
	set(p, "status", prev.Status, next.Status)
	set(p, "timestamp", prev.Timestamp, next.Timestamp)
	setObject(p, "system", prev.System, next.System, diffSystem)
	setObject(p, "process", prev.Process, next.Process, diffProcess)
	p.child("meta", diffMap(prev.Meta, next.Meta))
	return p
}

func diffSystem(prev, next *protocol.System) patch {
	p := patch{}
	set(p, "hostname", prev.Hostname, next.Hostname)
	set(p, "platform", prev.Platform, next.Platform)
	setKnown(p, "cpu_usage", prev.CPUUsage, next.CPUUsage)
	setKnown(p, "cpu_cores", prev.CPUCores, next.CPUCores)
	setKnown(p, "memory_total", prev.MemoryTotal, next.MemoryTotal)
	setKnown(p, "memory_free", prev.MemoryFree, next.MemoryFree)
	if !slices.Equal(prev.LoadAvg, next.LoadAvg) {
		p["load_avg"] = next.LoadAvg
	}
	setKnown(p, "disk_total", prev.DiskTotal, next.DiskTotal)
	setKnown(p, "disk_free", prev.DiskFree, next.DiskFree)
	return p
}

func diffProcess(prev, next *protocol.Process) patch {
	p := patch{}
	set(p, "pid", prev.PID, next.PID)
	setKnown(p, "uptime", prev.Uptime, next.Uptime)
	setKnown(p, "cpu_usage", prev.CPUUsage, next.CPUUsage)
	setKnown(p, "memory_rss", prev.MemoryRSS, next.MemoryRSS)
	setKnown(p, "memory_heap", prev.MemoryHeap, next.MemoryHeap)
	return p
}

// diffMap is the patch of an object whose members may be anything.
func diffMap[V any](prev, next map[string]V) patch {
	p := patch{}
	for name, now := range next {
		before, had := prev[name]
		was, wasObject := any(before).(map[string]any)
		is, isObject := any(now).(map[string]any)
		switch {
		case had && reflect.DeepEqual(before, now):
		case wasObject && isObject:
			p[name] = diffMap(was, is)
		default:
			p[name] = now
		}
	}
	for name := range prev {
		if _, kept := next[name]; !kept {
			p[name] = nil
		}
	}
	return p
}
