<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel;

use Illuminate\Contracts\Config\Repository;
use InvalidArgumentException;

/**
 * What config/gravito_pulse.php says, checked.
 */
final class Settings
{
    /** The interval that readers assume where a snapshot has none. */
    public const USUAL_INTERVAL_MS = 10_000;
    private const LONGEST_INTERVAL_MS = 86_400_000;
    private const DEFAULT_APP = 'laravel';

    private function __construct(
        public string $app,
        public string $source,
        public string $environment,
        public int $intervalMs,
        public int $ttlMs,
        public string $statePath
    ) {
    }

    /**
     * @throws InvalidArgumentException a sentence that names what is wrong, what it holds and what it takes
     */
    public static function of(Repository $config): self
    {
        $interval = Duration::milliseconds('PULSE_INTERVAL', self::text($config, 'interval', '10s'));
        if ($interval < 1000 || $interval > self::LONGEST_INTERVAL_MS) {
            throw new InvalidArgumentException(
                'PULSE_INTERVAL is ' . Text::quote(self::text($config, 'interval')) . ': it takes 1s to 24h'
            );
        }
        $ttl = Duration::milliseconds('PULSE_TTL', self::text($config, 'ttl', '30s'));
        if ($ttl <= $interval) {
            throw new InvalidArgumentException(
                'PULSE_TTL is ' . Text::quote(self::text($config, 'ttl', '30s')) . ': it takes more than PULSE_INTERVAL'
            );
        }

        return new self(
            self::appName($config),
            Name::check('PULSE_SOURCE', self::text($config, 'source', 'laravel')),
            Text::cut(self::text($config, 'environment') ?: (string) $config->get('app.env', 'production'), 200),
            $interval,
            $ttl,
            self::text($config, 'state_path') ?: storage_path('framework/gravito-pulse')
        );
    }

    /**
     * The app's name: that of the settings, or one made of the application's.
     */
    public static function appName(Repository $config): string
    {
        $app = self::text($config, 'app');
        if ($app !== '') {
            return Name::check('PULSE_APP', $app);
        }

        return Name::from((string) $config->get('app.name', '')) ?: self::DEFAULT_APP;
    }

    private static function text(Repository $config, string $name, string $otherwise = ''): string
    {
        $value = $config->get('gravito_pulse.' . $name);

        return is_scalar($value) && (string) $value !== '' ? (string) $value : $otherwise;
    }
}
