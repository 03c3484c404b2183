<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Slow;

use Illuminate\Contracts\Queue\Job;
use Throwable;

/**
 * Measures jobs from what the worker says of them.
 */
final class SlowJobs
{
    /** Jobs that run inside others, as the sync driver does, are as many as they nest. */
    private const MOST = 100;

    /** @var array<int, float> when each job that runs began, by object */
    private array $began = [];

    public function __construct(private SlowLog $log)
    {
    }

    public function begins(object $event): void
    {
        if (count($this->began) >= self::MOST) {
            $this->began = [];
        }
        $this->began[spl_object_id($event->job)] = hrtime(true);
    }

    /**
     * A job that failed is told so before the worker goes on, and then perhaps once more: the first time counts.
     */
    public function ends(object $event): void
    {
        /** @var Job $job */
        $job = $event->job;
        $began = $this->began[spl_object_id($job)] ?? null;
        unset($this->began[spl_object_id($job)]);
        if ($began === null) {
            return;
        }
        $took = (hrtime(true) - $began) / 1e6;
        try {
            $meta = ['connection' => (string) $event->connectionName, 'queue' => (string) $job->getQueue()];
        } catch (Throwable $e) {
            $meta = []; // a driver of somebody else's
        }
        $this->log->note(SlowLog::JOB, static fn (): string => self::name($job), $took, $meta);
    }

    private static function name(Job $job): string
    {
        try {
            return $job->resolveName();
        } catch (Throwable $e) {
            return (string) $job->getName();
        }
    }
}
