import { defaultIntervalMs, defaultTtlMs, encodeUsableSnapshot, nameProblem, queuesKey } from '@gravito/pulse-protocol'
import { connectionTo, optionProblem, publish, type Redis, RedisClock, type Reporting, sayTo, startReporting, ttlProblem } from '@gravito/pulse-protocol/publish'
import { isQueue, type QueueLike } from './queue.js'
import { Queues } from './queues.js'
import { Trouble } from './trouble.js'

/** How long a report may take before the log says so, in milliseconds. */
const reportLimitMs = 5_000

/** What is reported, where and how often. */
export interface ReportOptions {
  /** The app that the queues belong to: 1 to 128 letters, digits, `.`, `_`, `@` or `-`, the first a letter or digit. */
  readonly app: string
  /** Who reports, so that two reporters of one app don't overwrite each other; `bullmq` by default. */
  readonly source?: string | undefined
  /**
   * The Redis of the dashboard: a URL, or a client of ioredis or node-redis. By default it is that of the first queue,
   * and its own connection is used.
   */
  readonly redis?: Redis | undefined
  /** Between two reports, in milliseconds; 10,000 by default. */
  readonly intervalMs?: number | undefined
  /** How long a report lives in Redis, in milliseconds; three intervals by default, at least 30,000. */
  readonly ttlMs?: number | undefined
  /** Gets a line when something cannot be reported, and one when it can again; `console.warn` by default. */
  readonly log?: ((line: string) => unknown) | undefined
}

/** What {@link reportQueues} started. */
export interface QueueReporter {
  /** Ends reporting. Resolves when the report that is under way has ended, within five seconds. The queues stay open. */
  stop(): Promise<void>
}

/**
 * Reports the counts of queues to Gravito Pulse, at once and every ten seconds, until it is stopped or the process
 * ends, which it does not keep alive.
 *
 * It only reads: no job, and no key of BullMQ's, is changed. Once it has started it never throws: where a Redis
 * fails, the log gets one line, and the next report after that is over works.
 *
 * Throws a TypeError, which says what to change, if an option or a queue is none.
 *
 * @param queues - `Queue` objects of BullMQ 1 to 6 or of Bull 4, on any connections. They stay their owner's
 */
export function reportQueues(queues: readonly QueueLike[], options: ReportOptions): QueueReporter {
  const unusable = optionProblem('options', options, { app: 'text', source: 'text', redis: 'any', intervalMs: 'whole milliseconds', ttlMs: 'whole milliseconds', log: 'function' })
  if (unusable !== undefined) throw new TypeError(unusable)
  const { app, source = 'bullmq', redis, intervalMs = defaultIntervalMs } = options
  const { ttlMs = Math.max(defaultTtlMs, 3 * intervalMs), log = (line: string) => console.warn(line) } = options
  const wrong = nameProblem('app', app) ?? nameProblem('source', source) ?? ttlProblem(ttlMs, intervalMs)
  if (wrong !== undefined) throw new TypeError(wrong)
  if (!Array.isArray(queues)) throw new TypeError('queues is no list: it takes reportQueues([queue, …], options)')
  queues.forEach((queue: unknown, i) => {
    if (!isQueue(queue)) throw new TypeError(`queues[${i}] is no queue: it takes what new Queue(…) of BullMQ 1 to 6 or of Bull 4 makes`)
  })
  const ours = new Queues(queues)
  if (redis === undefined && !ours.areInRedis) throw new TypeError('none of the queues is in Redis, where reports go: give it the dashboard\'s Redis as redis')
  const own = redis === undefined ? undefined : connectionTo(redis)

  const key = queuesKey(app, source)
  const trouble = new Trouble(app, sayTo(log))
  const clock = new RedisClock()
  const reporting: Reporting = startReporting({
    what: `queues of ${app}`,
    intervalMs,
    timeoutMs: reportLimitMs,
    log,
    async report() {
      const began = clock.ran()
      const { queues, problems, at: timestamp } = await ours.read(async () => {
        const now = await clock.now(own ?? ours.firstConnection()) // which there may not have been before
        return Math.round(now - (clock.ran() - began))
      })
      const connection = own ?? ours.firstConnection()
      const clockProblem = clock.problem(connection.where)
      const all = clockProblem === undefined ? problems : [{ reason: clockProblem }, ...problems]
      const { json, snapshot } = encodeUsableSnapshot({ timestamp, app, source, interval_ms: intervalMs, queues, ...(all.length > 0 && { problems: all }) })
      await publish(connection, { key, json, clock, ttlMs })
      trouble.note((snapshot.problems ?? []).filter(({ reason }) => reason !== clockProblem))
    },
    giveUp: () => own?.giveUp(),
  })
  return {
    async stop() {
      await reporting.stop()
      own?.close()
    },
  }
}
