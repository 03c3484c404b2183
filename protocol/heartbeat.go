package protocol

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
)

// Heartbeat says that one process or host is alive and how it is doing. Numbers are pointers: nil
// is a number this platform could not tell, which only a foreign reporter may leave out.
type Heartbeat struct {
	Timestamp int64   `json:"timestamp"`
	System    System  `json:"system"`
	Process   Process `json:"process"`
	Meta      Meta    `json:"meta"` // app_name, environment, runtime, version; id; anything else
}

// System is the machine. In a container its limits count as the machine's.
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
func (h *Heartbeat) App() string { return h.Meta.Text("app_name") }

// Encode checks h and returns its JSON.
func (h *Heartbeat) Encode() ([]byte, error) {
	if err := h.Validate(); err != nil {
		return nil, err
	}
	return h.appendJSON(make([]byte, 0, 512)), nil
}

// Validate returns everything that would make h a document that readers refuse.
func (h *Heartbeat) Validate() error {
	errs := []error{checkTimestamp(h.Timestamp), CheckName("meta.app_name", h.App())}
	if h.System.Hostname == "" {
		errs = append(errs, errors.New("system.hostname is empty"))
	}
	for _, name := range []string{"environment", "runtime", "version"} {
		if v := h.Meta.get(name); len(v) == 0 || v[0] != '"' {
			errs = append(errs, errors.New("meta."+name+" is missing"))
		}
	}
	if h.Meta.Has("id") {
		errs = append(errs, CheckName("meta.id", h.Meta.Text("id")))
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
			errs = append(errs, errors.New(n.name+" is missing"))
		} else {
			errs = append(errs, checkNumber(n.name, *n.value, n.most))
		}
	}
	for i, load := range h.System.LoadAvg {
		errs = append(errs, checkNumber("system.load_avg["+strconv.Itoa(i)+"]", load, MaxCount))
	}
	return errors.Join(errs...)
}

func checkNumber(name string, value, most float64) error {
	if value >= 0 && value <= most { // not so of NaN
		return nil
	}
	limit := "2^53-1"
	if most != MaxCount {
		limit = string(AppendFloat(nil, most))
	}
	return errors.New(name + " is " + string(AppendFloat(nil, value)) + ": it takes 0 to " + limit)
}

func float(n *int64) *float64 {
	if n == nil {
		return nil
	}
	return new(float64(*n))
}

// DecodeHeartbeat reads a heartbeat that any program may have written to key. It also returns the server's id:
// meta.id if that is a name, else the key's last part. err means that nothing is usable.
func DecodeHeartbeat(key string, data []byte) (h Heartbeat, id string, err error) {
	doc, err := object(data)
	if err != nil {
		return h, "", err
	}
	h.System.LoadAvg = []float64{} // never nil: that would be written as null
	var timestamp, system, process []byte
	for name, value := range members(doc) {
		switch string(name) {
		case "timestamp":
			timestamp = value
		case "system":
			system = value
		case "process":
			process = value
		case "meta":
			h.Meta = readMeta(value)
		}
	}
	readSystem(&h.System, system)
	readProcess(&h.Process, process)
	if err := CheckName("meta.app_name", h.App()); err != nil {
		return Heartbeat{}, "", err
	}
	if h.Timestamp, err = readTimestamp(timestamp); err != nil {
		return Heartbeat{}, "", err
	}
	if id = h.Meta.Text("id"); !ValidName(id) {
		// meta is free, and its id may mean something else. An app has no colon, so the key's
		// last part is the id even where the key names another app.
		id = key[strings.LastIndexByte(key, ':')+1:]
	}
	if err := CheckName("the server's id", id); err != nil {
		return Heartbeat{}, "", err
	}
	return h, id, nil
}

func readSystem(s *System, value []byte) {
	n := new(struct { // one allocation for all
		cpuUsage, cpuCores                           float64
		memoryTotal, memoryFree, diskTotal, diskFree int64
	})
	for name, v := range members(value) {
		switch string(name) {
		case "hostname":
			s.Hostname = cut(readText(v))
		case "platform":
			s.Platform = cut(readText(v))
		case "cpu_usage":
			s.CPUUsage = readNumber(v, &n.cpuUsage)
		case "cpu_cores":
			s.CPUCores = readNumber(v, &n.cpuCores)
		case "memory_total":
			s.MemoryTotal = readSize(v, &n.memoryTotal)
		case "memory_free":
			s.MemoryFree = readSize(v, &n.memoryFree)
		case "load_avg":
			s.LoadAvg = readLoads(v)
		case "disk_total":
			s.DiskTotal = readSize(v, &n.diskTotal)
		case "disk_free":
			s.DiskFree = readSize(v, &n.diskFree)
		}
	}
}

func readProcess(p *Process, value []byte) {
	n := new(struct {
		uptime, cpuUsage      float64
		memoryRSS, memoryHeap int64
	})
	for name, v := range members(value) {
		switch string(name) {
		case "pid":
			p.PID = pid(v)
		case "uptime":
			p.Uptime = readNumber(v, &n.uptime)
		case "cpu_usage":
			p.CPUUsage = readNumber(v, &n.cpuUsage)
		case "memory_rss":
			p.MemoryRSS = readSize(v, &n.memoryRSS)
		case "memory_heap":
			p.MemoryHeap = readSize(v, &n.memoryHeap)
		}
	}
}

func pid(value []byte) int64 {
	var n int64
	readSize(value, &n)
	return n
}

// readLoads keeps a list of numbers only whole: a load average with a hole is none.
func readLoads(value []byte) []float64 {
	const most = 3 // 1, 5 and 15 minutes
	loads := make([]float64, 0, most)
	for v := range elements(value) {
		var load float64
		if readNumber(v, &load) == nil {
			return []float64{}
		}
		if loads = append(loads, load); len(loads) == most {
			break
		}
	}
	return loads
}
