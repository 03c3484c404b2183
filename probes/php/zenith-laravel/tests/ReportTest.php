<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Settings;
use Redis;

/**
 * What an application's life makes of a report.
 */
final class ReportTest extends AppTestCase
{
    private Redis $client;

    protected function setUp(): void
    {
        parent::setUp();
        $redis = $this->redis();
        $this->client = $redis['client'];
        $this->environment += ['REDIS_PORT' => (string) $redis['port']];
        $this->artisan('migrate --force');
    }

    public function testADay(): void
    {
        $steps = [
            'shop:mail default 3' => ['default 3/0/0/0'],
            'shop:mail low 2 --delay=600' => ['default 3/0/0/0', 'low 0/0/2/0'],
            'queue:work --once' => ['default 2/0/0/0', 'low 0/0/2/0'],
            'shop:mail high --fail' => ['default 2/0/0/0', 'high 1/0/0/0', 'low 0/0/2/0'],
            'queue:work --once --queue=high --tries=2' => ['default 2/0/0/0', 'high 0/0/1/0', 'low 0/0/2/0'],
            'queue:work --once --queue=high,default --tries=2' => ['default 2/0/0/0', 'high 0/0/0/1', 'low 0/0/2/0'],
            'queue:work --stop-when-empty' => ['default 0/0/0/0', 'high 0/0/0/1', 'low 0/0/2/0'],
            'queue:clear redis --queue=low --force' => ['default 0/0/0/0', 'high 0/0/0/1', 'low 0/0/0/0'],
            'queue:retry all' => ['default 0/0/0/0', 'high 1/0/0/0', 'low 0/0/0/0'],
        ];
        foreach ($steps as $command => $rows) {
            $this->artisan($command);
            $before = $this->digest();
            self::assertSame($rows, $this->rows(), 'after ' . $command);
            self::assertSame($before, $this->digest(), 'a report changed what it reads');
        }
    }

    public function testEveryConnectionThatCanBeCounted(): void
    {
        $this->environment['MORE_QUEUES'] = '1';
        $this->artisan('shop:mail default 1');
        $this->artisan('shop:mail long 2 --connection=redis-long');
        $this->artisan('shop:mail default 3 --connection=redis-video');
        $this->artisan('shop:mail encode 4 --connection=redis-video');
        $this->artisan('shop:mail default 5 --connection=database');
        $this->artisan('shop:mail later 6 --connection=database --delay=600');
        $this->artisan('shop:mail default 1 --connection=database --fail');
        $this->artisan('queue:work database --stop-when-empty');
        $this->artisan('shop:mail default 2 --connection=database');
        self::assertSame([
            'default 1/0/0/0', 'encode 4/0/0/0', 'laravel-database/default 2/0/0/1', 'laravel-database/later 0/0/6/0',
            'long 2/0/0/0', 'redis-video:default 3/0/0/0',
        ], $this->rows());
        $printed = $this->artisan('gravito:pulse');
        self::assertStringContainsString(
            'My-shop: reported 6 queues as pulse:queues:My-shop:laravel and pulse:server:My-shop:',
            $printed
        );
        self::assertStringContainsString('Not counted: connection sqs, whose driver is sqs.', $printed);
    }

    public function testNamedQueuesAreReportedAndNoOthers(): void
    {
        $this->artisan('shop:mail mail 1');
        $this->artisan('shop:mail other 1');
        $this->client->rPush('laravel_database_queues:{mail}', '{"createdAt":1764000000}'); // from a cluster
        $this->environment['PULSE_LARAVEL_QUEUES'] = 'mail,none';
        self::assertSame(['mail 2/0/0/0', 'none 0/0/0/0'], $this->rows());
        self::assertSame(1764000000000, $this->snapshot()['queues'][0]['meta']['oldest_at']);
    }

    public function testWhatIsInAQueuesPlaceIsAProblemBesideItsNeighbours(): void
    {
        $this->client->set('laravel_database_queues:wrong', 'x');
        $this->client->set('laravel_database_queues:half:delayed', 'x');
        $this->client->rPush('laravel_database_queues:half', '{}');
        $this->client->rPush('laravel_database_queues:mail', '{}');
        $this->environment['PULSE_LARAVEL_QUEUES'] = 'wrong,half,mail';
        self::assertSame(['half 1/0/-/0', 'mail 1/0/0/0'], $this->rows());
        $s = $this->snapshot();
        self::assertStringStartsWith('delayed: WRONGTYPE', $s['queues'][0]['meta']['error']);
        self::assertSame('wrong', $s['problems'][0]['queue']);
        self::assertStringStartsWith('waiting: WRONGTYPE', $s['problems'][0]['reason']);
    }

    public function testReservationsThatAreOver(): void
    {
        $this->client->zAdd('laravel_database_queues:default:reserved', time() - 10, 'a', time() + 1000, 'b');
        $meta = $this->snapshot()['queues'][0]['meta'];
        self::assertSame([2, 1], [$meta['reserved'], $meta['stalled']]);
    }

    public function testHorizonsProcesses(): void
    {
        $this->environment['HORIZON'] = '1';
        $this->client->zAdd('laravel_horizon:supervisors', time(), 'one');
        $this->client->hMSet('laravel_horizon:supervisor:one', [
            'processes' => '{"redis:default":3,"redis:mail":1}', 'status' => 'paused',
        ]);
        $s = $this->snapshot();
        self::assertSame(['default', 'mail'], array_column($s['queues'], 'name'));
        self::assertSame(3, $s['queues'][0]['meta']['workers']);
        self::assertTrue($s['queues'][0]['meta']['paused']);
        $this->client->set('laravel_horizon:masters', 'x');
        $reason = $this->snapshot()['problems'][0]['reason'];
        self::assertStringStartsWith("read Horizon's supervisors: WRONGTYPE", $reason);
    }

