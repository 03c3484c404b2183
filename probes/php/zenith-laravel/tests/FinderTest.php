<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Queues\Finder;
use Gravito\ZenithLaravel\Redis\Connections;
use Gravito\ZenithLaravel\State;

final class FinderTest extends AppTestCase
{
    private const NOW = 1764000000000;
    private const DAY = 86_400_000;

    public function testQueuesAreFoundByTheirKeysAndRememberedForADay(): void
    {
        $redis = $this->redis();
        $c = $redis['client'];
        $prefix = 'a[1]*?\\';
        foreach (['mail', '{braced}', 'a:b', 'named:delayed', '7'] as $queue) {
            $c->rPush($prefix . 'queues:' . $queue, '{}');
        }
        $c->zAdd($prefix . 'queues:later:delayed', 1, '{}');
        $c->zAdd($prefix . 'queues:busy:reserved', 1, '{}');
        $c->rPush($prefix . 'queues:mail:notify', '1');
        $c->rPush('a1xx\\queues:stranger', '{}');
        $c->set('queues:', 'x');
        $this->environment += ['REDIS_PORT' => (string) $redis['port'], 'REDIS_PREFIX' => $prefix];
        $app = $this->boot();
        $folder = $this->folder();
        $find = static function (int $now) use ($app, $folder): array {
            $wire = (new Connections($app))->ofTheApplication('default', 2.0); // as another process would
            $found = (new Finder($wire, new State($folder), 'x'))->find($now);
            sort($found, SORT_STRING);

            return $found;
        };
        $all = ['7', 'a:b', 'busy', 'later', 'mail', 'named:delayed', '{braced}'];
        self::assertSame($all, $find(self::NOW));
        $c->rPush($prefix . "queues:caf\xe9", '{}');
        self::assertContains("caf\xe9", $find(self::NOW));
        $c->flushAll();
        self::assertSame($all, $find(self::NOW + self::DAY - 1));
        self::assertSame([], $find(self::NOW + self::DAY));
    }

    public function testALargeRedisCostsNoMoreAReport(): void
    {
        $redis = $this->redis();
        $c = $redis['client'];
        $c->rawCommand('DEBUG', 'POPULATE', '30000', 'other');
        $c->rPush('laravel_database_queues:mail', '{}');
        $this->environment += ['REDIS_PORT' => (string) $redis['port']];
        $wire = (new Connections($this->boot()))->ofTheApplication('default', 2.0);
        $state = new State($this->folder());
        $found = [];
        for ($reports = 0; $found === []; $reports++) {
            $c->rawCommand('CONFIG', 'RESETSTAT');
            $found = (new Finder($wire, $state, 'x'))->find(self::NOW);
            self::assertStringContainsString('calls=' . 5, $c->info('commandstats')['cmdstat_scan'] ?? 'calls=5');
            self::assertLessThan(8, $reports);
        }
        self::assertSame(['mail'], $found);
    }
}
