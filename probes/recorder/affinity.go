package recorder

import (
	"io/fs"
	"math"
	"strconv"
	"strings"
)

// processors says which processors this process may run on, by their numbers: a container may have a
// cpuset of a few. It is true of all where that is not told.
func processors(self fs.FS) func(number int) bool {
	allowed := map[int]bool{}
	for line := range strings.Lines(text(self, "status")) {
		list, found := strings.CutPrefix(line, "Cpus_allowed_list:") // such as "0-2,7"
		if !found {
			continue
		}
		for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
			first, last, isRange := strings.Cut(part, "-")
			if !isRange {
				last = first
			}
			a, err := strconv.ParseUint(first, 10, 16)
			b, err2 := strconv.ParseUint(last, 10, 16)
			if err != nil || err2 != nil {
				return func(int) bool { return true }
			}
			for n := a; n <= min(b, math.MaxUint16); n++ {
				allowed[int(n)] = true //nolint:gosec // it has 16 bits
			}
		}
	}
	return func(number int) bool { return len(allowed) == 0 || allowed[number] }
}

// processorNumber is that of a name such as "cpu7", or -1.
func processorNumber(name string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "cpu"))
	if err != nil {
		return -1
	}
	return n
}
