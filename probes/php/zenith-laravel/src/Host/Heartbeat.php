<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Host;

use Composer\InstalledVersions;
use Gravito\ZenithLaravel\Name;
use Gravito\ZenithLaravel\Settings;
use Gravito\ZenithLaravel\Text;
use Illuminate\Contracts\Foundation\Application;
use Throwable;

/**
 * Says that this host is alive and how it is doing.
 */
final class Heartbeat
{
    private Sample $sample;

    public function __construct(private Application $app, private Settings $settings)
    {
        $this->sample = new Sample();
    }

    public function key(): string
    {
        return 'pulse:server:' . $this->settings->app . ':' . self::id();
    }

    /**
     * The document as it is written.
     *
     * @param int $timestamp Unix ms
     * @param int $ahead by how many ms this host's clock is ahead of Redis', 0 where it is near enough
     */
    public function json(int $timestamp, int $ahead = 0): string
    {
        return json_encode(['timestamp' => $timestamp] + $this->sample->measure() + [
            'meta' => [
                'app_name' => $this->settings->app,
                'id' => self::id(),
                'environment' => $this->settings->environment,
                'runtime' => 'php' . PHP_VERSION,
                'version' => $this->version(),
                'laravel' => $this->app->version(),
            ] + ($ahead === 0 ? [] : ['clock_ahead_ms' => $ahead]),
        ], JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR);
    }

    private static function id(): string
    {
        return Name::from((string) gethostname()) ?: 'unknown';
    }

    /**
     * The application's own version: app.version where it is configured, else what Composer knows.
     */
    private function version(): string
    {
        $version = $this->app['config']->get('app.version');
        if (is_scalar($version) && (string) $version !== '') {
            return Text::cut((string) $version, 200);
        }
        try {
            return class_exists(InstalledVersions::class)
                ? (string) InstalledVersions::getRootPackage()['pretty_version']
                : 'unknown';
        } catch (Throwable $e) {
            return 'unknown';
        }
    }
}
