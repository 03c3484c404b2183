<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use PHPUnit\Framework\TestCase;
use Redis;
use Throwable;

/**
 * Programs that tests start, each on a free port of its own, and end by their process.
 */
abstract class Servers extends TestCase
{
    /** How long something may take until a test gives up, in seconds: a busy machine is no failure. */
    private const GIVE_UP_AFTER = 60;

    /** @var array<int, resource> */
    private array $processes = [];
    /** @var array<int, string> */
    private array $folders = [];

    protected function tearDown(): void
    {
        foreach ($this->processes as $process) {
            self::end($process);
        }
        foreach ($this->folders as $folder) {
            exec('rm -rf ' . escapeshellarg($folder));
        }
        parent::tearDown();
    }

    /**
     * @param array<int, string> $arguments
     * @return array{port: int, client: Redis, process: resource, pid: int}
     */
    protected function redis(array $arguments = [], ?int $port = null): array
    {
        $port ??= self::freePort();
        $process = $this->start(array_merge([
            self::program('redis-server'), '--port', (string) $port, '--bind', '127.0.0.1', '--save', '',
            '--dir', $this->folder(), '--enable-debug-command', 'yes',
        ], $arguments), []);
        $client = new Redis();
        self::eventually('redis-server', static function () use ($client, $port): bool {
            try {
                return $client->connect('127.0.0.1', $port, 1.0);
            } catch (Throwable $e) {
                return false;
            }
        });

        return ['port' => $port, 'client' => $client, 'process' => $process, 'pid' => proc_get_status($process)['pid']];
    }

    /**
     * @param array<int, string> $command
     * @param array<string, string> $environment
     * @return resource
     */
    protected function start(array $command, array $environment, string $output = '/dev/null')
    {
        $streams = [['file', '/dev/null', 'r'], ['file', $output, 'a'], ['file', $output, 'a']];
        $process = proc_open($command, $streams, $pipes, null, $environment + ['PATH' => (string) getenv('PATH')]);
        self::assertIsResource($process);

        return $this->processes[] = $process;
    }

    /**
     * @param resource $process
     */
    protected static function end($process): void
    {
        if (is_resource($process)) {
            $pid = proc_get_status($process)['pid'];
            posix_kill($pid, SIGCONT);
            proc_terminate($process, SIGKILL);
            proc_close($process);
        }
    }

    protected function folder(): string
    {
        $folder = sys_get_temp_dir() . '/zenith-' . bin2hex(random_bytes(8));
        mkdir($folder);

        return $this->folders[] = $folder;
    }

    /**
     * @param callable(): bool $ok
     */
    protected static function eventually(string $what, callable $ok): void
    {
        for ($until = time() + self::GIVE_UP_AFTER; ! $ok(); usleep(20_000)) {
            if (time() > $until) {
                self::fail('waited in vain for ' . $what);
            }
        }
        self::assertTrue(true);
    }

    protected static function freePort(): int
    {
        $socket = stream_socket_server('tcp://127.0.0.1:0');
        $port = (int) substr((string) strrchr((string) stream_socket_get_name($socket, false), ':'), 1);
        fclose($socket);

        return $port;
    }

    protected static function program(string $name): string
    {
        $path = trim((string) shell_exec('command -v ' . escapeshellarg($name)));
        if ($path === '') {
            self::missing($name . ' is not installed');
        }

        return $path;
    }

    /**
     * Skips a test for what is not installed. In CI that is a failure.
     */
    protected static function missing(string $what): void
    {
        if (getenv('CI') === 'true') {
            self::fail($what);
        }
        self::markTestSkipped($what);
    }
}
