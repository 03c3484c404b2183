package runtime

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// limitMemory tells Go's garbage collector how much memory there is, unless GOMEMLIMIT does: the memory of the
// Lambda function, or the container's limit.
func limitMemory() {
	const goShare = 0.8 // the rest is for the program's code and the kernel's buffers
	// An error is that no limit can be found: then there is none.
	_, _ = memlimit.Set(memlimit.WithRatio(goShare), memlimit.WithProvider(memlimit.ApplyFallback(lambdaMemory, memlimit.FromCgroup)))
}

func lambdaMemory() (uint64, error) {
	mb, err := strconv.ParseUint(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 32)
	return mb << 20, err
}

// collectSooner makes the garbage collector let less garbage lie, unless GOGC says how much. It is for a program that
// works for a moment each minute: what it does not collect it holds until the next.
func collectSooner() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(40)
	}
}

const (
	// usualMemory is the memory that Budget assumes for a process without a limit.
	usualMemory = 1 << 30
	// ownMemory is the memory that a program needs beside the rows: for its code, its connections, and the
	// document that it reads.
	ownMemory   = 32 << 20
	leastBudget = 8 << 20
)

// Budget is about how much memory, in bytes, the rows of one view may take. It is a third of the memory there
// is: while the program makes a view it still holds the one before, and JSON of one.
func Budget() int64 {
	memory := debug.SetMemoryLimit(-1)
	if memory == math.MaxInt64 {
		memory = usualMemory
	}
	return max((memory-ownMemory)/3, leastBudget)
}
