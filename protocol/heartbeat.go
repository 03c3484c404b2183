package protocol

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Heartbeat says that one process or host is alive and how it is doing. Numbers are pointers: nil
// is a number this platform could not tell, which only a foreign reporter may leave out.
type Heartbeat struct {
	Timestamp int64          `json:"timestamp"`
	System    System         `json:"system"`
	Process   Process        `json:"process"`
	Meta      map[string]any `json:"meta"` // app_name, environment, runtime, version; id; anything else
}

// System is the machine, or the container whose limits are the machine for what runs in it.
type System struct {
	Hostname    string    `json:"hostname"`
	Platform    string    `json:"platform"`
	CPUUsage    *float64  `json:"cpu_usage,omitempty"` // percent of all its cores, 0–100
	CPUCores    *float64  `json:"cpu_cores,omitempty"` // a container may have a part of one
	MemoryTotal *int64    `json:"memory_total,omitempty"`
	MemoryFree  *int64    `json:"memory_free,omitempty"` // what could be used without swapping
	LoadAvg     []float64 `json:"load_avg"`              // 1, 5 and 15 minutes; empty where there is none
	DiskTotal   *int64    `json:"disk_total,omitempty"`
	DiskFree    *int64    `json:"disk_free,omitempty"`
}

// Process is the process that reports.
type Process struct {
	PID        int64    `json:"pid"`
	Uptime     *float64 `json:"uptime,omitempty"`    // seconds
	CPUUsage   *float64 `json:"cpu_usage,omitempty"` // percent of one core
	MemoryRSS  *int64   `json:"memory_rss,omitempty"`
	MemoryHeap *int64   `json:"memory_heap,omitempty"`
}

// App is the app that the heartbeat's body names.
func (h *Heartbeat) App() string { return text(h.Meta["app_name"]) }

// Encode checks h and returns its JSON.
func (h *Heartbeat) Encode() ([]byte, error) {
	if err := h.Validate(); err != nil {
		return nil, err
	}
	out := *h
	if out.System.LoadAvg == nil {
		out.System.LoadAvg = []float64{}
	}
	data, err := json.Marshal(&out)
	if err != nil {
		return nil, fmt.Errorf("encode the heartbeat of %s: %w", h.System.Hostname, err)
	}
	return data, nil
}

// Validate tells everything that would make h a document others cannot read.
func (h *Heartbeat) Validate() error {
	errs := []error{checkTimestamp(h.Timestamp), CheckName("meta.app_name", h.App())}
	if h.System.Hostname == "" {
		errs = append(errs, errors.New("system.hostname is empty"))
	}
	for _, name := range []string{"environment", "runtime", "version"} {
		if _, ok := h.Meta[name].(string); !ok {
			errs = append(errs, fmt.Errorf("meta.%s is missing", name))
		}
	}
	if id, ok := h.Meta["id"]; ok {
		errs = append(errs, CheckName("meta.id", text(id)))
	}
	for _, n := range []struct {
		name  string
		value *float64
		most  float64
	}{
		{"system.cpu_usage", h.System.CPUUsage, 100},
		{"system.cpu_cores", h.System.CPUCores, MaxCount},
		{"system.memory_total", float(h.System.MemoryTotal), MaxCount},
		{"system.memory_free", float(h.System.MemoryFree), MaxCount},
		{"system.disk_total", cmp.Or(float(h.System.DiskTotal), new(0.0)), MaxCount}, // may be missing
		{"system.disk_free", cmp.Or(float(h.System.DiskFree), new(0.0)), MaxCount},
		{"process.pid", float(&h.Process.PID), MaxCount},
		{"process.uptime", h.Process.Uptime, MaxCount},
		{"process.cpu_usage", h.Process.CPUUsage, MaxCount}, // of one core: it may pass 100
		{"process.memory_rss", float(h.Process.MemoryRSS), MaxCount},
		{"process.memory_heap", float(h.Process.MemoryHeap), MaxCount},
	} {
		if n.value == nil {
			errs = append(errs, fmt.Errorf("%s is missing", n.name))
		} else {
			errs = append(errs, checkNumber(n.name, *n.value, n.most))
		}
	}
	for i, load := range h.System.LoadAvg {
		errs = append(errs, checkNumber(fmt.Sprintf("system.load_avg[%d]", i), load, MaxCount))
	}
	return errors.Join(errs...)
}

