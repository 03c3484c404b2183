package runtime

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// limitMemory tells Go's garbage collector how much memory there is, unless GOMEMLIMIT does: what a function
// has in Lambda, or the container's limit.
func limitMemory() {
	const goShare = 0.8 // the rest is the program's code, and what the kernel keeps for it
	// An error is that no limit can be found: then there is none.
	_, _ = memlimit.Set(memlimit.WithRatio(goShare), memlimit.WithProvider(memlimit.ApplyFallback(lambdaMemory, memlimit.FromCgroup)))
}

func lambdaMemory() (uint64, error) {
	mb, err := strconv.ParseUint(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 32)
	return mb << 20, err
}

const (
	// usualMemory is what a process has that nothing limits, as far as budgets are concerned.
	usualMemory = 1 << 30
	// ownMemory is what a program takes beside what its budget is for: its code, its connections, one document
	// that is being read.
	ownMemory   = 32 << 20
	leastBudget = 8 << 20
)

// Budget is about how much memory the rows of one view may take. A quarter of what there is: the view before is
// still there while the next is made, and so is its JSON.
func Budget() int64 {
	memory := debug.SetMemoryLimit(-1)
	if memory == math.MaxInt64 {
		memory = usualMemory
	}
	return max((memory-ownMemory)/4, leastBudget)
}
