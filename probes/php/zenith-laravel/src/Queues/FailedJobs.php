<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Queues;

use Closure;
use Gravito\ZenithLaravel\Text;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\Failed\DatabaseFailedJobProvider;
use Illuminate\Queue\Failed\DatabaseUuidFailedJobProvider;
use Illuminate\Queue\Failed\NullFailedJobProvider;
use Throwable;

/**
 * Counts failed jobs in the application's own failer.
 *
 * The providers that keep them in a database are asked for all queues at once; others one queue at a time, where they
 * can count (Laravel 10 and later). Never by all(), which loads every payload.
 */
final class FailedJobs
{
    /** A count that took long is asked for again only after this many times as long: at most 5 % of the time. */
    private const REST = 20;

    /** Why they are not known, or ''. */
    public string $why = '';
    /** When they were counted, Unix ms. */
    public int $asOf = 0;

    /** @var ?array<string, array<string, int>> by connection and queue; null where the failer counts one at a time */
    private ?array $counts = null;
    private int $notBefore = 0;
    private ?object $failer = null;

    public function __construct(private Application $app)
    {
    }

    /**
     * Counts, unless it is too early to.
     *
     * @param Closure(): int $now Unix ms
     */
    public function look(Closure $now): void
    {
        if ($now() < $this->notBefore) {
            return;
        }
        $began = $this->asOf = $now();
        $this->why = '';
        $this->counts = $this->failer = null;
        try {
            $failer = $this->app->make('queue.failer');
            if ($failer instanceof DatabaseFailedJobProvider || $failer instanceof DatabaseUuidFailedJobProvider) {
                $this->counts = $this->inDatabase();
            } elseif (! $failer instanceof NullFailedJobProvider && method_exists($failer, 'count')) {
                $this->failer = $failer;
            }
        } catch (Throwable $e) {
            $this->why = Text::reason($e);
        }
        $ended = $now();
        $this->notBefore = $ended + self::REST * ($ended - $began);
    }

    /**
     * @param array<int, string> $connections
     * @return ?int null where it is not known
     */
    public function of(array $connections, string $queue): ?int
    {
        if ($this->why !== '') {
            return null;
        }
        $sum = null;
        foreach ($connections as $connection) {
            foreach (QueueKeys::spellingsOf($queue) as $spelling) {
                if ($this->counts !== null) {
                    $sum = ($sum ?? 0) + ($this->counts[$connection][$spelling] ?? 0);
                } elseif ($this->failer !== null) {
                    $count = $this->ask($connection, $spelling);
                    if ($count === null) {
                        return null;
                    }
                    $sum = ($sum ?? 0) + $count;
                }
            }
        }

        return $sum;
    }

    /**
     * The queues that have failed jobs, as far as that is known.
     *
     * @return array<int, string>
     */
    public function queuesOf(string $connection): array
    {
        return array_map('strval', array_keys($this->counts[$connection] ?? []));
    }

    private function ask(string $connection, string $queue): ?int
    {
        try {
            return max(0, (int) $this->failer->count($connection, $queue));
        } catch (Throwable $e) {
            $this->why = Text::reason($e);

            return null;
        }
    }

    /**
     * @return array<string, array<string, int>>
     */
    private function inDatabase(): array
    {
        $config = $this->app['config'];
        $rows = $this->app->make('db')->connection($config->get('queue.failed.database'))
            ->table($config->get('queue.failed.table', 'failed_jobs'))
            ->select('connection', 'queue')->selectRaw('count(*) as jobs')
            ->groupBy('connection', 'queue')
            ->get();
        $counts = [];
        foreach ($rows as $row) {
            $counts[(string) $row->connection][(string) $row->queue] = (int) $row->jobs;
        }

        return $counts;
    }
}
