<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Queues;

use Gravito\ZenithLaravel\Redis\Refusal;
use Gravito\ZenithLaravel\Redis\Wire;
use Throwable;

/**
 * Counts queues of Laravel's redis driver: all of a connection in one pipeline, and in a second one what only those
 * with jobs are asked.
 *
 * Never by the library's size(), which is waiting, delayed and reserved together.
 */
final class RedisQueues
{
    /** How long a list isn't asked for its next job after one that didn't tell when it was made. */
    private const ASK_AGAIN_MS = 60_000;

    /** @var array<string, int> when a list is asked for its next job again, Unix ms, by key */
    private array $askAgainAt = [];

    public function __construct(private Wire $wire)
    {
    }

    /**
     * @param array<string, array<int, string>> $queues spellings by name
     * @param int $now Unix ms
     * @return array<string, Counts> by name
     * @throws Throwable where Redis cannot be asked
     */
    public function count(array $queues, int $now): array
    {
        $prefix = $this->wire->prefix() . 'queues:';
        $lists = [];
        $ask = [];
        foreach ($queues as $name => $spellings) {
            foreach ($spellings as $spelling) {
                $key = $prefix . $spelling;
                $lists[] = [(string) $name, $key];
                array_push(
                    $ask,
                    ['LLEN', $key],
                    ['ZCARD', $key . QueueKeys::DELAYED],
                    ['ZCARD', $key . QueueKeys::RESERVED]
                );
            }
        }
        $counts = array_map(static fn () => new Counts(), $queues);
        $answers = $this->wire->ask($ask);
        $busy = [];
        foreach ($lists as $i => [$name, $key]) {
            [$waiting, $delayed, $reserved] = array_slice($answers, 3 * $i, 3);
            $counts[$name]->add('waiting', $waiting);
            $counts[$name]->add('delayed', $delayed);
            $counts[$name]->add('active', $reserved);
            $busy[] = [$name, $key, is_int($waiting) && $waiting > 0, is_int($reserved) && $reserved > 0];
        }
        $this->lookCloser($counts, $busy, $now);

        return $counts;
    }

    /**
     * Asks when the next job was made, and how many reservations are over.
     *
     * @param array<string, Counts> $counts
     * @param array<int, array{string, string, bool, bool}> $lists
     */
    private function lookCloser(array $counts, array $lists, int $now): void
    {
        $ask = [];
        $about = [];
        foreach ($lists as [$name, $key, $waits, $works]) {
            if ($waits && ($this->askAgainAt[$key] ?? 0) <= $now) {
                $ask[] = ['LINDEX', $key, '0'];
                $about[] = [$name, $key];
            }
            if ($works) {
                $ask[] = ['ZCOUNT', $key . QueueKeys::RESERVED, '-inf', '(' . intdiv($now, 1000)];
                $about[] = [$name, null];
            }
        }
        foreach ($this->wire->ask($ask) as $i => $answer) {
            [$name, $key] = $about[$i];
            if ($key === null) {
                $counts[$name]->add('stalled', $answer);
            } else {
                $this->addAge($counts[$name], $key, $answer, $now);
            }
        }
        foreach ($counts as $c) {
            if ($c->active === null) {
                $c->stalled = null;
            }
        }
    }

    private function addAge(Counts $counts, string $key, mixed $payload, int $now): void
    {
        if ($payload instanceof Refusal) {
            $counts->why[] = 'oldest_at: ' . $payload->reason;
        }
        if (! is_string($payload)) {
            return; // it was taken since
        }
        $at = JobTime::of($payload);
        if ($at === null) {
            $this->askAgainAt[$key] = $now + self::ASK_AGAIN_MS;
        } else {
            $counts->oldestAt = min($counts->oldestAt ?? $now, $at, $now);
        }
    }
}
