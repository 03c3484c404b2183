<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Slow;

use Closure;
use Gravito\ZenithLaravel\Text;
use Throwable;

/**
 * Holds what was slow until there is time to write it: after the response was sent, or between two jobs.
 *
 * Nothing here throws, waits, or grows: what finds no room is dropped.
 */
final class SlowLog
{
    public const HTTP = 'http';
    public const JOB = 'job';
    public const QUERY = 'query';

    /** How many entries wait at most. */
    private const MOST = 100;
    /** The longest name and meta of an entry in bytes. */
    private const LONGEST_NAME = 500;
    private const LONGEST_META = 8192;

    /** @var array<int, array<string, string>> the fields of stream entries */
    private array $waiting = [];
    private bool $paused = false;

    /**
     * @param array<string, int|float|null> $after milliseconds by kind; null notes none of it
     * @param Closure(array<int, array<string, string>>): void $write
     */
    public function __construct(private array $after, private Closure $write)
    {
    }

    public function notes(string $kind): bool
    {
        return isset($this->after[$kind]) && is_numeric($this->after[$kind]);
    }

    /**
     * @param Closure(): string $name made only of what is slow: a route's pattern, a class, a statement with
     *                                placeholders; never a URL or a value
     * @param float $took milliseconds
     * @param array<string, mixed> $meta
     */
    public function note(string $kind, Closure $name, float $took, array $meta = []): void
    {
        if ($this->paused || ! $this->notes($kind) || $took < $this->after[$kind]) {
            return;
        }
        if (count($this->waiting) >= self::MOST) {
            return;
        }
        try {
            $entry = [
                'timestamp' => (string) (int) (microtime(true) * 1000),
                'kind' => $kind,
                'name' => Text::cut($name(), self::LONGEST_NAME) ?: 'unnamed',
                'duration_ms' => (string) (int) max($took, 0),
                'threshold_ms' => (string) (int) max((float) $this->after[$kind], 0),
            ];
            $host = Text::cut((string) gethostname(), 255);
            $json = $meta === [] ? '' : json_encode($meta, JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE);
            $this->waiting[] = $entry
                + ($host === '' ? [] : ['host' => $host])
                + (is_string($json) && $json !== '' && strlen($json) <= self::LONGEST_META ? ['meta' => $json] : []);
        } catch (Throwable $e) {
            // That entry is left out.
        }
    }

    public function flush(): void
    {
        $entries = $this->waiting;
        $this->waiting = [];
        if ($entries === []) {
            return;
        }
        try {
            ($this->write)($entries);
        } catch (Throwable $e) {
            // The writer has said what there is to say.
        }
    }

    /**
     * Does something without noting what is slow about it: our own statements are none of the application's.
     *
     * @template T
     * @param Closure(): T $something
     * @return T
     */
    public function pausedFor(Closure $something): mixed
    {
        $this->paused = true;
        try {
            return $something();
        } finally {
            $this->paused = false;
        }
    }
}
