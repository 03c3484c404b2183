<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Console;

use Gravito\ZenithLaravel\Circuit;
use Gravito\ZenithLaravel\Reporter;
use Gravito\ZenithLaravel\Settings;
use Gravito\ZenithLaravel\Slow\SlowLog;
use Gravito\ZenithLaravel\Text;
use Illuminate\Console\Command;
use InvalidArgumentException;
use Psr\Log\LoggerInterface;
use Symfony\Component\Console\Output\OutputInterface;
use Throwable;

/**
 * Reports once, or again and again within its minute: what the schedule runs each minute must be there more often,
 * because what is written lives for half of one.
 */
final class ReportCommand extends Command
{
    private const WRONG_SETTING = 2;
    /** How long the loop goes on for, in milliseconds; it begins no report after this. */
    private const MINUTE = 60_000;
    /** A report takes a moment, and the next minute's process begins a moment late. */
    private const MARGIN = 2_000;

    protected $signature = 'gravito:pulse
        {--loop : Report at every interval until the minute is over, as the schedule does}
        {--print : Print what would be reported, a document a line, and report nothing}';

    protected $description = 'Report this application\'s queues and host to Gravito Pulse';

    public function handle(SlowLog $slow): int
    {
        if (! Settings::isOn($this->laravel['config'], 'enabled')) {
            $this->line('Nothing is reported: enabled is false in config/gravito_pulse.php.');

            return self::SUCCESS;
        }
        try {
            $reporter = new Reporter($this->laravel, $slow);
            $lock = $this->option('loop') ? $this->lock($reporter) : true;
        } catch (InvalidArgumentException $e) {
            return $this->refuse($e);
        }
        if ($lock === null) {
            $this->line('Another process of this host is reporting.');

            return self::SUCCESS;
        }
        if ($this->option('print')) {
            foreach ($reporter->look()['documents'] as $document) {
                $this->output->writeln($document, OutputInterface::OUTPUT_RAW);
            }

            return self::SUCCESS;
        }

        return $this->option('loop') ? $this->loop($reporter) : $this->once($reporter);
    }

    private function once(Reporter $reporter): int
    {
        try {
            ['snapshot' => $snapshot, 'documents' => $documents] = $reporter->look();
            $reporter->publish($documents);
        } catch (Throwable $e) {
            $this->error('Nothing was reported: ' . Text::reason($e));

            return self::FAILURE;
        }
        $this->info($reporter->settings->app . ': reported ' . $snapshot->count() . ' queues as '
            . implode(' and ', array_keys($documents)));
        foreach ($snapshot->problems() as $problem) {
            $this->warn((isset($problem['queue']) ? $problem['queue'] . ': ' : '') . $problem['reason']);
        }
        foreach ($reporter->queues->notCounted() as $connection => $driver) {
            $this->line('Not counted: connection ' . $connection . ', whose driver is ' . $driver . '.');
        }

        return self::SUCCESS;
    }

    private function loop(Reporter $reporter): int
    {
        $interval = $reporter->settings->intervalMs;
        $circuit = new Circuit($reporter->state, 'report', 0, fn (): LoggerInterface => $this->laravel->make('log'));
        $began = hrtime(true);
        for ($next = 0; $next < self::MINUTE - self::MARGIN; $next += $interval) {
            $wait = $next * 1_000_000 - (hrtime(true) - $began);
            if ($wait < -1_000_000 * $interval) {
                continue; // the report before took longer than that
            }
            if ($wait > 0) {
                usleep((int) ($wait / 1000));
            }
            try {
                $reporter->publish($reporter->look()['documents']);
                $circuit->succeeded();
            } catch (Throwable $e) {
                $circuit->failed(Text::reason($e));
            }
        }

        return self::SUCCESS;
    }

    /**
     * Keeps a second loop from this host. It is a lock of the host's, not one in the application's cache: each host
     * reports its own heartbeat, and a cache that is down must not stop the schedule.
     *
     * @return ?resource held as long as it is referenced; null where another process has it. Where no file can be made
     *                   two loops may run, which say the same
     */
    private function lock(Reporter $reporter): mixed
    {
        $file = $reporter->state->isKept() ? @fopen($reporter->state->path('loop.lock'), 'c') : false;
        if ($file === false) {
            return fopen('php://memory', 'r') ?: null;
        }

        return flock($file, LOCK_EX | LOCK_NB) ? $file : null;
    }

    private function refuse(InvalidArgumentException $e): int
    {
        $this->error($e->getMessage());
        if ($this->option('loop')) { // nobody sees what a schedule's command prints
            try {
                $this->laravel->make('log')->error('Gravito Pulse reports nothing: ' . $e->getMessage());
            } catch (Throwable $ignored) {
                // Its status says so, too.
            }
        }

        return self::WRONG_SETTING;
    }
}
