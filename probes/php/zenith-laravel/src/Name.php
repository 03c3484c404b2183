<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel;

use InvalidArgumentException;

/**
 * Names of the protocol: of an app, a source, a host.
 */
final class Name
{
    private const LONGEST = 128;

    public static function isValid(string $name): bool
    {
        return preg_match('/\A[A-Za-z0-9][A-Za-z0-9._@-]{0,127}\z/', $name) === 1;
    }

    /**
     * @throws InvalidArgumentException a sentence that names what it is and what it takes
     */
    public static function check(string $what, string $name): string
    {
        if (self::isValid($name)) {
            return $name;
        }
        throw new InvalidArgumentException(
            $what . ' is ' . Text::quote($name) . ": it takes 1 to 128 letters, digits, '.', '_', '@' or '-', "
            . 'the first a letter or digit'
        );
    }

    /**
     * Makes a name of free text, such as a host's: what a name cannot hold becomes '-'. It is empty only where the text
     * is, or nothing but spaces.
     */
    public static function from(string $text): string
    {
        $text = ltrim($text, ' ');
        $utf8 = mb_check_encoding($text, 'UTF-8') ? 'u' : '';
        $name = (string) preg_replace('/[^A-Za-z0-9._@-]/' . $utf8, '-', $text);
        if ($name !== '' && ! self::isValid($name[0])) {
            $name = 'x' . $name;
        }

        return substr($name, 0, self::LONGEST);
    }
}
