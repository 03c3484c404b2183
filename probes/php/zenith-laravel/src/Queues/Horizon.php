<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Queues;

use Gravito\ZenithLaravel\Redis\Refusal;
use Gravito\ZenithLaravel\Redis\Wire;
use Throwable;

/**
 * Reads what a Horizon keeps of its supervisors: how many processes work on which queue, and whether they are paused.
 */
final class Horizon
{
    /** How many supervisors are read at most. */
    private const MOST_SUPERVISORS = 1000;
    /** How long ago a supervisor's last beat may be, in seconds: Horizon's own limit. */
    private const ALIVE_FOR = 29;
    private const MOST_PROCESSES = 1_048_576;
    private const LONGEST_PROCESSES = 65_536;

    public function __construct(private Wire $wire)
    {
    }

    /**
     * @param int $now Unix ms
     * @throws Throwable where Redis cannot be asked
     */
    public function workers(int $now): Workers
    {
        $prefix = $this->wire->prefix();
        [$beats, $masters] = $this->wire->ask([
            ['ZRANGE', $prefix . 'supervisors', (string) -self::MOST_SUPERVISORS, '-1', 'WITHSCORES'],
            ['ZCARD', $prefix . 'masters'],
        ]);
        foreach ([$beats, $masters] as $answer) {
            if ($answer instanceof Refusal) {
                return Workers::unknown($answer->reason);
            }
        }
        $beats = is_array($beats) ? array_chunk($beats, 2) : [];
        $alive = array_filter($beats, static fn ($b) => (float) ($b[1] ?? 0) >= intdiv($now, 1000) - self::ALIVE_FOR);
        if (count($alive) >= self::MOST_SUPERVISORS) {
            return Workers::unknown('Horizon has more than ' . self::MOST_SUPERVISORS . ' supervisors');
        }
        $workers = new Workers($beats !== [] || (is_int($masters) && $masters > 0));
        $hashes = $this->wire->ask(array_map(
            static fn ($beat) => ['HMGET', $prefix . 'supervisor:' . $beat[0], 'processes', 'status'],
            array_values($alive)
        ));
        foreach ($hashes as $hash) {
            if (! $this->addSupervisor($workers, $hash)) {
                return Workers::unknown('the processes of a supervisor of Horizon cannot be read');
            }
        }

        return $workers;
    }

    private function addSupervisor(Workers $workers, mixed $hash): bool
    {
        if (! is_array($hash) || count($hash) !== 2) {
            return false;
        }
        [$processes, $status] = array_values($hash);
        if (! is_string($processes) || $processes === '') {
            return true; // it ended since
        }
        $pools = strlen($processes) > self::LONGEST_PROCESSES ? null : json_decode($processes, true);
        if (! is_array($pools)) {
            return false;
        }
        foreach ($pools as $pool => $count) {
            [$connection, $queues] = array_pad(explode(':', (string) $pool, 2), 2, null);
            if ($queues === null || ! is_int($count) || $count < 0 || $count > self::MOST_PROCESSES) {
                return false;
            }
            // Where Horizon doesn't balance, one pool works on several queues.
            foreach (array_unique(array_map([QueueKeys::class, 'nameOf'], explode(',', $queues))) as $queue) {
                $workers->add((string) $connection, $queue, $count, $status !== 'paused');
            }
        }

        return true;
    }
}
