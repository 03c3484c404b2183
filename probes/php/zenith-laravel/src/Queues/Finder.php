<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Queues;

use Gravito\ZenithLaravel\Redis\Wire;
use Gravito\ZenithLaravel\State;
use Throwable;

/**
 * Finds queues by their keys: a few thousand keys at each report, however many there are, and on from there at the
 * next.
 *
 * A queue without jobs has no key. One that was found is remembered for a day, in a file, because the process that
 * reports lives for a minute.
 */
final class Finder
{
    /** How many calls of SCAN a report makes at most, and how many keys each looks at. */
    private const CALLS = 5;
    private const KEYS = 1000;
    private const REMEMBER_MS = 86_400_000;
    private const REMEMBER_MOST = 10_000;

    public function __construct(private Wire $wire, private State $state, private string $store)
    {
    }

    /**
     * @param int $now Unix ms
     * @return array<int, string> spellings
     * @throws Throwable where Redis cannot be asked
     */
    public function find(int $now): array
    {
        $memory = $this->state->read('found-' . $this->store);
        $seen = is_array($memory['seen'] ?? null) ? $memory['seen'] : [];
        $cursor = is_string($memory['cursor'] ?? null) && ctype_digit($memory['cursor']) ? $memory['cursor'] : '0';
        $prefix = $this->wire->prefix() . 'queues:';
        $doubtful = [];
        if (! $this->wire->isCluster()) {
            for ($calls = 0; $calls < self::CALLS && ($calls === 0 || $cursor !== '0'); $calls++) {
                [$cursor, $keys] = $this->scan($cursor, $prefix);
                foreach ($keys as $key) {
                    [$queue, $part] = QueueKeys::split(substr($key, strlen($prefix)));
                    if ($part === '') {
                        $seen[$queue] = $now;
                    } elseif ($part !== QueueKeys::NOTIFY) {
                        $doubtful[$queue . $part] = $queue;
                    }
                }
            }
            foreach ($this->settle($doubtful, $prefix) as $queue) {
                $seen[$queue] = $now;
            }
        }
        $seen = array_filter($seen, static fn ($at) => is_int($at) && $at > $now - self::REMEMBER_MS);
        arsort($seen);
        $seen = array_slice($seen, 0, self::REMEMBER_MOST, true);
        // As JSON a name that is not UTF-8 would come back as another, and be a queue with nothing in it.
        $utf8 = array_filter($seen, static fn ($q) => mb_check_encoding((string) $q, 'UTF-8'), ARRAY_FILTER_USE_KEY);
        $this->state->write('found-' . $this->store, ['cursor' => $cursor, 'seen' => $utf8]);

        return array_map('strval', array_keys($seen));
    }

    /**
     * What was found before, for when Redis cannot be asked.
     *
     * @return array<int, string> spellings
     */
    public function remembered(): array
    {
        $seen = $this->state->read('found-' . $this->store)['seen'] ?? [];

        return is_array($seen) ? array_map('strval', array_keys($seen)) : [];
    }

    /**
     * @return array{string, array<int, string>} the next cursor, and keys of queues
     */
    private function scan(string $cursor, string $prefix): array
    {
        $pattern = addcslashes($prefix, '\\*?[]') . '*';
        [$answer] = $this->wire->ask([['SCAN', $cursor, 'MATCH', $pattern, 'COUNT', (string) self::KEYS]]);
        if (! is_array($answer) || ! is_array($answer[1] ?? null) || ! ctype_digit((string) ($answer[0] ?? ''))) {
            return ['0', []]; // refused: what is remembered and configured is still shown
        }
        $ours = static fn ($key) => is_string($key) && str_starts_with($key, $prefix) && strlen($key) > strlen($prefix);

        return [(string) $answer[0], array_filter($answer[1], $ours)];
    }

    /**
     * Only its type tells the delayed jobs of the queue mail from a queue called mail:delayed.
     *
     * @param array<string, string> $doubtful queues, by what is behind "queues:" in a key
     * @return array<int, string>
     */
    private function settle(array $doubtful, string $prefix): array
    {
        $rests = array_map('strval', array_keys($doubtful));
        // Not by TYPE: phpredis makes true of any type in a pipeline.
        $lengths = $this->wire->ask(array_map(static fn ($rest) => ['LLEN', $prefix . $rest], $rests));

        return array_map(
            static fn ($rest, $length) => is_int($length) && $length > 0 ? $rest : (string) $doubtful[$rest],
            $rests,
            $lengths
        );
    }
}
