<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Redis;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Redis\Connections\Connection;
use Illuminate\Redis\RedisManager;
use InvalidArgumentException;

/**
 * Connections of our own to the Redis that the application's configuration names.
 *
 * They are made by Laravel's own connectors, but are not the application's: they have timeouts of their
 * own, they keep nothing open that it uses, and they fire none of its events.
 */
final class Connections
{
    private const NAME = 'gravito_pulse';

    public function __construct(private Application $app)
    {
    }

    /**
     * The connection of config/database.php that has this name, with its prefix.
     *
     * @param float $timeout seconds to connect, and to wait for each answer
     */
    public function ofTheApplication(string $name, float $timeout): Wire
    {
        return $this->connect($this->named($name), $timeout);
    }

    /**
     * A connection of config/database.php with another prefix, as Horizon uses one.
     */
    public function withPrefix(string $name, string $prefix, float $timeout): Wire
    {
        return $this->connect($this->named($name), $timeout, $prefix);
    }

    /**
     * The Redis where the protocol's keys live. They have no prefix.
     */
    public function ofThePulse(float $timeout): Wire
    {
        $url = $this->app['config']->get('gravito_pulse.redis_url');
        if (is_string($url) && $url !== '') {
            return $this->connect($this->withLogin(RedisUrl::configuration($url)), $timeout, '');
        }
        $name = $this->app['config']->get('gravito_pulse.redis_connection') ?: 'default';

        return $this->connect($this->named((string) $name), $timeout, '');
    }

    /**
     * The same text for two connections of config/database.php that see the same keys of the same Redis.
     */
    public function identity(string $name): string
    {
        $configuration = $this->named($name);
        $global = $this->app['config']->get('database.redis.options', []);

        return hash('sha256', serialize([$configuration, $global['prefix'] ?? '']));
    }

    /**
     * phpredis takes a user and a password as one; Laravel 8 has no other way to tell it a user.
     *
     * @param array{servers: array<mixed>, cluster: bool, options?: array<mixed>} $configuration
     * @return array{servers: array<mixed>, cluster: bool, options?: array<mixed>}
     */
    private function withLogin(array $configuration): array
    {
        if ($this->client() === 'phpredis') {
            $where = $configuration['cluster'] ? 'options' : 'servers';
            if (isset($configuration[$where]['username'])) {
                $configuration[$where]['password'] = [
                    $configuration[$where]['username'], $configuration[$where]['password'],
                ];
            }
        }

        return $configuration;
    }

    private function client(): string
    {
        $client = (string) $this->app['config']->get('database.redis.client', 'phpredis');
        if (in_array($client, ['phpredis', 'predis'], true)) {
            return $client;
        }
        throw new InvalidArgumentException(
            'database.redis.client is "' . $client . '": it takes phpredis or predis to report to Gravito Pulse'
        );
    }

    /**
     * @return array{servers: array<mixed>, cluster: bool}
     */
    private function named(string $name): array
    {
        $redis = $this->app['config']->get('database.redis', []);
        if (is_array($redis[$name] ?? null)) {
            return ['servers' => $redis[$name], 'cluster' => false];
        }
        if (is_array($redis['clusters'][$name] ?? null)) {
            return ['servers' => $redis['clusters'][$name], 'cluster' => true];
        }
        throw new InvalidArgumentException('config/database.php has no Redis connection ' . $name);
    }

    /**
     * @param array{servers: array<mixed>, cluster: bool, options?: array<mixed>} $configuration
     */
    private function connect(array $configuration, float $timeout, ?string $prefix = null): Wire
    {
        $redis = $this->app['config']->get('database.redis', []);
        $client = $this->client();
        $ours = self::limits($client, $timeout) + ($prefix === null ? [] : ['prefix' => $prefix]);
        $options = array_merge(self::without($redis['options'] ?? []), $ours);
        $servers = $configuration['servers'];
        if ($configuration['cluster']) {
            $clusterOptions = array_merge(
                $configuration['options'] ?? self::without($redis['clusters']['options'] ?? []),
                $ours
            );
            $manager = new RedisManager($this->app, $client, [
                'options' => $options,
                'clusters' => ['options' => $clusterOptions, self::NAME => $this->ownOptions($servers, $ours)],
            ]);
        } else {
            $manager = new RedisManager($this->app, $client, [
                'options' => $options,
                self::NAME => $this->ownOptions(array_merge(self::without($servers), $ours), $ours),
            ]);
        }

        return new Wire(static function () use ($manager): Connection {
            $manager->purge(self::NAME);

            return $manager->connection(self::NAME);
        }, $configuration['cluster'] ? 0 : (int) ($servers['database'] ?? 0));
    }

    /**
     * What a connection has in its own 'options' goes before all else.
     *
     * @param array<mixed> $servers
     * @param array<string, mixed> $ours
     * @return array<mixed>
     */
    private function ownOptions(array $servers, array $ours): array
    {
        if (is_array($servers['options'] ?? null)) {
            $servers['options'] = array_merge(self::without($servers['options']), $ours);
        }

        return $servers;
    }

    /**
     * @return array<string, mixed>
     */
    private static function limits(string $client, float $timeout): array
    {
        $limits = ['timeout' => $timeout, 'read_timeout' => $timeout, 'persistent' => false];

        return $client === 'predis' ? $limits + ['read_write_timeout' => $timeout, 'exceptions' => false] : $limits;
    }

    /**
     * Takes out what would share a connection, or try again for longer than the limits are.
     *
     * @param array<mixed> $options
     * @return array<mixed>
     */
    private static function without(array $options): array
    {
        return array_diff_key($options, array_flip([
            'name', 'persistent_id', 'retry_interval', 'max_retries', 'backoff_algorithm', 'backoff_base',
            'backoff_cap', 'read_write_timeout', 'exceptions',
        ]));
    }
}
