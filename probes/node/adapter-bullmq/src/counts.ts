import type { Reply } from '@gravito/pulse-protocol/publish'
import { type MetaField, type Outcome, placeOf, type Place, type Replies } from './keys.js'
import { countOf, isNothing, listOf, messageOf, orElse, textOf } from './reply.js'

/** What `queue.rateLimit` sets the limiter's counter to. */
const limitedByHand = Number.MAX_SAFE_INTEGER
/** The last of JavaScript's times, in Unix milliseconds. */
const lastTime = 8.64e15
/** How long the points are that BullMQ makes of a counter, in milliseconds. */
const pointMs = 60_000

/** What one queue answered. */
export class Counts {
  /** Jobs that a worker could take. */
  waiting = 0
  /** The id of the job that a worker would take next, where the lists tell. */
  next = ''
  /** When that job was made has been asked. */
  isAgeAsked = false
  /** A marker was found: there is at most one a queue. */
  isMarked = false
  /** When the next job was made, in Unix milliseconds; 0 where it isn't known. */
  madeAt = 0
  /** When the oldest failed job failed, in Unix milliseconds; 0 where it isn't known. */
  oldestFailedAt = 0
  /** The queue's own rate limit is reached. */
  isLimited = false
  /** How many jobs have ever finished, by the counters that there are; NaN where one could not be read. */
  readonly finished: Partial<Record<Outcome, number>> = {}
  #newestCompletedAt = 0
  /** When the newest point of the counter of such jobs began, in Unix milliseconds. */
  #pointAt = 0
  /** Why `waiting` is unknown. */
  error: unknown
  /** Why other numbers are. */
  readonly partial: string[] = []
  #meta: Reply[] = []

  constructor(readonly replies: Replies) {
    try {
      this.waiting = countOf(replies.wait) + countOf(replies.paused) + countOf(replies.prioritized)
    } catch (err) {
      this.error = err
      return
    }
    try {
      this.#meta = listOf(replies.meta)
    } catch (err) {
      this.partial.push(`meta: ${messageOf(err)}`)
    }
    this.withoutMarker(replies.waitTail, replies.waitHead)
  }

  /** A list's or set's length, 0 where it is unknown. */
  length(place: Place): number {
    return orElse(countOf, this.replies[place], 0)
  }

  /** A field of the queue's meta hash; undefined where it isn't there. */
  field(name: MetaField): string | undefined {
    const reply = this.#meta[placeOf(name)]
    return isNothing(reply) ? undefined : orElse<string | undefined>(textOf, reply, undefined)
  }

  /** A field that holds a number; 0 where there is none. */
  number(name: MetaField): number {
    const text = this.field(name) ?? ''
    return /^\d+$/.test(text) ? Number(text) : 0
  }

  /**
   * Takes off `waiting` the marker that BullMQ 2 to 4 may keep among the waiting jobs, if it is in these ends of a
   * list. The next job there, skipping the marker, is the queue's next if it has none yet.
   */
  withoutMarker(tail: Reply, head: Reply): void {
    try {
      const last = listOf(tail)
      if (this.#isMarker(textOf(head))) this.mark()
      for (const job of last.toReversed()) {
        const id = orElse(textOf, job, '')
        if (this.#isMarker(id)) this.mark()
        else this.next ||= id
      }
    } catch (err) {
      this.error = err
    }
  }

  /**
   * Whether the queue's version makes markers. BullMQ 3 and 4 note which they are; 1 and 2 do not, and Bull 4 has none
   * of their options.
   */
  get makesMarkers(): boolean {
    return this.#isBullMQ2 || /^bullmq:[34](\.|$)/.test(this.field('version') ?? '')
  }

  /** Whether the queue is one of BullMQ 2, or of 1, which makes no markers. */
  get #isBullMQ2(): boolean {
    return this.field('version') === undefined && this.field('opts.maxLenEvents') !== undefined
  }

  /**
   * Whether a list's entry is a marker: `0:` and the milliseconds of the first delayed job, or `0:0`; `0` in BullMQ 2.
   * No job of a version that has markers may have such an id.
   */
  #isMarker(id: string): boolean {
    return id === '0' ? this.#isBullMQ2 : /^0:\d+(\.\d+)?$/.test(id)
  }

  /** Notes that there is a marker. It may have come between two commands, so that `waiting` is still 0. */
  mark(): void {
    if (this.isMarked) return
    this.isMarked = true
    this.waiting = Math.max(this.waiting - 1, 0)
  }

  /** Takes when the next job was made. It is missing where the job was taken since. */
  takeAge(reply: Reply): void {
    this.madeAt = wholeOf(reply) ?? 0
  }

  /** Takes how far the rate limit is used. A limit that only a worker knows is nowhere in Redis. */
  takeLimiter(reply: Reply): void {
    const used = wholeOf(reply)
    this.isLimited = used !== undefined && used >= (this.number('max') || limitedByHand)
  }

  /** Takes a counter of finished jobs, and when its newest point began; or that there is none. */
  takeFinished(outcome: Outcome, reply: Reply): void {
    const fields = orElse<readonly Reply[] | undefined>(listOf, reply, undefined)
    if (fields !== undefined && isNothing(fields[0])) return
    this.finished[outcome] = wholeOf(fields?.[0]) ?? NaN
    if (outcome === 'completed') this.#pointAt = wholeOf(fields?.[1]) ?? NaN
  }

  /**
   * Whether the counters have all jobs. Where a worker without the option finishes some, one of these may be newer than
   * any that is counted: such a one is finished within the newest point, or begins it.
   */
  get isCountWhole(): boolean {
    return !Number.isNaN(this.#pointAt) && !(this.#newestCompletedAt > 0 && this.#pointAt > 0 && this.#newestCompletedAt - this.#pointAt > pointMs)
  }

  /** Takes when the newest of the completed jobs that are kept was. */
  takeNewestCompleted(reply: Reply): void {
    this.#newestCompletedAt = timeOf(reply)
  }

  /** Takes since when a job has failed. */
  takeOldestFailed(reply: Reply): void {
    this.oldestFailedAt = timeOf(reply)
  }
}

/** The score of the one job of a ZRANGE; 0 where there is none. RESP3 has the two in a list of their own. */
function timeOf(reply: Reply): number {
  const pair = orElse(listOf, reply, []).flat()
  const score = Number.parseFloat(String(pair[1]))
  return pair.length === 2 && score > 0 ? Math.trunc(Math.min(score, lastTime)) : 0
}

/** A text that is a whole number, or undefined. */
function wholeOf(reply: Reply): number | undefined {
  const text = orElse(textOf, reply, '')
  return /^-?\d+$/.test(text) ? Number(text) : undefined
}
