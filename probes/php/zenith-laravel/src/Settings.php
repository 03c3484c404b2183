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
    private const SLOW_AFTER = ['http' => 1000, 'job' => 1000, 'query' => 1000];

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
        self::checkSwitches($config);
        self::checkSlow($config);
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
            self::statePath($config)
        );
    }

    /**
     * The folder of this host for what outlives a process.
     */
    public static function statePath(Repository $config): string
    {
        return self::text($config, 'state_path') ?: storage_path('framework/gravito-pulse');
    }

    /**
     * Whether a switch is on. What is neither on nor off is on, and Settings::of says so.
     */
    public static function isOn(Repository $config, string $name): bool
    {
        return self::toggle($config->get('gravito_pulse.' . $name)) ?? true;
    }

    private static function toggle(mixed $value): ?bool
    {
        return $value === null ? true : filter_var($value, FILTER_VALIDATE_BOOLEAN, FILTER_NULL_ON_FAILURE);
    }

    /**
     * From how many milliseconds on each kind is slow; null notes none of it.
     *
     * @return array<string, int|float|null>
     */
    public static function slowAfter(Repository $config): array
    {
        $given = $config->get('gravito_pulse.slow');
        $after = self::SLOW_AFTER;
        foreach (is_array($given) ? array_intersect_key($given, $after) : [] as $kind => $milliseconds) {
            $after[$kind] = is_numeric($milliseconds) && $milliseconds >= 0 ? $milliseconds + 0 : null;
        }

        return $after;
    }

    /**
     * @throws InvalidArgumentException
     */
    private static function checkSwitches(Repository $config): void
    {
        foreach (['enabled', 'heartbeat', 'schedule'] as $name) {
            $value = $config->get('gravito_pulse.' . $name);
            if (self::toggle($value) === null) {
                $shown = Text::quote(is_scalar($value) ? (string) $value : gettype($value));
                throw new InvalidArgumentException(
                    $name . ' of gravito_pulse is ' . $shown . ': it takes true or false'
                );
            }
        }
    }

    /**
     * @throws InvalidArgumentException
     */
    private static function checkSlow(Repository $config): void
    {
        $takes = 'it takes a list of http, job and query, each a number of milliseconds or null';
        $given = $config->get('gravito_pulse.slow', []);
        if (! is_array($given)) {
            throw new InvalidArgumentException('slow of gravito_pulse is no list: ' . $takes);
        }
        foreach ($given as $kind => $milliseconds) {
            $isNumber = $milliseconds === null || is_numeric($milliseconds) && $milliseconds >= 0;
            if (! $isNumber || ! array_key_exists($kind, self::SLOW_AFTER)) {
                $shown = Text::quote(is_scalar($milliseconds) ? (string) $milliseconds : gettype($milliseconds));
                throw new InvalidArgumentException('slow.' . $kind . ' of gravito_pulse is ' . $shown . ': ' . $takes);
            }
        }
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
