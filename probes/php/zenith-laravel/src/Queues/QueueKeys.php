<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Queues;

/**
 * How Laravel calls a queue's keys in Redis.
 */
final class QueueKeys
{
    public const DELAYED = ':delayed';
    public const RESERVED = ':reserved';
    public const NOTIFY = ':notify';

    /**
     * A queue's name without the braces that put its keys on one node of a Redis Cluster, if they are around all of it.
     */
    public static function nameOf(string $spelling): string
    {
        return preg_match('/\A\{([^{}]+)\}\z/', $spelling, $m) === 1 ? $m[1] : $spelling;
    }

    /**
     * How Redis may have a queue of this name: jobs from before a move to a cluster have no braces, those after it do.
     * A name with braces is meant so.
     *
     * @return array<int, string>
     */
    public static function spellingsOf(string $name): array
    {
        return strpbrk($name, '{}') === false ? [$name, '{' . $name . '}'] : [$name];
    }

    /**
     * Takes off the last part that tells a queue's other keys from its list.
     *
     * @return array{string, string} the queue and the part, which may be ''
     */
    public static function split(string $rest): array
    {
        foreach ([self::DELAYED, self::RESERVED, self::NOTIFY] as $suffix) {
            if (str_ends_with($rest, $suffix) && strlen($rest) > strlen($suffix)) {
                return [substr($rest, 0, -strlen($suffix)), $suffix];
            }
        }

        return [$rest, ''];
    }
}
