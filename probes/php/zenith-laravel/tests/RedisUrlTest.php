<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Redis\RedisUrl;
use InvalidArgumentException;
use PHPUnit\Framework\TestCase;

final class RedisUrlTest extends TestCase
{
    /**
     * @dataProvider urls
     * @param array<string, mixed> $server
     */
    public function testOneServer(string $url, array $server): void
    {
        $c = RedisUrl::configuration($url);
        self::assertFalse($c['cluster']);
        self::assertEquals($server, $c['servers']);
    }

    /**
     * @return array<int, array{string, array<string, mixed>}>
     */
    public function urls(): array
    {
        return [
            ['redis://10.0.0.7', ['host' => '10.0.0.7', 'port' => 6379]],
            ['redis://h:7000/3', ['host' => 'h', 'port' => 7000, 'database' => 3]],
            ['redis://:p%40ss@h', ['host' => 'h', 'port' => 6379, 'password' => 'p@ss']],
            ['redis://u:p%3A1@h/', [
                'host' => 'h', 'port' => 6379, 'username' => 'u', 'password' => 'p:1',
            ]],
            ['rediss://[::1]:6380', ['host' => '[::1]', 'port' => 6380, 'scheme' => 'tls']],
            ['unix:///var/run/redis.sock', ['host' => '/var/run/redis.sock', 'port' => 0]],
        ];
    }

    public function testSeveralHostsAreACluster(): void
    {
        $c = RedisUrl::configuration('redis://:secret@a:1,b:2');
        self::assertTrue($c['cluster']);
        self::assertSame(['a', 'b'], array_column($c['servers'], 'host'));
        self::assertSame(['cluster' => 'redis', 'password' => 'secret'], $c['options'] ?? null);
    }

    public function testNoSecretIsInWhatIsSaidOfAWrongUrl(): void
    {
        $urls = [
            'http://u:hunter2@h', 'redis://u:hunter2@h:99999', 'redis://u:hunter2@h/x', 'redis://', 'hunter2',
            'redis+sentinel://:hunter2@h/m', 'unix://h/x', 'redis://u:hunter2@h?x=1', 'redis://u:hunter2@h:1:2',
        ];
        foreach ($urls as $url) {
            try {
                RedisUrl::configuration($url);
                self::fail($url . ' was taken');
            } catch (InvalidArgumentException $e) {
                self::assertStringNotContainsString('hunter2', $e->getMessage());
                self::assertStringStartsWith('PULSE_REDIS_URL ', $e->getMessage());
            }
        }
    }
}
