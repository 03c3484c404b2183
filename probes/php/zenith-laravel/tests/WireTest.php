<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Redis\Connections;
use Gravito\ZenithLaravel\Redis\Refusal;
use Throwable;

final class WireTest extends AppTestCase
{
    /**
     * @dataProvider clients
     */
    public function testAnswersAreWhatRedisSaid(string $client): void
    {
        self::need($client);
        $redis = $this->redis();
        $redis['client']->rPush('p_list', 'a', 'b');
        $redis['client']->hSet('p_hash', 'x', '1');
        $this->environment += ['REDIS_PORT' => (string) $redis['port'], 'REDIS_CLIENT' => $client, 'REDIS_PREFIX' => 'p_'];
        // What an application may have set must not change what is read.
        $wire = (new Connections($this->boot([
            'database.redis.options.serializer' => 1, 'database.redis.options.name' => 'ours',
        ])))->ofTheApplication('default', 2.0);
        self::assertSame('p_', $wire->prefix());
        self::assertFalse($wire->isCluster());
        $answers = $wire->ask([['LLEN', 'p_list'], ['LINDEX', 'p_list', '1'], ['HMGET', 'p_hash', 'x']]);
        self::assertSame([2, 'b', ['1']], $answers);
        self::assertSame([null], $wire->ask([['LINDEX', 'p_none', '0']]));
        self::assertSame([], $wire->ask([]));

        [$length, $wrong] = $wire->ask([['LLEN', 'p_list'], ['LLEN', 'p_hash']]);
        self::assertSame(2, $length);
        self::assertInstanceOf(Refusal::class, $wrong);
        self::assertStringStartsWith('WRONGTYPE', $wrong->reason);
        self::assertSame([null], $wire->ask([['LINDEX', 'p_none', '0']]), 'an old error is none of a new answer');

        $many = $wire->ask(array_fill(0, 7000, ['LLEN', 'p_list']));
        self::assertSame([2], array_values(array_unique($many)));
        self::assertCount(7000, $many);
    }

    /**
     * @dataProvider clients
     */
    public function testItConnectsAgain(string $client): void
    {
        self::need($client);
        $redis = $this->redis();
        $this->environment += ['REDIS_PORT' => (string) $redis['port'], 'REDIS_CLIENT' => $client];
        $wire = (new Connections($this->boot()))->ofTheApplication('default', 1.0);
        self::assertSame([0], $wire->ask([['LLEN', 'x']]));
        self::end($redis['process']);
        try {
            $wire->ask([['LLEN', 'x']]);
            self::fail('there is no Redis');
        } catch (Throwable $e) {
            self::assertStringNotContainsString("\n", $e->getMessage());
        }
        $this->redis([], $redis['port']);
        self::assertSame([0], $wire->ask([['LLEN', 'x']]));
    }

    /**
     * @dataProvider clients
     */
    public function testUrlWithAUserAndADatabase(string $client): void
    {
        self::need($client);
        $redis = $this->redis();
        $redis['client']->rawCommand('ACL', 'SETUSER', 'pulse', 'on', '>p@:ss', '~*', '+@all');
        $this->environment += ['REDIS_CLIENT' => $client];
        $url = 'redis://pulse:p%40%3Ass@127.0.0.1:' . $redis['port'] . '/3';
        $wire = (new Connections($this->boot(['gravito_pulse.redis_url' => $url])))->ofThePulse(1.0);
        self::assertSame('', $wire->prefix());
        $wire->ask([['SET', 'pulse:x', '1', 'PX', '1000']]);
        $redis['client']->select(3);
        self::assertSame('1', $redis['client']->get('pulse:x'));
    }

    /**
     * @return array<string, array{string}>
     */
    public function clients(): array
    {
        return ['phpredis' => ['phpredis'], 'predis' => ['predis']];
    }

    private static function need(string $client): void
    {
        if ($client === 'predis' && ! class_exists('Predis\Client')) {
            self::missing('Predis is not installed: apt-get install php-predis');
        }
    }
}
