//go:build wasip1

package main

import (
	"runtime"
	"unsafe"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// What the host reads, which is in the instance, and what it writes. Both stay referenced from here, or
// the collector would take them from under the host.
var (
	instance guest
	input    []byte
	largest  int // result so far, in bytes
)

// kept is the largest buffer in bytes that is kept from one poll to the next.
const kept = 1 << 20

//go:wasmexport pulse_abi
func pulseABI() int32 { return 1 }

//go:wasmexport pulse_alloc
func pulseAlloc(size int32) unsafe.Pointer {
	if size < 0 {
		return nil
	}
	if cap(input) < int(size) || input == nil {
		input = make([]byte, max(size, 1))
	}
	return unsafe.Pointer(unsafe.SliceData(input))
}

//go:wasmexport pulse_describe
func pulseDescribe() int64 { return hand(instance.describe()) }

//go:wasmexport pulse_open
func pulseOpen(at unsafe.Pointer, size int32) int64 {
	return hand(instance.open(given(at, size)))
}

//go:wasmexport pulse_poll
func pulsePoll(nowMS int64) int64 { return hand(instance.poll(nowMS)) }

//go:wasmexport pulse_next
func pulseNext(at unsafe.Pointer, size int32) int64 {
	return hand(instance.next(given(at, size)))
}

func given(at unsafe.Pointer, size int32) []byte { return unsafe.Slice((*byte)(at), size) }

// hand is a result as the host takes it. At the end of a poll the collector runs: left to itself it
// lets the memory, which never gets smaller, grow to twice of what one poll needs, and again. It runs,
// too, where a poll asks more than any before: what it took to find new queues is done with.
func hand(result []byte) int64 {
	ended, grown := result[0] != adapter.TagRequests, cap(result) > largest
	largest = max(largest, cap(result))
	if ended && cap(input) > kept {
		input = nil
	}
	if ended || grown {
		runtime.GC()
	}
	return int64(uintptr(unsafe.Pointer(unsafe.SliceData(result))))<<32 | int64(len(result))
}
