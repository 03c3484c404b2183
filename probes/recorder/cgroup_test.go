package recorder

import (
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/mem"

	"github.com/gravito-framework/pulse/protocol"
)

// cgroup is a control group's folder, from "name: content" lines; a '|' stands for a new line.
func cgroup(lines ...string) fstest.MapFS {
	fs := fstest.MapFS{}
	for _, line := range lines {
		name, content, _ := strings.Cut(line, ": ")
		fs[name] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(content, "|", "\n") + "\n")}
	}
	return fs
}

func TestLimitsOfAControlGroup(t *testing.T) {
	t.Parallel()
	const v2 = "cgroup.controllers: cpu memory"
	for name, c := range map[string]struct {
		fs   fstest.MapFS
		want limits
	}{
		"no control groups": {cgroup(), limits{}},

		"v2 without a limit":  {cgroup(v2, "memory.max: max", "memory.current: 1000", "cpu.max: max 100000"), limits{memoryUsed: 1000}},
		"v2, the host's root": {cgroup(v2, "cpu.stat: usage_usec 5000000|user_usec 1"), limits{cpuUsed: 5}},
		"v2, half a core": {
			cgroup(v2, "memory.max: 268435456", "memory.current: 104857600", "memory.stat: anon 1|inactive_file 4857600|active_file 7",
				"cpu.max: 50000 100000", "cpu.stat: usage_usec 1500000"),
			limits{memory: 268435456, memoryUsed: 100000000, cores: 0.5, cpuUsed: 1.5},
		},
		"v2, two cores and a half":              {cgroup(v2, "cpu.max: 250000 100000"), limits{cores: 2.5}},
		"v2, more cache than use":               {cgroup(v2, "memory.max: 100", "memory.current: 10", "memory.stat: inactive_file 20"), limits{memory: 100}},
		"v2, a field that only begins the same": {cgroup(v2, "memory.current: 10", "memory.stat: inactive_file_x 3|inactive_file 4"), limits{memoryUsed: 6}},
		"v2, rubbish":                           {cgroup(v2, "memory.max: lots", "cpu.max: half", "cpu.stat: usage_usec x", "memory.current: -1"), limits{}},
		"v2, no period":                         {cgroup(v2, "cpu.max: 50000"), limits{}},
		"v2, a period of nothing":               {cgroup(v2, "cpu.max: 50000 0"), limits{}},

		"v1 without a limit": {
			cgroup("memory/memory.limit_in_bytes: 9223372036854771712", "memory/memory.usage_in_bytes: 5", "cpu/cpu.cfs_quota_us: -1", "cpu/cpu.cfs_period_us: 100000"),
			limits{memory: 9223372036854771712, memoryUsed: 5}, // more than any host has, see below
		},
		"v1, half a core": {
			cgroup("memory/memory.limit_in_bytes: 268435456", "memory/memory.usage_in_bytes: 104857600", "memory/memory.stat: cache 1|inactive_file 1|total_inactive_file 4857600",
				"cpu/cpu.cfs_quota_us: 50000", "cpu/cpu.cfs_period_us: 100000", "cpuacct/cpuacct.usage: 1500000000"),
			limits{memory: 268435456, memoryUsed: 100000000, cores: 0.5, cpuUsed: 1.5},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, readLimits(c.fs), cmp.AllowUnexported(limits{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAContainersLimitIsItsMachine(t *testing.T) {
	t.Parallel()
	host, err := mem.VirtualMemory()
	if err != nil {
		t.Fatal(err)
	}
	cores, err := cpu.Counts(true)
	if err != nil {
		t.Fatal(err)
	}
	total := int64(host.Total)
	for name, c := range map[string]struct {
		fs       fstest.MapFS
		total    int64
		mostFree int64
		cores    float64
	}{
		"no limit": {cgroup("cgroup.controllers: cpu", "memory.max: max", "cpu.max: max 100000"), total, total, float64(cores)},
		"below the host": {
			cgroup("cgroup.controllers: cpu", "memory.max: 1048576", "memory.current: 1000000", "cpu.max: 50000 100000"),
			1048576, 48576, 0.5,
		},
		"above the host": {
			cgroup("memory/memory.limit_in_bytes: 9223372036854771712", "memory/memory.usage_in_bytes: 1", "cpu/cpu.cfs_quota_us: 100000000", "cpu/cpu.cfs_period_us: 1000"),
			total, total, float64(cores),
		},
		"all of it in use": {cgroup("cgroup.controllers: cpu", "memory.max: 1048576", "memory.current: 2000000"), 1048576, 0, float64(cores)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &protocol.Heartbeat{}
			if err := newSampler(c.fs, cgroup()).sample(t.Context(), h); err != nil {
				t.Fatal(err)
			}
			s := h.System
			if *s.MemoryTotal != c.total || *s.MemoryFree < 0 || *s.MemoryFree > c.mostFree || *s.CPUCores != c.cores {
				t.Errorf("memory %d, free %d, cores %v", *s.MemoryTotal, *s.MemoryFree, *s.CPUCores)
			}
			if u := *s.CPUUsage; u < 0 || u > 100 || math.IsNaN(u) {
				t.Errorf("processor usage is %v", u)
			}
		})
	}
}

func TestAPartOfNothingIsNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ part, whole, want float64 }{
		{1, 2, 50}, {1, 3, 33.33}, {0, 1, 0}, {1, 0, 0}, {-1, 1, 0}, {3, 2, 100}, {1, -1, 0},
	} {
		if got := *percent(c.part, c.whole); got != c.want {
			t.Errorf("%v of %v is %v%%, not %v%%", c.part, c.whole, got, c.want)
		}
	}
}

func TestProcessorsOfACPUSet(t *testing.T) {
	t.Parallel()
	for list, want := range map[string][]int{
		"Cpus_allowed:\tff\nCpus_allowed_list:\t0-2,5\nMems_allowed_list:\t0": {0, 1, 2, 5},
		"Cpus_allowed_list:\t3":     {3},
		"Cpus_allowed_list:\t":      {0, 1, 2, 3, 4, 5}, // rubbish, or not told: all
		"Cpus_allowed_list:\t0-x":   {0, 1, 2, 3, 4, 5},
		"Cpus_allowed_list:\t99999": {0, 1, 2, 3, 4, 5},
		"":                          {0, 1, 2, 3, 4, 5},
	} {
		isOurs := processors(fstest.MapFS{"status": {Data: []byte(list)}})
		var got []int
		for n := range 6 {
			if isOurs(n) {
				got = append(got, n)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", list, diff)
		}
	}
}
