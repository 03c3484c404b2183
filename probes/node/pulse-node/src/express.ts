import type { IncomingMessage, ServerResponse } from 'node:http'
import { type RouteOf, watch } from './http.js'
import type { SlowLog } from './slow.js'

/** What is needed of a request of Express 4 or 5. */
export interface ExpressRequest extends IncomingMessage {
  /** Where the router is mounted that has the route. */
  baseUrl?: string
  route?: { path?: unknown }
  params?: unknown
}

/** A middleware of Express 4 or 5, and of what takes the same functions: Connect, NestJS, Polka. */
export type ExpressMiddleware = (request: ExpressRequest, response: ServerResponse, next: (err?: unknown) => void) => void

export function expressMiddleware(log: SlowLog, routeOf?: RouteOf<ExpressRequest>): ExpressMiddleware {
  return (request, response, next) => {
    if (routeOf === undefined) {
      const values = parametersOf(request)
      watch(log, request, response, ({ baseUrl = '', route }) => (route?.path === undefined ? undefined : patternOf(baseUrl, values) + String(route.path)))
    } else watch(log, request, response, routeOf)
    next()
  }
}

/**
 * The names of all route parameters of a request by their values, as they come. Express knows a route's pattern, but of
 * where its router is mounted only the part of the URL; and what was a value there it forgets when it enters the router.
 */
function parametersOf(request: ExpressRequest): Map<string, string> {
  const names = new Map<string, string>()
  let current = request.params
  Object.defineProperty(request, 'params', {
    configurable: true,
    enumerable: true,
    get: () => current,
    set(params: unknown) {
      current = params
      for (const [name, value] of Object.entries(params ?? {})) {
        for (const part of [value].flat().flatMap((v) => String(v).split('/'))) names.set(part, name)
      }
    },
  })
  return names
}

/** A part of a URL with the names of parameters in place of their values. */
function patternOf(url: string, names: Map<string, string>): string {
  return url
    .split('/')
    .map((segment) => {
      const name = names.get(decoded(segment))
      return name === undefined || segment === '' ? segment : `:${name}`
    })
    .join('/')
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
