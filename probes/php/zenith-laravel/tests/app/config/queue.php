<?php

return [
    'default' => 'redis',
    'connections' => [
        'redis' => [
            'driver' => 'redis', 'connection' => 'default', 'queue' => 'default', 'retry_after' => 90,
        ],
        'sync' => ['driver' => 'sync'],
        'cluster' => [
            'driver' => env('REDIS_CLUSTER') ? 'redis' : 'null', 'connection' => 'cluster', 'queue' => '{jobs}',
        ],
    ] + (env('MORE_QUEUES') ? [
        'redis-long' => ['driver' => 'redis', 'connection' => 'default', 'queue' => 'long', 'retry_after' => 900],
        'redis-video' => ['driver' => 'redis', 'connection' => 'video', 'queue' => 'default', 'retry_after' => 900],
        'database' => ['driver' => 'database', 'table' => 'jobs', 'queue' => 'default', 'retry_after' => 90],
        'sqs' => ['driver' => 'sqs', 'queue' => 'default'],
    ] : []),
    'failed' => ['driver' => env('FAILED_DRIVER', 'database-uuids'), 'database' => 'sqlite', 'table' => 'failed_jobs'],
];
