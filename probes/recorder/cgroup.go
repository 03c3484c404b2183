package recorder

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// limits are what a container may use of its host. 0 is no limit.
type limits struct {
	memory, memoryFree uint64  // bytes; free is also what the kernel could drop at once
	cores              float64 // may be a part of one
	cpuUsed            float64 // seconds, by all that share the cores, since their control group began
}

// readLimits reads the control groups that this process is in: its own, and those above it as far as they can be
// seen. The least limit counts, of which the usage is, too: a pod may have one for all of its containers. In most
// containers the root of cgroup is their own group, and those above cannot be seen.
//
// What limits a service of the host alone is not what the host has: of that the root is read only.
//
// Both layouts are described in https://docs.kernel.org/admin-guide/cgroup-v2.html and
// https://docs.kernel.org/admin-guide/cgroup-v1/.
func readLimits(cgroup, procSelf fs.FS) limits {
	groups := ownGroups(text(procSelf, "cgroup"))
	var l limits
	if _, err := fs.Stat(cgroup, "cgroup.controllers"); err == nil {
		for _, group := range upwards(cgroup, ".", groups[""]) {
			file := func(name string) string { return path.Join(group, name) }
			l.addMemory(number(cgroup, file("memory.max")), number(cgroup, file("memory.current")), field(cgroup, file("memory.stat"), "inactive_file"))
			quota, period, _ := strings.Cut(text(cgroup, file("cpu.max")), " ") // "max 100000" or "50000 100000"
			l.addCores(ratio(quota, period), float64(field(cgroup, file("cpu.stat"), "usage_usec"))/1e6)
		}
		return l
	}
	for _, group := range upwards(cgroup, "memory", groups["memory"]) {
		file := func(name string) string { return path.Join(group, name) }
		used, cache := number(cgroup, file("memory.usage_in_bytes")), field(cgroup, file("memory.stat"), "total_inactive_file")
		l.addMemory(number(cgroup, file("memory.limit_in_bytes")), used, cache) // huge where there is no limit
		// The least limit of this group and of those above, also where they cannot be seen.
		l.addMemory(field(cgroup, file("memory.stat"), "hierarchical_memory_limit"), used, cache)
	}
	for _, group := range upwards(cgroup, "cpu", groups["cpu"]) {
		file := func(name string) string { return path.Join(group, name) }
		used := float64(number(cgroup, path.Join("cpuacct", strings.TrimPrefix(group, "cpu"), "cpuacct.usage"))) / 1e9
		l.addCores(ratio(text(cgroup, file("cpu.cfs_quota_us")), text(cgroup, file("cpu.cfs_period_us"))), used) // -1 is no limit
	}
	return l
}

// addMemory takes the memory of one control group: what is free is so in all of them.
func (l *limits) addMemory(limit, used, cache uint64) {
	if limit == 0 {
		return
	}
	free := minus(limit, minus(used, cache))
	if l.memory == 0 {
		l.memory, l.memoryFree = limit, free
	}
	l.memory, l.memoryFree = min(l.memory, limit), min(l.memoryFree, free)
}

func (l *limits) addCores(cores, used float64) {
	if cores > 0 && (l.cores == 0 || cores < l.cores) {
		l.cores, l.cpuUsed = cores, used
	}
}

// ownGroups are the control groups of a process by controller, "" in version 2, from /proc/self/cgroup: lines such
// as "0::/docker/1f2e" and "4:cpu,cpuacct:/docker/1f2e".
func ownGroups(lines string) map[string]string {
	groups := map[string]string{}
	for line := range strings.Lines(lines) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		for controller := range strings.SplitSeq(controllers, ",") {
			groups[controller] = group
		}
	}
	return groups
}

// upwards are the folders of a control group and those above it, the root of its hierarchy last. It is the root alone
// where the group's folder is not to be seen from here, or the group is a service of the host.
func upwards(cgroup fs.FS, root, group string) []string {
	own := path.Join(root, strings.TrimPrefix(group, "/"))
	if info, err := fs.Stat(cgroup, own); err != nil || !info.IsDir() || !strings.HasPrefix(own, strings.TrimSuffix(root, ".")) || strings.HasSuffix(own, ".service") {
		return []string{root}
	}
	folders := []string{own}
	for folder := own; folder != root; {
		folder = path.Dir(folder)
		folders = append(folders, folder)
	}
	return folders
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

func minus(a, b uint64) uint64 { return a - min(a, b) }

func ratio(quota, period string) float64 {
	q, err := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err != nil || err2 != nil || q <= 0 || p <= 0 {
		return 0
	}
	return q / p
}
