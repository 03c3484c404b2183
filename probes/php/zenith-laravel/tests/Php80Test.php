<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use FilesystemIterator;
use PHPUnit\Framework\TestCase;
use RecursiveDirectoryIterator;
use RecursiveIteratorIterator;

/**
 * The package runs on PHP 8.0. Where tests run is a later one, so what came after 8.0 is looked for.
 */
final class Php80Test extends TestCase
{
    private const LATER = [
        'an enum' => '/^\s*(final )?enum\s+\w+/m',
        'readonly' => '/\breadonly\b/',
        'a first-class callable' => '/\(\s*\.\.\.\s*\)/',
        'never' => '/\):\s*never\b/',
        'new in an initializer' => '/(private|protected|public)[^;(){]*=\s*new\b/',
        'a pure intersection type' => '/\b[A-Z]\w*&[A-Z]\w*\s+\$/',
        'true, false or null alone' => '/\):\s*(true|false|null)\s*[{;]/',
        'a final or typed constant' => '/final\s+(public\s+|protected\s+)?const|const\s+(int|string|array)\s+\w+\s*=/',
        'a new function' => '/\b(array_is_list|fsync|fdatasync|enum_exists|json_validate|array_find|str_increment)\(/',
        'octal with an o' => '/\b0o[0-7]/',
    ];

    public function testNoSyntaxLaterThan80(): void
    {
        foreach ($this->sources() as $file => $code) {
            foreach (self::LATER as $what => $pattern) {
                self::assertDoesNotMatchRegularExpression($pattern, $code, $file . ' has ' . $what);
            }
        }
    }

    public function testTheLookNoticesWhatItIsFor(): void
    {
        $planted = [
            'enum Suit', 'public readonly int $x', 'strlen(...)', 'function f(): never {', 'private Foo $x = new Foo()',
            'function f(A&B $x)', 'function f(): false {', 'final public const X = 1', 'array_is_list($x)', '0o17',
        ];
        foreach (array_values(self::LATER) as $i => $pattern) {
            self::assertMatchesRegularExpression($pattern, $planted[$i]);
        }
    }

    /**
     * @return array<string, string>
     */
    private function sources(): array
    {
        $sources = [];
        $folder = new RecursiveDirectoryIterator(dirname(__DIR__) . '/src', FilesystemIterator::SKIP_DOTS);
        foreach (new RecursiveIteratorIterator($folder) as $file) {
            // Without comments and texts, which may say anything.
            $code = '';
            foreach (token_get_all((string) file_get_contents((string) $file)) as $token) {
                $left = ! is_array($token) || ! in_array($token[0], [
                    T_COMMENT, T_DOC_COMMENT, T_CONSTANT_ENCAPSED_STRING, T_ENCAPSED_AND_WHITESPACE,
                ], true);
                $code .= $left ? (is_array($token) ? $token[1] : $token) : "''";
            }
            $sources[(string) $file] = $code;
        }
        self::assertGreaterThan(20, count($sources));

        return $sources;
    }
}
