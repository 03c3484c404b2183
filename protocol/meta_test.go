package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMetaHoldsWhatIsSet(t *testing.T) {
	names := rapid.SampledFrom([]string{"paused", "workers", "", "a\"b", "\n", "ü", "\xff", "work", "\\"})
	rapid.Check(t, func(rt *rapid.T) {
		var m Meta
		want := map[string]any{}
		for range rapid.IntRange(0, 12).Draw(rt, "sets") {
			name := names.Draw(rt, "name")
			key := strings.ToValidUTF8(name, "\ufffd")
			switch rapid.IntRange(0, 5).Draw(rt, "type") {
			case 0:
				n := rapid.Int64Range(0, MaxCount).Draw(rt, "n")
				m.SetInt(name, n)
				want[key] = float64(n)
				if got, ok := m.Int(key); !ok || got != n {
					rt.Fatalf("%q is %d, %v, want %d", name, got, ok, n)
				}
			case 1:
				m.SetBool(name, true)
				want[key] = true
				if !m.Bool(key) {
					rt.Fatalf("%q is not true", name)
				}
			case 2:
				text := strings.ToValidUTF8(rapid.String().Draw(rt, "text"), "\ufffd")
				m.SetText(name, text)
				want[key] = text
				if m.Text(key) != text {
					rt.Fatalf("%q is %q, want %q", name, m.Text(key), text)
				}
			case 3:
				texts := rapid.SliceOfN(rapid.StringOf(rapid.RuneFrom([]rune("ab\"\\\u2028"))), 1, 3).Draw(rt, "texts")
				m.SetTexts(name, texts)
				list := make([]any, len(texts))
				for i, s := range texts {
					list[i] = s
				}
				want[key] = list
				if diff := cmp.Diff(texts, m.Texts(key)); diff != "" {
					rt.Fatal(diff)
				}
			case 4:
				value := map[string]any{"a": []any{1.5, nil}}
				if err := m.Set(name, value); err != nil {
					rt.Fatal(err)
				}
				want[key] = value
			case 5:
				m.Delete(key)
				delete(want, key)
			}
		}
		if diff := cmp.Diff(want, m.Map()); diff != "" {
			rt.Fatalf("(-set +held):\n%s", diff)
		}
		if m.IsZero() != (len(want) == 0) {
			rt.Fatalf("%s is zero: %v", m.AppendJSON(nil), m.IsZero())
		}
	})
}

func TestMetaWithoutNulls(t *testing.T) {
	m := meta(map[string]any{"a": nil, "b": []any{nil, map[string]any{"c": nil, "d": 1}}, "e": map[string]any{"f": nil}})
	got, ok := m.WithoutNulls(8)
	if text := string(got.AppendJSON(nil)); !ok || text != `{"b":[null,{"d":1}],"e":{}}` {
		t.Errorf("it is %s, %v", text, ok)
	}
	for depth, fits := range map[int]bool{1: false, 2: false, 3: true} {
		if _, ok := m.WithoutNulls(depth); ok != fits {
			t.Errorf("at most %d levels: %v", depth, ok)
		}
	}
}

// FuzzMeta guards that any meta holds what encoding/json reads, each name once, on one line of UTF-8.
func FuzzMeta(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"a":[ "\ud800" , null ] }`, "{\"\xff\":\n{\"b\":-1e-7}}", `{"a":{"a":{"b":2,"b":{}}},"":""}`,
		"{\"a\":1\r\n,\"b\":[true\t,2\r]\r}", "{\"a\":\"\xff\"}", `{"a":1,"a":2,"b":3,"c":4}`,
		`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"k":11,"l":12,"m":13,"n":14,"o":15,"p":16,"q":17,"q":18}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want map[string]any
		if json.Unmarshal(data, &want) != nil || want == nil {
			return
		}
		var m Meta
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		if text := m.AppendJSON(nil); bytes.ContainsAny(text, "\n\r") || !utf8.Valid(text) {
			t.Fatalf("%q is more than a line, or is not UTF-8", text)
		}
		names := map[string]bool{}
		for name := range m.All() {
			if names[string(name)] {
				t.Fatalf("%s has %q twice", m.AppendJSON(nil), name)
			}
			names[string(name)] = true
		}
		if got := m.Map(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is read as %v, want %v", data, got, want)
		}
	})
}

