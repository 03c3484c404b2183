import type { Problem, Queue } from '@gravito/pulse-protocol'
import type { Connection } from '@gravito/pulse-protocol/publish'
import { QueueElsewhere } from './elsewhere.js'
import { QueueKeys } from './keys.js'
import { isElsewhere, QueueClient, type QueueLike } from './queue.js'
import { messageOf } from './reply.js'
import { rowOf } from './row.js'
import { clientLists, readLimitMs, type Reading, Source } from './source.js'
import { databaseOf, Workers } from './workers.js'

/** What was read of a program's queues: each is a row or a problem. */
export interface Rows {
  readonly queues: Queue[]
  readonly problems: Problem[]
  /** When reading them began, in Unix milliseconds. */
  readonly at: number
}

interface InRedis {
  readonly keys: QueueKeys
  readonly owner: QueueClient
}

/** The queues of a program, on as many connections as they have. One that is broken does not hide the others' queues. */
export class Queues {
  readonly #inRedis: InRedis[]
  readonly #elsewhere: QueueElsewhere[]
  readonly #sources = new Map<object, Source>()

  constructor(queues: readonly QueueLike[]) {
    this.#elsewhere = queues.filter(isElsewhere).map((queue) => new QueueElsewhere(queue))
    this.#inRedis = queues.filter((queue) => !isElsewhere(queue)).map((queue) => ({ keys: new QueueKeys(queue.name, queue.toKey('')), owner: new QueueClient(queue) }))
  }

  /** Whether any queue is in Redis. */
  get areInRedis(): boolean {
    return this.#inRedis.length > 0
  }

  /** The connection of the first queue that is in Redis. Throws a sentence while it has none that answers. */
  firstConnection(): Connection {
    const { keys, owner } = this.#inRedis[0] as InRedis
    try {
      const source = this.#sourceOf(owner)
      if (source.failure !== undefined) throw source.failure
      return source.connection
    } catch (err) {
      throw new Error(`queue ${JSON.stringify(keys.name)}: ${messageOf(err)}`)
    }
  }

  /**
   * Reads all queues, time-bound. What cannot be read is a problem; it rejects as `beganAt` does, which is asked after the
   * reading for the Unix milliseconds at which that began.
   */
  async read(beganAt: () => Promise<number>): Promise<Rows> {
    const found: Omit<Rows, 'at'> = { queues: [], problems: [] }
    const [readings] = await Promise.all([this.#readRedis(found.problems), this.#readElsewhere(found)])
    const lists = await clientLists(readings)
    const rows: Rows = { ...found, at: await beganAt() }
    const workersOf = new Map<string, Workers>()
    const seen = new Set<string>()
    readings.forEach(({ counted, surroundings }, i) => {
      const ours = lists[i] as string[]
      // The first connection that leads to the same server, and the database there.
      const place = `${lists.indexOf(ours)} ${databaseOf(surroundings.client)}`
      const workers = workersOf.get(place) ?? new Workers({ ...surroundings, lists: ours })
      workersOf.set(place, workers)
      for (const each of counted) {
        // Two Queue objects may be the same queue, each with a connection of its own.
        const queue = `${place} ${each.queue.start}`
        if (seen.has(queue)) continue
        seen.add(queue)
        const row = rowOf(each, workers, rows.at)
        if ('reason' in row) rows.problems.push(row)
        else rows.queues.push(row)
      }
    })
    rows.queues.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    return rows
  }

  /** Reads each connection's queues, all connections at once. */
  async #readRedis(problems: Problem[]): Promise<Reading[]> {
    await this.#askForClients()
    const bySource = new Map<Source, QueueKeys[]>()
    for (const { keys, owner } of this.#inRedis) {
      try {
        const source = this.#sourceOf(owner)
        const queues = bySource.get(source)
        if (queues === undefined) bySource.set(source, [keys])
        else queues.push(keys)
      } catch (err) {
        problems.push({ queue: keys.name, reason: messageOf(err) })
      }
    }
    const readings = await Promise.all(
      Array.from(bySource, async ([source, queues]) => {
        try {
          return await source.read(queues)
        } catch (err) {
          for (const { name } of queues) problems.push({ queue: name, reason: messageOf(err) })
          return undefined
        }
      }),
    )
    return readings.filter((reading) => reading !== undefined)
  }

  async #readElsewhere({ queues, problems }: Omit<Rows, 'at'>): Promise<void> {
    await Promise.all(
      this.#elsewhere.map(async (elsewhere) => {
        try {
          queues.push(await elsewhere.read())
        } catch (err) {
          problems.push({ queue: elsewhere.queue.name, reason: messageOf(err) })
        }
      }),
    )
  }

  /** Asks for the clients that there is not one of yet, and waits for them, but only so long, and once. */
  async #askForClients(): Promise<void> {
    const asked = this.#inRedis.flatMap(({ owner }) => owner.ask() ?? [])
    if (asked.length === 0) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, readLimitMs).unref()))
    await Promise.race([Promise.all(asked), late])
    clearTimeout(timer)
  }

  /** Throws a sentence where there is no client, or one that cannot be asked. */
  #sourceOf({ client, reason }: QueueClient): Source {
    if (client === undefined) throw new Error(reason)
    let source = this.#sources.get(client)
    if (source === undefined) this.#sources.set(client, (source = new Source(client)))
    return source
  }
}
