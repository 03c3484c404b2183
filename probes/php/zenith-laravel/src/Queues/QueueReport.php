<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Queues;

use Closure;
use Gravito\ZenithLaravel\Redis\Connections;
use Gravito\ZenithLaravel\Snapshot;
use Gravito\ZenithLaravel\State;
use Gravito\ZenithLaravel\Text;
use Illuminate\Contracts\Foundation\Application;
use InvalidArgumentException;
use Throwable;

/**
 * Fills a snapshot with the application's queues. It holds what one report leaves to the next of its process.
 */
final class QueueReport
{
    public const REDIS = 'laravel-horizon'; // what the protocol calls Laravel's queues on Redis, Horizon or not
    public const OTHER = 'other';
    public const DATABASE = 'laravel-database';

    /** Seconds to connect to a Redis, and to wait for an answer. */
    private const TIMEOUT = 2.0;

    private Selection $selection;
    private FailedJobs $failed;
    private DatabaseQueues $database;
    private Connections $redis;
    /** @var array<string, RedisStore> by identity */
    private array $stores = [];
    /** @var array<string, string> why a connection of Redis is none, by connection */
    private array $broken = [];
    private ?Horizon $horizon = null;

    /**
     * @throws InvalidArgumentException a sentence that says what is wrong with the settings
     */
    public function __construct(private Application $app, private State $state)
    {
        $this->selection = Selection::of($app['config']->get('gravito_pulse.queues'), $this->firstConnection());
        $this->failed = new FailedJobs($app);
        $this->database = new DatabaseQueues($app);
        $this->redis = new Connections($app);
        foreach ($this->connections('redis') as $name => $connection) {
            $this->place($name, (string) ($connection['connection'] ?? 'default'));
        }
        if (class_exists('Laravel\Horizon\Horizon')) {
            $this->horizon = new Horizon($this->redis->withPrefix(
                (string) ($app['config']->get('horizon.use') ?: 'default'),
                (string) ($app['config']->get('horizon.prefix') ?: 'horizon:'),
                self::TIMEOUT
            ));
        }
    }

    /**
     * @param Closure(): int $now Unix ms
     */
    public function into(Snapshot $snapshot, Closure $now): void
    {
        foreach ($this->broken as $connection => $reason) {
            $snapshot->problem('count the queues of the connection ' . $connection . ': ' . $reason);
        }
        $this->failed->look($now);
        $workers = $this->workers($snapshot, $now());
        foreach ($this->stores as $store) {
            $this->redisInto($snapshot, $store, $workers, $now());
        }
        $tables = [];
        foreach ($this->connections('database') as $name => $connection) {
            $table = ($connection['connection'] ?? '') . '/' . ($connection['table'] ?? 'jobs');
            if (! isset($tables[$table])) {
                $this->databaseInto($snapshot, $name, $connection, $now());
            }
            $tables[$table] = true;
        }
    }

    /**
     * Connections that have jobs of their own and are not counted, with their drivers.
     *
     * @return array<string, string>
     */
    public function notCounted(): array
    {
        $drivers = array_map(
            static fn ($c) => (string) ($c['driver'] ?? ''),
            array_filter($this->app['config']->get('queue.connections', []), 'is_array')
        );
        $none = ['redis', 'database', 'sync', 'null', 'deferred', 'background', 'failover', ''];

        return array_filter($drivers, static fn ($driver) => ! in_array($driver, $none, true));
    }

    private function place(string $connection, string $redis): void
    {
        try {
            $identity = $this->redis->identity($redis);
            $this->stores[$identity] ??= new RedisStore(
                substr($identity, 0, 16),
                $this->redis->ofTheApplication($redis, self::TIMEOUT)
            );
            $this->stores[$identity]->connections[] = $connection;
        } catch (Throwable $e) {
            $this->broken[$connection] = Text::reason($e);
        }
    }

    private function workers(Snapshot $snapshot, int $now): Workers
    {
        if ($this->horizon === null) {
            return new Workers(false);
        }
        try {
            $workers = $this->horizon->workers($now);
        } catch (Throwable $e) {
            $workers = Workers::unknown(Text::reason($e));
        }
        if ($workers->why !== '') {
            $snapshot->problem("read Horizon's supervisors: " . $workers->why);
        }

        return $workers;
    }

    private function redisInto(Snapshot $snapshot, RedisStore $store, Workers $workers, int $now): void
    {
        try {
            $this->name($store, $workers, $now);
            $counts = $store->queues->count($store->names, $now);
        } catch (Throwable $e) {
            $this->unreadable($snapshot, $store, Text::reason($e));

            return;
        }
        foreach ($counts as $name => $c) {
            $name = (string) $name;
            $meta = $workers->metaOf($store->connections, $name, $c);
            $this->row($snapshot, self::REDIS, $name, $store->connections, $c, $meta);
        }
    }

