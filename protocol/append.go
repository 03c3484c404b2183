package protocol

import (
	"math"
	"strconv"
)

// AppendJSON appends s to dst, without checking it: [QueueSnapshot.Encode] does. The timestamp
// comes first, so that publishers can compare it without parsing the rest. encoding/json is not used:
// it costs a WebAssembly guest a megabyte, and three times the time.
func (s *QueueSnapshot) AppendJSON(dst []byte) []byte { return s.appendUpTo(dst, math.MaxInt) }

// appendUpTo appends s, or what of it has a little more than most bytes: it stops behind the queue that is too much.
func (s *QueueSnapshot) appendUpTo(dst []byte, most int) []byte {
	dst = appendIntMember(append(dst, '{'), "timestamp", s.Timestamp)
	dst = AppendText(appendMember(dst, "app"), s.App)
	if s.Source != "" {
		dst = AppendText(appendMember(dst, "source"), s.Source)
	}
	if s.IntervalMS != 0 {
		dst = appendIntMember(dst, "interval_ms", s.IntervalMS)
	}
	dst = append(appendMember(dst, "queues"), '[')
	for i := range s.Queues {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst = s.Queues[i].AppendJSON(dst); len(dst) > most {
			return dst
		}
	}
	dst = append(dst, ']')
	if len(s.Problems) > 0 {
		dst = append(appendMember(dst, "problems"), '[')
		for i, p := range s.Problems {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = p.appendJSON(dst)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// AppendJSON appends q to dst.
func (q *Queue) AppendJSON(dst []byte) []byte {
	dst = AppendText(append(dst, `{"name":`...), q.Name)
	dst = AppendText(append(dst, `,"driver":`...), string(q.Driver))
	dst = q.Metrics.AppendJSON(append(dst, `,"metrics":`...))
	if !q.Meta.IsZero() {
		dst = q.Meta.AppendJSON(append(dst, `,"meta":`...))
	}
	return append(dst, '}')
}

// AppendJSON appends m to dst.
func (m *Metrics) AppendJSON(dst []byte) []byte {
	dst = appendIntMember(append(dst, '{'), "waiting", m.Waiting)
	dst = appendInt(dst, "active", m.Active)
	dst = appendInt(dst, "delayed", m.Delayed)
	dst = appendInt(dst, "failed", m.Failed)
	return append(dst, '}')
}

func (p Problem) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if p.Queue != "" {
		dst = AppendText(appendMember(dst, "queue"), p.Queue)
	}
	return append(AppendText(appendMember(dst, "reason"), p.Reason), '}')
}

func (h *Heartbeat) appendJSON(dst []byte) []byte {
	dst = appendIntMember(append(dst, '{'), "timestamp", h.Timestamp)
	dst = h.System.AppendJSON(appendMember(dst, "system"))
	dst = h.Process.AppendJSON(appendMember(dst, "process"))
	return append(h.Meta.AppendJSON(appendMember(dst, "meta")), '}')
}

// AppendJSON appends s to dst.
func (s *System) AppendJSON(dst []byte) []byte {
	dst = AppendText(append(dst, `{"hostname":`...), s.Hostname)
	dst = AppendText(append(dst, `,"platform":`...), s.Platform)
	dst = appendFloat(dst, "cpu_usage", s.CPUUsage)
	dst = appendFloat(dst, "cpu_cores", s.CPUCores)
	dst = appendInt(dst, "memory_total", s.MemoryTotal)
	dst = appendInt(dst, "memory_free", s.MemoryFree)
	dst = AppendFloats(appendMember(dst, "load_avg"), s.LoadAvg)
	dst = appendInt(dst, "disk_total", s.DiskTotal)
	dst = appendInt(dst, "disk_free", s.DiskFree)
	return append(dst, '}')
}

// AppendJSON appends p to dst.
func (p *Process) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"pid":`...), p.PID, 10)
	dst = appendFloat(dst, "uptime", p.Uptime)
	dst = appendFloat(dst, "cpu_usage", p.CPUUsage)
	dst = appendInt(dst, "memory_rss", p.MemoryRSS)
	dst = appendInt(dst, "memory_heap", p.MemoryHeap)
	return append(dst, '}')
}

// AppendFloats appends a list of numbers, which may be nil.
func AppendFloats(dst []byte, list []float64) []byte {
	dst = append(dst, '[')
	for i, f := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendFloat(dst, f)
	}
	return append(dst, ']')
}

// AppendFloat appends a number that is finite.
func AppendFloat(dst []byte, f float64) []byte { return strconv.AppendFloat(dst, f, 'g', -1, 64) }

// appendInt appends a member that is not there while it is nil.
func appendInt(dst []byte, name string, n *int64) []byte {
	if n == nil {
		return dst
	}
	return appendIntMember(dst, name, *n)
}

// appendFloat appends a member that is not there while it is nil.
func appendFloat(dst []byte, name string, f *float64) []byte {
	if f == nil {
		return dst
	}
	return AppendFloat(appendMember(dst, name), *f)
}
