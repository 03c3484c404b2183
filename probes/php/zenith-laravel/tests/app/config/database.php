<?php

$redis = static fn (int $database): array => [
    'host' => '127.0.0.1', 'port' => env('REDIS_PORT', '1'), 'database' => (string) $database,
];

return [
    'default' => 'sqlite',
    'connections' => [
        'sqlite' => ['driver' => 'sqlite', 'database' => database_path('database.sqlite'), 'prefix' => ''],
    ],
    'migrations' => 'migrations',
    'redis' => [
        'client' => env('REDIS_CLIENT', 'phpredis'),
        'options' => ['prefix' => env('REDIS_PREFIX', 'laravel_database_')],
        'default' => $redis(0),
        'video' => $redis(1),
        'clusters' => env('REDIS_CLUSTER') ? [
            'options' => ['cluster' => 'redis'],
            'cluster' => array_map(
                static fn (string $port): array => ['host' => '127.0.0.1', 'port' => $port],
                explode(',', env('REDIS_CLUSTER'))
            ),
        ] : [],
    ],
];
