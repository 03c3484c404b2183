import type { Queue } from '@gravito/pulse-protocol'
import { BoundedWait } from './bounded-wait.js'
import type { QueueLike } from './queue.js'
import { countOf } from './reply.js'
import { readLimitMs } from './source.js'

/** What BullMQ 6 counts itself where a queue's jobs are not in Redis. There it does not write. */
interface Counting {
  getJobCounts(...states: readonly string[]): Promise<Readonly<Record<string, number>>>
  isPaused(): Promise<boolean>
}

/** While a queue is paused its waiting jobs are in `paused`. */
const states = ['waiting', 'paused', 'prioritized', 'active', 'delayed', 'failed', 'completed', 'waiting-children'] as const

/** A queue whose jobs BullMQ 6 keeps in PostgreSQL: there are no keys to read, so the library counts. */
export class QueueElsewhere {
  readonly #wait: BoundedWait

  constructor(readonly queue: QueueLike) {
    this.#wait = new BoundedWait('what keeps its jobs', readLimitMs)
  }

  /** Counts, time-bound. Rejects with a sentence where it cannot. */
  async read(): Promise<Queue> {
    const queue = this.queue as QueueLike & Counting
    const [counts, isPaused] = await this.#wait.for(() => Promise.all([queue.getJobCounts(...states), queue.isPaused()]))
    const count = (state: (typeof states)[number]): number => countOf(counts[state])
    const waiting = count('waiting') + count('paused') + count('prioritized')
    return {
      name: queue.name,
      driver: 'bullmq',
      metrics: { waiting, active: count('active'), delayed: count('delayed'), failed: count('failed') },
      meta: {
        counted_by: 'getJobCounts',
        prioritized: count('prioritized'),
        completed: count('completed'),
        waiting_children: count('waiting-children'),
        ...(isPaused && { paused: true, ...(waiting > 0 && { runnable: 0 }) }),
      },
    }
  }
}