func TestMemberOfAnotherTypeIsNotThere(t *testing.T) {
	m := meta(map[string]any{"texts": []any{"a", 1, nil, []any{"x"}, "b"}, "below": -1, "part": 1.5, "text": "7", "beyond": MaxCount + 1, "n": 7})
	if diff := cmp.Diff([]string{"a", "b"}, m.Texts("texts")); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	for _, name := range []string{"below", "part", "text", "beyond", "texts", "none"} {
		if n, ok := m.Int(name); ok || n != 0 {
			t.Errorf("%s is the number %d", name, n)
		}
	}
	if n, ok := m.Int("n"); !ok || n != 7 {
		t.Errorf("n is %d, %v", n, ok)
	}
	if m.Text("n") != "" || m.Bool("n") || m.Texts("n") != nil {
		t.Error("a number is read as something else")
	}
}

// TestMemberThatIsAppendedToLeavesItsMeta: a value shares its meta's memory.
func TestMemberThatIsAppendedToLeavesItsMeta(t *testing.T) {
	m := meta(map[string]any{"a": map[string]any{"x": 1}, "b": map[string]any{}, "c": 3})
	before := string(m.AppendJSON(nil))
	for name, value := range m.All() {
		_ = append(value, "rubbish"...)
		if value[0] == '{' {
			o := ObjectOf(value)
			o.SetText("more", "rubbish")
		}
		if got := string(m.AppendJSON(nil)); got != before {
			t.Fatalf("after an append to %s it is %s", name, got)
		}
	}
}

// TestSnapshotIsAppendedAsEncodingJSONWouldWriteIt keeps the hand-written half honest.
func TestSnapshotIsAppendedAsEncodingJSONWouldWriteIt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := snapshots().Draw(rt, "snapshot")
		s.IntervalMS = rapid.Int64Range(0, maxInterval).Draw(rt, "interval")
		for i := range s.Queues {
			s.Queues[i].Meta.SetText("error", rapid.String().Draw(rt, "error"))
		}
		for range rapid.IntRange(0, 2).Draw(rt, "problems") {
			s.Problems = append(s.Problems, Problem{rapid.String().Draw(rt, "queue"), rapid.String().Draw(rt, "reason")})
		}
		var got, want any
		data, err := json.Marshal(s)
		if err != nil || json.Unmarshal(data, &want) != nil {
			rt.Fatal(err)
		}
		if err := json.Unmarshal(s.AppendJSON(nil), &got); err != nil {
			rt.Fatalf("%s: %v", s.AppendJSON(nil), err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("(-encoding/json +ours):\n%s", diff)
		}
	})
}

// TestFreeMetaDoesNotDecide: 6,000 queues once vanished because one had a meta called "Name".
func TestFreeMetaDoesNotDecide(t *testing.T) {
	s := QueueSnapshot{Timestamp: noon, App: "shop"}
	for i := range 6001 {
		s.Queues = append(s.Queues, Queue{Name: fmt.Sprint(i), Driver: DriverSQS})
		s.Queues[i].Meta.SetText("url", strings.Repeat("x", 200))
	}
	s.Queues[7].Meta.SetText("Name", "orders")
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, problems, err := DecodeSnapshot(data)
	if err != nil || len(problems) > 0 || len(got.Queues) != len(s.Queues) {
		t.Errorf("%d queues are read, %v, %v", len(got.Queues), problems, err)
	}
}

// TestWhatIsWrittenCanBeRead guards the bounds: a snapshot that passes Encode loses nothing.
func TestWhatIsWrittenCanBeRead(t *testing.T) {
	s := QueueSnapshot{Timestamp: noon, App: "shop"}
	for i := range MaxQueues {
		s.Queues = append(s.Queues, Queue{Name: fmt.Sprint(i), Driver: DriverSQS})
	}
	data, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, problems, err := DecodeSnapshot(data); err != nil || len(problems) > 0 || len(got.Queues) != MaxQueues {
		t.Errorf("%d queues are read, %v, %v", len(got.Queues), problems, err)
	}
	s.Queues = append(s.Queues, Queue{Name: "one more", Driver: DriverSQS})
	if _, err := s.Encode(); err == nil || !strings.Contains(err.Error(), `queue 100000 ("one more"): it is one of more than 100000`) {
		t.Errorf("one more than can be read: %v", err)
	}
	s.Queues = s.Queues[:10]
	for i := range s.Queues {
		s.Queues[i].Meta.SetText("x", strings.Repeat("x", MaxDocument/10))
	}
	if _, err := s.Encode(); err == nil || !strings.Contains(err.Error(), "at most 8388608 can be read") {
		t.Errorf("more bytes than can be read: %v", err)
	}
}
