package wasmhost

import "fmt"

// The engine allocates memory for each count in a module before it checks that the items are there: a module of
// fifty bytes that announces four billion parameters would take all memory. So this file compares each count with
// the number of bytes after it first.

// maxLocals is how many local variables all of a module's functions may have. They are written as a number
// and a type, so their count is not bounded by the bytes behind it.
const maxLocals = 1_000_000

// checkCounts checks the counts in a section.
func checkCounts(id byte, section []byte) error {
	r := reader{data: section}
	switch id {
	case sectionTypes:
		for range r.count() {
			r.functionType()
		}
	case sectionExports:
		for range r.count() {
			r.bytes(r.u32())
			r.byte() // its kind
			r.u32()  // its place
		}
	case sectionElements:
		for range r.count() {
			r.elements()
		}
	case sectionCode:
		locals := uint64(0)
		for range r.count() {
			body := reader{data: r.bytes(r.u32())}
			locals += body.locals()
			if r.err == nil {
				r.err = body.err
			}
		}
		if locals > maxLocals {
			return fmt.Errorf("its functions have %d local variables: at most %d are taken", locals, maxLocals)
		}
	case sectionData:
		for range r.count() {
			kind := r.u32()
			if kind == 2 { // of a memory that is named
				r.u32()
			}
			if kind != 1 { // 1 is without a place
				r.expression()
			}
			r.bytes(r.u32())
		}
	case sectionStart, sectionDataCount:
		r.u32()
	default: // nothing in an item has a count of its own
		r.count()
	}
	return r.err
}

// count reads how many items follow, of which each has a byte at least.
func (r *reader) count() uint32 {
	n := r.u32()
	switch {
	case int64(n) > int64(len(r.data)-r.at):
		r.fail()
	case n > maxItems && r.err == nil:
		r.err = fmt.Errorf("one of its lists has %d items: at most %d are taken", n, maxItems)
	}
	if r.err != nil {
		return 0
	}
	return n
}

func (r *reader) functionType() {
	const form = 0x60
	if r.byte() != form {
		r.fail()
	}
	for range 2 { // parameters, and results
		n := r.count()
		if n > maxArity {
			r.err = fmt.Errorf("one of its functions has %d parameters or results: at most %d are taken", n, maxArity)
		}
		for range n {
			r.valueType()
		}
	}
}

// locals reads which local variables a function has, and says how many they are.
func (r *reader) locals() (n uint64) {
	for range r.count() {
		n += uint64(r.u32())
		r.valueType()
	}
	return n
}

// valueType reads a value's type: a byte, or two and a number where it refers to another type.
func (r *reader) valueType() {
	if kind := r.byte(); kind == 0x63 || kind == 0x64 {
		r.number()
	}
}

// number reads a number of any size.
func (r *reader) number() {
	for r.byte() >= 0x80 {
	}
}

// elements reads a segment of a table's entries.
func (r *reader) elements() {
	kind := r.u32()
	const (
		passive     = 1
		named       = 2 // its table; of a passive one, that it is declared only
		expressions = 4
	)
	if kind&passive == 0 {
		if kind&named != 0 {
			r.u32()
		}
		r.expression()
	}
	if kind&(passive|named) != 0 { // what its entries are
		if kind&expressions != 0 {
			r.valueType()
		} else {
			r.byte()
		}
	}
	for range r.count() {
		if kind&expressions != 0 {
			r.expression()
		} else {
			r.u32()
		}
	}
}

// expression reads a constant expression.
func (r *reader) expression() {
	for r.err == nil {
		switch op := r.byte(); op {
		case 0x0b: // its end
			return
		case 0x41, 0x42, 0x23, 0xd0, 0xd2: // i32, i64, a global's value, a null, a function
			r.number()
		case 0x43: // f32
			r.bytes(4)
		case 0x44: // f64
			r.bytes(8)
		case 0xfd: // v128
			r.number()
			r.bytes(16)
		case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e: // sums and products
		default:
			r.fail()
		}
	}
}
