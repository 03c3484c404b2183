<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel;

use Closure;
use Gravito\ZenithLaravel\Redis\Refusal;
use Gravito\ZenithLaravel\Redis\Wire;
use Throwable;

/**
 * The clock of the Redis that is published to. All programs that write there use it, so that a wrong clock of one
 * machine harms nothing. It is asked once; after that each publication brings its time along. Where Redis does not
 * tell its time, this machine's is used.
 */
final class RedisClock
{
    /**
     * From how far on a clock is wrong, in milliseconds: a snapshot is fresh for 15 s, so less misleads nobody, and
     * with NTP clocks are within a fraction of a second.
     */
    private const TOLERABLE = 5_000;
    private const SECOND = 1_000;
    private const MINUTE = 60_000;
    private const HOUR = 3_600_000;
    /** In seconds: a machine without a clock begins in 1970, and no document may be from before 1973. */
    private const EARLIEST = 315_532_800;

    /** @var Closure(): float */
    private Closure $date;
    /** @var Closure(): float */
    private Closure $ran;
    /** At its newest answer, in Unix ms. */
    private ?float $redis = null;
    /** The machine's clocks at that moment. */
    private float $dateThen = 0;
    private float $ranThen = 0;
    private ?string $refusal = null;
    private float $skew = 0.0;

    /**
     * @param ?Closure(): float $date Unix ms by this machine, which somebody may set
     * @param ?Closure(): float $ran ms since some moment, which nobody can set
     */
    public function __construct(?Closure $date = null, ?Closure $ran = null)
    {
        $this->date = $date ?? static fn (): float => microtime(true) * 1e3;
        $this->ran = $ran ?? static fn (): float => hrtime(true) / 1e6;
    }

    /**
     * Unix ms, asked for first where they are not known, or where the machine was suspended or its date was set since
     * Redis' newest answer.
     */
    public function now(Wire $wire): int
    {
        $known = $this->redis === null
            ? $this->refusal !== null
            : abs(($this->date)() - $this->dateThen - $this->since()) < self::SECOND;
        if (! $known) {
            try {
                $asked = $this->ran();
                $this->answered($wire->ask([['TIME']])[0], $asked);
            } catch (Throwable $e) {
                // phpredis throws what its user may not ask. All else is said of what is published next.
                if (str_starts_with($e->getMessage(), 'NOPERM')) {
                    $this->answered(new Refusal($e->getMessage()), 0.0);
                }
            }
        }

        return $this->estimate();
    }

    /**
     * Unix ms, by what is known of Redis' time.
     */
    public function estimate(): int
    {
        return (int) round($this->redis === null ? ($this->date)() : $this->redis + $this->since());
    }

    public function isKnown(): bool
    {
        return $this->redis !== null;
    }

    public function isRefused(): bool
    {
        return $this->refusal !== null;
    }

    /**
     * For how long the machine has run, in ms: what answered() wants of the moment of the question.
     */
    public function ran(): float
    {
        return ($this->ran)();
    }

    /**
     * @param mixed $answer to TIME
     */
    public function answered(mixed $answer, float $asked): void
    {
        if (is_array($answer) && count($answer) === 2 && (int) $answer[0] > self::EARLIEST) {
            $this->redis = (int) $answer[0] * 1e3 + (int) $answer[1] / 1e3;
            $this->refusal = null;
            $this->dateThen = ($this->date)();
            $this->ranThen = $this->ran();
            // Redis looked at its clock at some moment of the trip: so much is not known.
            $halfTrip = ($this->ranThen - $asked) / 2;
            $this->setSkew($this->dateThen - $this->redis - $halfTrip, $halfTrip);

            return;
        }
        $this->redis = null;
        $this->skew = 0.0;
        $this->refusal ??= $answer instanceof Refusal
            ? Text::cut($answer->reason, 200) . '; allow its user +time (docs/acl.md)'
            : 'its clock is not set (NTP)';
    }

    /**
     * By how many ms this machine's clock is ahead of Redis', rounded; negative where it is behind, 0 where it is near
     * enough or not known.
     */
    public function ahead(): int
    {
        return (int) $this->skew;
    }

    /**
     * What somebody should do about a clock, or null. It is the same text while the trouble is the same.
     */
    public function problem(): ?string
    {
        if ($this->refusal !== null) {
            return 'this reporter\'s own clock is used, right or wrong, for the dashboard\'s Redis does not tell the '
                . 'time: ' . $this->refusal;
        }
        if ($this->skew === 0.0) {
            return null;
        }

        return 'this reporter\'s clock is ' . self::inWords(abs($this->skew))
            . ($this->skew > 0 ? ' ahead of' : ' behind') . ' that of the dashboard\'s Redis, which is used '
            . 'instead: set the one that is wrong (NTP)';
    }

    private function since(): float
    {
        return $this->ran() - $this->ranThen;
    }

    /**
     * Keeps a measured difference as people read it. That must not be another text with every measurement: it is
     * rounded, and stays as it was until the measured difference is a whole step away from it.
     */
    private function setSkew(float $ahead, float $uncertain): void
    {
        $size = abs($ahead) - $uncertain;
        if ($size < self::TOLERABLE - self::SECOND || ($this->skew === 0.0 && $size <= self::TOLERABLE)) {
            $this->skew = 0.0;
        } elseif ($this->skew === 0.0 || abs($ahead - $this->skew) >= self::step($this->skew)) {
            $this->skew = round($ahead / self::step($ahead)) * self::step($ahead);
        }
    }

    private static function step(float $ms): int
    {
        return abs($ms) < self::MINUTE ? self::TOLERABLE : (abs($ms) < 2 * self::HOUR ? self::MINUTE : self::HOUR);
    }

    private static function inWords(float $ms): string
    {
        if ($ms < self::MINUTE) {
            return round($ms / self::SECOND) . ' s';
        }

        return $ms < 2 * self::HOUR ? round($ms / self::MINUTE) . ' min' : round($ms / self::HOUR) . ' h';
    }
}
