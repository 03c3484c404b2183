package protocol

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vector is a document, and what every implementation must read it as.
type vector struct {
	About    string
	Key      string
	Document json.RawMessage // an object, or text that holds what may not be JSON
	Expect   struct {
		Snapshot  json.RawMessage
		Heartbeat json.RawMessage
		Slow      map[string]string // as it would be written
		ID, App   string
		Problems  []string // each is a part of one problem, in order
		Error     string   // a part of it
	}
}

func (v *vector) data(t *testing.T) []byte {
	t.Helper()
	var text string
	if json.Unmarshal(v.Document, &text) == nil {
		return []byte(text)
	}
	return v.Document
}

func TestVectors(t *testing.T) {
	files, err := filepath.Glob("vectors/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var v vector
			d := json.NewDecoder(bytes.NewReader(raw))
			d.DisallowUnknownFields() // a misspelt expectation would expect nothing
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(v.About, ".") {
				t.Errorf("it is about %q: a sentence is due", v.About)
			}
			v.check(t)
		})
	}
}

func (v *vector) check(t *testing.T) {
	t.Helper()
	var snapshot *QueueSnapshot
	var heartbeat *Heartbeat
	var id string
	var problems []Problem
	var err error
	if strings.HasPrefix(v.Key, SlowKey("")) {
		v.checkSlow(t)
		return
	}
	switch KindOf(v.Key) {
	case KindQueues:
		var s QueueSnapshot
		if s, problems, err = DecodeSnapshot(v.data(t)); err == nil {
			snapshot = &s
		}
	case KindServer:
		var h Heartbeat
		if h, id, err = DecodeHeartbeat(v.Key, v.data(t)); err == nil {
			heartbeat = &h
		}
	case KindQuasar:
		var h Heartbeat
		if h, id, snapshot, problems, err = DecodeQuasar(v.data(t)); err == nil {
			heartbeat = &h
		}
	case KindOther:
		t.Fatalf("the vector's key is %q", v.Key)
	}
	if v.refused(t, err) {
		return
	}
	same(t, "snapshot", v.Expect.Snapshot, snapshot)
	same(t, "heartbeat", v.Expect.Heartbeat, heartbeat)
	if heartbeat != nil && (id != v.Expect.ID || heartbeat.App() != v.Expect.App) {
		t.Errorf("id is %q and app %q, want %q and %q", id, heartbeat.App(), v.Expect.ID, v.Expect.App)
	}
	if len(problems) != len(v.Expect.Problems) {
		t.Fatalf("problems are %v, want %q", problems, v.Expect.Problems)
	}
	for i, p := range problems {
		if !strings.Contains(p.String(), v.Expect.Problems[i]) {
			t.Errorf("problem %d is %q, want one with %q", i, p, v.Expect.Problems[i])
		}
	}
}

func (v *vector) checkSlow(t *testing.T) {
	t.Helper()
	var fields map[string]string
	if err := json.Unmarshal(v.Document, &fields); err != nil {
		t.Fatal(err)
	}
	e, err := DecodeSlow(fields)
	if v.refused(t, err) {
		return
	}
	got, err := e.Fields()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v.Expect.Slow, got); diff != "" {
		t.Errorf("slow entry (-want +got):\n%s", diff)
	}
}

// refused reports whether the document should be refused or was, and checks that both are so.
func (v *vector) refused(t *testing.T, err error) bool {
	t.Helper()
	if v.Expect.Error == "" && err == nil {
		return false
	}
	if err == nil || v.Expect.Error == "" || !strings.Contains(err.Error(), v.Expect.Error) {
		t.Errorf("error is %v, want one with %q", err, v.Expect.Error)
	}
	return true
}

// same compares as JSON values: what another implementation would compare.
func same[T any](t *testing.T, what string, want json.RawMessage, got *T) {
	t.Helper()
	if got == nil {
		if want != nil {
			t.Errorf("no %s, want %s", what, want)
		}
		return
	}
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := json.Unmarshal(want, &a); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if err := json.Unmarshal(data, &b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
