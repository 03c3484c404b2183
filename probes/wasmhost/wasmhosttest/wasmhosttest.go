// Package wasmhosttest makes WebAssembly modules for tests of hosts. It writes them byte by byte, because the tests
// are about modules that no compiler would make.
//
// A [Module] is a good adapter until a test changes a part of it; [Module.Bytes] are its bytes.
package wasmhosttest

import (
	"encoding/binary"
)

// Module is an adapter of six small functions, each given as its body in WebAssembly. A function that is not given
// answers as a good adapter does: there is a list called jobs with 3 jobs.
type Module struct { //nolint:recvcheck // filled through a pointer, assembled as a value
	Imports  []Import
	Pages    uint64 // of memory, 2 where it is 0
	Texts    []byte // what the functions answer, from TextsAt on
	Tables   []byte // the section's contents
	Start    []byte // the body of the start function
	ABI      []byte
	Alloc    []byte
	Describe []byte
	Open     []byte
	Poll     []byte
	Next     []byte
	Without  string // the export that is left out
}

// Import is something that a module imports.
type Import struct {
	Module, Name string
	Kind         byte
	Of           []byte // a function's type, a table's, a memory's, a global's
}

// The types of functions, by their places.
const (
	TypeNothing   = iota // () → ()
	TypeToI32            // () → i32
	TypeI32ToI32         // i32 → i32
	TypeToI64            // () → i64
	TypeTwoToI64         // i32, i32 → i64
	TypeI64ToI64         // i64 → i64
	TypeI32              // i32 → ()
	TypeFourToI32        // i32, i32, i32, i32 → i32
)

// The types of values, instructions, and where in memory what stands.
const (
	I32 = 0x7f
	I64 = 0x7e

	OpUnreachable = 0x00
	OpLoop        = 0x03
	OpBr          = 0x0c
	OpCall        = 0x10
	OpDrop        = 0x1a
	OpGrowMemory  = 0x40
	OpI32Const    = 0x41
	OpI64Const    = 0x42

	TextsAt = 1024
	InputAt = 64 << 10 // the second page
)

// Answer is the body of a function that answers with text.
func (m *Module) Answer(text string) []byte {
	at := TextsAt + len(m.Texts)
	m.Texts = append(m.Texts, text...)
	return Result(uint64(at), uint64(len(text)))
}

// Result is the body of a function that answers with a part of memory.
func Result(at, size uint64) []byte { return ConstI64(int64(at<<32 | size)) }

// ConstI64 is the instruction that makes a number.
func ConstI64(n int64) []byte { return appendSigned([]byte{OpI64Const}, n) }

// ConstI32 is the instruction that makes a number.
func ConstI32(n int32) []byte { return appendSigned([]byte{OpI32Const}, int64(n)) }

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

func vector(items ...[]byte) []byte {
	dst := binary.AppendUvarint(nil, uint64(len(items)))
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

// What a good adapter answers.
const (
	GoodDescription = `{"name":"test","version":"1","source":"redis","commands":["LLEN"]}`
	GoodSnapshot    = `S{"timestamp":1764000000000,"app":"shop","queues":[{"name":"jobs","driver":"other","metrics":{"waiting":3}}]}`
)

// Bytes is the module.
func (m Module) Bytes() []byte {
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
		{"pulse_abi", TypeToI32, or(m.ABI, func() []byte { return ConstI32(1) })},
		{"pulse_alloc", TypeI32ToI32, or(m.Alloc, func() []byte { return ConstI32(InputAt) })},
		{"pulse_describe", TypeToI64, or(m.Describe, func() []byte { return m.Answer(GoodDescription) })},
		{"pulse_open", TypeTwoToI64, or(m.Open, func() []byte { return m.Answer("K") })},
		{"pulse_poll", TypeI64ToI64, or(m.Poll, func() []byte { return m.Answer("R*2\r\n$4\r\nLLEN\r\n$4\r\njobs\r\n") })},
		{"pulse_next", TypeTwoToI64, or(m.Next, func() []byte { return m.Answer(GoodSnapshot) })},
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, contents []byte) {
		if contents != nil {
			out = append(append(out, id), sized(contents)...)
		}
	}
	section(1, vector(
		functionType(nil, nil), functionType(nil, []byte{I32}), functionType([]byte{I32}, []byte{I32}), functionType(nil, []byte{I64}),
		functionType([]byte{I32, I32}, []byte{I64}), functionType([]byte{I64}, []byte{I64}), functionType([]byte{I32}, nil),
		functionType([]byte{I32, I32, I32, I32}, []byte{I32})))
	var imports [][]byte
	functionsImported := 0
	for _, i := range m.Imports {
		imports = append(imports, append(append(append(name(i.Module), name(i.Name)...), i.Kind), i.Of...))
		if i.Kind == 0 {
			functionsImported++
		}
	}
	if imports != nil {
		section(2, vector(imports...))
	}
	var types, bodies, exports [][]byte
	for i, f := range functions {
		types = append(types, []byte{f.of})
		bodies = append(bodies, sized(append(append([]byte{0}, f.body...), 0x0b)))
		if f.name != m.Without {
			exports = append(exports, append(append(name(f.name), 0), byte(functionsImported+i)))
		}
	}
	if m.Start != nil {
		types = append(types, []byte{TypeNothing})
		bodies = append(bodies, sized(append(append([]byte{0}, m.Start...), 0x0b)))
	}
	section(3, vector(types...))
	section(4, m.Tables)
	pages := m.Pages
	if pages == 0 {
		pages = 2
	}
	section(5, vector(append([]byte{0}, binary.AppendUvarint(nil, pages)...)))
	if m.Without != "memory" {
		exports = append(exports, append(name("memory"), 2, 0))
	}
	section(7, vector(exports...))
	if m.Start != nil {
		section(8, []byte{byte(functionsImported + len(functions))})
	}
	section(10, vector(bodies...))
	section(11, vector(append(append(append([]byte{0}, ConstI32(TextsAt)...), 0x0b), sized(m.Texts)...)))
	return out
}
