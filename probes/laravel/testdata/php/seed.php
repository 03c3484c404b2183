<?php
// Fills queues with Laravel's own classes on phpredis, and prints as JSON what is true of them: what was
// done, and what the library says of each by size().
//
//     php seed.php PORT PREFIX

require '/usr/share/php/Illuminate/autoload.php';

use Illuminate\Container\Container;
use Illuminate\Queue\RedisQueue;
use Illuminate\Redis\RedisManager;

[, $port, $prefix] = $argv;

$container = new Container;
$redis = new RedisManager($container, 'phpredis', [
    'options' => ['prefix' => $prefix],
    'default' => ['host' => '127.0.0.1', 'port' => (int) $port, 'database' => 0],
]);

$queue = function (int $retryAfter = 60) use ($container, $redis): RedisQueue {
    $queue = new RedisQueue($redis, 'default', 'default', $retryAfter);
    $queue->setContainer($container);
    $queue->setConnectionName('redis');

    return $queue;
};
$plain = $queue();

$made = [];
$truth = function (string $name, int $waiting, int $active, int $delayed, int $stalled = 0, ?int $oldest = null) use ($plain, &$made): void {
    $made[] = compact('name', 'waiting', 'active', 'delayed', 'stalled', 'oldest') + ['size' => $plain->size($name)];
};
$push = function (string $name, int $n) use ($plain): void {
    for ($i = 0; $i < $n; $i++) {
        $plain->push('App\Jobs\Mail', ['n' => $i], $name);
    }
};

$push('default', 3);
$truth('default', 3, 0, 0);

$push('mail:high', 1);
$plain->later(3600, 'App\Jobs\Mail', [], 'mail:high');
$plain->later(7200, 'App\Jobs\Mail', [], 'mail:high');
$truth('mail:high', 1, 0, 2);

$plain->later(3600, 'App\Jobs\Mail', [], 'only-delayed');
$truth('only-delayed', 0, 0, 1);

// Nobody has come by to make it ready.
$plain->later(-60, 'App\Jobs\Mail', [], 'overdue');
$truth('overdue', 0, 0, 1);

$push('popped', 4);
$plain->pop('popped');
$plain->pop('popped');
$truth('popped', 2, 2, 0);

$push('only-reserved', 1);
$plain->pop('only-reserved');
$truth('only-reserved', 0, 1, 0);

$push('released', 2);
$plain->pop('released')->release(60);
$truth('released', 1, 0, 1);

$push('done', 2);
$plain->pop('done')->delete();
$truth('done', 1, 0, 0);

// A worker that died: its reservation was over 5 seconds ago.
$push('stalled', 3);
$queue(-5)->pop('stalled');
$truth('stalled', 2, 1, 0, 1);

$push('{clustered}', 2);
$plain->later(60, 'App\Jobs\Mail', [], '{clustered}');
$truth('{clustered}', 2, 0, 1);

$push('sonder[zeichen]*? ü日"\\', 1);
$truth('sonder[zeichen]*? ü日"\\', 1, 0, 0);

$plain->bulk(array_fill(0, 500, 'App\Jobs\Mail'), [], 'bulk');
$truth('bulk', 500, 0, 0);

// What Laravel 12 writes by itself, by the hook that every version has; an hour ago.
$hour = time() - 3600;
RedisQueue::createPayloadUsing(fn () => ['createdAt' => $hour]);
$push('dated', 1);
RedisQueue::createPayloadUsing(null);
$push('dated', 1);
$truth('dated', 2, 0, 0, 0, $hour * 1000);

// Emptied: there is no key any more.
$push('empty', 1);
$plain->pop('empty')->delete();
$truth('empty', 0, 0, 0);

$push('cleared', 5);
$plain->later(60, 'App\Jobs\Mail', [], 'cleared');
$plain->clear('cleared');
$truth('cleared', 0, 0, 0);

echo json_encode($made, JSON_THROW_ON_ERROR), "\n";
