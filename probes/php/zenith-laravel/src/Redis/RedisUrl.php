<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Redis;

use InvalidArgumentException;

/**
 * Reads PULSE_REDIS_URL into what config/database.php would have.
 */
final class RedisUrl
{
    private const PORT = 6379;

    /**
     * @return array{servers: array<mixed>, cluster: bool, options?: array<mixed>}
     * @throws InvalidArgumentException a sentence without the URL, which may hold a password
     */
    public static function configuration(string $url): array
    {
        if (str_contains($url, '+sentinel://')) {
            throw new InvalidArgumentException(
                'PULSE_REDIS_URL names a Sentinel, which this package does not speak: set the URL of the primary, or '
                . 'redis_connection in config/gravito_pulse.php to a connection that knows it'
            );
        }
        if (preg_match('~\A(rediss?|unix)://(?:([^@/]*)@)?([^/?#]*)(/[^?#]*)?\z~', $url, $m) !== 1) {
            throw self::wrong();
        }
        [, $scheme, $login, $hosts] = $m;
        $path = $m[4] ?? '';
        [$user, $password] = self::login($login);
        $common = array_filter(['password' => $password, 'username' => $user], static fn ($v) => $v !== null);
        if ($scheme === 'unix') {
            if ($path === '' || $hosts !== '') {
                throw self::wrong();
            }

            return ['servers' => ['host' => rawurldecode($path), 'port' => 0] + $common, 'cluster' => false];
        }
        if ($scheme === 'rediss') {
            $common['scheme'] = 'tls';
        }
        $servers = array_map(static fn (string $host): array => self::host($host) + $common, explode(',', $hosts));
        if (count($servers) > 1) {
            $options = ['cluster' => 'redis'] + array_intersect_key($common, ['username' => 1, 'password' => 1]);

            return ['servers' => $servers, 'cluster' => true, 'options' => $options];
        }
        $database = trim($path, '/');
        if ($database !== '' && ! ctype_digit($database)) {
            throw self::wrong();
        }

        // Database 0 is where one is: a SELECT would need a permission for nothing.
        $select = (int) $database === 0 ? [] : ['database' => (int) $database];

        return ['servers' => $servers[0] + $select, 'cluster' => false];
    }

    /**
     * @return array{?string, ?string} the user and the password
     */
    private static function login(string $login): array
    {
        if ($login === '') {
            return [null, null];
        }
        [$user, $password] = array_pad(explode(':', $login, 2), 2, '');

        return [$user === '' ? null : rawurldecode($user), rawurldecode($password)];
    }

    /**
     * @return array{host: string, port: int}
     */
    private static function host(string $text): array
    {
        $matches = preg_match('/\A(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]+)(?::(\d{1,5}))?\z/', $text, $m);
        $port = (int) ($m[2] ?? self::PORT);
        if ($matches !== 1 || $port < 1 || $port > 65535) {
            throw self::wrong();
        }

        return ['host' => $m[1], 'port' => $port];
    }

    private static function wrong(): InvalidArgumentException
    {
        return new InvalidArgumentException(
            'PULSE_REDIS_URL is no URL of a Redis: it takes redis://user:password@host:6379/0, rediss://, '
            . 'unix:///path, or several hosts of a cluster, comma-separated'
        );
    }
}
