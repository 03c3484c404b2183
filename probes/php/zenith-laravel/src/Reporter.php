<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel;

use Gravito\ZenithLaravel\Host\Heartbeat;
use Gravito\ZenithLaravel\Queues\QueueReport;
use Gravito\ZenithLaravel\Redis\Connections;
use Gravito\ZenithLaravel\Slow\SlowLog;
use Illuminate\Contracts\Foundation\Application;
use InvalidArgumentException;
use Throwable;

/**
 * Makes reports and publishes them. It lives as long as the command.
 */
final class Reporter
{
    /** Seconds to connect to Redis, and to wait for its answer. */
    private const TIMEOUT = 2.0;

    public Settings $settings;
    public QueueReport $queues;
    public State $state;
    private ?Heartbeat $heartbeat = null;
    private Publisher $publisher;

    /**
     * @throws InvalidArgumentException a sentence that says which setting is wrong
     */
    public function __construct(private Application $app, private SlowLog $slow, ?RedisClock $clock = null)
    {
        $this->settings = Settings::of($app['config']);
        $this->state = new State($this->settings->statePath);
        $this->queues = new QueueReport($app, $this->state);
        if (Settings::isOn($app['config'], 'heartbeat')) {
            $this->heartbeat = new Heartbeat($app, $this->settings);
        }
        $this->publisher = new Publisher((new Connections($app))->ofThePulse(self::TIMEOUT), $clock);
    }

    /**
     * Looks at the queues and the host.
     *
     * @return array{snapshot: Snapshot, documents: array<string, string>} documents: JSON by key
     */
    public function look(): array
    {
        return $this->slow->pausedFor(function (): array {
            $snapshot = new Snapshot($this->settings, $this->publisher->now());
            $clock = $this->publisher->clock();
            if ($clock->problem() !== null) {
                $snapshot->problem($clock->problem());
            }
            $this->queues->into($snapshot, static fn (): int => $clock->estimate());
            $this->aboutSlowEntries($snapshot);
            $documents = [$snapshot->key() => $snapshot->json()];
            if ($this->heartbeat !== null) {
                $documents[$this->heartbeat->key()] = $this->heartbeat->json($clock->estimate(), $clock->ahead());
            }

            return ['snapshot' => $snapshot, 'documents' => $documents];
        });
    }

    /**
     * @param array<string, string> $documents
     * @throws Throwable where Redis did not take them
     */
    public function publish(array $documents): void
    {
        $this->publisher->publish($documents, $this->settings->ttlMs);
    }

    private function aboutSlowEntries(Snapshot $snapshot): void
    {
        $slow = array_filter((array) $this->app['config']->get('gravito_pulse.slow'), 'is_numeric');
        if ($slow !== [] && ! $this->state->isKept()) {
            $snapshot->problem(
                'slow requests, jobs and queries are not reported: ' . $this->settings->statePath
                . ' cannot be written; set state_path in config/gravito_pulse.php to a folder of this host that can'
            );
        }
    }
}
