package wasmhost

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// This file bounds, before the engine sees the module, what the engine does not: the module's imports, and its
// tables, which live outside of its memory.

const (
	// MaxModule is the largest module in bytes. One is compiled to several times its size.
	MaxModule = 16 << 20
	// maxTables is how many entries all of a module's tables may have: a Go program has one a function.
	maxTables = 200_000
)

// WASI is the only module to import from.
const WASI = "wasi_snapshot_preview1"

// The sections of a module that are read here.
const (
	sectionCustom    = 0
	sectionTypes     = 1
	sectionImports   = 2
	sectionTables    = 4
	sectionExports   = 7
	sectionStart     = 8
	sectionElements  = 9
	sectionCode      = 10
	sectionData      = 11
	sectionDataCount = 12
)

// bounded checks a module, and returns it with tables that cannot grow and without what is only for
// debuggers. It makes a module that isn't trusted stoppable at any point.
func bounded(wasm []byte, trusted bool) ([]byte, error) {
	if len(wasm) > MaxModule {
		return nil, tooLarge(int64(len(wasm)))
	}
	out := append(make([]byte, 0, len(wasm)+16), header...)
	entries := uint32(0)
	err := sections(wasm, func(id byte, section []byte) (err error) {
		switch id {
		case sectionCustom:
			return nil
		case sectionImports:
			err = eachImport(section, checkImport)
		case sectionTables:
			section, err = boundTables(section, &entries)
		default:
			if err = checkCounts(id, section); err == nil && id == sectionCode && !trusted {
				section, err = interruptible(section)
			}
		}
		out = binary.AppendUvarint(append(out, id), uint64(len(section)))
		out = append(out, section...)
		return err
	})
	return out, err
}

// header is what a module begins with.
const header = "\x00asm\x01\x00\x00\x00"

// sections calls each with a module's sections, until one is an error.
func sections(wasm []byte, each func(id byte, section []byte) error) error {
	if start := wasm[:min(len(wasm), len(header))]; string(start) != header {
		return fmt.Errorf("it is not WebAssembly: it begins with %.8q", start)
	}
	r := reader{data: wasm, at: len(header)}
	for r.at < len(wasm) {
		id := r.byte()
		section := r.bytes(r.u32())
		if r.err != nil {
			return r.err
		}
		if err := each(id, section); err != nil {
			return err
		}
	}
	return nil
}

// Inspect lists what a module imports and the names of what it exports. It says nothing of whether the
// host would run it.
func Inspect(wasm []byte) (imports []Import, exports []string, err error) {
	err = sections(wasm, func(id byte, section []byte) error {
		switch id {
		case sectionImports:
			return eachImport(section, func(i Import) error {
				imports = append(imports, i)
				return nil
			})
		case sectionExports:
			r := reader{data: section}
			for range r.u32() {
				name := r.bytes(r.u32())
				r.byte() // its kind
				r.u32()  // its place
				if r.err != nil {
					return r.err
				}
				exports = append(exports, oneLine(name))
			}
		}
		return nil
	})
	return imports, exports, err
}

// Import is something that a module wants of its host.
type Import struct {
	Kind         string // "function", "table", "memory" or "global"
	Module, Name string // untrusted text
}

func (i Import) String() string { return fmt.Sprintf("%s %.80q of %.80q", i.Kind, i.Name, i.Module) }

// reader reads the numbers and texts of a module. After its first error it reads nothing.
type reader struct {
	data []byte
	at   int
	err  error
}

// imported reads an import and what it is of.
func (r *reader) imported() Import {
	i := Import{Module: string(r.bytes(r.u32())), Name: string(r.bytes(r.u32()))}
	switch r.byte() {
	case 0:
		i.Kind = "function"
		r.u32() // its type
	case 1:
		i.Kind = "table"
		r.byte()
		r.limits()
	case 2:
		i.Kind = "memory"
		r.limits()
	case 3:
		i.Kind = "global"
		r.byte() // its type
		r.byte() // whether it changes
	default:
		r.fail()
	}
	return i
}

func (r *reader) limits() {
	hasMost := r.byte()
	r.u32()
	if hasMost&1 == 1 {
		r.u32()
	}
}

// eachImport calls each with what a section imports, until one is an error.
func eachImport(section []byte, each func(Import) error) error {
	r := reader{data: section}
	for range r.u32() {
		i := r.imported()
		if r.err != nil {
			return r.err
		}
		if err := each(i); err != nil {
			return err
		}
	}
	return r.err
}

func checkImport(i Import) error {
	if i.Kind != "function" || i.Module != WASI || wasiFunctions[i.Name].do == nil {
		return fmt.Errorf("it imports the %v: the host gives functions of %s only, and none of sockets", i, WASI)
	}
	return nil
}

// boundTables is the section with each table's least size as its most.
func boundTables(section []byte, entries *uint32) ([]byte, error) {
	r := reader{data: section}
	count := r.u32()
	out := binary.AppendUvarint(nil, uint64(count))
	for range count {
		kind, hasMost := r.byte(), r.byte()
		least := r.u32()
		if hasMost == 1 {
			r.u32()
		}
		switch {
		case r.err != nil:
			return nil, r.err
		case hasMost > 1:
			return nil, errors.New("one of its tables is of a kind that is not known here")
		case least > maxTables-*entries:
			return nil, fmt.Errorf("its tables have more than %d entries", maxTables)
		}
		*entries += least
		out = append(out, kind, 1)
		out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(least)), uint64(least))
	}
	if r.at < len(section) {
		return nil, errors.New("there is more behind its tables")
	}
	return out, nil
}

var errCut = errors.New("it is cut off, or not WebAssembly")

// fail is what is wrong with a module where nothing more is known.
func (r *reader) fail() {
	if r.err == nil {
		r.err = errCut
	}
}

func (r *reader) byte() byte {
	if r.at >= len(r.data) {
		r.fail()
	}
	if r.err != nil {
		return 0
	}
	r.at++
	return r.data[r.at-1]
}

func (r *reader) u32() uint32 {
	var n uint64
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	if n > 1<<32-1 {
		r.fail()
	}
	if r.err != nil {
		return 0
	}
	return uint32(n)
}

func (r *reader) bytes(n uint32) []byte {
	if int64(n) > int64(len(r.data)-r.at) {
		r.fail()
	}
	if r.err != nil {
		return nil
	}
	from := r.at
	r.at += int(n)
	return r.data[from:r.at:r.at]
}
