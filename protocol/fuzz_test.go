package protocol

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"
)

// seeds hands every vector of a kind to add: what the rules are about is where a fuzzer should begin.
func seeds(f *testing.F, kind Kind, add func(key string, data []byte)) {
	f.Helper()
	files, err := filepath.Glob("vectors/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var v vector
		if err := json.Unmarshal(raw, &v); err != nil {
			f.Fatal(err)
		}
		// A large one would only make the fuzzer slow.
		if KindOf(v.Key) == kind && len(v.Document) < 8<<10 {
			var text string
			if json.Unmarshal(v.Document, &text) == nil {
				add(v.Key, []byte(text))
			} else {
				add(v.Key, v.Document)
			}
		}
	}
}

// FuzzDecodeSnapshot guards that a snapshot that can be read can be written, problems and all, and then reads as
// the same.
func FuzzDecodeSnapshot(f *testing.F) {
	seeds(f, KindQueues, func(_ string, data []byte) { f.Add(data) })
	f.Add([]byte(`{"timestamp":1e12,"app":"a","queues":[{"name":"\ud800","driver":"x","metrics":{"waiting":0},"meta":{"a":null,"b":1e400}}],"problems":[{}]}`))
	f.Add([]byte("{\"timestamp\":1764000000000,\"app\":\"a\",\"queues\":[{\"name\":\"q\",\"metrics\":{\"waiting\":1,\"failed\":\"3\x87\"}}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, problems, err := DecodeSnapshot(data)
		if err != nil {
			return
		}
		writtenAndReadAgain(t, s, problems)
	})
}

func writtenAndReadAgain(t *testing.T, s QueueSnapshot, problems []Problem) {
	t.Helper()
	if len(problems) > MaxProblems+1 {
		t.Fatalf("%d problems", len(problems))
	}
	for _, p := range problems {
		if p.Reason == "" || !utf8.ValidString(p.String()) {
			t.Fatalf("the problem %q is no sentence", p)
		}
	}
	out := s
	out.Problems = problems
	again, err := out.Encode()
	if err != nil {
		t.Fatalf("what was read cannot be written: %v", err)
	}
	back, backProblems, err := DecodeSnapshot(again)
	if err != nil {
		t.Fatalf("what was written cannot be read: %v", err)
	}
	sameJSON(t, s, back)
	sameJSON(t, problems, backProblems)
}

func sameJSON(t *testing.T, first, second any) {
	t.Helper()
	once, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := json.Marshal(second)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(once, twice) {
		t.Fatalf("%s was read, written and read as %s", once, twice)
	}
}

// FuzzDecodeHeartbeat guards that a heartbeat that can be read reads as the same from the key where it belongs, even
// where it lacks numbers that a writer must give.
func FuzzDecodeHeartbeat(f *testing.F) {
	seeds(f, KindServer, func(key string, data []byte) { f.Add(key, data) })
	f.Fuzz(func(t *testing.T, key string, data []byte) {
		ParseKey(key)
		h, id, err := DecodeHeartbeat(key, data)
		if err != nil {
			return
		}
		heartbeatReadAgain(t, h, id)
	})
}

func heartbeatReadAgain(t *testing.T, h Heartbeat, id string) {
	t.Helper()
	if !ValidName(id) || !ValidName(h.App()) {
		t.Fatalf("the id is %q, the app %q", id, h.App())
	}
	data, err := json.Marshal(h)
	if err != nil {
		t.Fatalf("what was read cannot be written: %v", err)
	}
	back, backID, err := DecodeHeartbeat(ServerKey(h.App(), id), data)
	if err != nil || backID != id {
		t.Fatalf("what was written is read as that of %q, %v, want %q", backID, err, id)
	}
	sameJSON(t, h, back)
}

// FuzzDecodeQuasar guards that a node of the older namespace reads as documents of this protocol.
func FuzzDecodeQuasar(f *testing.F) {
	seeds(f, KindQuasar, func(_ string, data []byte) { f.Add(data) })
	f.Fuzz(func(t *testing.T, data []byte) {
		h, id, s, problems, err := DecodeQuasar(data)
		if err != nil {
			return
		}
		heartbeatReadAgain(t, h, id)
		if s == nil {
			return
		}
		if s.App != h.App() || s.Source != QuasarSource || s.Timestamp != h.Timestamp {
			t.Fatalf("the snapshot is of %q, source %q, at %d; the heartbeat of %q at %d", s.App, s.Source, s.Timestamp, h.App(), h.Timestamp)
		}
		writtenAndReadAgain(t, *s, problems)
	})
}

// FuzzDecodeSlow guards that an entry that can be read can be written, and is then read as the same.
func FuzzDecodeSlow(f *testing.F) {
	f.Add("1764000000000", "http", "GET /", "900", "500", "web-1", `{"status":200}`)
	f.Add("1e12", "cron", "\xff", "0x1p4", "", "\x00", `{"a":1e400}`)
	f.Fuzz(func(t *testing.T, timestamp, kind, name, duration, threshold, host, meta string) {
		e, err := DecodeSlow(map[string]string{
			"timestamp": timestamp, "kind": kind, "name": name, "duration_ms": duration,
			"threshold_ms": threshold, "host": host, "meta": meta,
		})
		if err != nil {
			return
		}
		fields, err := e.Fields()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := DecodeSlow(fields)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if len(e.Meta) == 0 {
			e.Meta = nil // an empty one is not written
		}
		sameJSON(t, e, back)
	})
}
