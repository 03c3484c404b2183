<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel;

use Closure;
use Psr\Log\LoggerInterface;
use Throwable;

/**
 * Remembers, for all processes of this host, that something of ours does not work: it is said once, and tried seldom.
 *
 * That it does not is a file. Whoever makes the file has the one word in the log, and whoever removes it the other.
 * While it is there, one process at a time tries, once a while, and all others go their way.
 */
final class Circuit
{
    /**
     * @param string $what such as "write slow entries"
     * @param int $retryMs how long after a failure the next try is
     * @param Closure(): LoggerInterface $log
     */
    public function __construct(private State $state, private string $what, private int $retryMs, private Closure $log)
    {
    }

    /**
     * Tells whether to try now. Where nothing can be remembered, never: each process would find out by waiting.
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
        if ($file === false) { // it is known
            $file = @fopen($this->file(), 'r+');
        } else {
            @chmod($this->file(), 0666); // cron may be another user than the web server
            $this->say('warning', 'Gravito Pulse cannot ' . $this->what . '; it tries again until it can: ' . $reason);
        }
        if ($file !== false) {
            $this->put($file);
            fclose($file);
        }
    }

    public function succeeded(): void
    {
        if (is_file($this->file())) {
            if (@unlink($this->file())) {
                $this->say('info', 'Gravito Pulse can ' . $this->what . ' again');
            }
            clearstatcache(true, $this->file());
        }
    }

    private function file(): string
    {
        return $this->state->path(str_replace(' ', '-', $this->what) . '.failed');
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
            // Nobody is hurt by what a log does not take.
        }
    }

    private static function now(): int
    {
        return (int) (microtime(true) * 1000);
    }
}