    public function testWhatIsWrittenLivesForItsTime(): void
    {
        $this->client->zAdd('pulse:index', 1, 'pulse:queues:gone');
        $this->artisan('gravito:pulse');
        $keys = $this->client->keys('pulse:*');
        sort($keys);
        $host = 'pulse:server:My-shop:' . gethostname();
        self::assertSame(['pulse:index', 'pulse:queues:My-shop:laravel', $host], $keys);
        foreach ([$host, 'pulse:queues:My-shop:laravel'] as $key) {
            self::assertGreaterThan(0, $this->client->pttl($key));
            self::assertLessThanOrEqual(30_000, $this->client->pttl($key));
        }
        self::assertSame(2, $this->client->zCard('pulse:index'));
        $heartbeat = json_decode($this->client->get($host), true);
        self::assertSame('php' . PHP_VERSION, $heartbeat['meta']['runtime']);
        self::assertSame('1.2.3', $heartbeat['meta']['version']);
        self::assertSame('testing', $heartbeat['meta']['environment']);
    }

    public function testItCanBeSwitchedOff(): void
    {
        $this->environment['GRAVITO_PULSE_ENABLED'] = 'false';
        self::assertStringContainsString('enabled is false', $this->artisan('gravito:pulse'));
        self::assertStringNotContainsString('gravito:pulse', $this->artisan('schedule:list'));
        unset($this->environment['GRAVITO_PULSE_ENABLED']);
        $this->environment['GRAVITO_PULSE_HEARTBEAT'] = 'false';
        $this->artisan('gravito:pulse');
        self::assertSame([], $this->client->keys('pulse:server:*'));
    }

    public function testADatabaseThatThereIsNotIsNoOther(): void
    {
        foreach (['phpredis', 'predis'] as $library) {
            $this->environment['REDIS_CLIENT'] = $library;
            $this->environment['PULSE_REDIS_URL'] = 'redis://127.0.0.1:' . $this->environment['REDIS_PORT'] . '/99';
            self::assertStringContainsString('DB index is out of range', $this->artisan('gravito:pulse', 1), $library);
            self::assertSame([], $this->client->keys('pulse:*'), $library);
            $this->environment['PULSE_REDIS_URL'] = 'redis://127.0.0.1:' . $this->environment['REDIS_PORT'] . '/3';
            $this->artisan('gravito:pulse');
            self::assertSame([], $this->client->keys('pulse:*'), $library);
        }
    }

    public function testAFolderThatIsNoneIsTheDefault(): void
    {
        foreach ([null, '', ['a']] as $path) {
            $app = $this->boot(['gravito_pulse.state_path' => $path]);
            self::assertSame($app->storagePath() . '/framework/gravito-pulse', Settings::statePath($app['config']));
        }
    }

    public function testTheFolderIsEverybodys(): void
    {
        $this->artisan('gravito:pulse');
        $folder = $this->app . '/storage/framework/gravito-pulse';
        self::assertSame('1777', decoct(fileperms($folder) & 07777));
        foreach (glob($folder . '/*.json') ?: [] as $file) {
            self::assertSame('666', decoct(fileperms($file) & 07777), $file);
        }
    }

    public function testWrongSettingIsOneSentenceAndStatus2(): void
    {
        $this->environment['PULSE_INTERVAL'] = '5';
        $sentence = 'PULSE_INTERVAL is "5": it takes a duration with its unit, such as 5s or 1m';
        self::assertStringContainsString($sentence, $this->artisan('gravito:pulse', 2));
        self::assertSame([], $this->logged());
        $this->artisan('gravito:pulse --loop', 2);
        self::assertStringContainsString($sentence, $this->logged()[0]);
    }

    public function testTheScheduleReportsAgainAndAgain(): void
    {
        $this->environment += ['PULSE_INTERVAL' => '1s'];
        $this->artisan('schedule:run'); // it returns, and what it has begun goes on
        self::assertFileExists($this->app . '/scheduled', 'the application\'s own schedule has run');
        $at = fn (): int => json_decode((string) $this->client->get('pulse:queues:My-shop:laravel'))->timestamp ?? 0;
        self::eventually('a report', static fn () => $at() > 0);
        $first = $at();
        self::eventually('the next report', static fn () => $at() > $first);
        self::assertStringContainsString('Another process of this host', $this->artisan('gravito:pulse --loop'));
        // It ends by itself within its minute; the test need not wait for that.
        $heartbeat = json_decode((string) $this->client->get('pulse:server:My-shop:' . gethostname()));
        posix_kill($heartbeat->process->pid, SIGTERM);
    }

    /**
     * @return array<string, mixed>
     */
    private function snapshot(): array
    {
        [$line] = explode("\n", $this->artisan('gravito:pulse --print'));

        return json_decode($line, true, 512, JSON_THROW_ON_ERROR);
    }

    /**
     * @return array<int, string> waiting/active/delayed/failed
     */
    private function rows(): array
    {
        $rows = array_map(static function (array $q): string {
            $m = $q['metrics'];
            $driver = isset($q['meta']['driver']) ? $q['meta']['driver'] . '/' : '';
            $numbers = [$m['waiting'], $m['active'] ?? '-', $m['delayed'] ?? '-', $m['failed'] ?? '-'];

            return $driver . $q['name'] . ' ' . implode('/', $numbers);
        }, $this->snapshot()['queues']);
        sort($rows);

        return $rows;
    }

    private function digest(): string
    {
        return (string) $this->client->rawCommand('DEBUG', 'DIGEST');
    }
}
