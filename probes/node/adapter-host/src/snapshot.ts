import { namePattern } from './description.js'
import { Broken, quote, shorten } from './errors.js'
import { utf8 } from './instance.js'

/** Jobs of one queue. A count that its adapter cannot know is absent, never 0. */
export interface Metrics {
  /** Jobs ready to run. */
  waiting: number
  active?: number
  delayed?: number
  failed?: number
}

export interface Queue {
  name: string
  driver: 'gravito-stream' | 'laravel-horizon' | 'bullmq' | 'sqs' | 'other'
  metrics: Metrics
  /** What else the adapter tells, by the names in docs/protocol.md; of the driver `other` its own name in `driver`. */
  meta?: Record<string, unknown>
}

export interface Problem {
  /** The queue's name, where it is about one queue. */
  queue?: string
  /** A sentence for a person. */
  reason: string
}

/** What one poll counted: the protocol's document under `pulse:queues:{app}` or `pulse:queues:{app}:{source}`. */
export interface QueueSnapshot {
  /** When the counts were read, in Unix milliseconds. */
  timestamp: number
  app: string
  source?: string
  /** How often this reporter reports, in milliseconds. */
  interval_ms?: number
  queues: Queue[]
  /** What could not be read. */
  problems?: Problem[]
}

const drivers: readonly string[] = ['gravito-stream', 'laravel-horizon', 'bullmq', 'sqs', 'other']
const maxDocument = 8 << 20 // bytes
const maxQueueName = 1024 // bytes
const maxQueues = 100_000
const maxProblems = 100
const maxNesting = 10_000
const maxInterval = 86_400_000
/** A smaller timestamp is in seconds almost surely, a larger one in microseconds. */
const [minTimestamp, maxTimestamp] = [100_000_000_000, 9_999_999_999_999]

type Fields = Record<string, unknown>

/** A snapshot that was read: what of it is usable, and its JSON. */
export interface ReadSnapshot {
  /** As the adapter wrote it, if that needs no change, else made of {@link snapshot}. */
  json: string
  snapshot: QueueSnapshot
}

/** What the host says of a snapshot: whose it is, and when it was read. */
export interface Context {
  readonly app: string
  readonly source: string
  readonly now: number
}

/**
 * Reads a snapshot by the rules for one from Redis: a queue or a count that can't be read is left out and
 * becomes a problem, and its neighbours stay. Throws if nothing is usable, or if it is another app's.
 */
export function readSnapshot(data: Uint8Array, { app, source, now }: Context): ReadSnapshot {
  const { document, text } = parse(data)
  const reading = new Reading()
  if (typeof document.app !== 'string' || !namePattern.test(document.app)) {
    throw new Broken(`reported a snapshot whose app is ${shown(document.app)}: it takes letters, digits and . _ @ -, at most 128`)
  }
  if (document.app !== app) throw new Broken(`reported a snapshot of the app ${quote(document.app)}: it was opened for ${quote(app)}`)
  const { timestamp } = document
  if (!isCount(timestamp) || timestamp < minTimestamp || timestamp > maxTimestamp) {
    throw new Broken(`reported a snapshot whose timestamp is ${shown(timestamp)}: it takes Unix milliseconds, such as 1764000000000`)
  }
  const snapshot: QueueSnapshot = { timestamp: now, app, queues: [] }
  if (source !== '') snapshot.source = source
  reading.changed ||= timestamp !== now || document.source !== snapshot.source
  if (typeof document.source === 'string' && document.source !== '' && !namePattern.test(document.source)) {
    reading.problem(`its source is ${shown(document.source)}: it takes letters, digits and . _ @ -, at most 128`)
  }
  if (isCount(document.interval_ms) && document.interval_ms > 0 && document.interval_ms <= maxInterval) snapshot.interval_ms = document.interval_ms
  else reading.changed ||= document.interval_ms !== undefined
  snapshot.queues = reading.queues(document.queues)
  const problems = [...reading.passedOn(document.problems), ...reading.problems]
  if (problems.length > maxProblems) {
    problems.splice(maxProblems, Infinity, { reason: `more than ${maxProblems} problems: the rest are not listed` })
    reading.changed = true
  }
  if (problems.length > 0) snapshot.problems = problems
  return { json: reading.changed ? JSON.stringify(snapshot) : text, snapshot }
}

function parse(data: Uint8Array): { document: Fields; text: string } {
  if (data.length > maxDocument) throw new Broken(`reported a snapshot of ${data.length} bytes: at most ${maxDocument} can be read`)
  const text = utf8(data, 'a snapshot')
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    throw new Broken(`reported a snapshot that is not JSON: it starts with ${quote(text, 40)} and has ${data.length} bytes`)
  }
  if (!isObject(document)) throw new Broken(`reported a snapshot that is not a JSON object: it starts with ${quote(text, 40)}`)
  if (nesting(data) > maxNesting) throw new Broken(`reported a snapshot that nests deeper than ${maxNesting} levels`)
  return { document, text }
}

