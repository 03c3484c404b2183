import type { IncomingMessage, ServerResponse } from 'node:http'
import type { SlowLog } from './slow.js'

/** What a request is called: its route's pattern, such as `/orders/:id`, never its URL, which may hold secrets. */
export type RouteOf<Request> = (request: Request) => string | undefined

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE'])

/** Notes a request when its response has been sent, or its client has gone away. */
export function watch<Request extends IncomingMessage>(log: SlowLog, request: Request, response: ServerResponse, routeOf: RouteOf<Request>): void {
  const began = performance.now()
  response.once('close', () => {
    const took = performance.now() - began
    if (took < log.after.http || lastsLong(request, response.getHeader('content-type'))) return
    noteRequest(log, request.method, pattern(routeOf, request), took, response.statusCode)
  })
}

export function noteRequest(log: SlowLog, method: string | undefined, route: string | undefined, tookMs: number, status: number): void {
  // Any other method is the client's text.
  const known = method !== undefined && methods.has(method) ? method : '(other method)'
  log.note('http', `${known} ${route || '(no pattern)'}`, tookMs, { status })
}

/** An event stream and an upgraded connection last long because they should. */
export function lastsLong(request: IncomingMessage, contentType: unknown): boolean {
  return request.headers.upgrade !== undefined || String(contentType ?? '').startsWith('text/event-stream')
}

/** The program's own function must not end it from within an event. */
function pattern<Request>(routeOf: RouteOf<Request>, request: Request): string | undefined {
  try {
    return routeOf(request)
  } catch {
    return undefined
  }
}
