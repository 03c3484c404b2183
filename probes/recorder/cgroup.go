package recorder

import (
	"io/fs"
	"strconv"
	"strings"
)

// limits are what a container may use of its host. 0 is no limit.
type limits struct {
	memory, memoryUsed uint64  // bytes; used without what the kernel could drop at once
	cores              float64 // may be a part of one
	cpuUsed            float64 // seconds since the container began
}

// readLimits reads the control group at the root of fsys: in a container that is the container's
// own. On a host the root has no limits, and a service's own are further down: they are not the
// host's. Both layouts are described in https://docs.kernel.org/admin-guide/cgroup-v2.html and
// https://docs.kernel.org/admin-guide/cgroup-v1/.
func readLimits(fsys fs.FS) limits {
	if _, err := fs.Stat(fsys, "cgroup.controllers"); err == nil {
		return limitsV2(fsys)
	}
	return limitsV1(fsys)
}

func limitsV2(fsys fs.FS) limits {
	l := limits{memory: number(fsys, "memory.max")}
	l.memoryUsed = less(number(fsys, "memory.current"), field(fsys, "memory.stat", "inactive_file"))
	l.cpuUsed = float64(field(fsys, "cpu.stat", "usage_usec")) / 1e6
	quota, period, _ := strings.Cut(text(fsys, "cpu.max"), " ") // "max 100000" or "50000 100000"
	l.cores = ratio(quota, period)
	return l
}

func limitsV1(fsys fs.FS) limits {
	l := limits{memory: number(fsys, "memory/memory.limit_in_bytes")} // huge where there is no limit
	l.memoryUsed = less(number(fsys, "memory/memory.usage_in_bytes"), field(fsys, "memory/memory.stat", "total_inactive_file"))
	l.cpuUsed = float64(number(fsys, "cpuacct/cpuacct.usage")) / 1e9
	l.cores = ratio(text(fsys, "cpu/cpu.cfs_quota_us"), text(fsys, "cpu/cpu.cfs_period_us")) // -1 is no limit
	return l
}

func text(fsys fs.FS, name string) string {
	data, _ := fs.ReadFile(fsys, name) // not there: no limit of that kind
	return strings.TrimSpace(string(data))
}

// number is 0 for what isn't one, such as "max".
func number(fsys fs.FS, name string) uint64 {
	n, _ := strconv.ParseUint(text(fsys, name), 10, 64)
	return n
}

// field is a number in a file of lines "name number".
func field(fsys fs.FS, file, name string) uint64 {
	for line := range strings.Lines(text(fsys, file)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			n, _ := strconv.ParseUint(value, 10, 64)
			return n
		}
	}
	return 0
}

func less(a, b uint64) uint64 { return a - min(a, b) }

func ratio(quota, period string) float64 {
	q, err := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err != nil || err2 != nil || q <= 0 || p <= 0 {
		return 0
	}
	return q / p
}
