import cluster from 'node:cluster'
import type { IncomingMessage, RequestListener } from 'node:http'
import os from 'node:os'
import { defaultIntervalMs, defaultTtlMs, encodeHeartbeat, nameFrom, nameProblem, serverKey, type Heartbeat, type Meta, type SlowKind } from '@gravito/pulse-protocol'
import { connectionTo, optionProblem, publish, startReporting, ttlProblem, type OptionKind, type Redis, RedisClock } from '@gravito/pulse-protocol/publish'
import { expressMiddleware, type ExpressMiddleware, type ExpressRequest } from './express.js'
import { fastifyPlugin, type FastifyPlugin } from './fastify.js'
import { type RouteOf, watch } from './http.js'
import { Sampler } from './sample.js'
import { SlowLog } from './slow.js'

/** How long one report may take, in milliseconds. */
const timeoutMs = 5_000

/** The app and process that the heartbeats are of, and where they go. */
export interface RecorderOptions {
  /** The app's name: 1 to 128 letters, digits, `.`, `_`, `@` or `-`, the first a letter or digit. */
  app: string
  /**
   * Where to publish: `redis://` or `rediss://`, for which ioredis or redis must be installed, or a client of either
   * that the program has. Without one nothing is published, and the log says so.
   */
  redis: Redis | undefined
  /**
   * This process' id within the app, its own for each process. The host's name if absent, and after it the number of
   * a worker of `node:cluster` or PM2.
   */
  id?: string | undefined
  /** Such as `production`, which it is if absent. */
  environment?: string | undefined
  /** The program's; what npm knows if absent. */
  version?: string | undefined
  /** From how long on each kind is slow, in milliseconds; 1,000 where it has none. */
  slowAfterMs?: Partial<Record<SlowKind, number>> | undefined
  /** Between two heartbeats, in milliseconds; 10,000 if absent. */
  intervalMs?: number | undefined
  /** How long a heartbeat lives in Redis, in milliseconds; three intervals if absent, at least 30,000. */
  ttlMs?: number | undefined
  /** Gets a line when publishing begins to fail and one when it works again; `console.warn` if absent. */
  log?: ((line: string) => unknown) | undefined
}

const optionKinds: Record<keyof RecorderOptions, OptionKind> = {
  app: 'text',
  redis: 'any',
  id: 'text',
  environment: 'text',
  version: 'text',
  slowAfterMs: 'any',
  intervalMs: 'whole milliseconds',
  ttlMs: 'whole milliseconds',
  log: 'function',
}

/** What {@link startRecorder} started. None of its functions throws an error of its own, or waits for Redis. */
export interface Recorder {
  /** Notes slow requests of Express: `app.use(recorder.express())`, before the routes. Without `routeOf` an entry is named by the route's pattern. */
  express(routeOf?: RouteOf<ExpressRequest>): ExpressMiddleware
  /** Notes slow requests of Fastify: `app.register(recorder.fastify())`. */
  fastify(): FastifyPlugin
  /** Notes slow requests of a server of `node:http`: `createServer(recorder.http(handler, routeOf))`. There is no pattern but what `routeOf` returns. */
  http(handler: RequestListener, routeOf?: RouteOf<IncomingMessage>): RequestListener
  /**
   * Calls a function and notes it if it was slow, also if it failed. Returns what it returns. The name is a job's class
   * or a statement with placeholders: values and secrets don't belong there.
   */
  slow<T>(kind: SlowKind, name: string, run: () => PromiseLike<T>): Promise<T>
  slow<T>(kind: SlowKind, name: string, run: () => T): T
  /** Notes something that took so many milliseconds, if that is slow for its kind. */
  note(kind: SlowKind, name: string, tookMs: number, meta?: Meta): void
  /** Slow entries that never reached Redis: it was gone, or they came faster than 256 an interval. */
  readonly slowDropped: number
  /** Ends it. Resolves when the slow entries that wait are written, or Redis took too long. */
  stop(): Promise<void>
}

