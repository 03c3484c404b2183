package protocol

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Meta are the free members of a queue or a server: a JSON object. A Meta keeps the object's text, because programs
// pass most of it on as it came. Its zero value has no members. docs/protocol.md lists the names with a meaning.
//
// Like a slice that is appended to, two copies may share memory: set members of one of them only.
type Meta struct { //nolint:recvcheck // read as a value, set through a pointer, as the types of encoding/json are
	text []byte // nothing, or a tidy object without its last brace, so that one more member is an append
}

// IsZero reports whether m has no members.
func (m Meta) IsZero() bool { return len(m.text) <= len("{") }

// Len is how many bytes m's JSON has.
func (m Meta) Len() int { return max(len(m.text), len("{")) + len("}") }

// Equal reports whether m and other are the same text.
func (m Meta) Equal(other Meta) bool { return bytes.Equal(m.text, other.text) }

// AppendJSON appends m to dst.
func (m Meta) AppendJSON(dst []byte) []byte {
	if m.IsZero() {
		return append(dst, "{}"...)
	}
	return append(append(dst, m.text...), '}')
}

// MarshalJSON implements [encoding/json.Marshaler].
func (m Meta) MarshalJSON() ([]byte, error) { return m.AppendJSON(nil), nil }

// UnmarshalJSON implements [encoding/json.Unmarshaler]. What is no object is no meta.
func (m *Meta) UnmarshalJSON(data []byte) error {
	*m = readMeta(bytes.TrimSpace(data))
	return nil
}

// maxMetaNesting is how deep a meta may nest, three times what is shown: to read one takes time by its size
// and its depth.
const maxMetaNesting = 100

const tooDeep = "what nests deeper than 100 levels is left out"

// readMeta reads a meta, without members where value is no object.
func readMeta(value []byte) Meta {
	if len(value) == 0 || value[0] != '{' {
		return Meta{}
	}
	text, ok := tidy(make([]byte, 0, len(value)), value, true, maxMetaNesting)
	if !ok {
		return withoutDeep(value)
	}
	return Meta{text[:len(text)-1]}
}

// withoutDeep is a meta without its members that nest too deep, and says that there were some.
func withoutDeep(value []byte) (m Meta) {
	for name, member := range members(value) {
		if text, ok := tidy(m.with(string(name)), member, true, maxMetaNesting-1); ok {
			m.text = text
		}
	}
	if !m.Has("error") {
		m.SetText("error", tooDeep)
	}
	return m
}

// All are m's names and values, each value a JSON text. A name is good until the next one.
func (m Meta) All() iter.Seq2[[]byte, []byte] { return members(m.text) }

// ObjectOf is a member of a meta that is an object, as one itself. It shares the other's memory.
func ObjectOf(value []byte) Meta { return Meta{value[: len(value)-1 : len(value)-1]} }

// get is a member's value as JSON; nil where there is none.
func (m Meta) get(name string) []byte {
	for n, value := range members(m.text) {
		if string(n) == name {
			return value
		}
	}
	return nil
}

// Has reports whether m has a member called name.
func (m Meta) Has(name string) bool { return m.get(name) != nil }

// Bool is the member called name, false where it is missing or something else.
func (m Meta) Bool(name string) bool { return string(m.get(name)) == "true" }

// HasBool reports whether the member called name is there, and is true or false.
func (m Meta) HasBool(name string) bool { return m.Bool(name) || string(m.get(name)) == "false" }

// Object is the member called name, without members where it is missing or something else. It shares m's
// memory.
func (m Meta) Object(name string) Meta {
	if value := m.get(name); len(value) > 0 && value[0] == '{' {
		return ObjectOf(value)
	}
	return Meta{}
}

// Text is the member called name, empty where it is missing or something else.
func (m Meta) Text(name string) string { return readText(m.get(name)) }

// Texts is the member called name, a list of text, without what is in it that is no text.
func (m Meta) Texts(name string) []string {
	var texts []string
	for value := range elements(m.get(name)) {
		if value[0] == '"' {
			texts = append(texts, readText(value))
		}
	}
	return texts
}

// Int is the member called name; not ok where it is missing, or no whole number from 0 to
// [MaxCount].
func (m Meta) Int(name string) (n int64, ok bool) {
	c := readCount(m.get(name))
	return c.value, c.present && c.bad == ""
}

// WithoutNulls is m without members that are null, at any depth, as a merge patch needs it. It is
// not ok where m nests deeper than depth.
func (m Meta) WithoutNulls(depth int) (without Meta, ok bool) {
	switch {
	case m.IsZero():
		return Meta{}, true
	case !bytes.Contains(m.text, []byte("null")) && bytes.Count(m.text, []byte("{"))+bytes.Count(m.text, []byte("[")) <= depth:
		return m, true // nearly every one
	}
	text, ok := tidy(make([]byte, 0, len(m.text)+1), m.text, false, depth)
	return Meta{text[:len(text)-1]}, ok
}

// SetInt sets a member to a number.
func (m *Meta) SetInt(name string, n int64) { m.text = strconv.AppendInt(m.with(name), n, 10) }

// SetBool sets a member to true or false.
func (m *Meta) SetBool(name string, b bool) { m.text = strconv.AppendBool(m.with(name), b) }

// SetText sets a member to a text.
func (m *Meta) SetText(name, s string) { m.text = AppendText(m.with(name), s) }

// SetTexts sets a member to a list of text.
func (m *Meta) SetTexts(name string, texts []string) {
	m.text = append(m.with(name), '[')
	for i, s := range texts {
		if i > 0 {
			m.text = append(m.text, ',')
		}
		m.text = AppendText(m.text, s)
	}
	m.text = append(m.text, ']')
}

// Delete removes a member, if it is there. It copies: what shares memory with m keeps it.
func (m *Meta) Delete(name string) {
	m.text = m.without(name)
}

// with is m's text up to where the value of a new member goes.
func (m *Meta) with(name string) []byte {
	const usual = 200 // bytes: one allocation for what an adapter sets
	if !utf8.ValidString(name) {
		name = readText(AppendText(nil, name)) // as it will stand there
	}
	switch {
	case len(m.text) == 0:
		return appendMember(append(make([]byte, 0, usual), '{'), name)
	case m.mayHave(name) && m.Has(name):
		return appendMember(m.without(name), name)
	}
	return appendMember(m.text, name)
}

// mayHave is a quick look: nearly every member that is set is a new one.
func (m Meta) mayHave(name string) bool {
	return bytes.Contains(m.text, []byte(name)) || strings.ContainsFunc(name, func(r rune) bool {
		return r < ' ' || r == '"' || r == '\\' // it stands there escaped
	})
}

func (m Meta) without(name string) []byte {
	out := append(make([]byte, 0, len(m.text)), '{')
	for other, value := range members(m.text) {
		if string(other) != name {
			out = append(appendMember(out, string(other)), value...)
		}
	}
	return out
}
