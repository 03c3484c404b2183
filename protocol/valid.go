package protocol

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Adapters read JSON with this file and not with encoding/json, which would be a third of a WebAssembly guest. A
// fuzz target checks that both give the same answers.

// maxNesting is what encoding/json takes.
const maxNesting = 10_000

// ReadObject reads a JSON object that any program may have written. Of a member that is there twice the last one
// counts.
func ReadObject(data []byte) (Meta, error) {
	data = bytes.Trim(data, " \t\r\n")
	if !isValid(data) || data[0] != '{' {
		return Meta{}, errors.New("it is not a JSON object")
	}
	return readMeta(data), nil
}

// isValid reports whether data is one JSON value.
func isValid(data []byte) bool {
	_, ok := checkDocument(data)
	return ok
}

// checkDocument checks that data is one JSON value, and says up to where it may be.
func checkDocument(data []byte) (end int, ok bool) {
	if end, ok = checkValue(data, skipSpace(data, 0), maxNesting); ok {
		end = skipSpace(data, end)
	}
	return end, ok && end == len(data)
}

// notJSON says why data, which may be JSON up to end, is none.
func notJSON(data []byte, end int) error {
	if end >= len(data) {
		return errors.New("it is not JSON: it ends, after " + strconv.Itoa(len(data)) + " bytes, within a value")
	}
	return errors.New("it is not JSON: what follows its first " + strconv.Itoa(end) + " bytes is " + quote(string(data[end:min(len(data), end+20)])))
}

// checkValue checks the value at i, and says where it ends.
func checkValue(data []byte, i, depth int) (end int, ok bool) {
	if i == len(data) {
		return i, false
	}
	switch c := data[i]; c {
	case '{', '[':
		if depth == 0 {
			return i, false
		}
		return checkList(data, i, depth)
	case '"':
		return checkText(data, i)
	case 't':
		return checkWord(data, i, "true")
	case 'f':
		return checkWord(data, i, "false")
	case 'n':
		return checkWord(data, i, "null")
	default:
		return checkDigits(data, i)
	}
}

// checkList checks the object or the array at i.
func checkList(data []byte, i, depth int) (end int, ok bool) {
	isObject := data[i] == '{'
	closing := data[i] + 2 // so it is in ASCII
	if i = skipSpace(data, i+1); i < len(data) && data[i] == closing {
		return i + 1, true
	}
	for {
		if isObject {
			if i == len(data) || data[i] != '"' {
				return i, false
			}
			if i, ok = checkText(data, i); !ok {
				return i, false
			}
			if i = skipSpace(data, i); i == len(data) || data[i] != ':' {
				return i, false
			}
			i = skipSpace(data, i+1)
		}
		if i, ok = checkValue(data, i, depth-1); !ok {
			return i, false
		}
		if i = skipSpace(data, i); i == len(data) {
			return i, false
		}
		switch data[i] {
		case closing:
			return i + 1, true
		case ',':
			i = skipSpace(data, i+1)
		default:
			return i, false
		}
	}
}

func checkText(data []byte, i int) (end int, ok bool) {
	for i++; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			return i + 1, true
		case c < ' ':
			return i, false
		case c == '\\':
			if i++; i == len(data) {
				return i, false
			}
			switch data[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if unhex(data[i+1:]) < 0 {
					return i, false
				}
				i += 4
			default:
				return i, false
			}
		}
	}
	return i, false
}

func checkWord(data []byte, i int, word string) (end int, ok bool) {
	if !bytes.HasPrefix(data[i:], []byte(word)) {
		return i, false
	}
	return i + len(word), true
}

func checkDigits(data []byte, i int) (end int, ok bool) {
	if i < len(data) && data[i] == '-' {
		i++
	}
	start := i
	i = skipDigits(data, i)
	if i == start || data[start] == '0' && i > start+1 {
		return i, false
	}
	if i < len(data) && data[i] == '.' {
		start = i + 1
		if i = skipDigits(data, start); i == start {
			return i, false
		}
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		if i++; i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		start = i
		if i = skipDigits(data, start); i == start {
			return i, false
		}
	}
	return i, true
}

func skipDigits(data []byte, i int) int {
	for i < len(data) && data[i] >= '0' && data[i] <= '9' {
		i++
	}
	return i
}

// unhex is the number of the four hexadecimal digits that data begins with, or -1.
func unhex(data []byte) rune {
	const digits = 4
	if len(data) < digits {
		return -1
	}
	var r rune
	for _, c := range data[:digits] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// unquote is a valid quoted text without its quotes and escapes. What is not UTF-8, or half of a
// surrogate pair, becomes U+FFFD.
func unquote(quoted []byte) []byte {
	in := quoted[1 : len(quoted)-1]
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); {
		if in[i] != '\\' {
			r, size := utf8.DecodeRune(in[i:])
			out = utf8.AppendRune(out, r)
			i += size
			continue
		}
		c := in[i+1]
		i += 2
		switch c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := unhex(in[i:])
			i += 4
			if utf16.IsSurrogate(r) {
				second := rune(-1)
				if bytes.HasPrefix(in[i:], []byte(`\u`)) {
					second = unhex(in[i+2:])
				}
				if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
					i += len(`\u0000`)
				}
			}
			out = utf8.AppendRune(out, r)
		default: // a quote, a slash or a backslash
			out = append(out, c)
		}
	}
	return out
}