    /**
     * Names what cannot be counted: a queue must not vanish because its Redis does not answer.
     */
    private function unreadable(Snapshot $snapshot, RedisStore $store, string $reason): void
    {
        foreach ($this->finder($store)->remembered() as $spelling) {
            $this->select($store, $spelling, [$spelling]);
        }
        foreach (array_keys($store->names) as $name) {
            $snapshot->problem('read it: ' . $reason, (string) $name);
        }
        if ($store->names === []) {
            $snapshot->problem('read the queues of ' . implode(', ', $store->connections) . ': ' . $reason);
        }
    }

    private function finder(RedisStore $store): Finder
    {
        return new Finder($store->wire, $this->state, $store->identity);
    }

    /**
     * Says which queues of a Redis are counted at this report: those that are named or configured; and where there is a
     * glob those that somebody works on, that have failed jobs, or whose keys were found.
     */
    private function name(RedisStore $store, Workers $workers, int $now): void
    {
        $store->names = [];
        $finds = false;
        foreach ($store->connections as $connection) {
            $finds = $finds || $this->selection->finds($connection);
            foreach ($this->selection->names($connection) as $name) {
                $store->add(QueueKeys::nameOf($name), QueueKeys::spellingsOf($name));
            }
            $configured = (string) $this->app['config']->get('queue.connections.' . $connection . '.queue', 'default');
            $known = array_merge([$configured], $workers->queuesOf($connection), $this->failed->queuesOf($connection));
            foreach ($known as $spelling) {
                $this->select($store, $spelling, QueueKeys::spellingsOf($spelling));
            }
        }
        if (! $finds) {
            return;
        }
        foreach ($this->finder($store)->find($now) as $spelling) {
            $this->select($store, $spelling, [$spelling]);
        }
    }

    /**
     * @param array<int, string> $spellings
     */
    private function select(RedisStore $store, string $spelling, array $spellings): void
    {
        $name = QueueKeys::nameOf($spelling);
        foreach ($store->connections as $connection) {
            if ($this->selection->selects($connection, $name) || $this->selection->selects($connection, $spelling)) {
                $store->add($name, $spellings);

                return;
            }
        }
    }

    /**
     * @param array<string, mixed> $connection
     */
    private function databaseInto(Snapshot $snapshot, string $name, array $connection, int $now): void
    {
        try {
            $counts = $this->database->count($connection, $now);
        } catch (Throwable $e) {
            $snapshot->problem('count the queues of the connection ' . $name . ': ' . Text::reason($e));

            return;
        }
        $known = array_merge(
            $this->selection->names($name),
            [(string) ($connection['queue'] ?? 'default')],
            $this->failed->queuesOf($name)
        );
        foreach ($known as $queue) {
            $counts[$queue] ??= new Counts(); // a table knows that there are none
        }
        foreach ($counts as $queue => $c) {
            if ($this->selection->selects($name, (string) $queue)) {
                $this->row($snapshot, self::OTHER, (string) $queue, [$name], $c, ['driver' => self::DATABASE]);
            }
        }
    }

    /**
     * @param array<int, string> $connections
     * @param array<string, mixed> $meta
     */
    private function row(
        Snapshot $snapshot,
        string $driver,
        string $name,
        array $connections,
        Counts $c,
        array $meta
    ): void {
        $failed = $this->failed->of($connections, $name);
        $why = $c->why;
        if ($this->failed->why !== '') {
            $why[] = 'failed: ' . $this->failed->why;
        } elseif ($failed !== null && $this->failed->asOf < $snapshot->timestamp) {
            $meta['failed_as_of'] = $this->failed->asOf;
        }
        $meta += array_filter([
            'reserved' => $c->active,
            'stalled' => $c->stalled,
            'oldest_at' => $c->oldestAt,
            'connection' => implode(', ', $connections),
            'error' => $why === [] ? null : Text::cut(implode('; ', $why), 1000),
        ], static fn ($value) => $value !== null);
        // Two connections may have a queue of the same name on two Redises. A row's name is its own.
        if ($snapshot->has($driver, $meta['driver'] ?? '', $name)) {
            $name = $connections[0] . ':' . $name;
        }
        $metrics = ['waiting' => $c->waiting, 'active' => $c->active, 'delayed' => $c->delayed, 'failed' => $failed];
        $snapshot->add($name, $driver, $metrics, $meta);
    }

    /**
     * The application's queue connections of a driver that are to be counted, the default one first.
     *
     * @return array<string, array<string, mixed>>
     */
    private function connections(string $driver): array
    {
        $all = array_filter(
            array_filter($this->app['config']->get('queue.connections', []), 'is_array'),
            fn ($c, $name) => ($c['driver'] ?? '') === $driver && $this->selection->concerns((string) $name),
            ARRAY_FILTER_USE_BOTH
        );
        $first = $this->firstConnection();

        return isset($all[$first]) ? [$first => $all[$first]] + $all : $all;
    }

    /**
     * The default queue connection if it can be counted, else the first that can.
     */
    private function firstConnection(): string
    {
        $config = $this->app['config'];
        $drivers = array_map(static fn ($c) => $c['driver'] ?? '', $config->get('queue.connections', []));
        $counted = array_keys(array_intersect($drivers, ['redis', 'database']));
        $default = (string) $config->get('queue.default');

        return in_array($default, $counted, true) ? $default : (string) ($counted[0] ?? $default);
    }
}
