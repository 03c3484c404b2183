<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel;

use Gravito\ZenithLaravel\Queues\Counts;

/**
 * A QueueSnapshot of the protocol while it is made. What its readers could not read is left out of it, and named among
 * its problems.
 */
final class Snapshot
{
    private const LONGEST_NAME = 1024;
    private const MOST_QUEUES = 100_000;
    private const MOST_PROBLEMS = 100;
    private const MOST_BYTES = 8_388_608;
    private const ENCODE = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE
        | JSON_THROW_ON_ERROR;

    /** @var array<string, string> JSON by driver and name */
    private array $queues = [];
    /** @var array<int, array{queue?: string, reason: string}> */
    private array $problems = [];

    /**
     * @param int $timestamp Unix ms
     */
    public function __construct(private Settings $settings, public int $timestamp)
    {
    }

    /**
     * @param array<string, ?int> $metrics null is not known
     * @param array<string, mixed> $meta
     */
    public function add(string $name, string $driver, array $metrics, array $meta): void
    {
        if ($name === '' || strlen($name) > self::LONGEST_NAME || ! mb_check_encoding($name, 'UTF-8')) {
            $this->problem('its name is not UTF-8 of 1 to ' . self::LONGEST_NAME . ' bytes', $name);

            return;
        }
        if (($metrics['waiting'] ?? null) === null) {
            $this->problem(is_string($meta['error'] ?? null) ? $meta['error'] : 'how many wait is not known', $name);

            return;
        }
        if (count($this->queues) >= self::MOST_QUEUES) {
            $this->problem('a snapshot has at most ' . self::MOST_QUEUES . ' queues', $name);

            return;
        }
        $known = array_filter($metrics, static fn ($n) => $n !== null && $n >= 0 && $n <= Counts::MOST);
        $this->queues[$driver . '/' . ($meta['driver'] ?? '') . '/' . $name] = json_encode([
            'name' => $name, 'driver' => $driver, 'metrics' => (object) $known, 'meta' => (object) $meta,
        ], self::ENCODE);
    }

    public function has(string $driver, string $ownDriver, string $name): bool
    {
        return isset($this->queues[$driver . '/' . $ownDriver . '/' . $name]);
    }

    public function problem(string $reason, ?string $queue = null): void
    {
        $about = $queue === null ? [] : ['queue' => Text::cut($queue, 200)];
        $this->problems[] = $about + ['reason' => Text::cut($reason, 500)];
    }

    public function key(): string
    {
        return 'pulse:queues:' . $this->settings->app . ':' . $this->settings->source;
    }

    public function count(): int
    {
        return count($this->queues);
    }

    /**
     * @return array<int, array{queue?: string, reason: string}>
     */
    public function problems(): array
    {
        return $this->problems;
    }

    /**
     * The document as it is written.
     */
    public function json(): string
    {
        $queues = array_values($this->queues);
        $json = $this->with($queues);
        while (strlen($json) > self::MOST_BYTES && $queues !== []) {
            $most = intdiv(count($queues) * 9, 10);
            $this->problem(
                (count($queues) - $most) . ' queues are left out: a snapshot has at most ' . self::MOST_BYTES . ' bytes'
            );
            $queues = array_slice($queues, 0, $most);
            $json = $this->with($queues);
        }

        return $json;
    }

    /**
     * @param array<int, string> $queues
     */
    private function with(array $queues): string
    {
        $s = $this->settings;
        $head = ['timestamp' => $this->timestamp, 'app' => $s->app, 'source' => $s->source];
        if ($s->intervalMs !== Settings::USUAL_INTERVAL_MS) {
            $head['interval_ms'] = $s->intervalMs;
        }
        $problems = $this->problems;
        if (count($problems) > self::MOST_PROBLEMS) {
            $more = count($problems) - self::MOST_PROBLEMS + 1;
            $problems = array_slice($problems, -self::MOST_PROBLEMS + 1);
            $problems[] = ['reason' => 'and ' . $more . ' more problems'];
        }
        $tail = $problems === [] ? '}' : ',"problems":' . json_encode($problems, self::ENCODE) . '}';

        return substr(json_encode($head, self::ENCODE), 0, -1) . ',"queues":[' . implode(',', $queues) . ']' . $tail;
    }
}
