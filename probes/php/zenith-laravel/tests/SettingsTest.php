<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Duration;
use Gravito\ZenithLaravel\Settings;
use Illuminate\Config\Repository;
use InvalidArgumentException;
use PHPUnit\Framework\TestCase;

final class SettingsTest extends TestCase
{
    public function testDurations(): void
    {
        $durations = ['500ms' => 500, '10s' => 10_000, '1m30s' => 90_000, '1.5s' => 1500, '1h' => 3_600_000];
        foreach ($durations as $text => $ms) {
            self::assertSame($ms, Duration::milliseconds('X', $text), $text);
        }
        foreach (['5', '', 's', '5 s', '-5s', "5s\n", 'five', null, [], '1e3s'] as $text) {
            try {
                Duration::milliseconds('PULSE_INTERVAL', $text);
                self::fail(json_encode($text) . ' was taken');
            } catch (InvalidArgumentException $e) {
                self::assertStringContainsString('it takes a duration with its unit', $e->getMessage());
            }
        }
    }

    public function testDefaults(): void
    {
        $s = Settings::of(self::config([]));
        self::assertSame(['My-shop', 'laravel', 'testing', 10_000, 30_000], [
            $s->app, $s->source, $s->environment, $s->intervalMs, $s->ttlMs,
        ]);
        self::assertSame('laravel', Settings::appName(new Repository(['app' => ['name' => ' ']])));
    }

    public function testSwitches(): void
    {
        foreach (['off', 'no', 'false', '0', false, 0, ''] as $off) {
            self::assertFalse(Settings::isOn(self::config(['enabled' => $off]), 'enabled'), var_export($off, true));
        }
        foreach (['on', 'yes', 'true', '1', true, 1, null, 'maybe'] as $on) {
            self::assertTrue(Settings::isOn(self::config(['enabled' => $on]), 'enabled'), var_export($on, true));
        }
    }

    public function testEachKindThatIsSlowHasItsDefault(): void
    {
        $after = static fn (mixed $slow): array => Settings::slowAfter(self::config(['slow' => $slow]));
        self::assertSame(['http' => 500, 'job' => 1000, 'query' => null], $after(['http' => 500, 'query' => null]));
        self::assertSame(['http' => 1000, 'job' => null, 'query' => 1000], $after(['job' => 'rubbish', 'x' => 1]));
        self::assertSame(['http' => 1000, 'job' => 1000, 'query' => 1000], $after('rubbish'));
    }

    /**
     * @dataProvider wrong
     * @param array<string, mixed> $settings
     */
    public function testWrongSettingIsOneSentence(array $settings, string $sentence): void
    {
        $this->expectException(InvalidArgumentException::class);
        $this->expectExceptionMessage($sentence);
        Settings::of(self::config($settings));
    }

    /**
     * @return array<int, array{array<string, mixed>, string}>
     */
    public function wrong(): array
    {
        return [
            [['app' => 'my shop'], 'PULSE_APP is "my shop": it takes 1 to 128 letters'],
            [['source' => 'a:b'], 'PULSE_SOURCE is "a:b": it takes 1 to 128 letters'],
            [['interval' => '5'], 'PULSE_INTERVAL is "5": it takes a duration with its unit, such as 5s or 1m'],
            [['interval' => '10ms'], 'PULSE_INTERVAL is "10ms": it takes 1s to 24h'],
            [['interval' => '25h', 'ttl' => '50h'], 'PULSE_INTERVAL is "25h": it takes 1s to 24h'],
            [['heartbeat' => 'maybe'], 'heartbeat of gravito_pulse is "maybe": it takes true or false'],
            [['schedule' => []], 'schedule of gravito_pulse is "array": it takes true or false'],
            [['slow' => 500], 'slow of gravito_pulse is no list: it takes a list of http, job and query'],
            [['slow' => ['http' => '1s']], 'slow.http of gravito_pulse is "1s": it takes a list of http'],
            [['slow' => ['job' => -5]], 'slow.job of gravito_pulse is "-5": it takes a list of http'],
            [['slow' => ['htp' => 1]], 'slow.htp of gravito_pulse is "1": it takes a list of http'],
            [['ttl' => '10s'], 'PULSE_TTL is "10s": it takes more than PULSE_INTERVAL'],
        ];
    }

    /**
     * @param array<string, mixed> $settings
     */
    private static function config(array $settings): Repository
    {
        return new Repository([
            'app' => ['name' => 'My shop', 'env' => 'testing'],
            'gravito_pulse' => $settings + ['state_path' => '/nowhere'],
        ]);
    }
}
