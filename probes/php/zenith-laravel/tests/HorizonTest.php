<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Queues\Counts;
use Gravito\ZenithLaravel\Queues\Horizon;
use Gravito\ZenithLaravel\Redis\Connections;
use Redis;

/**
 * Horizon is not in Debian: these are its keys as they were read off a real one, version 5.14.1 on Laravel 8.
 */
final class HorizonTest extends AppTestCase
{
    private const NOW = 1764000000000;
    private Redis $client;
    private Horizon $horizon;

    protected function setUp(): void
    {
        parent::setUp();
        $redis = $this->redis();
        $this->client = $redis['client'];
        $this->environment += ['REDIS_PORT' => (string) $redis['port']];
        $wire = (new Connections($this->boot()))->withPrefix('default', 'laravel_horizon:', 2.0);
        $this->horizon = new Horizon($wire);
    }

    public function testProcessesOfLivingSupervisors(): void
    {
        $now = intdiv(self::NOW, 1000);
        $this->client->zAdd('laravel_horizon:masters', $now, 'web-1');
        $this->supervisor('one', $now - 3, '{"redis:default":1,"redis:mail":2}', 'running');
        $this->supervisor('two', $now - 29, '{"redis-long:mail,slow":3}', 'paused');
        $this->supervisor('dead', $now - 30, '{"redis:mail":100}', 'running');
        $this->client->zAdd('laravel_horizon:supervisors', $now, 'ended since');
        $workers = $this->horizon->workers(self::NOW);
        self::assertSame('', $workers->why);
        $both = ['redis', 'redis-long'];
        self::assertSame(['workers' => 1], $workers->metaOf($both, 'default', new Counts()));
        self::assertSame(['workers' => 5], $workers->metaOf($both, 'mail', new Counts()));
        self::assertSame(['workers' => 2], $workers->metaOf(['redis'], 'mail', new Counts()));
        self::assertSame(['workers' => 3, 'paused' => true], $workers->metaOf($both, 'slow', new Counts()));
        self::assertSame(['workers' => 0], $workers->metaOf($both, 'none', new Counts()));
        self::assertSame(['mail', 'slow'], $workers->queuesOf('redis-long'));
        $busy = new Counts();
        $busy->active = 1;
        self::assertSame([], $workers->metaOf($both, 'none', $busy), 'somebody else works on it');
        $busy->stalled = 1;
        self::assertSame(['workers' => 0], $workers->metaOf($both, 'none', $busy));
    }

    public function testNoHorizonAtWorkIsNoNumber(): void
    {
        self::assertSame([], $this->horizon->workers(self::NOW)->metaOf(['redis'], 'mail', new Counts()));
        $this->client->zAdd('laravel_horizon:masters', 1, 'killed');
        self::assertSame(['workers' => 0], $this->horizon->workers(self::NOW)->metaOf(['redis'], 'mail', new Counts()));
    }

    /**
     * @dataProvider rubbish
     */
    public function testWhatCannotBeReadIsUnknown(string $processes): void
    {
        $this->supervisor('one', intdiv(self::NOW, 1000), $processes, 'running');
        $workers = $this->horizon->workers(self::NOW);
        self::assertNotSame('', $workers->why);
        self::assertSame([], $workers->metaOf(['redis'], 'mail', new Counts()));
    }

    /**
     * @return array<int, array{string}>
     */
    public function rubbish(): array
    {
        return [
            ['{"redis:mail":'], ['{"redis:mail":"many"}'], ['{"redis:mail":-1}'], ['{"redis:mail":4000000000}'],
            ['{"mail":1}'], ['{"redis:mail":1' . str_repeat(' ', 65536) . '}'],
        ];
    }

    public function testAKeyOfAnotherTypeIsUnknown(): void
    {
        $this->client->set('laravel_horizon:supervisors', 'x');
        self::assertStringStartsWith('WRONGTYPE', $this->horizon->workers(self::NOW)->why);
    }

    private function supervisor(string $name, int $beat, string $processes, string $status): void
    {
        $this->client->zAdd('laravel_horizon:supervisors', $beat, $name);
        $hash = ['name' => $name, 'pid' => '17', 'status' => $status, 'processes' => $processes, 'options' => '{}'];
        $this->client->hMSet('laravel_horizon:supervisor:' . $name, $hash);
    }
}
