import type { IncomingMessage, ServerResponse } from 'node:http'
import { type RouteOf, watch } from './http.js'
import type { SlowLog } from './slow.js'

/** What is needed of a request of Express 4 or 5. */
export interface ExpressRequest extends IncomingMessage {
  /** Where the router is mounted that has the route: a part of the URL. */
  baseUrl?: string
  route?: { path?: unknown }
  app?: object
}

/** A middleware of Express 4 or 5, and of what takes the same functions: Connect, NestJS, Polka. */
export type ExpressMiddleware = (request: ExpressRequest, response: ServerResponse, next: (err?: unknown) => void) => void

export function expressMiddleware(log: SlowLog, routeOf?: RouteOf<ExpressRequest>): ExpressMiddleware {
  return (request, response, next) => {
    const { app } = request // of a request that a mounted app has taken it is that one
    watch(log, request, response, routeOf ?? (({ baseUrl, route }) => (route?.path === undefined ? undefined : mountOf(app, baseUrl ?? '') + String(route.path))))
    next()
  }
}

/** A router of Express 4 or 5. */
interface Router {
  stack?: Layer[]
}

/** What a path begins with, and the values in that. */
interface Match {
  path?: string
  params?: Record<string, unknown>
}

/** A part of a router. */
interface Layer extends Match {
  handle: Router
  /** Whether a path begins with its pattern. What did is returned by newer versions, and else left in the layer. */
  match(path: string): Match | boolean
}

/**
 * The pattern of where a router is mounted, with parameters in place of values. Express knows only the part of the URL:
 * its layers are asked once more what they make of it.
 */
function mountOf(app: object | undefined, baseUrl: string): string {
  if (baseUrl === '') return ''
  const routers = (app ?? {}) as { _router?: Router; router?: Router }
  const router = routers._router ?? routers.router // in this order: Express 4 has no router, and throws an error that says so
  const names = new Map<string, string>() // of parameters, by their values
  const isKnown = addNames(router?.stack ?? [], baseUrl, names)
  const mount = baseUrl.split('/').map((segment) => {
    const name = segment === '' ? undefined : names.get(decoded(segment))
    return name === undefined ? (isKnown ? segment : hideValue(segment)) : `:${name}`
  })
  return mount.join('/')
}

/** Adds the parameters of all routers that a path leads through, and whether one is at its end. */
function addNames(layers: Layer[], path: string, names: Map<string, string>): boolean {
  let isKnown = false
  for (const layer of layers) {
    const { stack } = layer.handle
    const match = stack !== undefined && layer.match(path)
    if (stack === undefined || !match) continue
    const { path: matched = '', params = {} } = match === true ? layer : match
    for (const [name, value] of Object.entries(params)) {
      for (const part of [value].flat().flatMap((v) => String(v).split('/'))) names.set(part, name)
    }
    if (matched === path || (matched !== '' && addNames(stack, path.slice(matched.length), names))) isKnown = true
  }
  return isKnown
}

/** Of an app that is mounted Express tells nothing: what may be a value is hidden. */
function hideValue(segment: string): string {
  return /^([A-Za-z_-]{0,24}|v\d{1,2})$/.test(segment) ? segment : ':value'
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
