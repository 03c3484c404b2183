<?php

namespace App\Console;

use App\Jobs\Mail;
use Illuminate\Console\Scheduling\Schedule;
use Illuminate\Foundation\Console\Kernel as ConsoleKernel;

class Kernel extends ConsoleKernel
{
    protected function schedule(Schedule $schedule)
    {
        $schedule->call(static fn () => touch(base_path('scheduled')))->everyMinute();
    }

    protected function commands()
    {
        $this->command('shop:mail {queue} {count=1} {--connection=} {--delay=0} {--fail} {--sleep=0}', function () {
            for ($i = 0; $i < (int) $this->argument('count'); $i++) {
                $job = dispatch(new Mail((bool) $this->option('fail'), (int) $this->option('sleep')))
                    ->onConnection($this->option('connection'))->onQueue($this->argument('queue'));
                if ($delay = (int) $this->option('delay')) {
                    $job->delay($delay);
                }
                unset($job); // which sends it
            }
        });
    }
}
