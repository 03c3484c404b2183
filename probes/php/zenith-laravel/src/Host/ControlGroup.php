<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Host;

/**
 * What a container may use of its host, from the control group at the root: in a container that is the container's own.
 * On a host the root has no limits. Both layouts of Linux are read, version 2 and version 1.
 */
final class ControlGroup
{
    /** Bytes, or null where there is no limit. */
    public ?int $memory = null;
    /** Bytes, without what the kernel could drop at once. */
    public int $memoryUsed = 0;
    /** May be a part of one; null where there is no limit. */
    public ?float $cores = null;
    /** Seconds since the container began. */
    public float $cpuUsed = 0.0;

    public static function read(string $root = '/sys/fs/cgroup'): self
    {
        $g = new self();
        if (is_file($root . '/cgroup.controllers')) {
            $g->memory = self::integer($root . '/memory.max');
            $used = self::integer($root . '/memory.current') ?? 0;
            $g->memoryUsed = max(0, $used - self::field($root . '/memory.stat', 'inactive_file'));
            $g->cpuUsed = self::field($root . '/cpu.stat', 'usage_usec') / 1e6;
            [$quota, $period] = array_pad(explode(' ', self::text($root . '/cpu.max')), 2, '');
        } else {
            $g->memory = self::integer($root . '/memory/memory.limit_in_bytes');
            $used = self::integer($root . '/memory/memory.usage_in_bytes') ?? 0;
            $g->memoryUsed = max(0, $used - self::field($root . '/memory/memory.stat', 'total_inactive_file'));
            $g->cpuUsed = (self::integer($root . '/cpuacct/cpuacct.usage') ?? 0) / 1e9;
            $quota = self::text($root . '/cpu/cpu.cfs_quota_us'); // -1 is no limit
            $period = self::text($root . '/cpu/cpu.cfs_period_us');
        }
        if (ctype_digit($quota) && ctype_digit($period) && (int) $quota > 0 && (int) $period > 0) {
            $g->cores = (int) $quota / (int) $period;
        }

        return $g;
    }

    private static function text(string $file): string
    {
        return trim((string) @file_get_contents($file)); // not there: no limit of that kind
    }

    private static function integer(string $file): ?int
    {
        $text = self::text($file);

        return ctype_digit($text) ? (int) $text : null;
    }

    private static function field(string $file, string $name): int
    {
        return preg_match('/^' . $name . ' (\d+)$/m', self::text($file), $m) === 1 ? (int) $m[1] : 0;
    }
}
