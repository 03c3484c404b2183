import { messageOf } from './reply.js'

/** What is needed of a queue: a `Queue` of BullMQ 1 to 6 or of Bull 4. */
export interface QueueLike {
  readonly name: string
  toKey(type: string): string
}

/** Whether a value is a queue. */
export function isQueue(value: unknown): value is QueueLike {
  const queue = value as Partial<QueueLike> | null | undefined
  return typeof queue?.name === 'string' && typeof queue.toKey === 'function'
}

/** What else a queue has, by its version. */
interface Inside {
  /** BullMQ 6: what keeps its jobs. Only that of Redis has a client. */
  readonly backend?: { readonly client?: unknown }
  /** BullMQ 1 to 5: a promise of its client. Bull 4: its client. */
  readonly client?: unknown
}

/** Whether BullMQ 6 keeps a queue's jobs in PostgreSQL, or anywhere else but Redis. */
export function isElsewhere(queue: QueueLike): boolean {
  const { backend } = queue as Inside
  return typeof backend === 'object' && backend !== null && backend.client === undefined
}

/**
 * The Redis client of a queue. Its library promises it, and keeps the promise when Redis can be reached, perhaps never:
 * so it is asked for once, and nobody has to wait for it.
 */
export class QueueClient {
  /** Why there is no client. */
  reason = 'its library has not connected to Redis yet'
  #client: object | undefined
  #underWay: Promise<void> | undefined

  constructor(readonly queue: QueueLike) {}

  /** The client, once there is one. */
  get client(): object | undefined {
    return this.#client
  }

  /** Asks for the client. Resolves when that has come to an end; undefined where there is nothing new to wait for. */
  ask(): Promise<void> | undefined {
    if (this.#client !== undefined || this.#underWay !== undefined) return undefined
    this.#underWay = this.#get().finally(() => (this.#underWay = undefined))
    return this.#underWay
  }

  async #get(): Promise<void> {
    try {
      const { backend } = this.queue as Inside
      const client = await (backend === undefined ? (this.queue as Inside).client : backend.client)
      if (typeof client !== 'object' || client === null) throw new Error('it has no Redis client: it takes a Queue of BullMQ 1 to 6 or of Bull 4')
      this.#client = client
    } catch (err) {
      this.reason = messageOf(err)
    }
  }
}
