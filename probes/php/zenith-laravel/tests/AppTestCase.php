<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Tests;

use Illuminate\Contracts\Console\Kernel;
use Illuminate\Foundation\Application;
use Illuminate\Support\Facades\Facade;

/**
 * Tests with the small application of tests/app in a folder of its own, where Laravel finds the package as in any
 * other.
 */
abstract class AppTestCase extends Servers
{
    protected string $app = '';
    /** @var array<string, string> */
    protected array $environment = [];

    protected function setUp(): void
    {
        parent::setUp();
        if (! extension_loaded('redis') || ! extension_loaded('pdo_sqlite')) {
            self::missing('PHP has no Redis or no SQLite: apt-get install php-redis php-sqlite3');
        }
        if (! is_file('/usr/share/php/Illuminate/autoload.php')) {
            self::missing('Laravel is not installed: apt-get install php-laravel-framework');
        }
        $this->app = $this->folder();
        exec('cp -R ' . escapeshellarg(__DIR__ . '/app/.') . ' ' . escapeshellarg($this->app), $out, $status);
        self::assertSame(0, $status);
        foreach (['bootstrap/cache', 'storage/framework', 'storage/logs', 'vendor/composer'] as $folder) {
            mkdir($this->app . '/' . $folder, 0755, true);
        }
        touch($this->app . '/database/database.sqlite');
        // What Composer leaves for Laravel to find packages by.
        $package = json_decode((string) file_get_contents(dirname(__DIR__) . '/composer.json'), true);
        file_put_contents($this->app . '/vendor/composer/installed.json', json_encode(['packages' => [$package]]));
        $this->environment = ['PACKAGE' => dirname(__DIR__), 'APP_NAME' => 'My shop'];
    }

    protected function tearDown(): void
    {
        foreach (array_keys($this->environment) as $name) {
            unset($_SERVER[$name], $_ENV[$name]);
            putenv($name);
        }
        parent::tearDown();
    }

    /**
     * Runs a command of the application, and returns what it printed.
     */
    protected function artisan(string $command, int $expected = 0): string
    {
        $output = $this->folder() . '/output';
        $process = $this->start(
            array_merge([PHP_BINARY, $this->app . '/artisan'], self::words($command)),
            $this->environment,
            $output
        );
        self::eventually($command, static function () use ($process, &$status): bool {
            $status = proc_get_status($process);

            return ! $status['running'];
        });
        $printed = (string) file_get_contents($output);
        self::assertSame($expected, $status['exitcode'], 'artisan ' . $command . ': ' . $printed);

        return $printed;
    }

    /**
     * The application in this process, booted.
     *
     * @param array<string, mixed> $config
     */
    protected function boot(array $config = []): Application
    {
        foreach ($this->environment as $name => $value) {
            $_SERVER[$name] = $_ENV[$name] = $value;
            putenv($name . '=' . $value);
        }
        Facade::clearResolvedInstances();
        $app = require $this->app . '/bootstrap/app.php';
        $app->make(Kernel::class)->bootstrap();
        $app['config']->set($config);

        return $app;
    }

    /**
     * The lines of the application's log that are ours.
     *
     * @return array<int, string>
     */
    protected function logged(): array
    {
        $log = (string) @file_get_contents($this->app . '/storage/logs/laravel.log');

        $ours = static fn ($line) => str_contains($line, 'Gravito Pulse');

        return array_values(array_filter(explode("\n", $log), $ours));
    }

    /**
     * @return array<int, string>
     */
    private static function words(string $command): array
    {
        return preg_split('/ +/', $command) ?: [];
    }
}
