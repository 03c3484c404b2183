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
	const noLimitV1 = "9223372036854771712"
	for name, c := range map[string]struct {
		fs   fstest.MapFS
		own  string // /proc/self/cgroup
		want limits
	}{
		"no control groups": {cgroup(), "", limits{}},

		"v2 without a limit":  {cgroup(v2, "memory.max: max", "memory.current: 1000", "cpu.max: max 100000"), "0::/", limits{}},
		"v2, the host's root": {cgroup(v2, "cpu.stat: usage_usec 5000000|user_usec 1"), "0::/", limits{}},
		"v2, half a core": {
			cgroup(v2, "memory.max: 268435456", "memory.current: 104857600", "memory.stat: anon 1|inactive_file 4857600|active_file 7",
				"cpu.max: 50000 100000", "cpu.stat: usage_usec 1500000"),
			"0::/", limits{memory: 268435456, memoryFree: 168435456, cores: 0.5, cpuUsed: 1.5},
		},
		"v2, two cores and a half":              {cgroup(v2, "cpu.max: 250000 100000"), "", limits{cores: 2.5}},
		"v2, more cache than use":               {cgroup(v2, "memory.max: 100", "memory.current: 10", "memory.stat: inactive_file 20"), "", limits{memory: 100, memoryFree: 100}},
		"v2, a field that only begins the same": {cgroup(v2, "memory.max: 100", "memory.current: 10", "memory.stat: inactive_file_x 3|inactive_file 4"), "", limits{memory: 100, memoryFree: 94}},
		"v2, rubbish":                           {cgroup(v2, "memory.max: lots", "cpu.max: half", "cpu.stat: usage_usec x", "memory.current: -1"), "rubbish", limits{}},
		"v2, no period":                         {cgroup(v2, "cpu.max: 50000"), "", limits{}},
		"v2, a period of nothing":               {cgroup(v2, "cpu.max: 50000 0"), "", limits{}},

		"v2, limits of the pod only": {
			cgroup(v2, "kubepods/pod7/memory.max: 1000", "kubepods/pod7/memory.current: 300", "kubepods/pod7/cpu.max: 150000 100000", "kubepods/pod7/cpu.stat: usage_usec 7000000",
				"kubepods/pod7/app/memory.max: max", "kubepods/pod7/app/memory.current: 100", "kubepods/pod7/app/cpu.max: max 100000", "kubepods/pod7/app/cpu.stat: usage_usec 1000000"),
			"0::/kubepods/pod7/app", limits{memory: 1000, memoryFree: 700, cores: 1.5, cpuUsed: 7},
		},
		"v2, a lower limit of the container": {
			cgroup(v2, "pod/memory.max: 1000", "pod/memory.current: 990", "pod/cpu.max: 150000 100000", "pod/cpu.stat: usage_usec 7000000",
				"pod/app/memory.max: 500", "pod/app/memory.current: 100", "pod/app/cpu.max: 50000 100000", "pod/app/cpu.stat: usage_usec 1000000"),
			"0::/pod/app", limits{memory: 500, memoryFree: 10, cores: 0.5, cpuUsed: 1}, // the pod's neighbours have the rest
		},
		"v2, of another group":           {cgroup(v2, "docker/other/memory.max: 1000", "docker/own/memory.max: max"), "0::/docker/own", limits{}},
		"v2, a group that is not here":   {cgroup(v2, "memory.max: 1000"), "0::/docker/1f2e", limits{memory: 1000, memoryFree: 1000}},
		"v2, a group outside":            {cgroup(v2, "memory.max: 1000"), "0::/../../other", limits{memory: 1000, memoryFree: 1000}},
		"v2, a service of the host":      {cgroup(v2, "system.slice/pulse-host.service/memory.max: 1000"), "0::/system.slice/pulse-host.service", limits{}},
		"v2, a container of the systemd": {cgroup(v2, "system.slice/docker-1f2e.scope/memory.max: 1000"), "0::/system.slice/docker-1f2e.scope", limits{memory: 1000, memoryFree: 1000}},

		"v1 without a limit": {
			cgroup("memory/memory.limit_in_bytes: "+noLimitV1, "memory/memory.usage_in_bytes: 5", "cpu/cpu.cfs_quota_us: -1", "cpu/cpu.cfs_period_us: 100000"),
			"", limits{memory: 9223372036854771712, memoryFree: 9223372036854771707}, // more than any host has, see below
		},
		"v1, half a core": {
			cgroup("memory/memory.limit_in_bytes: 268435456", "memory/memory.usage_in_bytes: 104857600", "memory/memory.stat: cache 1|inactive_file 1|total_inactive_file 4857600",
				"cpu/cpu.cfs_quota_us: 50000", "cpu/cpu.cfs_period_us: 100000", "cpuacct/cpuacct.usage: 1500000000"),
			"4:memory:/docker/1f2e|3:cpu,cpuacct:/docker/1f2e", // not to be seen from inside
			limits{memory: 268435456, memoryFree: 168435456, cores: 0.5, cpuUsed: 1.5},
		},
		"v1, a limit of a group above that cannot be seen": {
			cgroup("memory/memory.limit_in_bytes: "+noLimitV1, "memory/memory.usage_in_bytes: 300", "memory/memory.stat: cache 1|hierarchical_memory_limit 1000|total_inactive_file 100"),
			"4:memory:/kubepods/pod7/app", limits{memory: 1000, memoryFree: 800},
		},
		"v1, limits of the pod only": {
			cgroup("memory/memory.limit_in_bytes: "+noLimitV1, "memory/pod7/memory.limit_in_bytes: 1000", "memory/pod7/memory.usage_in_bytes: 400",
				"memory/pod7/app/memory.limit_in_bytes: "+noLimitV1, "memory/pod7/app/memory.usage_in_bytes: 100", "cpu/pod7/cpu.cfs_quota_us: 150000", "cpu/pod7/cpu.cfs_period_us: 100000",
				"cpu/pod7/app/cpu.cfs_quota_us: -1", "cpu/pod7/app/cpu.cfs_period_us: 100000", "cpuacct/pod7/cpuacct.usage: 7000000000", "cpuacct/pod7/app/cpuacct.usage: 1000000000"),
			"5:memory:/pod7/app|4:cpu,cpuacct:/pod7/app|1:name=systemd:/x", limits{memory: 1000, memoryFree: 600, cores: 1.5, cpuUsed: 7},
		},
		"v1, of another controller": {
			cgroup("memory/a/memory.limit_in_bytes: 1000", "memory/b/memory.limit_in_bytes: 10"), "5:memory:/a|4:cpu:/b", limits{memory: 1000, memoryFree: 1000},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, readLimits(c.fs, cgroup("cgroup: "+c.own)), cmp.AllowUnexported(limits{})); diff != "" {
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
