package wasmhost

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The engine checks whether an instance's time is over where a loop begins, and nowhere else. It could not stop a
// module that calls itself, or that fills its memory a thousand times in a row. So this file adds to a foreign
// module an empty loop where each function begins, and before each instruction that works on much memory.

// aLook is an empty loop. It only lets the engine check the time.
var aLook = []byte{opLoop, 0x40, opEnd}

// The bounds on what costs the compiler more time and memory than its size suggests. The output of compilers is far
// below them.
const (
	maxDepth  = 10_000    // of a function's blocks within each other
	maxBlocks = 20_000    // in a function
	maxLarge  = 2_000     // a function's instructions that work on much memory
	maxLabels = 20_000    // of a function's jump tables
	maxPhis   = 2_000_000 // a function's blocks, times its local variables
	maxArity  = 1000      // parameters of a function, or results
	maxItems  = 1_000_000 // in a list of any kind
)

// The instructions that are looked at.
const (
	opBlock   = 0x02
	opLoop    = 0x03
	opIf      = 0x04
	opEnd     = 0x0b
	opBrTable = 0x0e
)

// interruptible returns section with functions that the engine can stop.
func interruptible(section []byte) ([]byte, error) {
	r := reader{data: section}
	count := r.count()
	out := binary.AppendUvarint(make([]byte, 0, len(section)+len(section)/8), uint64(count))
	var body []byte
	for i := range count {
		function := r.bytes(r.u32())
		if r.err != nil {
			return nil, r.err
		}
		var err error
		if body, err = interruptibleBody(body[:0], function); err != nil {
			return nil, fmt.Errorf("function %d: %w", i, err)
		}
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
	}
	if r.at < len(section) {
		return nil, errors.New("there is more behind its functions")
	}
	return out, nil
}

// interruptibleBody appends a function's body to dst.
func interruptibleBody(dst, body []byte) ([]byte, error) {
	r := reader{data: body}
	locals := r.locals()
	if r.err != nil {
		return nil, r.err
	}
	dst = append(append(dst, body[:r.at]...), aLook...)
	blocks, labels, larges, depth := uint64(0), uint64(0), 0, 0
	for r.at < len(body) {
		from := r.at
		op := r.byte()
		large := false
		switch op {
		case opBlock, opLoop, opIf:
			blocks++
			depth++
			r.number() // its type: none, a value's, or the place of a function's
		case opEnd:
			depth--
		case opBrTable:
			n := r.count()
			labels += uint64(n)
			for range n + 1 { // and where it goes otherwise
				r.u32()
			}
		default:
			if large = r.operands(op); large {
				larges++
			}
		}
		switch {
		case r.err != nil:
			return nil, r.err
		case depth > maxDepth:
			return nil, fmt.Errorf("its blocks nest deeper than %d", maxDepth)
		case blocks > maxBlocks:
			return nil, fmt.Errorf("it has more than %d blocks", maxBlocks)
		case larges > maxLarge:
			return nil, fmt.Errorf("it has more than %d instructions that work on much memory", maxLarge)
		case labels > maxLabels:
			return nil, fmt.Errorf("its jump tables have more than %d places", maxLabels)
		case blocks*locals > maxPhis:
			return nil, fmt.Errorf("its %d blocks and %d local variables are too many together", blocks, locals)
		}
		if large {
			dst = append(dst, aLook...)
		}
		dst = append(dst, body[from:r.at]...)
	}
	return dst, nil
}

// operands reads what follows an instruction, and says whether it works on much memory. The numbers are
// those of WebAssembly 2.0; what wazero takes beyond it is off.
func (r *reader) operands(op byte) (large bool) {
	switch {
	case op == 0x0c, op == 0x0d, op == 0x10, // br, br_if, call
		op >= 0x20 && op <= 0x26, // variables and tables
		op == 0x3f, op == 0x40,   // memory.size, memory.grow
		op == 0x41, op == 0x42, // i32.const, i64.const
		op == 0xd0, op == 0xd2: // ref.null, ref.func
		r.number()
	case op == 0x11, op >= 0x28 && op <= 0x3e: // call_indirect, and what reads and writes memory
		r.number()
		r.number()
	case op == 0x1c: // select of a type
		for range r.count() {
			r.valueType()
		}
	case op == 0x43:
		r.bytes(4)
	case op == 0x44:
		r.bytes(8)
	case op == 0xfc:
		return r.moreOperands()
	case op == 0xfd:
		r.vectorOperands()
	case op <= 0x01, op == 0x05, op == 0x0f, op == 0x1a, op == 0x1b, op >= 0x45 && op <= 0xc4, op == 0xd1:
		// nothing follows
	default:
		r.err = fmt.Errorf("it has the instruction %#x, which is not known here", op)
	}
	return false
}

// moreOperands reads an instruction that begins with 0xfc.
func (r *reader) moreOperands() (large bool) {
	switch op := r.u32(); op {
	case 0, 1, 2, 3, 4, 5, 6, 7: // floats to integers
		return false
	case 9, 13, 16: // data.drop, elem.drop, table.size
		r.number()
		return false
	case 11, 15, 17: // memory.fill, table.grow, table.fill
		r.number()
	case 8, 10, 12, 14: // memory.init, memory.copy, table.init, table.copy
		r.number()
		r.number()
	default:
		r.err = fmt.Errorf("it has the instruction 0xfc %d, which is not known here", op)
	}
	return true
}

// vectorOperands reads an instruction that begins with 0xfd.
func (r *reader) vectorOperands() {
	switch op := r.u32(); {
	case op <= 11, op == 92, op == 93: // reads and writes memory
		r.number()
		r.number()
	case op == 12, op == 13: // v128.const, shuffle
		r.bytes(16)
	case op >= 21 && op <= 34: // of a lane
		r.byte()
	case op >= 84 && op <= 91: // reads and writes memory by lanes
		r.number()
		r.number()
		r.byte()
	case op <= 255:
		// nothing follows
	default:
		r.err = fmt.Errorf("it has the instruction 0xfd %d, which is not known here", op)
	}
}
