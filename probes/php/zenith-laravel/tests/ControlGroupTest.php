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
        self::assertSame([536870912, 476870912, 0.5, 2.5], [$g->memory, $g->memoryFree, $g->cores, $g->cpuUsed]);
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
        self::assertSame([1000, 500, 1.5, 1.5], [$g->memory, $g->memoryFree, $g->cores, $g->cpuUsed]);
        $g = ControlGroup::read($this->files(['cpu/cpu.cfs_quota_us' => '-1'] + $files));
        self::assertNull($g->cores);
    }

    /**
     * @dataProvider hierarchies
     * @param array<string, string> $files
     * @param array<int, mixed> $want
     */
    public function testTheLeastLimitOfAHierarchyCounts(array $files, string $own, array $want): void
    {
        $g = ControlGroup::read($this->files($files), $this->files(['self/cgroup' => $own . "\n"]));
        self::assertSame($want, [$g->memory, $g->memoryFree, $g->cores, $g->cpuUsed]);
    }

    /**
     * @return array<string, array<int, mixed>>
     */
    public function hierarchies(): array
    {
        $v2 = ['cgroup.controllers' => 'cpu memory'];
        $pod = $v2 + [
            'pod/memory.max' => '1000', 'pod/memory.current' => '990', 'pod/cpu.max' => '150000 100000',
            'pod/cpu.stat' => 'usage_usec 7000000', 'pod/app/memory.max' => 'max', 'pod/app/memory.current' => '100',
            'pod/app/cpu.max' => 'max 100000', 'pod/app/cpu.stat' => 'usage_usec 1000000',
        ];
        $none = '9223372036854771712';

        return [
            'of the pod only' => [$pod, '0::/pod/app', [1000, 10, 1.5, 7.0]],
            'a lower one of the container' => [
                ['pod/app/memory.max' => '500', 'pod/app/cpu.max' => '50000 100000'] + $pod,
                '0::/pod/app', [500, 10, 0.5, 1.0],
            ],
            'of another group' => [$pod, '0::/other', [null, null, null, 0.0]],
            'a group outside' => [$pod, '0::/../pod', [null, null, null, 0.0]],
            'a service of the host' => [
                $v2 + ['system.slice/shop.service/memory.max' => '1000'], '0::/system.slice/shop.service',
                [null, null, null, 0.0],
            ],
            'version 1, above and not to be seen' => [
                [
                    'memory/memory.limit_in_bytes' => $none, 'memory/memory.usage_in_bytes' => '300',
                    'memory/memory.stat' => "hierarchical_memory_limit 1000\ntotal_inactive_file 100",
                ],
                '4:memory:/kubepods/pod7/app', [1000, 800, null, 0.0],
            ],
            'version 1, of the pod only' => [
                [
                    'memory/pod7/memory.limit_in_bytes' => '1000', 'memory/pod7/memory.usage_in_bytes' => '400',
                    'memory/pod7/app/memory.limit_in_bytes' => $none, 'cpu/pod7/cpu.cfs_quota_us' => '150000',
                    'cpu/pod7/cpu.cfs_period_us' => '100000', 'cpu/pod7/app/cpu.cfs_quota_us' => '-1',
                    'cpuacct/pod7/cpuacct.usage' => '7000000000', 'cpuacct/pod7/app/cpuacct.usage' => '1000000000',
                ],
                "5:memory:/pod7/app\n4:cpu,cpuacct:/pod7/app", [1000, 600, 1.5, 7.0],
            ],
        ];
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
        $t = (new Sample($proc, $groups))->measure();
        self::assertSame([4096000, 3000000, 0.5], [
            $t['system']['memory_total'], $t['system']['memory_free'], $t['system']['cpu_cores'],
        ]);
        self::assertSame(12288, $t['process']['memory_rss']);
    }

    public function testWhatIsNotKnownIsAbsent(): void
    {
        $t = (new Sample('/nowhere', '/nowhere'))->measure();
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
