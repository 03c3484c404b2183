<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel;

use InvalidArgumentException;

/**
 * Durations as the settings have them: 500ms, 10s, 1m30s.
 */
final class Duration
{
    private const UNITS = ['ms' => 1, 's' => 1000, 'm' => 60_000, 'h' => 3_600_000];

    /**
     * @return int milliseconds
     * @throws InvalidArgumentException a sentence that names the setting and what it takes
     */
    public static function milliseconds(string $setting, mixed $text): int
    {
        $text = is_scalar($text) ? (string) $text : '';
        if (preg_match('/\A(\d{1,9}(\.\d{1,9})?(ms|s|m|h))+\z/', $text) !== 1) {
            throw new InvalidArgumentException(
                $setting . ' is ' . Text::quote($text) . ': it takes a duration with its unit, such as 5s or 1m'
            );
        }
        preg_match_all('/([\d.]+)(ms|s|m|h)/', $text, $parts, PREG_SET_ORDER);
        $sum = 0.0;
        foreach ($parts as [, $number, $unit]) {
            $sum += (float) $number * self::UNITS[$unit];
        }

        return (int) round($sum);
    }
}
