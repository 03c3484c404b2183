<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Slow;

use Gravito\ZenithLaravel\Circuit;
use Gravito\ZenithLaravel\Publisher;
use Gravito\ZenithLaravel\Redis\Connections;
use Gravito\ZenithLaravel\Settings;
use Gravito\ZenithLaravel\State;
use Gravito\ZenithLaravel\Text;
use Illuminate\Contracts\Foundation\Application;
use Psr\Log\LoggerInterface;
use Throwable;

/**
 * Writes slow entries, on a connection that lives for one write.
 */
final class SlowWriter
{
    /** Seconds to connect to Redis, and to wait for its answer. */
    private const TIMEOUT = 0.2;
    /** While Redis does not take them, one process of this host tries this often; in milliseconds. */
    private const RETRY = 10_000;

    public function __construct(private Application $app)
    {
    }

    /**
     * @param array<int, array<string, string>> $entries
     */
    public function write(array $entries): void
    {
        $folder = Settings::statePath($this->app['config']);
        $log = fn (): LoggerInterface => $this->app->make('log');
        $circuit = new Circuit(new State($folder), 'write slow entries', self::RETRY, $log);
        if (! $circuit->mayTry()) {
            return;
        }
        try {
            $publisher = new Publisher((new Connections($this->app))->ofThePulse(self::TIMEOUT));
            $publisher->slow(Settings::appName($this->app['config']), $entries);
            $publisher->close();
            $circuit->succeeded();
        } catch (Throwable $e) {
            $circuit->failed(Text::reason($e));
        }
    }
}
