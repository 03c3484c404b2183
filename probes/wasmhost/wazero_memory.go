package wasmhost

import "github.com/tetratelabs/wazero/experimental"

// growing is the memory of one instance. The engine's own grows by a quarter, and each time the older ones are left to
// the garbage collector: an instance that grew page by page to 64 MiB left the process with 280 MB.
type growing struct {
	bytes []byte
	most  uint64
}

// allocate is an [experimental.MemoryAllocator].
var allocate = experimental.MemoryAllocatorFunc(func(_, most uint64) experimental.LinearMemory { return &growing{most: most} })

// Reallocate makes the memory larger. What it reserves is twice as much as there was, so that it seldom copies; the system
// gives a reserved page once it is written to.
func (g *growing) Reallocate(size uint64) []byte {
	if size <= uint64(cap(g.bytes)) {
		g.bytes = g.bytes[:size]
		return g.bytes
	}
	larger := make([]byte, size, min(max(size, 2*uint64(cap(g.bytes))), max(size, g.most)))
	copy(larger, g.bytes)
	g.bytes = larger
	return g.bytes
}

// Free leaves it to the garbage collector: what was read from it may still be looked at.
func (g *growing) Free() { g.bytes = nil }
