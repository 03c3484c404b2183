import type { IncomingMessage, ServerResponse } from 'node:http'
import { type RouteOf, watch } from './http.js'
import type { SlowLog } from './slow.js'

/** What is needed of a request of Express 4 or 5. */
export interface ExpressRequest extends IncomingMessage {
  /** Where the router is mounted that has the route. */
  baseUrl?: string
  route?: { path?: unknown }
}

/** A middleware of Express 4 or 5, and of what takes the same functions: Connect, NestJS, Polka. */
export type ExpressMiddleware = (request: ExpressRequest, response: ServerResponse, next: (err?: unknown) => void) => void

export function expressMiddleware(log: SlowLog, routeOf: RouteOf<ExpressRequest> = expressRoute): ExpressMiddleware {
  return (request, response, next) => {
    watch(log, request, response, routeOf)
    next()
  }
}

/** Express knows the route's pattern, but of the router's mount only the URL's part: what may be a value in it is hidden. */
function expressRoute({ baseUrl = '', route }: ExpressRequest): string | undefined {
  if (route?.path === undefined) return undefined
  return baseUrl.split('/').map(hideValue).join('/') + String(route.path)
}

function hideValue(segment: string): string {
  return /^([A-Za-z_-]{0,24}|v\d{1,2})$/.test(segment) ? segment : ':value'
}
