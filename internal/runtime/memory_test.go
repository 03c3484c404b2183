package runtime

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestMemoryIsLimitedToWhatTheFunctionHas(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
	limitMemory()
	if limit := debug.SetMemoryLimit(-1); limit < 204<<20 || limit > 205<<20 { // four fifths
		t.Errorf("it is limited to %d", limit)
	}
	t.Setenv("GOMEMLIMIT", "100MiB")
	debug.SetMemoryLimit(100 << 20)
	limitMemory()
	if limit := debug.SetMemoryLimit(-1); limit != 100<<20 {
		t.Errorf("what GOMEMLIMIT says becomes %d", limit)
	}
}

func TestTheBudgetIsAPartOfTheMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	for limit, want := range map[int64]int64{32 << 20: 8 << 20, 92 << 20: 20 << 20, 182 << 20: 50 << 20, math.MaxInt64: 992 << 20 / 3} {
		debug.SetMemoryLimit(limit)
		if got := Budget(); got != want {
			t.Errorf("of %d it is %d, want %d", limit, got, want)
		}
	}
}
