<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Queues;

use Gravito\ZenithLaravel\Redis\Refusal;

/**
 * The numbers of one queue. null is a number that is not known.
 */
final class Counts
{
    /** The largest count that every reader of JSON reads exactly. */
    public const MOST = 9_007_199_254_740_991;

    public ?int $waiting = 0;
    public ?int $active = 0;
    public ?int $delayed = 0;
    /** Of active: their reservation is over, and the next worker takes them up again. */
    public ?int $stalled = 0;
    /** When the job that a worker takes next was made, Unix ms. */
    public ?int $oldestAt = null;
    /** @var array<int, string> why a number is not known */
    public array $why = [];

    /**
     * Adds an answer to one of the numbers.
     */
    public function add(string $number, mixed $answer): void
    {
        if (! is_int($answer) || $answer < 0 || $answer > self::MOST) {
            $this->$number = null;
            $this->why[] = $number . ': ' . ($answer instanceof Refusal ? $answer->reason : 'Redis answered no number');
        } elseif ($this->$number !== null) {
            $this->$number = min($this->$number + $answer, self::MOST);
        }
    }
}
