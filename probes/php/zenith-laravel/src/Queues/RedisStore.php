<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Queues;

use Gravito\ZenithLaravel\Redis\Wire;

/**
 * One Redis with one prefix, and the application's queue connections that are on it: they share their queues.
 */
final class RedisStore
{
    /** @var array<int, string> */
    public array $connections = [];
    public RedisQueues $queues;
    /** @var array<string, array<int, string>> spellings by name, of the newest report */
    public array $names = [];

    public function __construct(public string $identity, public Wire $wire)
    {
        $this->queues = new RedisQueues($wire);
    }

    /**
     * @param array<int, string> $spellings
     */
    public function add(string $name, array $spellings): void
    {
        $this->names[$name] = array_values(array_unique(array_merge($this->names[$name] ?? [], $spellings)));
    }
}
