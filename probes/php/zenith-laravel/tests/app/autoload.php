<?php

// A small application of Laravel 8 as Debian packages it: no Composer, no vendor directory but what makes Laravel find
// the package by itself.

require '/usr/share/php/Illuminate/autoload.php';
if (getenv('REDIS_CLIENT') === 'predis') {
    require '/usr/share/php/Predis/Autoloader.php';
    Predis\Autoloader::register();
}

$roots = ['App\\' => __DIR__ . '/app/', 'Gravito\\ZenithLaravel\\' => getenv('PACKAGE') . '/src/'];
if (getenv('HORIZON')) {
    $roots['Laravel\\Horizon\\'] = __DIR__ . '/horizon/';
}
spl_autoload_register(static function (string $class) use ($roots): void {
    foreach ($roots as $namespace => $folder) {
        $file = $folder . str_replace('\\', '/', substr($class, strlen($namespace))) . '.php';
        if (str_starts_with($class, $namespace) && is_file($file)) {
            require $file;
        }
    }
});
