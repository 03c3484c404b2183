<?php

namespace App\Jobs;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Queue\InteractsWithQueue;
use RuntimeException;

class Mail implements ShouldQueue
{
    use InteractsWithQueue, Queueable;

    private $fail;

    public function __construct(bool $fail)
    {
        $this->fail = $fail;
    }

    public function handle()
    {
        if ($this->fail) {
            throw new RuntimeException('this mail cannot be sent');
        }
    }
}
