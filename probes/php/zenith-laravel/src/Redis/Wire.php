<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Redis;

use Closure;
use Illuminate\Redis\Connections\Connection;
use Predis\ClientInterface;
use Predis\Command\RawCommand;
use Predis\Response\ErrorInterface;
use Redis;
use RedisCluster;
use RuntimeException;
use Throwable;

/**
 * Asks a Redis commands as they are, through either of Laravel's clients.
 *
 * Raw commands, because the clients' own methods add prefixes, serializers and shapes of answers that differ from one
 * client and version to the next.
 */
final class Wire
{
    /** The most commands that go out before the first answer is read: what both sides hold in memory. */
    private const BATCH = 3000;
    /** Of a cluster, the node that has this key answers what is about none. */
    private const ANY_KEY = 'pulse:index';

    private ?Connection $connection = null;

    /**
     * @param Closure(): Connection $connect
     * @param int $database that it must be in: Laravel does not look at what Redis says to a SELECT
     */
    public function __construct(private Closure $connect, private int $database = 0)
    {
    }

    /**
     * Asks all commands, in as few round trips as the client can.
     *
     * @param array<int, array<int, string>> $commands each a command, its key if it has one, and its arguments
     * @return array<int, mixed> an answer each: int, string, array, null for nothing, or a Refusal
     * @throws Throwable where there is no connection, or it broke; it is closed then
     */
    public function ask(array $commands): array
    {
        try {
            $answers = [];
            foreach (array_chunk($commands, self::BATCH) as $batch) {
                foreach ($this->batch($batch) as $answer) {
                    $answers[] = $answer;
                }
            }
        } catch (Throwable $e) {
            $this->close();
            throw $e;
        }

        return $answers;
    }

    /**
     * What the client puts before keys.
     */
    public function prefix(): string
    {
        $client = $this->client();
        if ($client instanceof Redis || $client instanceof RedisCluster) {
            return (string) $client->getOption(Redis::OPT_PREFIX);
        }
        $prefix = $client->getOptions()->prefix;

        return $prefix === null ? '' : (string) $prefix->getPrefix();
    }

    /**
     * Whether keys are on several nodes: then no command sees all of them.
     */
    public function isCluster(): bool
    {
        return $this->client() instanceof RedisCluster || $this->isPredisCluster();
    }

    public function close(): void
    {
        $client = $this->connection === null ? null : $this->connection->client();
        $this->connection = null;
        try {
            if ($client instanceof ClientInterface) {
                $client->disconnect();
            } elseif ($client !== null) {
                $client->close();
            }
        } catch (Throwable $e) {
            // It was broken.
        }
    }

    /**
     * @param array<int, array<int, string>> $commands
     * @return array<int, mixed>
     */
    private function batch(array $commands): array
    {
        $client = $this->client();
        if ($client instanceof Redis) {
            return $this->pipeline($client, $commands);
        }
        if ($client instanceof RedisCluster) {
            return array_map(function (array $command) use ($client) {
                $client->clearLastError();

                $answer = $client->rawCommand($command[1] ?? self::ANY_KEY, ...$command);

                return self::answer($answer, $client->getLastError());
            }, $commands);
        }
        if ($this->isPredisCluster()) {
            return array_map(
                static fn (array $c) => self::answer($client->executeCommand(self::forCluster($client, $c)), null),
                $commands
            );
        }
        $answers = $client->pipeline(static function ($pipe) use ($commands): void {
            foreach ($commands as $command) {
                $pipe->executeCommand(RawCommand::create(...$command));
            }
        });

        return array_map(static fn ($answer) => self::answer($answer, null), self::all($answers, count($commands)));
    }

    /**
     * The first command goes alone: of a pipeline phpredis waits for every answer as long as its timeout is, also after
     * one that did not come. A hundred commands would be a hundred timeouts.
     *
     * @param array<int, array<int, string>> $commands at least one
     * @return array<int, mixed>
     */
    private function pipeline(Redis $client, array $commands): array
    {
        $client->clearLastError();
        $first = self::answer($client->rawCommand(...array_shift($commands)), $client->getLastError());
        if ($commands === []) {
            return [$first];
        }
        $client->clearLastError();
        $pipe = $client->pipeline();
        foreach ($commands as $command) {
            $pipe->rawCommand(...$command);
        }
        $answers = self::all($pipe->exec(), count($commands));
        $error = $client->getLastError();

        return array_merge([$first], array_map(static fn ($answer) => self::answer($answer, $error), $answers));
    }

    /**
     * @return array<int, mixed>
     */
    private static function all(mixed $answers, int $expected): array
    {
        if (! is_array($answers) || count($answers) !== $expected) {
            throw new RuntimeException('Redis did not answer all that it was asked');
        }

        return array_values($answers);
    }

    /**
     * @param ?string $error the newest error that phpredis knows of: it tells errors from nothing in no other way
     */
    private static function answer(mixed $answer, ?string $error): mixed
    {
        if ($answer instanceof ErrorInterface) {
            return new Refusal($answer->getMessage());
        }
        if ($answer === false) {
            return $error === null ? null : new Refusal($error);
        }

        return is_object($answer) ? (string) $answer : $answer; // Predis' status
    }

    /**
     * Says where a command belongs: of those that are newer than itself, Predis doesn't know.
     *
     * @param array<int, string> $command
     */
    private static function forCluster(ClientInterface $client, array $command): RawCommand
    {
        $raw = RawCommand::create(...$command);
        $cluster = $client->getConnection();
        if (method_exists($cluster, 'getClusterStrategy') && method_exists($raw, 'setSlot')) {
            $raw->setSlot($cluster->getClusterStrategy()->getSlotByKey($command[1] ?? self::ANY_KEY));
        }

        return $raw;
    }

    private function isPredisCluster(): bool
    {
        $client = $this->client();

        return $client instanceof ClientInterface
            && ! $client->getConnection() instanceof \Predis\Connection\NodeConnectionInterface;
    }

    /**
     * @return Redis|RedisCluster|ClientInterface
     */
    private function client(): object
    {
        if ($this->connection === null) {
            $this->connection = ($this->connect)();
            $client = $this->connection->client();
            if ($client instanceof Redis) {
                $client->setOption(Redis::OPT_MAX_RETRIES, 1);
            }
            $this->select($client);
        }

        return $this->connection->client();
    }

    /**
     * @param Redis|RedisCluster|ClientInterface $client
     */
    private function select(object $client): void
    {
        if ($this->database === 0) {
            return;
        }
        if ($client instanceof Redis) {
            $client->clearLastError();
            $reason = $client->select($this->database) ? null : $client->getLastError();
        } else {
            $answer = $client->executeCommand(RawCommand::create('SELECT', (string) $this->database));
            $reason = $answer instanceof ErrorInterface ? $answer->getMessage() : null;
        }
        if ($reason !== null) {
            $this->connection = null;
            throw new RuntimeException('SELECT ' . $this->database . ': ' . $reason);
        }
    }
}
