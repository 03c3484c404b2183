<?php

use Illuminate\Support\Str;

return [
    'default' => 'sqlite',
    'connections' => ['sqlite' => ['driver' => 'sqlite', 'database' => database_path('database.sqlite'), 'prefix' => '']],
    'migrations' => 'migrations',
    'redis' => [
        'client' => 'phpredis',
        // As the skeleton has it, from the app's name: "laravel_database_".
        'options' => ['prefix' => env('REDIS_PREFIX', Str::slug(env('APP_NAME', 'laravel'), '_').'_database_')],
        'default' => ['host' => '127.0.0.1', 'port' => env('REDIS_PORT'), 'database' => '0'],
    ],
];
