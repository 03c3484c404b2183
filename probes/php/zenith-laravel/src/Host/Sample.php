<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Host;

/**
 * Looks at this host and this process. Processor usage is since the look before. What a platform does not tell is
 * absent: all but Linux tell little.
 */
final class Sample
{
    /** How long the processor is watched before the first heartbeat, in microseconds. */
    private const FIRST_LOOK = 250_000;

    /** @var array{at: float, busy: ?float, total: ?float, process: float, group: float} */
    private array $last;

    public function __construct(private string $proc = '/proc', private string $groups = '/sys/fs/cgroup')
    {
        $this->last = $this->times(ControlGroup::read($groups, $proc));
        usleep(self::FIRST_LOOK);
    }

    /**
     * @return array{system: array<string, mixed>, process: array<string, mixed>}
     */
    public function measure(): array
    {
        $group = ControlGroup::read($this->groups, $this->proc);
        $now = $this->times($group);
        $wall = max($now['at'] - $this->last['at'], 1e-6);
        $cores = self::known(preg_match_all('/^cpu\d+ /m', $this->text('stat')));
        $usage = self::percent($now, $this->last);
        if ($group->cores !== null && $cores !== null && $group->cores < $cores) {
            // In a container its share is the machine.
            $cores = round($group->cores, 2);
            $usage = self::bounded(100 * ($now['group'] - $this->last['group']) / ($wall * $group->cores));
        }
        $own = round(max(100 * ($now['process'] - $this->last['process']) / $wall, 0), 2);
        $this->last = $now;
        $system = ['cpu_usage' => $usage, 'cpu_cores' => $cores] + $this->memory($group) + self::disk();

        $started = (float) ($_SERVER['REQUEST_TIME_FLOAT'] ?? microtime(true));

        return [
            'system' => [
                'hostname' => (string) (gethostname() ?: 'unknown'),
                'platform' => strtolower(PHP_OS_FAMILY),
            ] + self::present($system) + ['load_avg' => self::load()],
            'process' => self::present([
                'pid' => getmypid() ?: null,
                'uptime' => round(max(microtime(true) - $started, 0), 2),
                'cpu_usage' => $own,
                'memory_rss' => $this->kilobytes('self/status', 'VmRSS'),
                'memory_heap' => memory_get_usage(),
            ]),
        ];
    }

    /**
     * @return array{at: float, busy: ?float, total: ?float, process: float, group: float} seconds of processor time
     */
    private function times(ControlGroup $group): array
    {
        $busy = $total = null;
        if (preg_match('/^cpu +([\d ]+)$/m', $this->text('stat'), $m) === 1) {
            // user nice system idle iowait irq softirq steal; what guests use is in user and nice already
            $ticks = array_map('floatval', array_pad(array_slice(explode(' ', trim($m[1])), 0, 8), 8, '0'));
            $total = array_sum($ticks);
            $busy = $total - $ticks[3] - $ticks[4];
        }
        $own = function_exists('getrusage') ? (getrusage() ?: []) : [];
        $process = 0.0;
        foreach (['ru_utime', 'ru_stime'] as $kind) {
            $process += ($own[$kind . '.tv_sec'] ?? 0) + ($own[$kind . '.tv_usec'] ?? 0) / 1e6;
        }

        return [
            'at' => hrtime(true) / 1e9,
            'busy' => $busy,
            'total' => $total,
            'process' => $process,
            'group' => $group->cpuUsed,
        ];
    }

    /**
     * @return array<string, ?int> bytes
     */
    private function memory(ControlGroup $group): array
    {
        $total = $this->kilobytes('meminfo', 'MemTotal');
        $free = $this->kilobytes('meminfo', 'MemAvailable');
        if ($group->memory !== null && $total !== null && $group->memory < $total) {
            $total = $group->memory;
            $free = min($group->memoryFree ?? $total, $free ?? $total);
        }

        return ['memory_total' => $total, 'memory_free' => $free];
    }

    /**
     * @return array<string, ?int> bytes
     */
    private static function disk(): array
    {
        $root = __DIR__; // where the application is
        $total = @disk_total_space($root);
        $free = @disk_free_space($root);

        return [
            'disk_total' => $total === false ? null : (int) $total,
            'disk_free' => $free === false ? null : (int) $free,
        ];
    }

    /**
     * @return array<int, float> of 1, 5 and 15 minutes; empty where there is none
     */
    private static function load(): array
    {
        $load = function_exists('sys_getloadavg') ? sys_getloadavg() : false;

        return $load === false ? [] : array_map(static fn ($l) => round($l, 2), $load);
    }

    private function text(string $file): string
    {
        return (string) @file_get_contents($this->proc . '/' . $file);
    }

    private function kilobytes(string $file, string $name): ?int
    {
        return preg_match('/^' . $name . ':\s+(\d+) kB$/m', $this->text($file), $m) === 1 ? 1024 * (int) $m[1] : null;
    }

    private static function known(int|false $count): ?int
    {
        return $count === false || $count === 0 ? null : $count;
    }

    /**
     * @param array{busy: ?float, total: ?float} $now
     * @param array{busy: ?float, total: ?float} $before
     */
    private static function percent(array $now, array $before): ?float
    {
        if ($now['total'] === null || $before['total'] === null || $now['total'] <= $before['total']) {
            return null;
        }

        return self::bounded(100 * ($now['busy'] - $before['busy']) / ($now['total'] - $before['total']));
    }

    private static function bounded(float $percent): float
    {
        return round(min(max($percent, 0), 100), 2);
    }

    /**
     * @param array<string, mixed> $values
     * @return array<string, mixed>
     */
    private static function present(array $values): array
    {
        return array_filter($values, static fn ($value) => $value !== null);
    }
}
