<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Queues;

use InvalidArgumentException;

/**
 * Which queues are reported: names and globs, of each connection.
 */
final class Selection
{
    /**
     * @param array<string, array<int, string>> $of names and globs by connection; '*' is every connection
     */
    private function __construct(private array $of)
    {
    }

    /**
     * @param mixed $setting queues in config/gravito_pulse.php
     * @param string $default the connection that a plain list is of
     * @throws InvalidArgumentException a sentence that says what it takes
     */
    public static function of(mixed $setting, string $default): self
    {
        if ($setting === null || $setting === '' || $setting === []) {
            return new self(['*' => ['*']]);
        }
        if (is_string($setting) || is_array($setting) && isset($setting[0])) {
            return new self([$default => self::items($setting)]);
        }
        if (! is_array($setting)) {
            throw self::wrong();
        }

        return new self(array_map([self::class, 'items'], $setting));
    }

    public function concerns(string $connection): bool
    {
        return isset($this->of[$connection]) || isset($this->of['*']);
    }

    /**
     * The queues that are named, and so are reported whether they are there or not.
     *
     * @return array<int, string>
     */
    public function names(string $connection): array
    {
        return array_values(array_filter($this->itemsOf($connection), static fn ($item) => ! self::isGlob($item)));
    }

    public function finds(string $connection): bool
    {
        return array_filter($this->itemsOf($connection), [self::class, 'isGlob']) !== [];
    }

    public function selects(string $connection, string $queue): bool
    {
        foreach ($this->itemsOf($connection) as $item) {
            if ($item === $queue || self::isGlob($item) && ($item === '*' || fnmatch($item, $queue))) {
                return true;
            }
        }

        return false;
    }

    /**
     * @return array<int, string>
     */
    private function itemsOf(string $connection): array
    {
        return $this->of[$connection] ?? $this->of['*'] ?? [];
    }

    /**
     * @return array<int, string>
     */
    private static function items(mixed $list): array
    {
        $list = is_string($list) ? explode(',', $list) : $list;
        if (! is_array($list)) {
            throw self::wrong();
        }
        $items = [];
        foreach ($list as $item) {
            if (! is_string($item)) {
                throw self::wrong();
            }
            $items[] = trim($item);
        }

        return array_values(array_unique(array_filter($items, static fn ($item) => $item !== '')));
    }

    private static function isGlob(string $item): bool
    {
        return strpbrk($item, '*?[') !== false;
    }

    private static function wrong(): InvalidArgumentException
    {
        return new InvalidArgumentException(
            'queues in config/gravito_pulse.php takes names and globs, comma-separated or a list, or such a list for '
            . 'each connection'
        );
    }
}
