import type { IncomingMessage } from 'node:http'
import { lastsLong, noteRequest } from './http.js'
import type { SlowLog } from './slow.js'

/** What is needed of a request of Fastify 4 or 5. */
export interface FastifyRequest {
  readonly method: string
  readonly raw: IncomingMessage
  readonly routeOptions?: { readonly url?: string | undefined }
  /** Of Fastify 4 before 4.10. */
  readonly routerPath?: string
}

/** What is needed of a reply of Fastify 4 or 5. */
export interface FastifyReply {
  readonly statusCode: number
  getHeader(name: string): unknown
}

/** What is needed of an instance of Fastify 4 or 5. */
export interface FastifyInstance {
  addHook(name: 'onRequest' | 'onResponse', hook: (request: FastifyRequest, reply: FastifyReply, done: () => void) => void): unknown
}

/** A plugin of Fastify 4 or 5. */
export type FastifyPlugin = (instance: FastifyInstance, options: object, done: () => void) => void

export function fastifyPlugin(log: SlowLog): FastifyPlugin {
  const began = new WeakMap<FastifyRequest, number>()
  const plugin: FastifyPlugin = (instance, _options, done) => {
    instance.addHook('onRequest', (request, _reply, next) => {
      began.set(request, performance.now())
      next()
    })
    instance.addHook('onResponse', (request, reply, next) => {
      const took = performance.now() - (began.get(request) ?? Infinity)
      if (took >= log.after.http && !lastsLong(request.raw, reply.getHeader('content-type'))) {
        noteRequest(log, request.method, request.routeOptions?.url ?? request.routerPath, took, reply.statusCode)
      }
      next()
    })
    done()
  }
  // Without it Fastify keeps a plugin's hooks to the routes that the plugin itself adds.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true, [Symbol.for('fastify.display-name')]: '@gravito/pulse-node' })
}
