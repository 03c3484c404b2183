<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel;

use Gravito\ZenithLaravel\Console\ReportCommand;
use Gravito\ZenithLaravel\Slow\RecordSlowRequests;
use Gravito\ZenithLaravel\Slow\SlowJobs;
use Gravito\ZenithLaravel\Slow\SlowLog;
use Gravito\ZenithLaravel\Slow\SlowWriter;
use Gravito\ZenithLaravel\Slow\Statement;
use Illuminate\Console\Scheduling\Schedule;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Contracts\Http\Kernel;
use Illuminate\Database\Events\QueryExecuted;
use Illuminate\Queue\Events\JobExceptionOccurred;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Events\JobProcessed;
use Illuminate\Queue\Events\JobProcessing;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\Events\WorkerStopping;
use Illuminate\Support\ServiceProvider;

/**
 * Puts Gravito Pulse into a Laravel application. Laravel finds it by itself.
 */
final class PulseServiceProvider extends ServiceProvider
{
    private const CONFIG = __DIR__ . '/../config/gravito_pulse.php';

    public function register(): void
    {
        $this->mergeConfigFrom(self::CONFIG, 'gravito_pulse');
        $this->app->singleton(SlowLog::class, static function (Application $app): SlowLog {
            return new SlowLog(
                Settings::slowAfter($app['config']),
                static fn (array $entries) => (new SlowWriter($app))->write($entries)
            );
        });
        $this->app->singleton(SlowJobs::class);
    }

    public function boot(): void
    {
        if ($this->app->runningInConsole()) {
            $this->publishes([self::CONFIG => $this->app->configPath('gravito_pulse.php')], 'gravito-pulse-config');
            $this->commands([ReportCommand::class]);
        }
        if (! Settings::isOn($this->app['config'], 'enabled')) {
            return;
        }
        if ($this->app->runningInConsole() && Settings::isOn($this->app['config'], 'schedule')) {
            $this->callAfterResolving(Schedule::class, static function (Schedule $schedule): void {
                $schedule->command('gravito:pulse --loop')->everyMinute()->runInBackground()->evenInMaintenanceMode();
            });
        }
        $this->listen($this->app->make(SlowLog::class));
    }

    private function listen(SlowLog $log): void
    {
        $events = $this->app->make('events');
        if ($log->notes(SlowLog::HTTP)) {
            $this->callAfterResolving(Kernel::class, static function (Kernel $kernel): void {
                if (method_exists($kernel, 'prependMiddleware')) {
                    $kernel->prependMiddleware(RecordSlowRequests::class);
                }
            });
        }
        if ($log->notes(SlowLog::QUERY)) {
            $events->listen(QueryExecuted::class, static function (QueryExecuted $query) use ($log): void {
                $sql = static fn () => Statement::withoutValues($query->sql, $query->connection->getDriverName());
                $log->note(SlowLog::QUERY, $sql, (float) $query->time, ['connection' => $query->connectionName]);
            });
        }
        if ($log->notes(SlowLog::JOB)) {
            $jobs = $this->app->make(SlowJobs::class);
            $events->listen(JobProcessing::class, [$jobs, 'begins']);
            foreach ([JobProcessed::class, JobExceptionOccurred::class, JobFailed::class] as $end) {
                $events->listen($end, [$jobs, 'ends']);
            }
        }
        // Between two jobs, when no job's timeout runs; and after a response was sent or a command is done.
        $flush = static function () use ($log): void {
            $log->flush();
        };
        $events->listen([Looping::class, WorkerStopping::class], $flush);
        $this->app->terminating($flush);
    }
}
