<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Settings;
use Gravito\ZenithLaravel\Snapshot;
use Illuminate\Config\Repository;
use PHPUnit\Framework\TestCase;

final class SnapshotTest extends TestCase
{
    private const NOTHING = ['waiting' => 0, 'active' => null];

    public function testDocument(): void
    {
        $s = self::snapshot();
        $s->add('mail', 'laravel-horizon', ['waiting' => 3, 'active' => null, 'failed' => 0], []);
        self::assertSame('pulse:queues:shop:laravel', $s->key());
        self::assertSame(
            '{"timestamp":1764000000000,"app":"shop","source":"laravel","queues":[{"name":"mail",'
            . '"driver":"laravel-horizon","metrics":{"waiting":3,"failed":0},"meta":{}}]}',
            $s->json()
        );
    }

    public function testIntervalIsSaidWhereItIsNotTheUsualOne(): void
    {
        $s = self::snapshot(['interval' => '1m', 'ttl' => '150s']);
        self::assertStringContainsString('"interval_ms":60000,', $s->json());
    }

    public function testQueueThatCannotBeWrittenIsAProblemBesideItsNeighbours(): void
    {
        $s = self::snapshot();
        foreach (['', "\xff", str_repeat('x', 1025)] as $name) {
            $s->add($name, 'other', self::NOTHING, []);
        }
        $s->add('unknown', 'other', ['waiting' => null], ['error' => 'waiting: WRONGTYPE']);
        $s->add(str_repeat('x', 1024), 'other', self::NOTHING, []);
        self::assertSame(1, $s->count());
        $read = json_decode($s->json(), true, 512, JSON_THROW_ON_ERROR);
        self::assertCount(1, $read['queues']);
        self::assertCount(4, $read['problems']);
        self::assertSame(['queue' => 'unknown', 'reason' => 'waiting: WRONGTYPE'], $read['problems'][3]);
    }

    public function testCountThatIsTooLargeIsAbsent(): void
    {
        $s = self::snapshot();
        $s->add('mail', 'other', ['waiting' => 1, 'active' => 2 ** 53, 'delayed' => -1, 'failed' => 2 ** 53 - 1], []);
        $metrics = json_decode($s->json(), true)['queues'][0]['metrics'];
        self::assertSame(['waiting' => 1, 'failed' => 2 ** 53 - 1], $metrics);
    }

    public function testDocumentHasAtMostEightMebibytes(): void
    {
        $s = self::snapshot();
        for ($i = 0; $i < 8200; $i++) {
            $s->add($i . str_repeat('x', 1000), 'other', self::NOTHING, []);
        }
        $json = $s->json();
        self::assertLessThanOrEqual(8 << 20, strlen($json));
        $read = json_decode($json, true, 512, JSON_THROW_ON_ERROR);
        self::assertCount(7380, $read['queues']);
        self::assertStringStartsWith('820 queues are left out', $read['problems'][0]['reason']);
    }

    public function testProblemsAreAtMostAHundred(): void
    {
        $s = self::snapshot();
        for ($i = 0; $i < 150; $i++) {
            $s->problem('no. ' . $i);
        }
        $problems = json_decode($s->json(), true)['problems'];
        self::assertCount(100, $problems);
        self::assertSame('and 51 more problems', $problems[99]['reason']);
    }

    /**
     * @param array<string, mixed> $settings
     */
    private static function snapshot(array $settings = []): Snapshot
    {
        $config = new Repository(['gravito_pulse' => $settings + ['app' => 'shop', 'state_path' => '/nowhere']]);

        return new Snapshot(Settings::of($config), 1764000000000);
    }
}
