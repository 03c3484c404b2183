<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Queues;

/**
 * When a job was made, as its payload tells.
 */
final class JobTime
{
    /** The longest payload in bytes that is parsed. */
    private const LONGEST = 65_536;

    /**
     * @return ?int Unix ms. Laravel 12 and later write createdAt, in seconds; Horizon writes pushedAt, with a fraction,
     *              as text; a plain Laravel before 12 writes neither
     */
    public static function of(string $payload): ?int
    {
        if (
            strlen($payload) > self::LONGEST
            || ! str_contains($payload, '"createdAt"') && ! str_contains($payload, '"pushedAt"')
        ) {
            return null;
        }
        $job = json_decode($payload, true);
        $created = self::milliseconds($job['createdAt'] ?? null);
        $pushed = self::milliseconds($job['pushedAt'] ?? null);
        if ($created === null) {
            return $pushed;
        }

        // A second holds many jobs: where Horizon tells it more closely, that is it.
        return $pushed !== null && $pushed >= $created && $pushed < $created + 1000 ? $pushed : $created;
    }

    private static function milliseconds(mixed $seconds): ?int
    {
        if (! is_numeric($seconds) || (float) $seconds < 1e9 || (float) $seconds >= 1e10) {
            return null;
        }

        return (int) round((float) $seconds * 1000);
    }
}
