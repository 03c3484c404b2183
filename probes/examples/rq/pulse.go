//go:build wasip1

// What any adapter in Go needs for the ABI of Gravito Pulse: text, JSON and requests out, RESP in. It takes neither
// fmt nor encoding/json, which would make the module twice as large.
package main

import (
	"bytes"
	"runtime"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

const (
	maxInput    = 16 << 20
	maxProblems = 99 // and one that says so; a reader takes 100
)

// The host reads and writes here. These variables keep the collector from what was handed out.
var input, output []byte

//go:wasmexport pulse_abi
func pulseABI() int32 { return 1 }

//go:wasmexport pulse_alloc
func pulseAlloc(size int32) unsafe.Pointer {
	if size < 0 || size > maxInput {
		return nil
	}
	if len(input) < int(size) || input == nil {
		input = make([]byte, max(size, 4096))
	}
	return unsafe.Pointer(&input[0])
}

//go:wasmexport pulse_describe
func pulseDescribe() uint64 { return handOut(description) }

//go:wasmexport pulse_open
func pulseOpen(_ unsafe.Pointer, size int32) uint64 {
	return handOut(open(&reader{rest: input[:size]}))
}

//go:wasmexport pulse_poll
func pulsePoll(now int64) uint64 { return handOut(poll(max(now, 0))) }

//go:wasmexport pulse_next
func pulseNext(_ unsafe.Pointer, size int32) uint64 {
	return handOut(next(&reader{rest: input[:size]}))
}

// handOut is where the host finds a text, and how long it is. At the end of a poll the collector runs: left to itself
// it lets the memory grow by what every poll leaves behind.
func handOut(text string) uint64 {
	output = append(output[:0], text...)
	if text[0] == 'S' || text[0] == 'E' {
		runtime.GC()
	}
	return uint64(uintptr(unsafe.Pointer(&output[0])))<<32 | uint64(len(output))
}

// request is text in RESP.
func request(words ...string) string {
	out := "*" + strconv.Itoa(len(words)) + "\r\n"
	for _, w := range words {
		out += "$" + strconv.Itoa(len(w)) + "\r\n" + w + "\r\n"
	}
	return out
}

// quoted is text as JSON has it.
func quoted(text string) string {
	const hex = "0123456789abcdef"
	out := append(make([]byte, 0, len(text)+2), '"')
	for len(text) > 0 {
		c, size := utf8.DecodeRuneInString(text)
		switch {
		case c == utf8.RuneError && size == 1: // no UTF-8
			out = append(out, '?')
		case c == '"' || c == '\\':
			out = append(out, '\\', byte(c))
		case c < ' ':
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			out = append(out, text[:size]...)
		}
		text = text[size:]
	}
	return string(append(out, '"'))
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

var problems []string

// problem is one of the snapshot; queue is "" where it is no single one's.
func problem(queue, reason string) {
	switch {
	case len(problems) > maxProblems:
		return
	case len(problems) == maxProblems:
		queue, reason = "", "there are more problems than are told"
	}
	if queue != "" {
		queue = `"queue":` + quoted(queue) + ","
	}
	problems = append(problems, "{"+queue+`"reason":`+quoted(reason)+"}")
}

// reader reads RESP, value by value: those of an array follow it.
type reader struct {
	rest   []byte
	broken bool // there was something that is no RESP, or not what was due
}

func (r *reader) isRead() bool { return !r.broken && len(r.rest) == 0 }

// reply is one value. Its kind is the first byte of RESP, and 'n' is nothing.
type reply struct {
	kind byte
	text string // of '$', '+' and '-'
	n    int64  // of ':' and '*'; absent where it is not from 0 to 2^53 - 1
}

const absent = -1

func (r *reader) next() reply {
	end := bytes.Index(r.rest, []byte("\r\n"))
	if end < 1 {
		r.broken, r.rest = true, nil
		return reply{}
	}
	kind, line := r.rest[0], string(r.rest[1:end])
	r.rest = r.rest[end+2:]
	n, err := strconv.ParseUint(line, 10, 53)
	switch {
	case kind == '-' || kind == '+':
		return reply{kind: kind, text: line}
	case kind == ':' && err != nil:
		return reply{kind: kind, n: absent}
	case kind == ':', kind == '*' && err == nil:
		return reply{kind: kind, n: int64(n)}
	case line == "-1" && (kind == '$' || kind == '*'):
		return reply{kind: 'n'}
	case kind == '$' && err == nil && n+2 <= uint64(len(r.rest)):
		text := string(r.rest[:n])
		r.rest = r.rest[n+2:]
		return reply{kind: kind, text: text}
	}
	r.broken, r.rest = true, nil
	return reply{}
}

// one is the next value, which is to be no array.
func (r *reader) one() reply {
	v := r.next()
	r.broken = r.broken || v.kind == '*'
	return v
}

// texts are the next value's, where that is an array, and not nil then. It is returned too, for where it is none.
func (r *reader) texts() ([]string, reply) {
	array := r.next()
	if array.kind != '*' {
		return nil, array
	}
	out := []string{}
	for i := int64(0); i < array.n && !r.broken; i++ {
		v := r.next()
		r.broken = r.broken || v.kind != '$'
		out = append(out, v.text)
	}
	return out, array
}

// why is what to say of a reply that is not what was hoped for.
func (r reply) why() string {
	if r.kind != '-' {
		return "the answer is of another kind than is due"
	}
	return r.text[:min(len(r.text), 200)]
}
