<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Host;

/**
 * What a container may use of its host, from the control groups that this process is in: its own, and those above it as
 * far as they can be seen. The least limit counts, of which the usage is, too: a pod may have one for all of its
 * containers. In most containers the root is their own group, and those above cannot be seen.
 *
 * What limits a service of the host alone is not what the host has: of that the root is read only. Both layouts of
 * Linux are read, version 2 and version 1.
 */
final class ControlGroup
{
    /** Bytes, or null where there is no limit. */
    public ?int $memory = null;
    /** Bytes, also what the kernel could drop at once; null where there is no limit. */
    public ?int $memoryFree = null;
    /** May be a part of one; null where there is no limit. */
    public ?float $cores = null;
    /** Seconds of processor time, of all that share the cores, since their control group began. */
    public float $cpuUsed = 0.0;

    public static function read(string $root = '/sys/fs/cgroup', string $proc = '/proc'): self
    {
        $g = new self();
        $own = self::own(self::text($proc . '/self/cgroup'));
        if (is_file($root . '/cgroup.controllers')) {
            foreach (self::upwards($root, $own[''] ?? '') as $folder) {
                $used = self::integer($folder . '/memory.current') ?? 0;
                $cache = self::field($folder . '/memory.stat', 'inactive_file') ?? 0;
                $g->addMemory(self::integer($folder . '/memory.max'), $used - $cache);
                [$quota, $period] = array_pad(explode(' ', self::text($folder . '/cpu.max')), 2, '');
                $g->addCores($quota, $period, (self::field($folder . '/cpu.stat', 'usage_usec') ?? 0) / 1e6);
            }

            return $g;
        }
        foreach (self::upwards($root . '/memory', $own['memory'] ?? '') as $folder) {
            $used = self::integer($folder . '/memory.usage_in_bytes') ?? 0;
            $used -= self::field($folder . '/memory.stat', 'total_inactive_file') ?? 0;
            $g->addMemory(self::integer($folder . '/memory.limit_in_bytes'), $used);
            // The least limit of this group and of those above, also where they cannot be seen.
            $g->addMemory(self::field($folder . '/memory.stat', 'hierarchical_memory_limit'), $used);
        }
        foreach (self::upwards($root . '/cpu', $own['cpu'] ?? '') as $folder) {
            $group = substr($folder, strlen($root . '/cpu'));
            $g->addCores(
                self::text($folder . '/cpu.cfs_quota_us'), // -1 is no limit
                self::text($folder . '/cpu.cfs_period_us'),
                (self::integer($root . '/cpuacct' . $group . '/cpuacct.usage') ?? 0) / 1e9
            );
        }

        return $g;
    }

    /**
     * Takes the memory of one control group: what is free is so in all of them.
     */
    private function addMemory(?int $limit, int $used): void
    {
        if ($limit !== null && $limit > 0) {
            $free = max(0, $limit - max(0, $used));
            $this->memory = min($this->memory ?? $limit, $limit);
            $this->memoryFree = min($this->memoryFree ?? $free, $free);
        }
    }

    private function addCores(string $quota, string $period, float $used): void
    {
        if (ctype_digit($quota) && ctype_digit($period) && (int) $quota > 0 && (int) $period > 0) {
            $cores = (int) $quota / (int) $period;
            if ($this->cores === null || $cores < $this->cores) {
                $this->cores = $cores;
                $this->cpuUsed = $used;
            }
        }
    }

    /**
     * The control groups of a process by controller, '' in version 2, from lines such as 0::/docker/1f2e and
     * 4:cpu,cpuacct:/docker/1f2e.
     *
     * @return array<string, string>
     */
    private static function own(string $lines): array
    {
        $groups = [];
        foreach (explode("\n", $lines) as $line) {
            [, $controllers, $group] = array_pad(explode(':', $line, 3), 3, '');
            foreach (explode(',', $controllers) as $controller) {
                $groups[$controller] = $group;
            }
        }

        return $groups;
    }

    /**
     * The folders of a control group and of those above it, the root of its hierarchy last. It is the root alone where
     * the group's folder is not to be seen from here, or the group is a service of the host.
     *
     * @return array<int, string>
     */
    private static function upwards(string $root, string $group): array
    {
        $group = trim($group, '/');
        if (
            $group === '' || str_contains('/' . $group . '/', '/../') || str_ends_with($group, '.service')
            || ! is_dir($root . '/' . $group)
        ) {
            return [$root];
        }
        $folders = [];
        for ($folder = $root . '/' . $group; $folder !== $root; $folder = dirname($folder)) {
            $folders[] = $folder;
        }
        $folders[] = $root;

        return $folders;
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

    private static function field(string $file, string $name): ?int
    {
        return preg_match('/^' . $name . ' (\d+)$/m', self::text($file), $m) === 1 ? (int) $m[1] : null;
    }
}