/**
 * Publishes heartbeats of this process and its host from now on, and the slow entries that are noted. Throws a
 * TypeError if an option is wrong; after that nothing is thrown, no timer or connection of its own keeps the process
 * alive, and one report at a time is under way.
 */
export function startRecorder(options: RecorderOptions): Recorder {
  const unusable =
    optionProblem('options', options, optionKinds) ??
    optionProblem('options.slowAfterMs', options.slowAfterMs ?? {}, { http: 'milliseconds', job: 'milliseconds', query: 'milliseconds', other: 'milliseconds' })
  if (unusable !== undefined) throw new TypeError(unusable)
  const { app, redis, environment = 'production', version = process.env.npm_package_version ?? 'unknown', intervalMs = defaultIntervalMs } = options
  const { id = defaultId(), ttlMs = Math.max(defaultTtlMs, 3 * intervalMs), log = (line: string) => console.warn(line) } = options
  const wrong = nameProblem('app', app) ?? nameProblem('id', id) ?? ttlProblem(ttlMs, intervalMs)
  if (wrong !== undefined) throw new TypeError(wrong)

  const connection = redis === undefined ? undefined : connectionTo(redis)
  if (connection === undefined) log(`gravito-pulse: ${app}/${id} has no redis: it publishes nothing`)
  const after = connection === undefined ? Infinity : 1000
  const clock = new RedisClock()
  const slow = new SlowLog(app, () => clock.estimate(), os.hostname(), { http: after, job: after, query: after, other: after, ...(connection && options.slowAfterMs) })
  const sampler = connection && new Sampler('/sys/fs/cgroup', '/proc/self')
  const reporting =
    connection &&
    startReporting({
      what: `heartbeats of ${app}/${id}`,
      intervalMs,
      timeoutMs,
      log,
      giveUp: () => connection.giveUp(),
      async report() {
        const { system, process, eventLoopDelayMs } = await (sampler as Sampler).look()
        const heartbeat: Heartbeat = {
          timestamp: await clock.now(connection),
          system,
          process,
          meta: { app_name: app, id, environment, runtime: `node ${globalThis.process.version}`, version, event_loop_delay_ms: eventLoopDelayMs, ...(clock.aheadMs !== 0 && { clock_ahead_ms: clock.aheadMs }) },
        }
        await publish(connection, { key: serverKey(app, id), json: encodeHeartbeat(heartbeat), clock, ttlMs })
        await slow.write(connection)
      },
    })
  return {
    express: (routeOf) => expressMiddleware(slow, routeOf),
    fastify: () => fastifyPlugin(slow),
    http: (handler, routeOf = () => undefined) => (request, response) => {
      watch(slow, request, response, routeOf)
      handler(request, response)
    },
    slow: ((kind: SlowKind, name: string, run: () => unknown) => timed(run, (tookMs) => slow.note(kind, name, tookMs))) as Recorder['slow'],
    note: (kind, name, tookMs, meta) => slow.note(kind, name, tookMs, meta),
    get slowDropped() {
      return slow.dropped
    },
    async stop() {
      sampler?.stop()
      await reporting?.stop(async () => connection && slow.write(connection))
      connection?.close()
    },
  }
}

/** Calls a function, and says how many milliseconds it took. */
function timed(run: () => unknown, done: (tookMs: number) => void): unknown {
  const began = performance.now()
  const end = (): void => done(performance.now() - began)
  let result: unknown
  try {
    result = run()
  } catch (err) {
    end()
    throw err
  }
  if (typeof (result as PromiseLike<unknown> | null)?.then !== 'function') {
    end()
    return result
  }
  // A query of knex or mongoose runs each time its then is called: once, here.
  return Promise.resolve(result as PromiseLike<unknown>).finally(end)
}

function defaultId(): string {
  const worker = cluster.worker?.id ?? process.env.NODE_APP_INSTANCE // of node:cluster; of PM2
  return nameFrom(worker === undefined ? os.hostname() : `${os.hostname()}-${worker}`)
}
