<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Slow\SlowJobs;
use Gravito\ZenithLaravel\Slow\SlowLog;
use Illuminate\Contracts\Http\Kernel;
use Illuminate\Contracts\Queue\Job;
use Illuminate\Foundation\Application;
use Illuminate\Http\Request;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Events\JobProcessed;
use Illuminate\Queue\Events\JobProcessing;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\Events\WorkerStopping;
use Redis;
use RuntimeException;

final class SlowEntriesTest extends AppTestCase
{
    private Redis $client;

    protected function setUp(): void
    {
        parent::setUp();
        $redis = $this->redis();
        $this->client = $redis['client'];
        $this->environment += ['REDIS_PORT' => (string) $redis['port'], 'SLOW_AFTER' => '0'];
    }

    public function testRequestsAreNamedByTheirRouteAndStatementsHaveNoValues(): void
    {
        $app = $this->web();
        $this->request($app, 'GET', '/orders/4711?token=hunter2');
        $this->request($app, 'GET', '/search/hunter2');
        $this->request($app, 'GET', '/broken');
        $this->request($app, 'GET', '/hunter2');
        $this->request($app, 'HUNTER2', '/orders/1');
        $entries = $this->entries();
        self::assertSame([
            'http GET /orders/{id}', 'query select ? as secret, ? as n, …', 'http GET /search/{what}',
            'http GET /broken', 'http GET (no route)', 'http (other method) (no route)',
        ], array_map(static fn ($e) => $e['kind'] . ' ' . $e['name'], $entries));
        self::assertStringNotContainsStringIgnoringCase('hunter2', json_encode($entries) ?: '');
        self::assertSame('{"status":200}', $entries[0]['meta']);
        self::assertSame('{"connection":"sqlite"}', $entries[1]['meta']);
        self::assertSame('{"status":500}', $entries[3]['meta']);
        foreach ($entries as $e) {
            self::assertSame('0', $e['threshold_ms']);
            self::assertMatchesRegularExpression('/^\d+$/', $e['duration_ms']);
            self::assertMatchesRegularExpression('/^\d{13}$/', $e['timestamp']);
            self::assertSame(gethostname(), $e['host']);
        }
        self::assertSame([], $this->logged());
    }

    public function testNothingIsWrittenBeforeTheResponseWasSent(): void
    {
        $app = $this->web();
        $kernel = $app->make(Kernel::class);
        $request = Request::create('/mail'); // whose job runs at once
        $response = $kernel->handle($request);
        self::assertSame('sent', $response->getContent());
        self::assertSame([], $this->entries());
        $kernel->terminate($request, $response);
        $names = array_column($this->entries(), 'name');
        self::assertSame(['App\Jobs\Mail', 'GET /mail'], $names);
    }

    public function testWhatIsNotSlowIsNotNotedAndAsksNoRedis(): void
    {
        $this->environment['SLOW_AFTER'] = '60000';
        $app = $this->web();
        $connected = $this->client->info('stats')['total_connections_received'];
        $this->request($app, 'GET', '/search/x');
        self::assertSame($connected, $this->client->info('stats')['total_connections_received']);
        self::assertSame([], $this->entries());
    }

    public function testAKindThatIsSwitchedOffIsNotNoted(): void
    {
        $this->environment['SLOW_AFTER'] = '0';
        $log = new SlowLog(['http' => 0, 'job' => null], static fn () => self::fail('there is nothing to write'));
        self::assertTrue($log->notes('http'));
        self::assertFalse($log->notes('job') || $log->notes('query'));
        $log->note('job', static fn () => 'x', 1e6);
        $log->note('query', static fn () => 'x', 1e6);
        $log->flush();
    }

