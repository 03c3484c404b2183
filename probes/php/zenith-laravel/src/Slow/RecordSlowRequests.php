<?php

declare(strict_types=1);

namespace Gravito\ZenithLaravel\Slow;

use Closure;
use Illuminate\Http\Request;

/**
 * Middleware that measures each request, and notes the slow ones once their response was sent.
 *
 * The time is the application's: until it had a response, without sending it. So a slow client is no slow request, and
 * neither is a stream.
 */
final class RecordSlowRequests
{
    private const TOOK = 'gravito_pulse_took';
    private const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

    public function __construct(private SlowLog $log)
    {
    }

    public function handle(Request $request, Closure $next): mixed
    {
        $began = hrtime(true);
        try {
            return $next($request);
        } finally {
            $request->attributes->set(self::TOOK, (hrtime(true) - $began) / 1e6);
        }
    }

    /**
     * The application is terminated after this, which writes what was noted.
     */
    public function terminate(Request $request, mixed $response): void
    {
        $took = $request->attributes->get(self::TOOK);
        if (! is_float($took)) {
            return; // it never came here
        }
        $status = is_object($response) && method_exists($response, 'getStatusCode') ? $response->getStatusCode() : null;
        $this->log->note(
            SlowLog::HTTP,
            static fn (): string => self::name($request),
            $took,
            $status === null ? [] : ['status' => $status]
        );
    }

    /**
     * The method and the route's pattern. The URL itself may hold secrets.
     */
    private static function name(Request $request): string
    {
        $method = in_array($request->method(), self::METHODS, true) ? $request->method() : '(other method)';
        $route = $request->route();
        if (! is_object($route) || ! method_exists($route, 'uri')) {
            return $method . ' (no route)';
        }

        return $method . ' /' . ltrim((string) $route->uri(), '/');
    }
}
