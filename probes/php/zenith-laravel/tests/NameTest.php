<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Name;
use InvalidArgumentException;
use PHPUnit\Framework\TestCase;

final class NameTest extends TestCase
{
    /**
     * The same table as protocol/keys_test.go has.
     *
     * @dataProvider texts
     */
    public function testNameFromFreeText(string $text, string $name): void
    {
        self::assertSame($name, Name::from($text));
    }

    /**
     * @return array<int, array{string, string}>
     */
    public function texts(): array
    {
        return [
            ['web-1', 'web-1'], ['my app', 'my-app'], ['  padded', 'padded'], ['a:b/c', 'a-b-c'], ['üb', 'x-b'],
            ['_a', 'x_a'], ['-', 'x-'], ["\x00", 'x-'], ["\xff\xfe", 'x--'], ['日本', 'x--'], ['', ''], ['   ', ''],
            [str_repeat('a', 200), str_repeat('a', 128)], [str_repeat('-', 200), 'x' . str_repeat('-', 127)],
        ];
    }

    public function testNameThatIsNoneIsRefusedInOneSentence(): void
    {
        foreach (['', 'my shop', '-shop', "shop\n", str_repeat('a', 129), 'größe'] as $name) {
            self::assertFalse(Name::isValid($name), $name);
        }
        self::assertSame(str_repeat('a', 128), Name::check('PULSE_APP', str_repeat('a', 128)));
        $this->expectException(InvalidArgumentException::class);
        $this->expectExceptionMessage('PULSE_APP is "my shop": it takes 1 to 128 letters');
        Name::check('PULSE_APP', 'my shop');
    }
}
