<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel;

use Closure;
use Psr\Log\LoggerInterface;
use Throwable;

/**
 * Remembers, for all processes of this host, that something of ours does not work: it is said once, and tried seldom.
 *
 * That it does not is a file. The process that makes the file writes a line in the log, and the one that removes it
 * another; what comes and goes gets one such pair every ten minutes, with a count. While the file is there, one process
 * at a time tries, once a while, and all others go their way.
 */
final class Circuit
{
    /**
     * @param string $what such as "write slow entries"
     * @param int $retryMs how long after a failure the next try is
     * @param Closure(): LoggerInterface $log
     * @param int $quietMs for how long what comes again gets no second line
     */
    public function __construct(
        private State $state,
        private string $what,
        private int $retryMs,
        private Closure $log,
        private int $quietMs = 600_000
    ) {
    }

    /**
     * Whether to try now. Where nothing can be remembered it is never so: each process would find out by waiting.
     */
    public function mayTry(): bool
    {
        $file = @fopen($this->file(), 'r+');
        if ($file === false) { // it is not there, or is another user's
            return ! is_file($this->file()) && $this->state->isKept();
        }
        try {
            if (! flock($file, LOCK_EX | LOCK_NB)) {
                return false;
            }
            if ((int) stream_get_contents($file) > self::now()) {
                return false;
            }
            $this->put($file);

            return true;
        } finally {
            fclose($file);
        }
    }

    public function failed(string $reason): void
    {
        if (! $this->state->isKept()) {
            return;
        }
        $file = @fopen($this->file(), 'x');
        $isNew = $file !== false;
        if ($isNew) {
            @chmod($this->file(), 0666); // cron may be another user than the web server
        } else {
            $file = @fopen($this->file(), 'r+');
        }
        if ($file !== false) {
            $this->put($file);
            fclose($file);
        }
        $this->sayFailed($isNew, $reason);
    }

    private function sayFailed(bool $isNew, string $reason): void
    {
        $said = $this->state->read($this->name()) + ['at' => 0, 'times' => 0, 'isSaid' => false];
        if ($isNew) {
            $said['isSaid'] = false;
            $said['times']++;
        }
        $isDue = ! $said['isSaid'] && self::now() - $said['at'] >= $this->quietMs;
        if ($isDue) {
            $often = $said['times'] > 1 ? ' (' . $said['times'] . ' times since this was said)' : '';
            $said = ['at' => self::now(), 'times' => 0, 'isSaid' => true];
            $this->say(
                'warning',
                'Gravito Pulse cannot ' . $this->what . '; it tries again until it can' . $often . ': ' . $reason
            );
        }
        if ($isNew || $isDue) {
            $this->state->write($this->name(), $said);
        }
    }

    public function succeeded(): void
    {
        if (is_file($this->file())) {
            if (@unlink($this->file()) && ($this->state->read($this->name())['isSaid'] ?? false) === true) {
                $this->say('info', 'Gravito Pulse can ' . $this->what . ' again');
            }
            clearstatcache(true, $this->file());
        }
    }

    private function file(): string
    {
        return $this->state->path($this->name() . '.failed');
    }

    private function name(): string
    {
        return str_replace(' ', '-', $this->what);
    }

    /**
     * @param resource $file
     */
    private function put($file): void
    {
        rewind($file);
        fwrite($file, (string) (self::now() + $this->retryMs));
    }

    private function say(string $level, string $message): void
    {
        try {
            ($this->log)()->log($level, $message);
        } catch (Throwable $e) {
            // A log that fails must not fail its program.
        }
    }

    private static function now(): int
    {
        return (int) (microtime(true) * 1000);
    }
}
