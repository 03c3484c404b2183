<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Queues\RedisQueues;
use Gravito\ZenithLaravel\Redis\Connections;
use Gravito\ZenithLaravel\Redis\Refusal;
use Gravito\ZenithLaravel\Redis\Wire;
use Illuminate\Redis\Connections\Connection;
use Illuminate\Redis\RedisManager;
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
        $this->environment += ['REDIS_PORT' => (string) $redis['port'], 'REDIS_CLIENT' => $client];
        $this->environment['REDIS_PREFIX'] = 'p_';
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

    public function testAJobThatTellsNoTimeIsNotAskedForAtEachReport(): void
    {
        $redis = $this->redis();
        $redis['client']->rPush('laravel_database_queues:mail', '{}');
        $this->environment += ['REDIS_PORT' => (string) $redis['port']];
        $queues = new RedisQueues((new Connections($this->boot()))->ofTheApplication('default', 2.0));
        $asked = static function () use ($redis): int {
            $said = $redis['client']->info('commandstats')['cmdstat_lindex'] ?? '';

            return preg_match('/calls=(\d+)/', $said, $m) === 1 ? (int) $m[1] : 0;
        };
        $now = 1764000000000;
        foreach ([0 => 1, 59_999 => 1, 60_000 => 2] as $later => $calls) {
            self::assertSame(1, $queues->count(['mail' => ['mail']], $now + $later)['mail']->waiting);
            self::assertSame($calls, $asked());
        }
    }

    /**
     * Each command that phpredis has sent it waits for, for as long as the timeout is.
     *
     * @dataProvider clients
     */
    public function testASilentRedisIsWaitedForOnce(string $client): void
    {
        self::need($client);
        $port = self::freePort();
        $heard = $this->folder() . '/heard';
        touch($heard);
        $this->start([PHP_BINARY, '-r', '$s = stream_socket_server("tcp://127.0.0.1:' . $port . '"); '
            . 'while (true) { $c = @stream_socket_accept($s, 60); while ($c && ! feof($c)) { '
            . 'file_put_contents("' . $heard . '", fread($c, 9999), FILE_APPEND); } }'], []);
        self::eventually('the server', static fn () => @fsockopen('127.0.0.1', $port) !== false);
        $this->environment += ['REDIS_CLIENT' => $client];
        $this->boot();
        $wire = new Wire(static function () use ($client, $port): Connection {
            $one = ['host' => '127.0.0.1', 'port' => $port, 'timeout' => 0.1, 'read_timeout' => 0.1];
            $one['read_write_timeout'] = 0.1;
            $manager = new RedisManager(app(), $client, ['options' => [], 'default' => $one]);

            return $manager->connection();
        });
        try {
            $wire->ask(array_fill(0, 100, ['LLEN', 'x']));
            self::fail('nobody answered');
        } catch (Throwable $e) {
            self::assertNotSame('', $e->getMessage());
        }
        if ($client === 'phpredis') {
            self::eventually('the command', static fn () => file_get_contents($heard) !== '');
            self::assertSame("*2\r\n$4\r\nLLEN\r\n$1\r\nx\r\n", file_get_contents($heard));
        }
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
