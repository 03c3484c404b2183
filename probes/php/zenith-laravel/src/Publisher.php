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
    private const SLOW_MOST = '1000';

    public function __construct(private Wire $wire)
    {
    }

    /**
     * @param array<string, string> $documents JSON by key
     * @param int $now Unix ms
     * @throws Throwable where not all of it could be written
     */
    public function publish(array $documents, int $ttlMs, int $now): void
    {
        $commands = [];
        $seen = ['ZADD', self::INDEX];
        foreach ($documents as $key => $json) {
            $commands[] = ['SET', $key, $json, 'PX', (string) $ttlMs];
            array_push($seen, (string) $now, $key);
        }
        $commands[] = $seen;
        $commands[] = ['ZREMRANGEBYSCORE', self::INDEX, '-inf', '(' . ($now - self::INDEX_LIFE_MS)];
        self::check($this->wire->ask($commands), 'publish ' . implode(' and ', array_keys($documents)));
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
