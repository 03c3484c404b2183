<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Slow\SlowLog;
use Illuminate\Contracts\Http\Kernel;
use Illuminate\Foundation\Application;
use Illuminate\Http\Request;

/**
 * Where Redis fails, the application does what it would do without the package: nothing is thrown, there is one line
 * in the log, nothing is held, and all is back once Redis is.
 */
final class LawsTest extends AppTestCase
{
    /** @var array{port: int, client: \Redis, process: resource, pid: int} */
    private array $server;

    /**
     * @dataProvider troubles
     */
    public function testRequestsGoOn(string $client, string $trouble): void
    {
        $this->begin($client);
        $app = $this->boot();
        $app->make(Kernel::class)->bootstrap();
        $this->requests($app, 1);
        self::assertSame(1, $this->written());
        $heal = $this->$trouble();
        $this->requests($app, 5);
        self::assertCount(1, $this->logged(), implode("\n", $this->logged()));
        self::assertStringContainsString('Gravito Pulse cannot write slow entries', $this->logged()[0]);
        $this->requests($app, 5); // while nobody tries
        self::assertCount(1, $this->logged());
        $heal();
        file_put_contents($this->app . '/storage/framework/gravito-pulse/write-slow-entries.failed', '1'); // 10 s later
        $before = $this->written();
        $this->requests($app, 2);
        self::assertSame($before + 2, $this->written(), 'only what is new is written: nothing was held');
        self::assertCount(2, $this->logged());
        self::assertStringContainsString('Gravito Pulse can write slow entries again', $this->logged()[1]);
    }

    /**
     * @dataProvider troubles
     */
    public function testTheReportersLoopGoesOnAndRecovers(string $client, string $trouble): void
    {
        $this->begin($client);
        $this->environment += ['PULSE_INTERVAL' => '1s'];
        $loop = $this->start([PHP_BINARY, $this->app . '/artisan', 'gravito:pulse', '--loop'], $this->environment);
        self::eventually('a report', fn () => $this->reported() > 0);
        $heal = $this->$trouble();
        self::eventually('the line on it', fn () => $this->logged() !== []);
        $heal();
        $healed = (int) (microtime(true) * 1000);
        self::eventually('reports again', fn () => $this->reported() > $healed);
        self::eventually('the word that it is', fn () => count($this->logged()) > 1);
        self::assertCount(2, $this->logged(), implode("\n", $this->logged()));
        self::assertStringContainsString('Gravito Pulse can report again', $this->logged()[1]);
        self::assertTrue(proc_get_status($loop)['running']);
    }

    /**
     * @return array<string, array{string, string}>
     */
    public function troubles(): array
    {
        $all = [];
        foreach (['phpredis', 'predis'] as $client) {
            foreach (['killed', 'frozen', 'full', 'readOnly', 'refusing', 'rubbish', 'closing'] as $trouble) {
                $all[$client . ', ' . $trouble] = [$client, $trouble];
            }
        }

        return $all;
    }

    public function testRedisThatWasNeverThere(): void
    {
        $this->environment += ['REDIS_PORT' => '1', 'SLOW_AFTER' => '0'];
        $this->requests($this->boot(), 3);
        self::assertCount(1, $this->logged());
        self::assertStringContainsString('Nothing was reported: ', $this->artisan('gravito:pulse', 1));
    }

    public function testQueuesOfARedisThatDoesNotAnswerAreNamed(): void
    {
        $pulse = $this->redis();
        $this->begin('phpredis');
        $this->environment['PULSE_REDIS_URL'] = 'redis://127.0.0.1:' . $pulse['port'];
        $this->artisan('shop:mail mail 1');
        $this->artisan('gravito:pulse');
        $this->killed();
        self::assertStringContainsString('mail: read it: ', $this->artisan('gravito:pulse'));
        $read = json_decode($pulse['client']->get('pulse:queues:My-shop:laravel'), true);
        self::assertSame([], $read['queues']);
        $named = array_column($read['problems'], 'queue');
        sort($named);
        self::assertSame(['default', 'mail'], $named);
        self::assertSame([], $pulse['client']->keys('*queues:mail'));
    }

