package recorder

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	goruntime "runtime"
	"runtime/metrics"
	"time"

	"github.com/shirou/gopsutil/v4/common"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/gravito-framework/pulse/protocol"
)

// firstLook is how long the processor is watched before the first heartbeat.
const firstLook = 250 * time.Millisecond

// sampler looks at the host and this process. Processor usage is since the look before.
type sampler struct {
	cgroup   fs.FS
	procSelf fs.FS // /proc/self
	self     *process.Process
	last     times
}

// times is how much processor time was used up to a moment, in seconds.
type times struct {
	at              time.Time
	cores           int     // that this process may run on
	busy, total     float64 // of those
	process, limits float64 // of this process; of its container
}

func newSampler(cgroup, procSelf fs.FS) *sampler { return &sampler{cgroup: cgroup, procSelf: procSelf} }

// own is a context for looking at this process: with HOST_PROC set, which shows the host's processes, its
// number would be another's.
func own(ctx context.Context) context.Context {
	return context.WithValue(ctx, common.EnvKey, common.EnvMap{common.HostProcEnvKey: "/proc"})
}

func (s *sampler) sample(ctx context.Context, h *protocol.Heartbeat) error {
	if s.self == nil {
		self, err := process.NewProcessWithContext(own(ctx), int32(os.Getpid())) //nolint:gosec // a pid fits
		if err != nil {
			return fmt.Errorf("find this process: %w", err)
		}
		s.self = self
	}
	limits := readLimits(s.cgroup, s.procSelf)
	if s.last.at.IsZero() {
		var err error
		if s.last, err = s.times(ctx, limits); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(firstLook):
		}
		limits = readLimits(s.cgroup, s.procSelf)
	}
	if err := s.processor(ctx, h, limits); err != nil {
		return err
	}
	return s.memory(ctx, h, limits)
}

func (s *sampler) times(ctx context.Context, limits limits) (times, error) {
	t := times{at: time.Now(), limits: limits.cpuUsed}
	all, err := cpu.TimesWithContext(ctx, true)
	if err != nil {
		return t, fmt.Errorf("read the host's processor times: %w", err)
	}
	isOurs := processors(s.procSelf)
	for _, c := range all {
		if !isOurs(processorNumber(c.CPU)) {
			continue
		}
		// Guests' time is in user and nice already.
		busy := c.User + c.Nice + c.System + c.Irq + c.Softirq + c.Steal
		t.cores++
		t.busy += busy
		t.total += busy + c.Idle + c.Iowait
	}
	self, err := s.self.TimesWithContext(own(ctx))
	if err != nil {
		return t, fmt.Errorf("read this process' processor times: %w", err)
	}
	t.process = self.User + self.System
	return t, nil
}

func (s *sampler) processor(ctx context.Context, h *protocol.Heartbeat, limits limits) error {
	now, err := s.times(ctx, limits)
	if err != nil {
		return err
	}
	cores := now.cores
	wall := now.at.Sub(s.last.at).Seconds()
	h.System.CPUCores = new(float64(cores))
	h.System.CPUUsage = percent(now.busy-s.last.busy, now.total-s.last.total)
	if limits.cores > 0 && limits.cores < float64(cores) {
		// In a container its share is the machine.
		h.System.CPUCores = new(limits.cores)
		h.System.CPUUsage = percent(now.limits-s.last.limits, wall*limits.cores)
	}
	h.Process.CPUUsage = new(round(max(100*(now.process-s.last.process)/wall, 0)))
	s.last = now
	h.System.LoadAvg = []float64{}
	if l, err := load.AvgWithContext(ctx); err == nil { // Windows has none
		h.System.LoadAvg = []float64{round(l.Load1), round(l.Load5), round(l.Load15)}
	}
	return nil
}

func (s *sampler) memory(ctx context.Context, h *protocol.Heartbeat, limits limits) error {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read the host's memory: %w", err)
	}
	total, free := m.Total, m.Available
	if limits.memory > 0 && limits.memory < total {
		total, free = limits.memory, min(limits.memoryFree, free)
	}
	h.System.MemoryTotal, h.System.MemoryFree = bytes(total), bytes(free)
	root := "/"
	if goruntime.GOOS == "windows" {
		root = os.Getenv("SystemDrive") + `\`
	}
	if d, err := disk.UsageWithContext(ctx, root); err == nil {
		h.System.DiskTotal, h.System.DiskFree = bytes(d.Total), bytes(d.Free)
	}
	self, err := s.self.MemoryInfoWithContext(own(ctx))
	if err != nil {
		return fmt.Errorf("read this process' memory: %w", err)
	}
	h.Process.MemoryRSS = bytes(self.RSS)
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	h.Process.MemoryHeap = bytes(heap[0].Value.Uint64())
	started, err := s.self.CreateTimeWithContext(own(ctx))
	if err != nil {
		return fmt.Errorf("find when this process started: %w", err)
	}
	h.Process.Uptime = new(round(max(time.Since(time.UnixMilli(started)).Seconds(), 0)))
	return nil
}

func bytes(n uint64) *int64 { return new(int64(min(n, protocol.MaxCount))) }

// percent is part of whole, 0 to 100.
func percent(part, whole float64) *float64 {
	if whole <= 0 {
		return new(0.0)
	}
	return new(round(min(max(100*part/whole, 0), 100)))
}

// round keeps two digits: more would be noise, and bytes in Redis.
func round(f float64) float64 { return math.Round(f*100) / 100 }
