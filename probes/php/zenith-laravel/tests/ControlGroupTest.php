<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Host\ControlGroup;
use Gravito\ZenithLaravel\Host\Sample;

final class ControlGroupTest extends Servers
{
    public function testVersion2(): void
    {
        $g = ControlGroup::read($this->files([
            'cgroup.controllers' => 'cpu memory', 'memory.max' => "536870912\n", 'memory.current' => "100000000\n",
            'memory.stat' => "anon 5\ninactive_file 40000000\n", 'cpu.stat' => "usage_usec 2500000\nuser_usec 1\n",
            'cpu.max' => "50000 100000\n",
        ]));
        self::assertSame([536870912, 60000000, 0.5, 2.5], [$g->memory, $g->memoryUsed, $g->cores, $g->cpuUsed]);
    }

    public function testVersion2WithoutLimits(): void
    {
        $g = ControlGroup::read($this->files([
            'cgroup.controllers' => '', 'memory.max' => "max\n", 'cpu.max' => "max 100000\n",
        ]));
        self::assertSame([null, null], [$g->memory, $g->cores]);
    }

    public function testVersion1(): void
    {
        $files = [
            'memory/memory.limit_in_bytes' => "1000\n", 'memory/memory.usage_in_bytes' => "700\n",
            'memory/memory.stat' => "inactive_file 1\ntotal_inactive_file 200\n",
            'cpuacct/cpuacct.usage' => "1500000000\n", 'cpu/cpu.cfs_quota_us' => '150000',
            'cpu/cpu.cfs_period_us' => '100000',
        ];
        $g = ControlGroup::read($this->files($files));
        self::assertSame([1000, 500, 1.5, 1.5], [$g->memory, $g->memoryUsed, $g->cores, $g->cpuUsed]);
        $g = ControlGroup::read($this->files(['cpu/cpu.cfs_quota_us' => '-1'] + $files));
        self::assertNull($g->cores);
    }

    public function testAContainersMemoryIsItsLimit(): void
    {
        $groups = $this->files([
            'cgroup.controllers' => '', 'memory.max' => '4096000', 'memory.current' => '1096000',
            'cpu.max' => '50000 100000',
        ]);
        $proc = $this->files([
            'stat' => "cpu  10 0 10 80 0 0 0 0 0 0\ncpu0 1 2\ncpu1 1 2\n",
            'meminfo' => "MemTotal:       8000 kB\nMemFree: 1 kB\nMemAvailable:   7000 kB\n",
            'self/status' => "VmRSS:\t   12 kB\n",
        ]);
        $t = (new Sample($proc, $groups))->take();
        self::assertSame([4096000, 3000000, 0.5], [
            $t['system']['memory_total'], $t['system']['memory_free'], $t['system']['cpu_cores'],
        ]);
        self::assertSame(12288, $t['process']['memory_rss']);
    }

    public function testWhatIsNotKnownIsAbsent(): void
    {
        $t = (new Sample('/nowhere', '/nowhere'))->take();
        foreach (['cpu_usage', 'cpu_cores', 'memory_total', 'memory_free'] as $number) {
            self::assertArrayNotHasKey($number, $t['system']);
        }
        self::assertArrayNotHasKey('memory_rss', $t['process']);
        self::assertSame(getmypid(), $t['process']['pid']);
    }

    /**
     * @param array<string, string> $files
     */
    private function files(array $files): string
    {
        $folder = $this->folder();
        foreach ($files as $name => $text) {
            @mkdir(dirname($folder . '/' . $name), 0755, true);
            file_put_contents($folder . '/' . $name, $text);
        }

        return $folder;
    }
}