    public function testAFolderThatCannotBeWrittenIsSaidOnThePage(): void
    {
        $this->begin('phpredis');
        $app = $this->boot(['gravito_pulse.state_path' => '/proc/nowhere']);
        $this->requests($app, 2);
        self::assertSame(0, $this->written());
        $app->make(\Illuminate\Contracts\Console\Kernel::class)->call('gravito:pulse');
        $read = json_decode((string) $this->server['client']->get('pulse:queues:My-shop:laravel'), true);
        self::assertStringStartsWith('slow requests, jobs and queries are not', $read['problems'][0]['reason']);
    }

    public function testASettingThatIsWrongHurtsNoRequest(): void
    {
        $this->begin('phpredis');
        $this->requests($this->boot(['gravito_pulse.app' => 'my shop']), 3);
        self::assertCount(1, $this->logged());
        self::assertStringContainsString('PULSE_APP is "my shop"', $this->logged()[0]);
    }

    private function begin(string $client): void
    {
        if ($client === 'predis' && ! class_exists('Predis\Client')) {
            self::missing('Predis is not installed: apt-get install php-predis');
        }
        $this->server = $this->redis();
        $this->environment += [
            'REDIS_PORT' => (string) $this->server['port'], 'SLOW_AFTER' => '0', 'REDIS_CLIENT' => $client,
        ];
        $this->artisan('migrate --force');
        $this->server['client']->flushAll();
    }

    private function requests(Application $app, int $count): void
    {
        $kernel = $app->make(Kernel::class);
        for ($i = 0; $i < $count; $i++) {
            $request = Request::create('/orders/1');
            $response = $kernel->handle($request);
            $kernel->terminate($request, $response);
            self::assertSame('an order', $response->getContent());
        }
        // What was noted is gone, written or not.
        $waiting = (fn () => $this->waiting)->call($app->make(SlowLog::class));
        self::assertSame([], $waiting);
    }

    private function written(): int
    {
        return (int) $this->server['client']->xLen('pulse:slow:My-shop');
    }

    private function reported(): int
    {
        try {
            $text = (string) $this->server['client']->get('pulse:queues:My-shop:laravel');

            return json_decode($text)->timestamp ?? 0;
        } catch (\Throwable $e) {
            return 0;
        }
    }

    private function killed(): \Closure
    {
        $port = $this->server['port'];
        self::end($this->server['process']);

        return function () use ($port): void {
            $this->server = $this->redis([], $port);
        };
    }

    private function frozen(): \Closure
    {
        posix_kill($this->server['pid'], SIGSTOP);

        return function (): void {
            posix_kill($this->server['pid'], SIGCONT);
        };
    }

    private function full(): \Closure
    {
        $this->server['client']->rawCommand('CONFIG', 'SET', 'maxmemory', '1');

        return function (): void {
            $this->server['client']->rawCommand('CONFIG', 'SET', 'maxmemory', '0');
        };
    }

    private function readOnly(): \Closure
    {
        $this->server['client']->rawCommand('REPLICAOF', '127.0.0.1', '1');

        return function (): void {
            $this->server['client']->rawCommand('REPLICAOF', 'NO', 'ONE');
        };
    }

    private function refusing(): \Closure
    {
        $this->server['client']->rawCommand('ACL', 'SETUSER', 'default', '-set', '-xadd');

        return function (): void {
            $this->server['client']->rawCommand('ACL', 'SETUSER', 'default', '+set', '+xadd');
        };
    }

    /**
     * Something else is on Redis' port, and says what Redis would not.
     */
    private function rubbish(): \Closure
    {
        return $this->instead('fwrite($c, random_bytes(500) . "\r\nHTTP/1.1 400 Bad Request\r\n\r\n"); $open[] = $c;');
    }

    /**
     * Something else is on Redis' port, and hangs up on everybody.
     */
    private function closing(): \Closure
    {
        return $this->instead('fclose($c);');
    }

    private function instead(string $answer): \Closure
    {
        $heal = $this->killed();
        $code = '$s = stream_socket_server("tcp://127.0.0.1:%d"); '
            . 'while (true) { if ($c = @stream_socket_accept($s, 60)) { %s } }';
        $other = $this->start([PHP_BINARY, '-r', sprintf($code, $this->server['port'], $answer)], []);
        self::eventually('the other server', fn () => @fsockopen('127.0.0.1', $this->server['port']) !== false);

        return static function () use ($heal, $other): void {
            self::end($other);
            $heal();
        };
    }
}