/** How deep the JSON nests, at most; brackets within its texts are counted, too. */
function nesting(data: Uint8Array): number {
  let depth = 0
  let deepest = 0
  for (const byte of data) {
    if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return deepest
}

/** How deep a queue's meta may nest. */
const maxMetaNesting = 100

function tooDeep(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => tooDeep(inner, levels - 1))
}

class Reading {
  readonly problems: Problem[] = []
  /** Whether what is read is other than what was written. */
  changed = false

  /** A meta without its members that nest too deep, and with a word that there were some. */
  withoutDeep(meta: Record<string, unknown>): Record<string, unknown> {
    if (!tooDeep(meta, maxMetaNesting)) return meta
    this.changed = true
    const kept = Object.fromEntries(Object.entries(meta).filter(([, value]) => !tooDeep(value, maxMetaNesting - 1)))
    return 'error' in kept ? kept : { ...kept, error: `what nests deeper than ${maxMetaNesting} levels is left out` }
  }

  problem(reason: string, queue = ''): void {
    this.changed = true
    if (this.problems.length > maxProblems) return
    this.problems.push(queue === '' ? { reason: shorten(reason, 500) } : { queue: shorten(queue, 500), reason: shorten(reason, 500) })
  }

  passedOn(list: unknown): Problem[] {
    if (list === undefined) return []
    const found: Problem[] = []
    for (const p of Array.isArray(list) ? list : []) {
      if (!isObject(p) || typeof p.reason !== 'string' || p.reason === '') continue
      found.push(typeof p.queue === 'string' && p.queue !== '' ? { queue: p.queue, reason: p.reason } : { reason: p.reason })
    }
    this.changed ||= !Array.isArray(list) || list.length !== found.length
    return found
  }

  queues(list: unknown): Queue[] {
    if (!Array.isArray(list)) {
      this.problem('it has no queues: it takes a list, empty where there are none')
      return []
    }
    const queues: Queue[] = []
    const at = new Map<string, number>()
    for (const [i, value] of list.entries()) {
      const queue = this.#queue(value, i)
      if (queue === undefined) continue
      const id = `${driverName(queue)}\n${queue.name}`
      const twice = at.get(id)
      if (twice !== undefined) {
        this.problem('it is in the snapshot twice; the later one is shown', queue.name)
        queues[twice] = queue
      } else if (queues.length === maxQueues) {
        this.problem(`it has more than ${maxQueues} queues, and the rest are not read: give each reporter fewer, with a source of its own`)
        break
      } else {
        at.set(id, queues.length)
        queues.push(queue)
      }
    }
    return queues
  }

  #queue(value: unknown, i: number): Queue | undefined {
    const fields: Fields = isObject(value) ? value : {}
    const name = typeof fields.name === 'string' ? fields.name.toWellFormed() : ''
    const size = Buffer.byteLength(name)
    if (size === 0 || size > maxQueueName) {
      this.problem(`queue ${i} is left out: ${size === 0 ? 'it has no name' : `its name has ${size} bytes: at most ${maxQueueName}`}`)
      return undefined
    }
    const counts: Fields = isObject(fields.metrics) ? fields.metrics : {}
    const { waiting } = counts
    if (!isCount(waiting)) {
      const none = waiting === undefined || waiting === null
      this.problem(`it is left out: waiting is ${none ? 'missing: it takes a number' : `${shown(waiting)}: it takes a whole number from 0 to 2^53-1`}`, name)
      return undefined
    }
    const queue: Queue = { name, driver: 'other', metrics: { waiting } }
    for (const kind of ['active', 'delayed', 'failed'] as const) {
      const count = counts[kind]
      if (isCount(count)) queue.metrics[kind] = count
      else if (count !== undefined && count !== null) this.problem(`its ${kind} is ${shown(count)}: it takes a whole number from 0 to 2^53-1; shown as unknown`, name)
    }
    if (isObject(fields.meta)) queue.meta = this.withoutDeep(fields.meta)
    else this.changed ||= fields.meta !== undefined
    if (typeof fields.driver === 'string' && drivers.includes(fields.driver)) queue.driver = fields.driver as Queue['driver']
    else {
      this.changed = true
      // The name of a driver that the protocol doesn't know is kept in meta.driver.
      if (typeof fields.driver === 'string' && fields.driver !== '') queue.meta = { ...queue.meta, driver: fields.driver }
    }
    this.changed ||= name !== fields.name
    return queue
  }
}

function driverName(queue: Queue): string {
  const name = queue.driver === 'other' ? queue.meta?.driver : undefined
  return typeof name === 'string' && name !== '' && Buffer.byteLength(name) <= maxQueueName ? name : queue.driver
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing'
  return shorten(typeof value === 'number' ? String(value).replace('e+', 'e') : JSON.stringify(value), 80)
}