func checkNumber(name string, value, most float64) error {
	if value >= 0 && value <= most { // not so of NaN
		return nil
	}
	if most == MaxCount {
		return fmt.Errorf("%s is %v: it takes 0 to 2^53-1", name, value)
	}
	return fmt.Errorf("%s is %v: it takes 0 to %v", name, value, most)
}

func float(n *int64) *float64 {
	if n == nil {
		return nil
	}
	return new(float64(*n))
}

type wireHeartbeat struct {
	Timestamp count
	System    struct {
		Hostname, Platform string
		CPUUsage           number   `json:"cpu_usage"`
		CPUCores           number   `json:"cpu_cores"`
		MemoryTotal        number   `json:"memory_total"`
		MemoryFree         number   `json:"memory_free"`
		LoadAvg            []number `json:"load_avg"`
		DiskTotal          number   `json:"disk_total"`
		DiskFree           number   `json:"disk_free"`
	}
	Process struct {
		PID        number
		Uptime     number
		CPUUsage   number `json:"cpu_usage"`
		MemoryRSS  number `json:"memory_rss"`
		MemoryHeap number `json:"memory_heap"`
	}
	Meta map[string]any
}

// DecodeHeartbeat reads a heartbeat that anybody may have written to key, and the server's id: what
// meta.id says if that is a name, else the key's last part. err means that nothing is usable.
func DecodeHeartbeat(key string, data []byte) (h Heartbeat, id string, err error) {
	var w wireHeartbeat
	if err := unmarshal(data, heartbeatForm, &w); err != nil {
		return h, "", err
	}
	h.Meta = w.Meta
	if err := CheckName("meta.app_name", h.App()); err != nil {
		return h, "", err
	}
	if h.Timestamp, err = w.Timestamp.required("timestamp"); err == nil {
		err = checkTimestamp(h.Timestamp)
	}
	if err != nil {
		return h, "", err
	}
	h.System = System{
		Hostname: cut(w.System.Hostname), Platform: cut(w.System.Platform),
		CPUUsage: w.System.CPUUsage.value, CPUCores: w.System.CPUCores.value,
		MemoryTotal: w.System.MemoryTotal.size(), MemoryFree: w.System.MemoryFree.size(),
		LoadAvg:   values(w.System.LoadAvg),
		DiskTotal: w.System.DiskTotal.size(), DiskFree: w.System.DiskFree.size(),
	}
	h.Process = Process{
		Uptime: w.Process.Uptime.value, CPUUsage: w.Process.CPUUsage.value,
		MemoryRSS: w.Process.MemoryRSS.size(), MemoryHeap: w.Process.MemoryHeap.size(),
	}
	if pid := w.Process.PID.size(); pid != nil {
		h.Process.PID = *pid
	}
	if id = text(h.Meta["id"]); !ValidName(id) {
		// meta is free, and its id may mean something else. An app has no colon, so the key's
		// last part is the id even where the key names another app.
		id = key[strings.LastIndexByte(key, ':')+1:]
	}
	if err := CheckName("the server's id", id); err != nil {
		return h, "", err
	}
	return h, id, nil
}

// values keeps a list of numbers only whole: a load average with a hole is none. It is never nil:
// that would be written as null, and a load average is a list.
func values(ns []number) []float64 {
	out := make([]float64, 0, min(len(ns), maxLoads))
	for _, n := range ns[:min(len(ns), maxLoads)] {
		if n.value == nil {
			return []float64{}
		}
		out = append(out, *n.value)
	}
	return out
}

// maxLoads bounds what is kept of a list that should be 1, 5 and 15 minutes.
const maxLoads = 3

func text(v any) string {
	s, _ := v.(string)
	return s
}
