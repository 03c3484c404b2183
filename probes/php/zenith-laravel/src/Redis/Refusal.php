<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Redis;

use Gravito\ZenithLaravel\Text;

/**
 * Redis' answer to a command that it did not carry out, such as "NOPERM …".
 */
final class Refusal
{
    public string $reason;

    public function __construct(string $reason)
    {
        $this->reason = Text::cut($reason, 300);
    }
}
