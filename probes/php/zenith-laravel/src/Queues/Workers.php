<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Queues;

/**
 * The processes that Horizon supervises.
 */
final class Workers
{
    /** Why they are not known, or ''. */
    public string $why = '';
    /** @var array<string, array<string, array{processes: int, running: bool}>> by connection and queue */
    private array $pools = [];

    /**
     * @param bool $there whether there is a Horizon, alive or not
     */
    public function __construct(private bool $there)
    {
    }

    public static function unknown(string $why): self
    {
        $workers = new self(true);
        $workers->why = $why;

        return $workers;
    }

    public function add(string $connection, string $queue, int $processes, bool $running): void
    {
        $pool = $this->pools[$connection][$queue] ?? ['processes' => 0, 'running' => false];
        $this->pools[$connection][$queue] = [
            'processes' => $pool['processes'] + $processes,
            'running' => $pool['running'] || $running,
        ];
    }

    /**
     * The queues that somebody works on.
     *
     * @return array<int, string>
     */
    public function queuesOf(string $connection): array
    {
        return array_map('strval', array_keys($this->pools[$connection] ?? []));
    }

    /**
     * What a row's meta says: workers, and paused where all of them are.
     *
     * @param array<int, string> $connections
     * @return array<string, int|bool>
     */
    public function metaOf(array $connections, string $queue, Counts $counts): array
    {
        if ($this->why !== '' || ! $this->there) {
            return [];
        }
        $pools = [];
        foreach ($connections as $connection) {
            if (isset($this->pools[$connection][$queue])) {
                $pools[] = $this->pools[$connection][$queue];
            }
        }
        if ($pools !== []) {
            $paused = ! in_array(true, array_column($pools, 'running'), true);

            return ['workers' => array_sum(array_column($pools, 'processes'))] + ($paused ? ['paused' => true] : []);
        }
        if ($counts->active === null || $counts->stalled === null || $counts->active > $counts->stalled) {
            return []; // somebody works on it whom Horizon doesn't supervise
        }

        return ['workers' => 0];
    }
}
