<?php

// What an application publishes: only what differs.

$slow = env('SLOW_AFTER') === null ? 1000 : (int) env('SLOW_AFTER');

return ['slow' => ['http' => $slow, 'job' => $slow, 'query' => $slow]];
