<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Publisher;
use Gravito\ZenithLaravel\Redis\Connections;
use Gravito\ZenithLaravel\Redis\Wire;
use Gravito\ZenithLaravel\RedisClock;
use Gravito\ZenithLaravel\Reporter;
use Gravito\ZenithLaravel\Slow\SlowLog;

/**
 * Redis' clock is everybody's: a host with a wrong one publishes by Redis' time, and harms no other's keys.
 */
final class RedisClockTest extends AppTestCase
{
    private const MINUTE = 60_000;
    private const HOUR = 3_600_000;

    /** By how many ms the machine's date is ahead, and for how many it was suspended. */
    private float $ahead = 0;
    private float $slept = 0;

    /**
     * @dataProvider clocks
     */
    public function testAWrongClockWritesByRedisTime(string $client, int $ahead, ?string $says): void
    {
        $redis = $this->server($client);
        $now = self::now();
        $redis->zAdd(
            'pulse:index',
            $now - 23 * self::HOUR,
            'lost',
            $now,
            'living',
            $now - 25 * self::HOUR,
            'long gone',
            $now + 2 * self::MINUTE,
            'tomorrow',
            2_082_758_400_000,
            '2036'
        );
        $this->ahead = $ahead;
        $app = $this->boot();
        $reporter = new Reporter($app, $app->make(SlowLog::class), $this->clock());
        for ($i = 0; $i < 2; $i++) {
            $reporter->publish($reporter->look()['documents']);
            $read = json_decode((string) $redis->get('pulse:queues:My-shop:laravel'), true);
            self::isNow($read['timestamp']);
            self::assertSame($says === null ? [] : [$says], array_column($read['problems'] ?? [], 'reason'));
            [$host] = $redis->keys('pulse:server:*');
            $beat = json_decode((string) $redis->get($host), true);
            self::isNow($beat['timestamp']);
            self::assertSame($ahead === 0 ? null : $ahead, $beat['meta']['clock_ahead_ms'] ?? null);
            $members = $redis->zRange('pulse:index', 0, -1, true);
            self::isNow((int) $members[$host]);
            self::isNow((int) $members['pulse:queues:My-shop:laravel']);
            self::assertArrayHasKey('lost', $members);
            self::assertArrayHasKey('living', $members);
            self::assertCount(4, $members);
        }
        self::assertSame(1 + 2, self::asked($redis), 'Redis was asked for its time once, and by each report');
    }

    /**
     * @return array<string, array{string, int, ?string}>
     */
    public function clocks(): array
    {
        $all = [];
        foreach (['phpredis', 'predis'] as $client) {
            $wrong = ['25 h ahead of' => 25 * self::HOUR, '40 s behind' => -40_000, '60 min behind' => -self::HOUR];
            foreach ($wrong as $says => $ms) {
                $all[$client . ', ' . $says] = [$client, $ms, 'this reporter\'s clock is ' . $says . ' that of the '
                    . 'dashboard\'s Redis, which is used instead: set the one that is wrong (NTP)'];
            }
            $all[$client . ', right'] = [$client, 0, null];
        }

        return $all;
    }

    public function testAMachineThatWasSuspendedOrSetAsksAnew(): void
    {
        $redis = $this->server('phpredis');
        $wire = $this->wire();
        $clock = $this->clock();
        $changes = [fn () => null, fn () => $this->slept += self::HOUR, fn () => $this->ahead -= self::HOUR];
        foreach ($changes as $i => $change) {
            $change();
            self::isNow($clock->now($wire));
            self::isNow($clock->now($wire));
            self::assertSame($i + 1, self::asked($redis));
        }
    }

    /**
     * @testWith ["phpredis"]
     *           ["predis"]
     */
    public function testWhereRedisDoesNotTellItsTimeTheOwnIsUsed(string $client): void
    {
        $redis = $this->server($client);
        $redis->rawCommand('ACL', 'SETUSER', 'default', '-time');
        $redis->zAdd('pulse:index', self::now(), 'living');
        $this->ahead = -self::HOUR;
        $clock = $this->clock();
        $publisher = new Publisher($this->wire(), $clock);
        for ($i = 0; $i < 2; $i++) {
            self::isNow($publisher->now() + self::HOUR);
            $publisher->publish(['pulse:server:shop:web-1' => '{}'], self::MINUTE);
        }
        self::assertSame(['pulse:server:shop:web-1', 'living'], $redis->zRange('pulse:index', 0, -1));
        self::assertStringContainsString(
            'own clock is used, right or wrong, for the dashboard\'s Redis does not tell the time: NOPERM',
            (string) $clock->problem()
        );
    }

    public function testARedisThatIsGoneIsNoMatterOfTheClock(): void
    {
        $this->environment += ['REDIS_PORT' => '1'];
        self::isNow($this->clock()->now($this->wire()));
    }

    public function testADifferenceIsToldInStepsAndStaysWhileItIsTheSame(): void
    {
        $clock = new RedisClock(fn (): float => 1_764_000_000_000 + $this->ahead, static fn (): float => 0.0);
        $steps = [
            [0, 0], [5000, 0], [-5000, 0], [5100, 5000], [4500, 5000], [3900, 0], [4900, 0], [-42_400, -40_000],
            [-42_600, -40_000], [-38_000, -40_000], [-45_100, -45_000], [90_000, 120_000], [100_000, 120_000],
            [25 * self::HOUR, 25 * self::HOUR], [25.8 * self::HOUR, 25 * self::HOUR], [0, 0],
        ];
        foreach ($steps as [$ahead, $told]) {
            $this->ahead = $ahead;
            $clock->answered(['1764000000', '0'], 0.0);
            self::assertSame($told, $clock->ahead(), $ahead . ' ms');
        }
        $slow = new RedisClock(static fn (): float => 1_764_000_000_000, static fn (): float => 6000.0);
        $slow->answered(['1763999994', '0'], 0.0);
        self::assertSame(0, $slow->ahead(), 'a slow answer is no difference');
        foreach ([['60', '0'], null, 'OK', []] as $rubbish) {
            $clock->answered($rubbish, 0.0);
            self::assertTrue($clock->isRefused());
            self::assertFalse($clock->isKnown());
        }
    }

    private function server(string $client): \Redis
    {
        if ($client === 'predis' && ! class_exists('Predis\Client')) {
            self::missing('Predis is not installed: apt-get install php-predis');
        }
        $redis = $this->redis();
        $this->environment += ['REDIS_PORT' => (string) $redis['port'], 'REDIS_CLIENT' => $client];
        $this->artisan('migrate --force');

        return $redis['client'];
    }

    private function wire(): Wire
    {
        return (new Connections($this->boot()))->ofThePulse(2.0);
    }

    private function clock(): RedisClock
    {
        return new RedisClock(
            fn (): float => microtime(true) * 1e3 + $this->ahead,
            fn (): float => hrtime(true) / 1e6 - $this->slept
        );
    }

    private static function now(): int
    {
        return (int) (microtime(true) * 1000);
    }

    private static function isNow(int $ms): void
    {
        self::assertLessThan(30_000, abs($ms - self::now()));
    }

    /**
     * How often Redis was asked for its time.
     */
    private static function asked(\Redis $redis): int
    {
        preg_match('/^cmdstat_time:calls=(\d+)/m', (string) $redis->rawCommand('INFO', 'commandstats'), $m);

        return (int) ($m[1] ?? 0);
    }
}
