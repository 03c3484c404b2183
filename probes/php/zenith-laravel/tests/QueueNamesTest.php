<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Gravito\ZenithLaravel\Queues\JobTime;
use Gravito\ZenithLaravel\Queues\QueueKeys;
use Gravito\ZenithLaravel\Queues\Selection;
use InvalidArgumentException;
use PHPUnit\Framework\TestCase;

final class QueueNamesTest extends TestCase
{
    public function testBracesAroundAllOfANameAreNoPartOfIt(): void
    {
        $names = ['mail' => 'mail', '{mail}' => 'mail', '{a}:b' => '{a}:b', '{}' => '{}', '{{a}}' => '{{a}}'];
        foreach ($names as $spelling => $name) {
            self::assertSame($name, QueueKeys::nameOf($spelling));
        }
        self::assertSame(['mail', '{mail}'], QueueKeys::spellingsOf('mail'));
        self::assertSame(['{mail}'], QueueKeys::spellingsOf('{mail}'));
    }

    public function testKeysBesideAList(): void
    {
        self::assertSame(['a:b', ':delayed'], QueueKeys::split('a:b:delayed'));
        self::assertSame(['a', ':reserved'], QueueKeys::split('a:reserved'));
        self::assertSame(['a', ':notify'], QueueKeys::split('a:notify'));
        self::assertSame([':delayed', ''], QueueKeys::split(':delayed'));
    }

    public function testSelection(): void
    {
        $all = Selection::of(null, 'redis');
        self::assertTrue($all->concerns('video') && $all->finds('video') && $all->selects('video', 'x'));
        self::assertSame([], $all->names('redis'));

        foreach (['default, mail*,', ['default', 'mail*']] as $setting) {
            $some = Selection::of($setting, 'redis');
            self::assertFalse($some->concerns('video'));
            self::assertSame(['default'], $some->names('redis'));
            self::assertTrue($some->finds('redis') && $some->selects('redis', 'mailing'));
            self::assertFalse($some->selects('redis', 'other'));
        }
        self::assertFalse(Selection::of('default', 'redis')->finds('redis'));

        $each = Selection::of(['redis' => ['a'], 'video' => '*'], 'redis');
        self::assertTrue($each->selects('redis', 'a') && $each->selects('video', 'b'));
        self::assertFalse($each->selects('redis', 'b'));

        foreach ([5, ['redis' => 5], [['a']]] as $wrong) {
            try {
                Selection::of($wrong, 'redis');
                self::fail('it was taken');
            } catch (InvalidArgumentException $e) {
                self::assertStringContainsString('queues in config/gravito_pulse.php takes', $e->getMessage());
            }
        }
    }

    public function testWhenAJobWasMade(): void
    {
        $times = [
            '{"createdAt":1764000000}' => 1764000000000,
            '{"pushedAt":"1764000000.1234"}' => 1764000000123,
            '{"createdAt":1764000000,"pushedAt":"1764000000.5"}' => 1764000000500,
            '{"createdAt":1764000000,"pushedAt":"1764000099.5"}' => 1764000000000, // it was pushed again
            '{"createdAt":5}' => null,
            '{"createdAt":1764000000000}' => null,
            '{"createdAt":"soon"}' => null,
            '{"id":"a"}' => null,
            '{"createdAt":' => null,
            '{"createdAt":1764000000,"x":"' . str_repeat('x', 70_000) . '"}' => null,
        ];
        foreach ($times as $payload => $at) {
            self::assertSame($at, JobTime::of($payload), substr($payload, 0, 80));
        }
    }
}
