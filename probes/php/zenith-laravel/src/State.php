<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel;

use Throwable;

/**
 * Small things that outlive a process, as JSON files in a folder of this host. Where the folder cannot be written they
 * live as long as the process.
 */
final class State
{
    /** @var array<string, array<mixed>> */
    private array $memory = [];

    public function __construct(private string $folder)
    {
    }

    public function isKept(): bool
    {
        if (@mkdir($this->folder, 0777, true)) {
            @chmod($this->folder, 01777); // cron may be another user than the web server

            return true;
        }

        return is_dir($this->folder) && is_writable($this->folder);
    }

    public function path(string $name): string
    {
        return $this->folder . '/' . $name;
    }

    /**
     * @return array<mixed> empty where nothing was written, or something else is there
     */
    public function read(string $name): array
    {
        if (isset($this->memory[$name])) {
            return $this->memory[$name];
        }
        $text = @file_get_contents($this->path($name . '.json'));
        $value = $text === false ? null : json_decode($text, true);

        return is_array($value) ? $value : [];
    }

    /**
     * @param array<mixed> $value
     */
    public function write(string $name, array $value): void
    {
        $this->memory[$name] = $value;
        try {
            $flags = JSON_THROW_ON_ERROR;
            $new = $this->path($name . '.' . getmypid() . '.new');
            if ($this->isKept() && @file_put_contents($new, json_encode($value, $flags)) !== false) {
                @chmod($new, 0666);
                @rename($new, $this->path($name . '.json'));
            }
        } catch (Throwable $e) {
            // It is in memory.
        }
    }
}
