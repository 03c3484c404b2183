<?php

namespace App\Console;

use App\Jobs\Mail;
use Illuminate\Foundation\Console\ClosureCommand;
use Illuminate\Foundation\Console\Kernel as ConsoleKernel;

class Kernel extends ConsoleKernel
{
    protected function commands()
    {
        $this->command('shop:mail {queue} {count=1} {--delay=0} {--fail}', function () {
            /** @var ClosureCommand $this */
            for ($i = 0; $i < (int) $this->argument('count'); $i++) {
                $job = dispatch(new Mail((bool) $this->option('fail')))->onQueue($this->argument('queue'));
                if ($delay = (int) $this->option('delay')) {
                    $job->delay($delay);
                }
                unset($job); // which sends it
            }
        });
        $this->command('shop:size {queue}', function () {
            $this->line((string) app('queue')->size($this->argument('queue')));
        });
    }
}
