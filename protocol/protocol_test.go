package protocol

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/gravito-framework/pulse/protocol/schema"
)

const noon = 1_764_000_000_000

func compile(t testing.TB, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("it.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("it.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bySchema tells what a schema says of a document, whether or not we would write it.
func bySchema(t testing.TB, s *jsonschema.Schema, document any) error {
	t.Helper()
	data, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return bySchemaText(s, data)
}

// bySchemaText tells what a schema says of a text.
func bySchemaText(s *jsonschema.Schema, data []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func snapshots() *rapid.Generator[*QueueSnapshot] {
	counts := rapid.Ptr(rapid.Int64Range(0, MaxCount), true)
	queues := rapid.Custom(func(t *rapid.T) Queue {
		return Queue{
			Name:   rapid.StringN(1, 40, 200).Draw(t, "name"),
			Driver: rapid.SampledFrom([]Driver{DriverBullMQ, DriverSQS, DriverOther, DriverGravitoStream, DriverLaravelHorizon}).Draw(t, "driver"),
			Metrics: Metrics{
				Waiting: rapid.Int64Range(0, MaxCount).Draw(t, "waiting"),
				Active:  counts.Draw(t, "active"), Delayed: counts.Draw(t, "delayed"), Failed: counts.Draw(t, "failed"),
			},
		}
	})
	return rapid.Custom(func(t *rapid.T) *QueueSnapshot {
		return &QueueSnapshot{
			Timestamp: rapid.Int64Range(minTimestamp, maxTimestamp).Draw(t, "timestamp"),
			App:       rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._@-]{0,20}`).Draw(t, "app"),
			Source:    rapid.StringMatching(`([a-z]{1,9})?`).Draw(t, "source"),
			Queues:    rapid.SliceOfNDistinct(queues, 0, 5, func(q Queue) string { return string(q.Driver) + q.Name }).Draw(t, "queues"),
		}
	})
}

func TestWhatIsWrittenPassesTheSchemaAndIsReadBack(t *testing.T) {
	s := compile(t, schema.QueueSnapshot)
	rapid.Check(t, func(rt *rapid.T) {
		want := snapshots().Draw(rt, "snapshot")
		data, err := want.Encode()
		if err != nil {
			rt.Fatal(err)
		}
		if !bytes.HasPrefix(data, []byte(`{"timestamp":`)) {
			rt.Fatalf("%s does not begin with its timestamp", data)
		}
		if err := bySchema(t, s, json.RawMessage(data)); err != nil {
			rt.Fatal(err)
		}
		got, problems, err := DecodeSnapshot(data)
		if err != nil || len(problems) > 0 {
			rt.Fatalf("%v %v", problems, err)
		}
		if diff := cmp.Diff(*want, got); diff != "" {
			rt.Fatalf("(-written +read):\n%s", diff)
		}
	})
}

func TestWhatMayNotBeWritten(t *testing.T) {
	s := compile(t, schema.QueueSnapshot)
	queue := func(change func(*Queue)) func(*QueueSnapshot) {
		return func(s *QueueSnapshot) { change(&s.Queues[0]) }
	}
	for _, tc := range []struct {
		names  string // what the error must name
		change func(*QueueSnapshot)
		schema bool // JSON Schema can say it, too
	}{
		{"timestamp", func(s *QueueSnapshot) { s.Timestamp = noon / 1000 }, true},
		{"app", func(s *QueueSnapshot) { s.App = "" }, true},
		{"app", func(s *QueueSnapshot) { s.App = "a:b" }, true},
		{"source", func(s *QueueSnapshot) { s.Source = "ü" }, true},
		{"name", queue(func(q *Queue) { q.Name = "" }), true},
		{"name", queue(func(q *Queue) { q.Name = strings.Repeat("x", MaxQueueName+1) }), true},
		{"UTF-8", queue(func(q *Queue) { q.Name = "\xff" }), false},
		{"driver", queue(func(q *Queue) { q.Driver = "celery" }), true},
		{"waiting", queue(func(q *Queue) { q.Metrics.Waiting = -1 }), true},
		{"failed", queue(func(q *Queue) { q.Metrics.Failed = new(int64(MaxCount + 1)) }), true},
		{"twice", func(s *QueueSnapshot) { s.Queues = append(s.Queues, s.Queues[0]) }, false},
	} {
		doc := &QueueSnapshot{Timestamp: noon, App: "shop", Queues: []Queue{{Name: "emails", Driver: DriverBullMQ}}}
		tc.change(doc)
		if _, err := doc.Encode(); err == nil || !strings.Contains(err.Error(), tc.names) {
			t.Errorf("the error is %v: it must name %s", err, tc.names)
		}
		if tc.schema && bySchema(t, s, doc) == nil {
			t.Errorf("the schema takes a wrong %s", tc.names)
		}
	}
}

func meta(members map[string]any) Meta {
	m, err := MetaOf(members)
	if err != nil {
		panic(err)
	}
	return m
}

func heartbeat() *Heartbeat {
	return &Heartbeat{
		Timestamp: noon,
		System:    System{Hostname: "web-1", Platform: "linux", CPUUsage: new(1.5), CPUCores: new(2.0), MemoryTotal: new(int64(2)), MemoryFree: new(int64(1))},
		Process:   Process{PID: 7, Uptime: new(1.0), CPUUsage: new(0.5), MemoryRSS: new(int64(1)), MemoryHeap: new(int64(1))},
		Meta:      meta(map[string]any{"app_name": "shop", "environment": "production", "runtime": "go", "version": "1"}),
	}
}

func TestHeartbeatIsWrittenWholeOrNotAtAll(t *testing.T) {
	s := compile(t, schema.Heartbeat)
	data, err := heartbeat().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := bySchema(t, s, json.RawMessage(data)); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Heartbeat){
		"timestamp":           func(h *Heartbeat) { h.Timestamp = 0 },
		"meta.app_name":       func(h *Heartbeat) { h.Meta.SetText("app_name", "a b") },
		"meta.version":        func(h *Heartbeat) { h.Meta.Delete("version") },
		"system.hostname":     func(h *Heartbeat) { h.System.Hostname = "" },
		"system.memory_total": func(h *Heartbeat) { h.System.MemoryTotal = nil },
		"process.uptime":      func(h *Heartbeat) { h.Process.Uptime = nil },
	} {
		h := heartbeat()
		change(h)
		if _, err := h.Encode(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the error is %v: it must name %s", err, name)
		}
		if bySchema(t, s, h) == nil {
			t.Errorf("the schema takes a heartbeat with a wrong %s", name)
		}
	}
}

func TestSlowEntryGoesThroughAStream(t *testing.T) {
	want := SlowEntry{Timestamp: noon, Kind: "job", Name: "SendMail", DurationMS: 900, ThresholdMS: 500, Host: "web-1", Meta: map[string]any{"queue": "mail"}}
	fields, err := want.Fields()
	if err != nil {
		t.Fatal(err)
	}
	if err := bySchema(t, compile(t, schema.SlowEntry), fields); err != nil {
		t.Error(err)
	}
	got, err := DecodeSlow(fields)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	fields["kind"] = "cron"
	if got, err = DecodeSlow(fields); err != nil || got.Kind != "other" {
		t.Errorf("an unknown kind reads as %q, %v", got.Kind, err)
	}
	delete(fields, "duration_ms")
	if _, err = DecodeSlow(fields); err == nil || !strings.Contains(err.Error(), "duration_ms is missing") {
		t.Errorf("the error is %v", err)
	}
}

func TestKeysAreReadAsTheyAreMade(t *testing.T) {
	for key, want := range map[string]Address{
		QueuesKey("shop", ""):            {KindQueues, "shop", ""},
		QueuesKey("shop", "sqs"):         {KindQueues, "shop", "sqs"},
		ServerKey("shop", "web-1"):       {KindServer, "shop", "web-1"},
		"gravito:quasar:node:a b:host 1": {KindQuasar, "a-b", "host-1"},
	} {
		if got, ok := ParseKey(key); !ok || got != want {
			t.Errorf("%s is read as %+v, %v", key, got, ok)
		}
	}
	for _, key := range []string{"", "pulse:index", "pulse:queues:", "pulse:queues:a:b:c", "pulse:server:shop", "pulse:queues:a b", "bull:x:meta"} {
		if got, ok := ParseKey(key); ok {
			t.Errorf("%q is read as %+v", key, got)
		}
	}
}
