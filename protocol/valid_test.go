package protocol

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// valid are texts of every rule, good and bad.
var validSeeds = []string{
	``, ` `, `{}`, `[]`, `{"a":1}`, `{"a":1,}`, `{,}`, `[1,2,[3]]`, `[1,]`, `[,1]`, `"\u00e9\ud83d\ude00\n\/\\\""`, `"\ud83d"`, `"\ud83dx"`, `"\ude00\ud83d"`, `"\ud83d\u0041"`,
	`"\u12"`, `"\x"`, `"a`, `"`, `"\`, "\"\x01\"", "\"\xff\xc0\"", `tru`, `true`, `false`, `null`, `nul`, `truex`, `-`, `-0`, `0`, `01`, `-1`, `1.`, `1.5`, `.5`, `1e`, `1e+`, `1E-5`, `1e5x`,
	` {"a" : [ 1 , {"b":null} ] } `, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `[1 2]`, `{"a":1}{}`, "\ufeff{}", `[`, `{`, `{"a"`, `{"a":`, `{"a":1`, `[}`, `{]`, "\u00a0{}", "{\"a\":1}\x00",
}

func TestJSONIsWhatTheStandardSays(t *testing.T) {
	for _, text := range validSeeds {
		sameAsTheStandard(t, []byte(text))
	}
	// As deep as encoding/json goes, and no deeper.
	for depth, want := range map[int]bool{10_000: true, 10_001: false} {
		deep := []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))
		if isValid(deep) != want || json.Valid(deep) != want {
			t.Errorf("%d deep: ours says %v, encoding/json %v", depth, isValid(deep), json.Valid(deep))
		}
	}
}

func FuzzJSONIsWhatTheStandardSays(f *testing.F) {
	for _, text := range validSeeds {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) { sameAsTheStandard(t, data) })
}

func sameAsTheStandard(t *testing.T, data []byte) {
	t.Helper()
	if got, want := isValid(data), json.Valid(data); got != want {
		t.Fatalf("%q: valid is %v, encoding/json says %v", data, got, want)
	}
	var text string
	if trimmed := bytes.TrimSpace(data); json.Valid(data) && trimmed[0] == '"' {
		if err := json.Unmarshal(data, &text); err != nil {
			t.Fatal(err)
		}
		if got := unquote(trimmed); string(got) != text {
			t.Errorf("%q is read as %q, encoding/json reads %q", data, got, text)
		}
	}
	m, err := ReadObject(data)
	var members map[string]any
	isObject := json.Unmarshal(data, &members) == nil && members != nil
	// A number that no float holds is still a number to a program that only passes it on.
	if isObject && err != nil || err == nil && !json.Valid(data) {
		t.Errorf("%q: %v, but encoding/json reads %v", data, err, members)
	}
	if err == nil && !json.Valid(m.AppendJSON(nil)) {
		t.Errorf("%q is written as %q", data, m.AppendJSON(nil))
	}
}
