<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Slow;

use Gravito\ZenithLaravel\Text;

/**
 * An SQL statement without the values that somebody wrote into it.
 */
final class Statement
{
    /** How much of a statement is looked at, in bytes. */
    private const LONGEST = 4096;

    /**
     * What comes after the first text that is not a placeholder is left out, because only a database's own parser knows
     * for sure where a text ends. Comments are left out too, numbers become '?', and a list of placeholders one.
     *
     * @param string $driver of the connection: mysql and mariadb put texts in double quotes, too
     */
    public static function withoutValues(string $sql, string $driver): string
    {
        $sql = Text::cut($sql, self::LONGEST);
        $isMySQL = in_array($driver, ['mysql', 'mariadb'], true);
        $quotes = $isMySQL ? "'\"" : "'";
        // In a name numbers stand as they are; only SQL Server has names in brackets.
        $inName = $driver === 'sqlsrv' ? '[\w$@:`".\[]' : '[\w$@:`".]';
        $sql = preg_replace('/[A-Za-z]?[' . $quotes . '].*\z|\$\w*\$.*\z/s', '…', $sql) ?? '…';
        $comments = '~/\*.*?(?:\*/|\z)|--[^\n]*' . ($isMySQL ? '|#[^\n]*' : '') . '~s';
        $sql = preg_replace($comments, ' ', $sql) ?? '…';
        // A placeholder's number is a small one.
        $sql = preg_replace('/(?<![\w`"\])])\.\d[\w.]*|[$:@]\d{4,}[\w.]*/', '?', $sql) ?? '…';
        $sql = preg_replace('/(?<!' . $inName . ')\d[\w.]*/', '?', $sql) ?? '…';
        $sql = preg_replace('/\(\s*\?(?:\s*,\s*\?)+\s*\)/', '(?, …)', $sql) ?? '…';
        $sql = preg_replace('/(\(\?, …\))(?:\s*,\s*\(\?, …\))+/', '$1, …', $sql) ?? '…';

        return trim((string) preg_replace('/\s+/', ' ', $sql));
    }
}
