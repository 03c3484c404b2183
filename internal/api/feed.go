package api

import (
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"
	"sync"
)

// feed is what one client's stream is written to: events, and text of its own between them. Where the client
// takes gzip, all of it is one gzip stream of parts that stand for themselves: an event is compressed once for all
// clients, and no client has a compressor of its own.
type feed struct {
	client  *client
	sending *sending
	zips    bool
	// Of the plain bytes so far, as gzip's trailer has them.
	sum, size uint32
}

// begin writes what is before the first event.
func (f *feed) begin() error {
	if !f.zips {
		return nil
	}
	return f.client.write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255}) // deflate, no name or time, fast, any system
}

// event writes m, which other clients may get, too.
func (f *feed) event(m *message) error {
	if f.zips {
		for _, part := range m.parts {
			f.count(part)
		}
		m = m.zipped() // a client that reads slowly holds this, not the plain one
	}
	return f.sending.write(f.client, m)
}

// text writes what is for this client alone, and short.
func (f *feed) text(text []byte) error {
	if f.zips {
		f.count(text)
		text = slices.Concat(stored(text), stored(nil)) // the empty block is what makes readers hand over the one before
	}
	return f.client.write(text)
}

// end writes what is after the last event.
func (f *feed) end() error {
	if !f.zips {
		return nil
	}
	last := stored(nil)
	last[0] = 1 // the final block
	last = binary.LittleEndian.AppendUint32(last, f.sum)
	return f.client.write(binary.LittleEndian.AppendUint32(last, f.size))
}

func (f *feed) count(plain []byte) {
	f.sum = crc32.Update(f.sum, crc32.IEEETable, plain)
	f.size += uint32(len(plain)) //nolint:gosec // gzip has the length modulo 2^32
}

// stored is a block of deflate that holds text as it is. It begins and ends at a whole byte.
func stored(text []byte) []byte {
	if len(text) > math.MaxUint16 {
		panic("a text for one client is longer than a block")
	}
	n := uint16(len(text)) //nolint:gosec // see above
	block := binary.LittleEndian.AppendUint16([]byte{0}, n)
	return append(binary.LittleEndian.AppendUint16(block, ^n), text...)
}

// deflaters keeps what compresses events.
var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is a valid one
	return w
}}

// deflate compresses parts to blocks of deflate that refer to nothing before them and end at a whole byte, so that
// they may follow any others.
func deflate(parts ...[]byte) []byte {
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	return compressWith(w, w.Flush, parts...)
}
