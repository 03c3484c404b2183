import type { Command, Reply } from '@gravito/pulse-protocol/publish'

/** The fields of a queue's meta hash that are read. */
const metaFields = ['version', 'opts.maxLenEvents', 'paused', 'concurrency', 'max'] as const

/** A field of a queue's meta hash. */
export type MetaField = (typeof metaFields)[number]

/** Where a field's value is in the answer. */
export function placeOf(field: MetaField): number {
  return metaFields.indexOf(field)
}

/** What is asked of each queue, by name. */
export type Place = 'wait' | 'paused' | 'active' | 'delayed' | 'prioritized' | 'waitingChildren' | 'completed' | 'failed' | 'groups' | 'meta' | 'waitTail' | 'waitHead'

/** One set of commands serves every version: a missing key counts 0. */
const asked: Readonly<Record<Place, readonly [command: string, key: string, ...args: string[]]>> = {
  wait: ['LLEN', 'wait'],
  paused: ['LLEN', 'paused'],
  active: ['LLEN', 'active'],
  delayed: ['ZCARD', 'delayed'],
  prioritized: ['ZCARD', 'prioritized'],
  waitingChildren: ['ZCARD', 'waiting-children'],
  completed: ['ZCARD', 'completed'],
  failed: ['ZCARD', 'failed'],
  groups: ['ZCARD', 'groups'],
  meta: ['HMGET', 'meta', ...metaFields],
  waitTail: ['LRANGE', 'wait', '-2', '-1'],
  waitHead: ['LINDEX', 'wait', '0'],
}

const places = Object.keys(asked) as Place[]
/** How many commands each queue takes. */
export const perQueue: number = places.length

/** Replies to what is asked of each queue. */
export type Replies = Readonly<Record<Place, Reply>>

/** The replies to one queue's commands, by name. */
export function repliesOf(replies: readonly Reply[]): Replies {
  return Object.fromEntries(places.map((place, i) => [place, replies[i]])) as Replies
}

/** How a job may finish: it was done, or it failed for good. */
export type Outcome = 'completed' | 'failed'

/** The hashes in which workers with the option `metrics` count the jobs that they finish, one by one. */
export const counters: Readonly<Record<Outcome, string>> = { completed: 'metrics:completed', failed: 'metrics:failed' }

/** The keys of one queue in Redis, and what is remembered of it from one report to the next. */
export class QueueKeys {
  /** What all keys start with, such as `bull:orders:`. */
  readonly start: string
  /** Such as `bull`. */
  readonly prefix: string
  /** What its workers' connections are called behind the prefix. */
  readonly clientName: string
  /** What is asked at each report. */
  readonly commands: readonly Command[]
  /** It was searched for a marker between jobs, and its version makes no new one. */
  isSearched = false
  /** A marker was found between its jobs: it stays until a worker gets there. */
  isMarkerHidden = false
  /** There is a counter of finished jobs, as far as is known. */
  isCounted = true
  /** When such counters were last looked for, by `performance.now()`. */
  countersLookedForAt: number = -Infinity

  constructor(readonly name: string, start: string) {
    this.start = start
    const end = `:${name}:`
    this.prefix = start.endsWith(end) ? start.slice(0, -end.length) : ''
    this.clientName = Buffer.from(name).toString('base64')
    this.commands = places.map((place) => {
      const [command, key, ...args] = asked[place]
      return [command, start + key, ...args]
    })
  }
}
