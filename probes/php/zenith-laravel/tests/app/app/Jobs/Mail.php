<?php

namespace App\Jobs;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Queue\InteractsWithQueue;
use RuntimeException;

class Mail implements ShouldQueue
{
    use InteractsWithQueue;
    use Queueable;

    public function __construct(private bool $fail, private int $sleep)
    {
    }

    public function handle()
    {
        usleep(1000 * $this->sleep);
        if ($this->fail) {
            throw new RuntimeException('this mail cannot be sent');
        }
    }
}
