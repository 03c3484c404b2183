<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Slow\Statement;
use PHPUnit\Framework\TestCase;

final class StatementTest extends TestCase
{
    /**
     * @dataProvider statements
     */
    public function testNoValueIsLeft(string $driver, string $sql, string $left): void
    {
        self::assertSame($left, Statement::withoutValues($sql, $driver));
    }

    /**
     * @return array<int, array{string, string, string}>
     */
    public function statements(): array
    {
        return [
            ['mysql', 'select * from `t2` where `id` = ? limit 1', 'select * from `t2` where `id` = ? limit ?'],
            ['pgsql', 'select * from "t" where "2fa" = $1 and n > 3.5', 'select * from "t" where "2fa" = $1 and n > ?'],
            ['sqlite', "select 'it''s secret', x", 'select …'],
            ['sqlite', "select 'C:\\', 'secret'", 'select …'],
            ['mysql', 'select "secret" from t', 'select …'],
            ['mariadb', 'select "secret" from t', 'select …'],
            ['pgsql', 'select $tag$secret$tag$', 'select …'],
            ['pgsql', 'select $$secret$$', 'select …'],
            ['mysql', "select x'5ec3e7' from t", 'select …'],
            ['mysql', 'select 0x5ec3e7', 'select ?'],
            ['mysql', 'select * from t where id in (?, ?,  ?)', 'select * from t where id in (?, …)'],
            ['mysql', 'select * from t where id in (1, 2,3)', 'select * from t where id in (?, …)'],
            ['mysql', 'insert into t values (?, ?), (?, ?), (?, ?)', 'insert into t values (?, …), …'],
            ['mysql', "select *\n\n   from t", 'select * from t'],
            ['mysql', "/* token=secret */ select 1 -- secret\n from t # secret", 'select ? from t'],
            ['pgsql', "-- user bob\nselect /* it's a secret", 'select'],
            ['pgsql', 'select a #> b', 'select a #> b'],
            ['pgsql', 'select ARRAY[4111111111111111, 42]', 'select ARRAY[?, ?]'],
            ['sqlsrv', 'select [2fa] from [t] where a = .4111', 'select [2fa] from [t] where a = ?'],
            ['pgsql', 'select t.a2, $12, :1, $4111.50, :41111', 'select t.a2, $12, :1, ?, ?'],
            ['mysql', "update t set a = 'never closed", 'update t set a = …'],
        ];
    }

    public function testLongStatementIsCut(): void
    {
        self::assertLessThan(5000, strlen(Statement::withoutValues('select ' . str_repeat('ä, ', 1_000_000), 'mysql')));
        self::assertSame('select ?', Statement::withoutValues("select \xff", 'mysql'));
    }
}
