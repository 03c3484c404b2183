<?php

/*
 * What Gravito Pulse reports of this application. `php artisan vendor:publish --tag=gravito-pulse-config`
 * copies this file into the application; without it these values hold.
 */

return [

    // false switches all of it off: nothing is scheduled, listened to or written.
    'enabled' => env('GRAVITO_PULSE_ENABLED', true),

    // The application's name on the dashboard: letters, digits, '.', '_', '@' and '-'. null makes one of app.name.
    'app' => env('PULSE_APP'),

    // Tells this reporter from others of the same application.
    'source' => env('PULSE_SOURCE', 'laravel'),

    // Shown with the host. null is app.env.
    'environment' => env('PULSE_ENV'),

    // Where Pulse keeps its keys: redis://, rediss:// or unix://, several comma-separated hosts are a Redis Cluster.
    // null is the connection of config/database.php that is named next.
    'redis_url' => env('PULSE_REDIS_URL'),
    'redis_connection' => 'default',

    // Between two reports, and how long one lives in Redis: a number with its unit, such as 10s or 1m.
    'interval' => env('PULSE_INTERVAL', '10s'),
    'ttl' => env('PULSE_TTL', '30s'),

    // Which queues: names and globs, comma-separated or a list, of the default queue connection; or a list for each
    // connection, ['redis' => ['default', 'mail'], 'redis-video' => '*']. null is every queue that is configured or
    // found, of all connections that can be counted.
    'queues' => env('PULSE_LARAVEL_QUEUES'),

    // Whether this host's processor, memory and load are reported. Switch it off where pulse-host does it.
    'heartbeat' => env('GRAVITO_PULSE_HEARTBEAT', true),

    // Whether the application's schedule runs `gravito:pulse --loop` each minute.
    'schedule' => true,

    // From how many milliseconds on a request, a job or a query is slow. null notes none of that kind.
    'slow' => [
        'http' => 1000,
        'job' => 1000,
        'query' => 1000,
    ],

    // A folder on this host for what must outlive a process: which queues were found, whether Redis is down. It is
    // made if it is not there. Where it cannot be written, slow requests and jobs are not reported.
    'state_path' => storage_path('framework/gravito-pulse'),

];
