package protocol

import (
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gravito-framework/pulse/protocol/schema"
)

// edge are numbers around every bound there is.
var edge = rapid.OneOf(
	rapid.SampledFrom([]int64{0, 1, -1, 100, 101, MaxCount, MaxCount + 1, MaxCount - 1, minTimestamp, minTimestamp - 1, maxTimestamp, maxTimestamp + 1, math.MaxInt64, math.MinInt64, noon}),
	rapid.Int64(),
)

// names may be names, or nearly.
var names = rapid.OneOf(
	rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._@-]{0,20}`),
	rapid.SampledFrom([]string{"", "a b", "-a", "a:b", "ü", "a\n", "\na", strings.Repeat("a", 128), strings.Repeat("a", 129)}),
)

// TestSchemaSaysWhatValidateSays guards that the schema other languages write by and the rules that
// Go writes by are the same, in both directions, but for what the schema's description says it
// cannot say.
func TestSchemaSaysWhatValidateSays(t *testing.T) {
	s := compile(t, schema.QueueSnapshot)
	queueNames := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a", strings.Repeat("x", MaxQueueName), strings.Repeat("x", MaxQueueName+1), strings.Repeat("€", 342)}))
	queues := rapid.Custom(func(t *rapid.T) Queue {
		return Queue{
			Name:   queueNames.Draw(t, "name"),
			Driver: rapid.SampledFrom([]Driver{DriverGravitoStream, DriverLaravelHorizon, DriverBullMQ, DriverSQS, DriverOther, "", "celery"}).Draw(t, "driver"),
			Metrics: Metrics{
				Waiting: edge.Draw(t, "waiting"), Active: rapid.Ptr(edge, true).Draw(t, "active"),
				Delayed: rapid.Ptr(edge, true).Draw(t, "delayed"), Failed: rapid.Ptr(edge, true).Draw(t, "failed"),
			},
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		doc := &QueueSnapshot{
			Timestamp: rapid.OneOf(rapid.Just(int64(noon)), edge).Draw(rt, "timestamp"),
			App:       names.Draw(rt, "app"), Source: names.Draw(rt, "source"),
			Queues: rapid.SliceOfN(queues, 0, 2).Draw(rt, "queues"),
		}
		if doc.Queues == nil {
			doc.Queues = []Queue{}
		}
		byGo, bySchema := doc.Validate(), bySchema(t, s, doc)
		if bySchema != nil && byGo == nil {
			rt.Fatalf("Go writes what the schema refuses: %v", bySchema)
		}
		if byGo != nil && bySchema == nil && !onlyGoCanSay(doc) {
			rt.Fatalf("the schema takes what Go refuses: %v", byGo)
		}
	})
}

// onlyGoCanSay reports whether a snapshot breaks one of the two rules that JSON Schema cannot express.
func onlyGoCanSay(s *QueueSnapshot) bool {
	seen := map[string]bool{}
	for _, q := range s.Queues {
		id := string(q.Driver) + "\x00" + q.Name
		if seen[id] || len(q.Name) > MaxQueueName {
			return true
		}
		seen[id] = true
	}
	return false
}

func TestHeartbeatSchemaSaysWhatValidateSays(t *testing.T) {
	s := compile(t, schema.Heartbeat)
	numbers := rapid.Ptr(rapid.OneOf(rapid.Map(edge, func(n int64) float64 { return float64(n) }), rapid.Float64Range(-1, 200)), true)
	sizes := rapid.Ptr(edge, true)
	text := rapid.SampledFrom([]any{"", "x", 7, nil})
	rapid.Check(t, func(rt *rapid.T) {
		// One thing after the other is wrong: with everything at random nothing would ever be right.
		h := heartbeat()
		h.System.LoadAvg = []float64{}
		for range rapid.IntRange(0, 3).Draw(rt, "changes") {
			switch rapid.IntRange(0, 18).Draw(rt, "what") {
			case 0:
				h.Timestamp = edge.Draw(rt, "timestamp")
			case 1:
				h.System.Hostname = rapid.SampledFrom([]string{"", "h"}).Draw(rt, "hostname")
			case 2:
				h.System.CPUUsage = numbers.Draw(rt, "cpu_usage")
			case 3:
				h.System.CPUCores = numbers.Draw(rt, "cpu_cores")
			case 4:
				h.System.MemoryTotal = sizes.Draw(rt, "memory_total")
			case 5:
				h.System.MemoryFree = sizes.Draw(rt, "memory_free")
			case 6:
				h.System.DiskTotal = sizes.Draw(rt, "disk_total")
			case 7:
				h.System.DiskFree = sizes.Draw(rt, "disk_free")
			case 8:
				h.System.LoadAvg = rapid.SliceOfN(rapid.Float64Range(-1, 1e17), 0, 4).Draw(rt, "load_avg")
			case 9:
				h.Process.PID = edge.Draw(rt, "pid")
			case 10:
				h.Process.Uptime = numbers.Draw(rt, "uptime")
			case 11:
				h.Process.CPUUsage = numbers.Draw(rt, "process.cpu_usage")
			case 12:
				h.Process.MemoryRSS = sizes.Draw(rt, "memory_rss")
			case 13:
				h.Process.MemoryHeap = sizes.Draw(rt, "memory_heap")
			case 14:
				h.Meta.SetText("app_name", names.Draw(rt, "app_name"))
			case 15:
				h.Meta.SetText("id", names.Draw(rt, "id"))
			case 16:
				_ = h.Meta.Set(rapid.SampledFrom([]string{"environment", "runtime", "version", "app_name", "id"}).Draw(rt, "name"), text.Draw(rt, "text"))
			case 17:
				h.Meta.Delete(rapid.SampledFrom([]string{"environment", "runtime", "version", "app_name"}).Draw(rt, "missing"))
			case 18:
				h.Meta.SetText(rapid.String().Draw(rt, "free"), "anything")
			}
		}
		byGo, bySchema := h.Validate(), bySchema(t, s, h)
		if (byGo == nil) != (bySchema == nil) {
			rt.Fatalf("Go says %v, the schema %v", byGo, bySchema)
		}
		if byGo != nil {
			return
		}
		data, err := h.Encode()
		if err != nil {
			rt.Fatal(err)
		}
		got, _, err := DecodeHeartbeat(ServerKey("shop", "web-1"), data)
		if err != nil {
			rt.Fatal(err)
		}
		h.System.LoadAvg = h.System.LoadAvg[:min(len(h.System.LoadAvg), 3)]
		if diff := cmp.Diff(*h, got, cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("(-written +read):\n%s", diff)
		}
	})
}

func TestSlowSchemaSaysWhatIsWritten(t *testing.T) {
	s := compile(t, schema.SlowEntry)
	rapid.Check(t, func(rt *rapid.T) {
		e := SlowEntry{
			Timestamp:   rapid.OneOf(rapid.Just(int64(noon)), edge).Draw(rt, "timestamp"),
			Kind:        rapid.SampledFrom([]string{"http", "job", "query", "other", "", "cron"}).Draw(rt, "kind"),
			Name:        rapid.OneOf(rapid.Just(""), rapid.String()).Draw(rt, "name"),
			DurationMS:  edge.Draw(rt, "duration_ms"),
			ThresholdMS: edge.Draw(rt, "threshold_ms"),
			Host:        rapid.String().Draw(rt, "host"),
		}
		fields, err := e.Fields()
		if err != nil {
			return
		}
		if err := bySchema(t, s, fields); err != nil {
			rt.Fatalf("it is written, and the schema refuses it: %v", err)
		}
		got, err := DecodeSlow(fields)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(e, got, cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("(-written +read):\n%s", diff)
		}
	})
}

func TestSlowSchemaRefusesWhatFieldsRefuses(t *testing.T) {
	s := compile(t, schema.SlowEntry)
	for _, tc := range []struct {
		names  string // what the error must name
		change func(*SlowEntry)
		wire   map[string]string // the same as a foreign writer would write it
		schema bool
	}{
		{"timestamp", func(e *SlowEntry) { e.Timestamp = 1_764_000_000 }, map[string]string{"timestamp": "1764000000"}, true},
		{"timestamp", func(e *SlowEntry) { e.Timestamp = -noon }, map[string]string{"timestamp": "-1764000000000"}, true},
		{"timestamp", func(e *SlowEntry) { e.Timestamp = maxTimestamp + 1 }, map[string]string{"timestamp": "10000000000000"}, true},
		{"kind", func(e *SlowEntry) { e.Kind = "cron" }, map[string]string{"kind": "cron"}, true},
		{"name", func(e *SlowEntry) { e.Name = "" }, map[string]string{"name": ""}, true},
		{"name", func(e *SlowEntry) { e.Name = "\xff" }, nil, false},
		{"host", func(e *SlowEntry) { e.Host = "\xff" }, nil, false},
		{"duration_ms", func(e *SlowEntry) { e.DurationMS = -1 }, map[string]string{"duration_ms": "-1"}, true},
		{"duration_ms", func(e *SlowEntry) { e.DurationMS = MaxCount + 1 }, map[string]string{"duration_ms": "9007199254740992"}, false},
		{"threshold_ms", func(e *SlowEntry) { e.ThresholdMS = -1 }, map[string]string{"threshold_ms": "-1"}, true},
		{"meta", func(e *SlowEntry) { e.Meta = map[string]any{"x": math.NaN()} }, nil, false},
	} {
		e := SlowEntry{Timestamp: noon, Kind: "job", Name: "SendMail", DurationMS: 900, ThresholdMS: 500}
		fields, err := e.Fields()
		if err != nil {
			t.Fatal(err)
		}
		tc.change(&e)
		if _, err := e.Fields(); err == nil || !strings.Contains(err.Error(), tc.names) {
			t.Errorf("the error is %v: it must name %s", err, tc.names)
		}
		if !tc.schema {
			continue
		}
		maps.Copy(fields, tc.wire)
		if bySchema(t, s, fields) == nil {
			t.Errorf("the schema takes %v", tc.wire)
		}
	}
}

// TestHeartbeatNumbersHaveBounds is about what a writer may say; a reader takes such numbers for
// missing.
func TestHeartbeatNumbersHaveBounds(t *testing.T) {
	for _, tc := range []struct {
		says   string
		change func(*Heartbeat)
	}{
		{"system.cpu_usage is NaN: it takes 0 to 100", func(h *Heartbeat) { h.System.CPUUsage = new(math.NaN()) }},
		{"system.cpu_usage is 100.5: it takes 0 to 100", func(h *Heartbeat) { h.System.CPUUsage = new(100.5) }},
		{"system.cpu_cores is -1: it takes 0 to 2^53-1", func(h *Heartbeat) { h.System.CPUCores = new(-1.0) }},
		{"system.memory_free is -1", func(h *Heartbeat) { h.System.MemoryFree = new(int64(-1)) }},
		{"system.disk_total is -1", func(h *Heartbeat) { h.System.DiskTotal = new(int64(-1)) }},
		{"system.disk_free is 9.007199254740992e+15", func(h *Heartbeat) { h.System.DiskFree = new(int64(MaxCount + 1)) }},
		{"system.load_avg[1] is NaN", func(h *Heartbeat) { h.System.LoadAvg = []float64{1, math.NaN(), 3} }},
		{"process.pid is -7", func(h *Heartbeat) { h.Process.PID = -7 }},
		{"process.uptime is +Inf", func(h *Heartbeat) { h.Process.Uptime = new(math.Inf(1)) }},
		{"process.cpu_usage is missing", func(h *Heartbeat) { h.Process.CPUUsage = nil }},
		{"process.memory_rss is missing", func(h *Heartbeat) { h.Process.MemoryRSS = nil }},
		{"process.memory_heap is -1", func(h *Heartbeat) { h.Process.MemoryHeap = new(int64(-1)) }},
		{`meta.id is "row 7"`, func(h *Heartbeat) { h.Meta.SetText("id", "row 7") }},
		{`meta.id is ""`, func(h *Heartbeat) { h.Meta.SetInt("id", 7) }},
		{"meta.environment is missing", func(h *Heartbeat) { h.Meta.Delete("environment") }},
		{"meta.runtime is missing", func(h *Heartbeat) { _ = h.Meta.Set("runtime", nil) }},
	} {
		h := heartbeat()
		tc.change(h)
		if _, err := h.Encode(); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("the error is %v, want one with %q", err, tc.says)
		}
	}
	busy := heartbeat()
	busy.Process.CPUUsage = new(799.5) // eight threads
	if _, err := busy.Encode(); err != nil {
		t.Error(err)
	}
}

// TestEverythingWrongIsSaid guards that the author of a reporter sees all mistakes at once.
func TestEverythingWrongIsSaid(t *testing.T) {
	s := QueueSnapshot{Timestamp: 1, App: "a b", Source: "-", Queues: []Queue{
		{Name: "a", Driver: "x"}, {Name: "b", Driver: DriverSQS, Metrics: Metrics{Waiting: -1}}, {Driver: DriverSQS},
	}}
	err := s.Validate()
	if err == nil {
		t.Fatal("it is valid")
	}
	for _, part := range []string{
		"timestamp is 1: it takes Unix milliseconds", `app is "a b": it takes`, `source is "-": it takes`,
		`queue 0 ("a"): driver is "x": it takes`, `queue 1 ("b"): waiting is -1: a count is 0 to 2^53-1`, `queue 2 (""): it has no name`,
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 6 {
		t.Errorf("%d lines, want one for each of 6: %v", lines, err)
	}
}

// TestEmptyIsAList guards that where there is nothing there is an empty list, which every language
// can go through, and never null.
func TestEmptyIsAList(t *testing.T) {
	s := QueueSnapshot{Timestamp: noon, App: "shop"}
	data, err := s.Encode()
	if err != nil || !strings.Contains(string(data), `"queues":[]`) {
		t.Errorf("the snapshot is %s, %v", data, err)
	}
	h := heartbeat()
	if data, err = h.Encode(); err != nil || !strings.Contains(string(data), `"load_avg":[]`) {
		t.Errorf("the heartbeat is %s, %v", data, err)
	}
	if s.Queues != nil || h.System.LoadAvg != nil {
		t.Error("Encode has changed what it encodes")
	}
}
