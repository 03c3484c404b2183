package protocol

import (
	"bytes"
	"errors"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Each document is checked once. Then this file reads it member by member, by exact names, and leaves unread what
// no caller asks for. encoding/json would read "Waiting" as "waiting", fail a whole document for one huge number,
// and make twenty times its size of a meta.

// object is the JSON object that data holds, or why it holds none.
func object(data []byte) ([]byte, error) {
	trimmed := bytes.TrimLeft(data, " \t\r\n\ufeff")
	if len(trimmed) == 0 {
		return nil, errors.New("it is empty: it takes a JSON object")
	}
	if trimmed[0] != '{' {
		return nil, errors.New("it is not a JSON object: it starts with " + quote(string(trimmed[:min(len(trimmed), 20)])))
	}
	if end, ok := checkDocument(trimmed); !ok {
		return nil, notJSON(trimmed, end)
	}
	return trimmed, nil
}

// members are an object's names and values; of any other value there are none. The object's last
// brace may be missing, as [Meta] keeps it.
func members(value []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		if len(value) == 0 || value[0] != '{' {
			return
		}
		for i := skipSpace(value, 1); i < len(value) && value[i] != '}'; {
			var name, member []byte
			name, member, i = nextMember(value, i)
			if !yield(name, member) {
				return
			}
		}
	}
}

// nextMember is the member of an object that begins at i, and where the next one begins. It is a function of its
// own because the compiler copies [members] into each loop over members.
func nextMember(object []byte, i int) (name, value []byte, next int) {
	end := endOf(object, i)
	name = unquoted(object[i:end])
	i = skipSpace(object, skipSpace(object, end)+1) // behind the colon
	end = endOf(object, i)
	return name, object[i:end:end], skipComma(object, end)
}

// skipComma is where what follows a member or an element begins, or where the list ends.
func skipComma(data []byte, i int) int {
	if i = skipSpace(data, i); i < len(data) && data[i] == ',' {
		i = skipSpace(data, i+1)
	}
	return i
}

// elements are a list's values; of any other value there are none.
func elements(value []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if len(value) == 0 || value[0] != '[' {
			return
		}
		for i := skipSpace(value, 1); value[i] != ']'; {
			end := endOf(value, i)
			if !yield(value[i:end]) {
				return
			}
			i = skipComma(value, end)
		}
	}
}

func skipSpace(data []byte, i int) int {
	for ; i < len(data); i++ {
		switch data[i] {
		case ' ', '\n', '\t', '\r':
		default:
			return i
		}
	}
	return i
}

// endOf is where the value that begins at i ends. The document around it is valid JSON.
func endOf(data []byte, i int) int {
	switch data[i] {
	case '"':
		return endOfText(data, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch data[i] {
			case '"':
				i = endOfText(data, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(data) && strings.IndexByte(",]} \n\t\r", data[i]) < 0 {
		i++
	}
	return i
}

func endOfText(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++ // what is escaped
		}
	}
	return i + 1
}

// readText is the text that value is; of any other value it is empty.
func readText(value []byte) string {
	if len(value) == 0 || value[0] != '"' {
		return ""
	}
	return string(unquoted(value))
}

// unquoted is a quoted text without its quotes; mostly a part of value itself.
func unquoted(value []byte) []byte {
	if isPlain(value) {
		return value[1 : len(value)-1]
	}
	return unquote(value)
}

// isPlain reports whether a quoted text needs no unquoting: it has no escape and is UTF-8.
func isPlain(quoted []byte) bool {
	return bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted)
}

const hex = "0123456789abcdef"

// AppendText appends s as JSON. What is not UTF-8 becomes U+FFFD.
func AppendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			dst = append(dst, s[start:i]...)
			if c < ' ' {
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else {
				dst = append(dst, '\\', c)
			}
			start = i + 1
		}
		i++
	}
	return append(append(dst, s[start:]...), '"')
}

// appendMember appends a name, and a comma before it unless it is an object's first.
func appendMember(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(AppendText(dst, name), ':')
}

func appendIntMember(dst []byte, name string, n int64) []byte {
	return strconv.AppendInt(appendMember(dst, name), n, 10)
}

// tidy appends a valid value so that it stands on one line, names each member once, the last of its
// name, and is UTF-8. Without nulls it leaves out members that are null. It is not ok where value
// nests deeper than depth; then what was appended is of no use.
func tidy(dst, value []byte, withNulls bool, depth int) (out []byte, ok bool) {
	if c := value[0]; (c == '{' || c == '[') && depth == 0 {
		return dst, false
	}
	switch value[0] {
	case '{':
		return tidyObject(dst, value, withNulls, depth)
	case '[':
		dst = append(dst, '[')
		for element := range elements(value) {
			if dst[len(dst)-1] != '[' {
				dst = append(dst, ',')
			}
			if dst, ok = tidy(dst, element, withNulls, depth-1); !ok {
				return dst, false
			}
		}
		return append(dst, ']'), true
	case '"':
		if !isPlain(value) {
			return AppendText(dst, readText(value)), true
		}
	}
	return append(dst, value...), true
}

func tidyObject(dst, value []byte, withNulls bool, depth int) (out []byte, ok bool) {
	last := lastOnes(value)
	dst = append(dst, '{')
	i := 0
	for name, member := range members(value) {
		i++
		if last != nil && last[string(name)] != i || !withNulls && member[0] == 'n' {
			continue
		}
		dst = appendMember(dst, string(name))
		if dst, ok = tidy(dst, member, withNulls, depth-1); !ok {
			return dst, false
		}
	}
	return append(dst, '}'), true
}

// lastOnes is, where a name stands twice in an object, the place of each name's last member, from 1;
// else nil.
func lastOnes(object []byte) map[string]int {
	var few [16][]byte
	n := 0
	twice := false
	for name := range members(object) {
		if n == len(few) {
			twice = true // perhaps: too many to compare each with each
			break
		}
		for _, other := range few[:n] {
			twice = twice || bytes.Equal(other, name)
		}
		few[n] = name
		n++
	}
	if !twice {
		return nil
	}
	last := map[string]int{}
	i := 0
	for name := range members(object) {
		i++
		last[string(name)] = i
	}
	return last
}