    public function testWhatFindsNoRoomIsDropped(): void
    {
        $written = [];
        $log = new SlowLog(['query' => 10], static function (array $entries) use (&$written): void {
            $written = $entries;
            throw new RuntimeException('Redis is gone');
        });
        for ($i = 0; $i < 250; $i++) {
            $log->note('query', static fn () => "\xff" . str_repeat('ä', 1000), 11.9, ['x' => str_repeat('y', 9000)]);
        }
        $log->note('query', static fn () => 'x', 9.9);
        $log->note('query', static fn () => throw new RuntimeException('no name'), 11);
        $log->flush();
        self::assertCount(100, $written);
        self::assertSame('11', $written[0]['duration_ms']);
        self::assertLessThanOrEqual(500, strlen($written[0]['name']));
        self::assertTrue(mb_check_encoding($written[0]['name'], 'UTF-8'));
        self::assertArrayNotHasKey('meta', $written[0], 'it was too large');
        $written = [];
        $log->flush();
        self::assertSame([], $written, 'they are not kept for another try');
    }

    public function testOurOwnStatementsAreNoneOfTheApplications(): void
    {
        $this->artisan('migrate --force');
        $this->client->flushAll();
        $this->artisan('gravito:pulse');
        self::assertSame([], $this->entries());
    }

    public function testJobsOfAWorker(): void
    {
        $this->environment['SLOW_AFTER'] = '50';
        $this->artisan('migrate --force');
        $this->client->del('pulse:slow:My-shop');
        $this->artisan('shop:mail mail 1 --sleep=60');
        $this->artisan('shop:mail mail 1 --sleep=70 --fail');
        $this->artisan('shop:mail mail 1');
        $this->artisan('queue:work --stop-when-empty --queue=mail --tries=1');
        $entries = array_values(array_filter($this->entries(), static fn ($e) => $e['kind'] === 'job'));
        self::assertSame(['App\Jobs\Mail', 'App\Jobs\Mail'], array_column($entries, 'name'));
        self::assertGreaterThanOrEqual(60, (int) $entries[0]['duration_ms']);
        self::assertGreaterThanOrEqual(70, (int) $entries[1]['duration_ms']);
        self::assertSame('{"connection":"redis","queue":"mail"}', $entries[1]['meta']);
    }

    public function testAWorkerWritesBetweenTwoJobs(): void
    {
        $app = $this->boot();
        $job = $this->createMock(Job::class);
        $job->method('resolveName')->willReturn('App\Jobs\Mail');
        foreach ([new Looping('redis', 'mail'), new WorkerStopping()] as $i => $between) {
            $app['events']->dispatch(new JobProcessing('redis', $job));
            $app['events']->dispatch(new JobProcessed('redis', $job));
            self::assertCount($i, $this->entries(), 'the job\'s timeout still runs');
            $app['events']->dispatch($between);
            self::assertCount($i + 1, $this->entries());
        }
    }

    public function testAJobThatFailsIsOneEntry(): void
    {
        $written = [];
        $log = new SlowLog(['job' => 0], static function (array $entries) use (&$written): void {
            $written = $entries;
        });
        $jobs = new SlowJobs($log);
        $job = $this->createMock(Job::class);
        $job->method('resolveName')->willThrowException(new RuntimeException('no payload'));
        $job->method('getName')->willReturn('a name');
        $jobs->begins(new JobProcessing('redis', $job));
        $jobs->ends(new JobFailed('redis', $job, new RuntimeException()));
        $jobs->ends(new JobProcessed('redis', $job));
        $log->flush();
        self::assertSame(['a name'], array_column($written, 'name'));
    }

    public function testTheStreamKeepsTheNewestThousand(): void
    {
        for ($i = 0; $i < 3000; $i++) {
            $this->client->xAdd('pulse:slow:My-shop', '*', ['a' => 'b']);
        }
        $this->request($this->web(), 'GET', '/orders/1');
        self::assertLessThan(1200, $this->client->xLen('pulse:slow:My-shop'));
    }

    /**
     * The application as a web server has it.
     */
    private function web(): Application
    {
        $app = $this->boot();
        $app->make(Kernel::class)->bootstrap();

        return $app;
    }

    private function request(Application $app, string $method, string $uri): void
    {
        $kernel = $app->make(Kernel::class);
        $request = Request::create($uri, $method);
        $response = $kernel->handle($request);
        $kernel->terminate($request, $response);
    }

    /**
     * @return array<int, array<string, string>>
     */
    private function entries(): array
    {
        return array_values($this->client->xRange('pulse:slow:My-shop', '-', '+') ?: []);
    }
}
