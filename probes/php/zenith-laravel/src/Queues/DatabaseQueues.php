<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Queues;

use Illuminate\Contracts\Foundation\Application;

/**
 * Counts the queues of Laravel's database driver, all of a table in one statement.
 */
final class DatabaseQueues
{
    public function __construct(private Application $app)
    {
    }

    /**
     * @param array<string, mixed> $connection of config/queue.php
     * @param int $now Unix ms
     * @return array<string, Counts> by name; only queues that have jobs
     */
    public function count(array $connection, int $now): array
    {
        $seconds = intdiv($now, 1000);
        $over = $seconds - (int) ($connection['retry_after'] ?? 60);
        $ready = 'reserved_at is null and available_at <= ' . $seconds;
        $later = 'reserved_at is null and available_at > ' . $seconds;
        $rows = $this->app->make('db')->connection($connection['connection'] ?? null)
            ->table($connection['table'] ?? 'jobs')
            ->select('queue')
            ->selectRaw('sum(case when ' . $ready . ' then 1 else 0 end) as waiting')
            ->selectRaw('sum(case when ' . $later . ' then 1 else 0 end) as later')
            ->selectRaw('sum(case when reserved_at is not null then 1 else 0 end) as active')
            ->selectRaw('sum(case when reserved_at <= ' . $over . ' then 1 else 0 end) as stalled')
            ->selectRaw('min(case when ' . $ready . ' then created_at end) as oldest')
            ->groupBy('queue')
            ->get();
        $counts = [];
        foreach ($rows as $row) {
            $c = $counts[(string) $row->queue] = new Counts();
            $c->waiting = (int) $row->waiting;
            $c->delayed = (int) $row->later;
            $c->active = (int) $row->active;
            $c->stalled = (int) $row->stalled;
            $c->oldestAt = $row->oldest === null ? null : 1000 * (int) $row->oldest;
        }

        return $counts;
    }
}
