package wasmhost_test

import (
	"encoding/binary"
)

// made is a module of six small functions, assembled byte by byte: what a compiler would not let through
// is what these tests are about. A function that is not given answers as a good adapter does.
type made struct {
	imports  []imported
	pages    uint64 // of memory, 2 where it is 0
	texts    []byte // what the functions answer, from textsAt on
	tables   []byte // the section's contents
	start    []byte // the body of the start function
	abi      []byte // bodies
	alloc    []byte
	describe []byte
	open     []byte
	poll     []byte
	next     []byte
	without  string // the export that is left out
}

type imported struct {
	module, name string
	kind         byte
	of           []byte // a function's type, a table's, a memory's, a global's
}

// The types of functions, by their places.
const (
	typeNothing   = iota // () → ()
	typeToI32            // () → i32
	typeI32ToI32         // i32 → i32
	typeToI64            // () → i64
	typeTwoToI64         // i32, i32 → i64
	typeI64ToI64         // i64 → i64
	typeI32              // i32 → ()
	typeFourToI32        // i32, i32, i32, i32 → i32
)

const (
	i32, i64 = 0x7f, 0x7e

	opUnreachable = 0x00
	opLoop        = 0x03
	opBr          = 0x0c
	opCall        = 0x10
	opDrop        = 0x1a
	opGrowMemory  = 0x40
	opI32Const    = 0x41
	opI64Const    = 0x42

	textsAt = 1024
	inputAt = 64 << 10 // the second page
)

// answer is the body of a function that answers with text.
func (m *made) answer(text string) []byte {
	at := textsAt + len(m.texts)
	m.texts = append(m.texts, text...)
	return result(uint64(at), uint64(len(text)))
}

// result is the body of a function that answers with a part of memory.
func result(at, size uint64) []byte { return constI64(int64(at<<32 | size)) }

func constI64(n int64) []byte { return appendSigned([]byte{opI64Const}, n) }
func constI32(n int32) []byte { return appendSigned([]byte{opI32Const}, int64(n)) }

func appendSigned(dst []byte, n int64) []byte {
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n == 0 && b&0x40 == 0 || n == -1 && b&0x40 != 0 {
			return append(dst, b)
		}
		dst = append(dst, b|0x80)
	}
}

func vector(dst []byte, items ...[]byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(items)))
	for _, item := range items {
		dst = append(dst, item...)
	}
	return dst
}

func sized(contents []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(contents))), contents...)
}

func name(s string) []byte { return sized([]byte(s)) }

func functionType(params, results []byte) []byte {
	return append(append([]byte{0x60}, sized(params)...), sized(results)...)
}

const goodDescription = `{"name":"test","version":"1","source":"redis","commands":["LLEN"]}`

const goodSnapshot = `S{"timestamp":1764000000000,"app":"shop","queues":[{"name":"jobs","driver":"other","metrics":{"waiting":3}}]}`

// module is the module's bytes.
func (m made) module() []byte {
	or := func(body []byte, otherwise func() []byte) []byte {
		if body != nil {
			return body
		}
		return otherwise()
	}
	functions := []struct {
		name string
		of   byte
		body []byte
	}{
		{"pulse_abi", typeToI32, or(m.abi, func() []byte { return constI32(1) })},
		{"pulse_alloc", typeI32ToI32, or(m.alloc, func() []byte { return constI32(inputAt) })},
		{"pulse_describe", typeToI64, or(m.describe, func() []byte { return m.answer(goodDescription) })},
		{"pulse_open", typeTwoToI64, or(m.open, func() []byte { return m.answer("K") })},
		{"pulse_poll", typeI64ToI64, or(m.poll, func() []byte { return m.answer("R*2\r\n$4\r\nLLEN\r\n$4\r\njobs\r\n") })},
		{"pulse_next", typeTwoToI64, or(m.next, func() []byte { return m.answer(goodSnapshot) })},
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, contents []byte) {
		if contents != nil {
			out = append(append(out, id), sized(contents)...)
		}
	}
	section(1, vector(nil,
		functionType(nil, nil), functionType(nil, []byte{i32}), functionType([]byte{i32}, []byte{i32}), functionType(nil, []byte{i64}),
		functionType([]byte{i32, i32}, []byte{i64}), functionType([]byte{i64}, []byte{i64}), functionType([]byte{i32}, nil),
		functionType([]byte{i32, i32, i32, i32}, []byte{i32})))
	var imports [][]byte
	functionsImported := 0
	for _, i := range m.imports {
		imports = append(imports, append(append(append(name(i.module), name(i.name)...), i.kind), i.of...))
		if i.kind == 0 {
			functionsImported++
		}
	}
	if imports != nil {
		section(2, vector(nil, imports...))
	}
	var types, bodies, exports [][]byte
	for i, f := range functions {
		types = append(types, []byte{f.of})
		bodies = append(bodies, sized(append(append([]byte{0}, f.body...), 0x0b)))
		if f.name != m.without {
			exports = append(exports, append(append(name(f.name), 0), byte(functionsImported+i)))
		}
	}
	if m.start != nil {
		types = append(types, []byte{typeNothing})
		bodies = append(bodies, sized(append(append([]byte{0}, m.start...), 0x0b)))
	}
	section(3, vector(nil, types...))
	section(4, m.tables)
	pages := m.pages
	if pages == 0 {
		pages = 2
	}
	section(5, vector(nil, append([]byte{0}, binary.AppendUvarint(nil, pages)...)))
	if m.without != "memory" {
		exports = append(exports, append(name("memory"), 2, 0))
	}
	section(7, vector(nil, exports...))
	if m.start != nil {
		section(8, []byte{byte(functionsImported + len(functions))})
	}
	section(10, vector(nil, bodies...))
	section(11, vector(nil, append(append(append([]byte{0}, constI32(textsAt)...), 0x0b), sized(m.texts)...)))
	return out
}
