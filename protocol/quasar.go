package protocol

import (
	"fmt"
)

// quasarNode is what agents of the older namespace write to gravito:quasar:node:{service}:{id}.
type quasarNode struct {
	ID, Service, Language, Version, Hostname, Platform string
	PID                                                number
	CPU                                                struct{ System, Process, Cores number }
	Memory                                             struct {
		System  struct{ Total, Free number }
		Process struct{ RSS, HeapUsed number }
	}
	Queues list[struct {
		Name, Driver string
		Size         struct{ Waiting, Active, Delayed, Failed count }
	}]
	Runtime struct {
		Uptime    number
		Framework string
	}
	Timestamp count
}

// QuasarSource is the source of the snapshots that nodes of the older namespace carry.
const QuasarSource = "quasar"

// DecodeQuasar reads a node of the older namespace as the heartbeat it is, with the server's id,
// and as the snapshot of the queues it carries, nil where it carries none. Services and ids were
// free text there: what a name cannot hold becomes '-'.
func DecodeQuasar(data []byte) (h Heartbeat, id string, s *QueueSnapshot, ps []Problem, err error) {
	var w quasarNode
	if err := unmarshal(data, quasarForm, &w); err != nil {
		return h, "", nil, nil, err
	}
	app, id := NameFrom(w.Service), NameFrom(w.ID)
	if app == "" || id == "" {
		return h, "", nil, nil, fmt.Errorf("service is %s and id is %s: both must be there", quote(w.Service), quote(w.ID))
	}
	ts, err := w.Timestamp.required("timestamp")
	if err == nil {
		err = checkTimestamp(ts)
	}
	if err != nil {
		return h, "", nil, nil, err
	}
	h = Heartbeat{
		Timestamp: ts,
		System: System{
			Hostname: cut(w.Hostname), Platform: cut(w.Platform),
			CPUUsage: w.CPU.System.value, CPUCores: w.CPU.Cores.value,
			MemoryTotal: w.Memory.System.Total.size(), MemoryFree: w.Memory.System.Free.size(),
			LoadAvg: []float64{}, // these agents don't tell it
		},
		Process: Process{
			Uptime: w.Runtime.Uptime.value, CPUUsage: w.CPU.Process.value,
			MemoryRSS: w.Memory.Process.RSS.size(), MemoryHeap: w.Memory.Process.HeapUsed.size(),
		},
		Meta: map[string]any{"app_name": app, "id": id, "runtime": w.Language, "version": w.Version},
	}
	if pid := w.PID.size(); pid != nil {
		h.Process.PID = *pid
	}
	if w.Runtime.Framework != "" {
		h.Meta["framework"] = w.Runtime.Framework
	}
	if len(w.Queues.items) == 0 {
		return h, id, nil, nil, nil
	}
	var found problems
	wire := list[wireQueue]{items: make([]wireQueue, len(w.Queues.items)), cut: w.Queues.cut}
	for i, q := range w.Queues.items {
		wire.items[i] = wireQueue{Name: q.Name, Driver: q.Driver, Metrics: q.Size}
	}
	s = &QueueSnapshot{Timestamp: ts, App: app, Source: QuasarSource, Queues: readQueues(wire, &found)}
	return h, id, s, found.list, nil
}
