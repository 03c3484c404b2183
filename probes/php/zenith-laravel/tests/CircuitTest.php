<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Circuit;
use Gravito\ZenithLaravel\State;
use Monolog\Handler\TestHandler;
use Monolog\Logger;
use Psr\Log\LoggerInterface;
use RuntimeException;

final class CircuitTest extends Servers
{
    public function testItIsSaidOnceByAllProcessesTogetherAndTriedSeldom(): void
    {
        $folder = $this->folder() . '/made/when/needed';
        $said = new TestHandler();
        // Each stands for a process.
        $first = $this->circuit($folder, $said, 3_600_000);
        $second = $this->circuit($folder, $said, 3_600_000);
        self::assertTrue($first->mayTry());
        self::assertTrue($second->mayTry());
        $first->failed('it is gone');
        $second->failed('it is gone');
        self::assertFalse($first->mayTry());
        self::assertFalse($second->mayTry());
        self::assertFalse($this->circuit($folder, $said, 3_600_000)->mayTry());
        self::assertCount(1, $said->getRecords());
        $why = 'cannot do it; it tries again until it can: it is gone';
        self::assertStringContainsString($why, self::messages($said));
        $second->succeeded();
        $first->succeeded();
        self::assertTrue($first->mayTry());
        self::assertCount(2, $said->getRecords());
        self::assertStringContainsString('can do it again', self::messages($said));
    }

    public function testOneProcessTriesForAll(): void
    {
        $folder = $this->folder();
        $circuit = $this->circuit($folder, new TestHandler(), 3_600_000);
        $circuit->failed('x');
        file_put_contents($folder . '/do-it.failed', '1'); // its time has come
        self::assertTrue($circuit->mayTry());
        self::assertFalse($circuit->mayTry());
    }

    public function testWhatComesAndGoesIsSaidEveryTenMinutes(): void
    {
        $folder = $this->folder();
        $said = new TestHandler();
        // Each call stands for a process: what is known is in files.
        $failed = fn (int $quiet) => $this->circuit($folder, $said, 0, $quiet)->failed('x');
        $succeeded = fn () => $this->circuit($folder, $said, 0)->succeeded();
        $failed(600_000);
        $succeeded();
        self::assertCount(2, $said->getRecords());
        for ($i = 0; $i < 3; $i++) {
            $failed(600_000);
            $failed(600_000);
            $succeeded();
        }
        self::assertCount(2, $said->getRecords());
        $failed(600_000);
        $failed(0); // it lasts, and the ten minutes are over
        $failed(0);
        self::assertCount(3, $said->getRecords());
        self::assertStringContainsString('until it can (4 times since this was said): x', self::messages($said));
        $succeeded();
        self::assertCount(4, $said->getRecords());
        $failed(0);
        self::assertCount(5, $said->getRecords());
    }

    public function testNothingIsTriedWhereNothingCanBeRemembered(): void
    {
        $said = new TestHandler();
        $circuit = $this->circuit('/proc/nowhere', $said, 1000);
        self::assertFalse($circuit->mayTry());
        $circuit->failed('x');
        self::assertCount(0, $said->getRecords());
    }

    public function testALogThatThrowsHurtsNobody(): void
    {
        $log = static fn (): LoggerInterface => throw new RuntimeException('no log');
        $circuit = new Circuit(new State($this->folder()), 'do it', 1000, $log);
        $circuit->failed('x');
        $circuit->succeeded();
        self::assertTrue($circuit->mayTry());
    }

    private function circuit(string $folder, TestHandler $said, int $retry, int $quiet = 600_000): Circuit
    {
        $log = static fn (): LoggerInterface => new Logger('test', [$said]);

        return new Circuit(new State($folder), 'do it', $retry, $log, $quiet);
    }

    private static function messages(TestHandler $said): string
    {
        return implode("\n", array_column($said->getRecords(), 'message'));
    }
}
