<?php

declare(strict_types=1);

require is_file(__DIR__ . '/../vendor/autoload.php')
    ? __DIR__ . '/../vendor/autoload.php'
    : '/usr/share/php/Illuminate/autoload.php'; // as Debian packages Laravel

spl_autoload_register(static function (string $class): void {
    $roots = [
        'Gravito\\ZenithLaravel\\Tests\\' => __DIR__,
        'Gravito\\ZenithLaravel\\' => dirname(__DIR__) . '/src',
        'App\\' => __DIR__ . '/app/app',
    ];
    foreach ($roots as $namespace => $folder) {
        $file = $folder . '/' . str_replace('\\', '/', substr($class, strlen($namespace))) . '.php';
        if (str_starts_with($class, $namespace) && is_file($file)) {
            require $file;

            return;
        }
    }
});

if (is_file('/usr/share/php/Predis/Autoloader.php')) {
    require '/usr/share/php/Predis/Autoloader.php';
    Predis\Autoloader::register();
}
