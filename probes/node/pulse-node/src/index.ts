export type { ExpressMiddleware, ExpressRequest } from './express.js'
export type { FastifyInstance, FastifyPlugin, FastifyReply, FastifyRequest } from './fastify.js'
export type { RouteOf } from './http.js'
export { type Recorder, type RecorderOptions, startRecorder } from './recorder.js'
