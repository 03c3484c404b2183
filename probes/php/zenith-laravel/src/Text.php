<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel;

use Throwable;

/**
 * Text that somebody else wrote, made fit for a document, a log or a page.
 */
final class Text
{
    private const LONGEST_REASON = 500;

    /**
     * What is not UTF-8 replaced, and cut to so many bytes, at a character's end.
     */
    public static function cut(string $text, int $bytes): string
    {
        $text = mb_scrub(strlen($text) > $bytes + 4 ? substr($text, 0, $bytes + 4) : $text, 'UTF-8');

        return strlen($text) <= $bytes ? $text : mb_strcut($text, 0, $bytes - 3, 'UTF-8') . '…';
    }

    /**
     * Why something failed, in one line.
     */
    public static function reason(Throwable $e): string
    {
        $reason = trim((string) preg_replace('/\s+/', ' ', self::cut($e->getMessage(), self::LONGEST_REASON)));

        return $reason === '' ? get_class($e) : $reason;
    }

    public static function quote(string $text): string
    {
        return json_encode(self::cut($text, 80), JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR);
    }
}
