<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Queues\FailedJobs;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Queue\Failed\DatabaseFailedJobProvider;
use Illuminate\Queue\Failed\NullFailedJobProvider;
use RuntimeException;

final class FailedJobsTest extends AppTestCase
{
    private const JOBS = [
        ['redis', 'mail'], ['redis', 'mail'], ['redis', '{mail}'], ['redis-long', 'mail'], ['redis', 'default'],
    ];

    public function testDatabaseProvidersAreAskedOnceForAllQueues(): void
    {
        foreach (['database-uuids', 'database'] as $driver) {
            $app = $this->withJobs(['queue.failed.driver' => $driver]);
            $failed = new FailedJobs($app);
            $statements = 0;
            $app['db']->listen(static function () use (&$statements): void {
                $statements++;
            });
            $failed->look(static fn () => 1000);
            self::assertSame([3, 4, 1, 0], [
                $failed->of(['redis'], 'mail'),
                $failed->of(['redis', 'redis-long'], 'mail'),
                $failed->of(['redis'], 'default'),
                $failed->of(['redis'], 'none'),
            ]);
            self::assertSame(1, $statements);
            self::assertSame(['mail'], $failed->queuesOf('redis-long'));
        }
    }

    public function testACountThatTookLongIsAskedForSeldom(): void
    {
        $app = $this->withJobs();
        $times = [0, 0, 1000, 20_999];
        $failed = new FailedJobs($app);
        $clock = static function () use (&$times): int {
            return array_shift($times);
        };
        $failed->look($clock); // takes a second: the next may be at 1 s + 20 s
        $app['db']->table('failed_jobs')->delete();
        $failed->look($clock);
        self::assertSame(0, $failed->asOf);
        self::assertSame(1, $failed->of(['redis'], 'default'));
        $times = [21_000, 21_000, 21_000];
        $failed->look($clock);
        self::assertSame(0, $failed->of(['redis'], 'default'));
    }

    /**
     * Shaped after CountableFailedJobProvider and FileFailedJobProvider of Laravel 10 and later, as they are
     * documented: count($connection, $queue). No such Laravel is here.
     */
    public function testOtherProvidersCountOneQueueAtATime(): void
    {
        $provider = new class {
            public function count(?string $connection = null, ?string $queue = null): int
            {
                $jobs = [['redis', 'mail'], ['redis', 'mail'], ['redis-long', '{mail}']];

                return count(array_keys($jobs, [$connection, $queue], true));
            }

            public function all(): array
            {
                throw new RuntimeException('it loads every payload');
            }
        };
        $failed = $this->look($provider);
        self::assertSame(2, $failed->of(['redis'], 'mail'));
        self::assertSame(3, $failed->of(['redis', 'redis-long'], 'mail'));
        self::assertSame(0, $failed->of(['redis'], 'none'));
        self::assertSame([], $failed->queuesOf('redis'));
    }

    public function testWhoCannotCountHasNoNumber(): void
    {
        $dynamo = new class { // as of Laravel 8: all, find, forget, flush
            public function all(): array
            {
                return [];
            }
        };
        // From Laravel 10 on the null provider has a count(), of what it does not keep.
        $null = new class extends NullFailedJobProvider {
            public function count(): int
            {
                return 0;
            }
        };
        foreach ([$dynamo, $null, new NullFailedJobProvider()] as $provider) {
            $failed = $this->look($provider);
            self::assertNull($failed->of(['redis'], 'mail'));
            self::assertSame('', $failed->why);
        }
    }

    public function testAFailureIsAReasonAndNoNumber(): void
    {
        $broken = new class {
            public function count(): int
            {
                throw new RuntimeException("the file\nis gone");
            }
        };
        $failed = $this->look($broken);
        self::assertNull($failed->of(['redis'], 'mail'));
        self::assertSame('the file is gone', $failed->why);

        $app = $this->boot(); // without the table
        $failed = new FailedJobs($app);
        $failed->look(static fn () => 1000);
        self::assertNull($failed->of(['redis'], 'mail'));
        self::assertStringContainsString('no such table', $failed->why);
        self::assertInstanceOf(DatabaseFailedJobProvider::class, (function () use ($app) {
            $app['config']->set('queue.failed.driver', 'database');
            $app->forgetInstance('queue.failer');

            return $app->make('queue.failer');
        })());
    }

    private function look(object $provider): FailedJobs
    {
        $app = $this->boot();
        $app->instance('queue.failer', $provider);
        $failed = new FailedJobs($app);
        $failed->look(static fn () => 1000);

        return $failed;
    }

    /**
     * @param array<string, mixed> $config
     */
    private function withJobs(array $config = []): Application
    {
        $app = $this->boot($config);
        $app->make('Illuminate\Contracts\Console\Kernel')->call('migrate:fresh', ['--force' => true]);
        foreach (self::JOBS as $i => [$connection, $queue]) {
            $app['db']->table('failed_jobs')->insert([
                'uuid' => 'u' . $i, 'connection' => $connection, 'queue' => $queue,
                'payload' => '{}', 'exception' => '',
            ]);
        }

        return $app;
    }
}
