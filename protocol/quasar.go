package protocol

import (
	"errors"
)

// QuasarSource is the source of the snapshots that nodes of the older namespace carry.
const QuasarSource = "quasar"

// DecodeQuasar reads a node of the older namespace as the heartbeat it is, with the server's id,
// and as the snapshot of the queues it carries, nil where it carries none. Services and ids were
// free text there: what a name cannot hold becomes '-'.
func DecodeQuasar(data []byte) (h Heartbeat, id string, s *QueueSnapshot, ps []Problem, err error) {
	doc, err := object(data)
	if err != nil {
		return h, "", nil, nil, err
	}
	h.System.LoadAvg = []float64{} // these agents don't tell it
	var service, ident, language, version, framework string
	var timestamp, queues, cpu, memory, runtime []byte
	for name, value := range members(doc) {
		switch string(name) {
		case "service":
			service = readText(value)
		case "id":
			ident = readText(value)
		case "language":
			language = readText(value)
		case "version":
			version = readText(value)
		case "hostname":
			h.System.Hostname = cut(readText(value))
		case "platform":
			h.System.Platform = cut(readText(value))
		case "pid":
			h.Process.PID = pid(value)
		case "timestamp":
			timestamp = value
		case "queues":
			queues = value
		case "cpu":
			cpu = value
		case "memory":
			memory = value
		case "runtime":
			runtime = value
		}
	}
	readQuasarCPU(&h, cpu)
	readQuasarMemory(&h, memory)
	for name, v := range members(runtime) {
		switch string(name) {
		case "uptime":
			h.Process.Uptime = readNumber(v, new(float64))
		case "framework":
			framework = readText(v)
		}
	}
	app, id := NameFrom(service), NameFrom(ident)
	if app == "" || id == "" {
		return h, "", nil, nil, errors.New("service is " + quote(service) + " and id is " + quote(ident) + ": both must be there")
	}
	if h.Timestamp, err = readTimestamp(timestamp); err != nil {
		return h, "", nil, nil, err
	}
	h.Meta.SetText("app_name", app)
	h.Meta.SetText("id", id)
	h.Meta.SetText("runtime", language)
	h.Meta.SetText("version", version)
	if framework != "" {
		h.Meta.SetText("framework", framework)
	}
	var found problems
	if read := readQueues(queues, "size", &found); len(read) > 0 || len(found.list) > 0 {
		s = &QueueSnapshot{Timestamp: h.Timestamp, App: app, Source: QuasarSource, Queues: read}
	}
	return h, id, s, found.list, nil
}

func readQuasarCPU(h *Heartbeat, cpu []byte) {
	for name, v := range members(cpu) {
		switch string(name) {
		case "system":
			h.System.CPUUsage = readNumber(v, new(float64))
		case "process":
			h.Process.CPUUsage = readNumber(v, new(float64))
		case "cores":
			h.System.CPUCores = readNumber(v, new(float64))
		}
	}
}

func readQuasarMemory(h *Heartbeat, memory []byte) {
	var system, process []byte
	for name, v := range members(memory) {
		switch string(name) {
		case "system":
			system = v
		case "process":
			process = v
		}
	}
	for name, v := range members(system) {
		switch string(name) {
		case "total":
			h.System.MemoryTotal = readSize(v, new(int64))
		case "free":
			h.System.MemoryFree = readSize(v, new(int64))
		}
	}
	for name, v := range members(process) {
		switch string(name) {
		case "rss":
			h.Process.MemoryRSS = readSize(v, new(int64))
		case "heapUsed":
			h.Process.MemoryHeap = readSize(v, new(int64))
		}
	}
}
