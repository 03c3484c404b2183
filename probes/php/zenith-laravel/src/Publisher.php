<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel;

use Gravito\ZenithLaravel\Redis\Refusal;
use Gravito\ZenithLaravel\Redis\Wire;
use RuntimeException;
use Throwable;

/**
 * Writes the protocol's keys, each with an end of life, in one round trip.
 */
final class Publisher
{
    public const INDEX = 'pulse:index';
    private const INDEX_LIFE_MS = 86_400_000;
    /** How far ahead of Redis' time a member of the index may be: more than a cluster's nodes are apart. */
    private const FUTURE_MS = 60_000;
    private const SLOW_MOST = '1000';

    private RedisClock $clock;

    public function __construct(private Wire $wire, ?RedisClock $clock = null)
    {
        $this->clock = $clock ?? new RedisClock();
    }

    /**
     * Unix ms by Redis' clock, for which it may have to be asked.
     */
    public function now(): int
    {
        return $this->clock->now($this->wire);
    }

    public function clock(): RedisClock
    {
        return $this->clock;
    }

    /**
     * The index forgets what was last seen a day ago, and what is noted for a time that has not come: that was a wrong
     * clock. Where this machine's own may be wrong it forgets nothing of the future; nor of the past, unless Redis
     * never tells its time and nobody else may clean up.
     *
     * @param array<string, string> $documents JSON by key
     * @throws Throwable where not all of it could be written
     */
    public function publish(array $documents, int $ttlMs): void
    {
        $now = $this->now();
        $commands = [];
        $seen = ['ZADD', self::INDEX];
        foreach ($documents as $key => $json) {
            $commands[] = ['SET', $key, $json, 'PX', (string) $ttlMs];
            array_push($seen, (string) $now, $key);
        }
        $commands[] = $seen;
        if ($this->clock->isKnown() || $this->clock->isRefused()) {
            $commands[] = ['ZREMRANGEBYSCORE', self::INDEX, '-inf', '(' . ($now - self::INDEX_LIFE_MS)];
        }
        if ($this->clock->isKnown()) {
            $commands[] = ['ZREMRANGEBYSCORE', self::INDEX, '(' . ($now + self::FUTURE_MS), '+inf'];
        }
        if (! $this->clock->isRefused()) {
            $commands[] = ['TIME'];
        }
        $asked = $this->clock->ran();
        $answers = $this->wire->ask($commands);
        if (! $this->clock->isRefused()) {
            $this->clock->answered(array_pop($answers), $asked); // that it is refused now is no failure
        }
        self::check($answers, 'publish ' . implode(' and ', array_keys($documents)));
    }

    /**
     * Appends to the stream of an app's slow entries, which keeps about the newest thousand.
     *
     * @param array<int, array<string, string>> $entries
     * @throws Throwable where not all of it could be written
     */
    public function slow(string $app, array $entries): void
    {
        $key = 'pulse:slow:' . $app;
        $commands = [];
        foreach ($entries as $entry) {
            $command = ['XADD', $key, 'MAXLEN', '~', self::SLOW_MOST, '*'];
            foreach ($entry as $field => $value) {
                array_push($command, $field, $value);
            }
            $commands[] = $command;
        }
        self::check($this->wire->ask($commands), 'append to ' . $key);
    }

    public function close(): void
    {
        $this->wire->close();
    }

    /**
     * @param array<int, mixed> $answers
     */
    private static function check(array $answers, string $what): void
    {
        foreach ($answers as $answer) {
            if ($answer instanceof Refusal) {
                throw new RuntimeException($what . ': ' . $answer->reason);
            }
        }
    }
}
