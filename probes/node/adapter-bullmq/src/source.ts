import { type Connection, connectionTo, type Redis, type Command, type Reply } from '@gravito/pulse-protocol/publish'
import { type Counted, countQueues } from './count.js'
import type { QueueKeys } from './keys.js'
import { BoundedWait } from './bounded-wait.js'
import { textOf } from './reply.js'
import { isListed, type Surroundings } from './workers.js'

/** How long a Redis may take to answer all that is asked in a report, in milliseconds. */
export const readLimitMs = 2_000
/**
 * How many commands are sent before their replies are read: few enough that the program, and other clients of the same
 * Redis, are served in between.
 */
const atOnce = 250

/** What was read by one connection. */
export interface Reading {
  readonly source: Source
  readonly counted: readonly Counted[]
  readonly surroundings: Omit<Surroundings, 'lists'>
}

/** The connection of some queues to their Redis. It stays its owner's. */
export class Source {
  /** What reports are sent by, too, unless another Redis is given. */
  readonly connection: Connection
  /** Why nothing could be read the last time. */
  failure: unknown
  readonly #wait: BoundedWait
  /** The masters of a cluster, each of which knows its own clients only. */
  readonly #masters: () => Connection[]

  /** Throws a sentence if the client is none that commands can be sent with. */
  constructor(client: object) {
    this.connection = connectionTo(client as Redis)
    this.#wait = new BoundedWait(this.connection.where, readLimitMs)
    const { nodes } = client as { nodes?: (role: 'master') => object[] }
    this.#masters = () => (nodes === undefined ? [this.connection] : nodes.call(client, 'master').map((node) => connectionTo(node as Redis)))
  }

  /** Counts the queues, time-bound. Rejects with a sentence where Redis cannot be asked. */
  async read(queues: readonly QueueKeys[]): Promise<Reading> {
    try {
      const reading = await this.#read(queues)
      this.failure = undefined
      return reading
    } catch (err) {
      this.failure = err
      throw err
    }
  }

  #read(queues: readonly QueueKeys[]): Promise<Reading> {
    return this.#wait.for(async (signal) => {
      const ask = (commands: readonly Command[]): Promise<Reply[]> => this.#ask(commands, signal)
      const [counted, [client, cluster, replication]] = await Promise.all([
        countQueues(queues, ask),
        ask([['CLIENT', 'INFO'], ['CLUSTER', 'INFO'], ['INFO', 'replication']]),
      ])
      return { source: this, counted, surroundings: { client, cluster, replication } }
    })
  }

  /** `CLIENT LIST`, of a cluster that of each master; none where one of them does not give it. */
  async clientLists(): Promise<string[]> {
    try {
      return await this.#wait.for(() => Promise.all(this.#masters().map(async (master) => textOf((await master.send([['CLIENT', 'LIST']]))[0]))))
    } catch {
      return []
    }
  }

  async #ask(commands: readonly Command[], signal: AbortSignal): Promise<Reply[]> {
    const replies: Reply[] = []
    for (let first = 0; first < commands.length; first += atOnce) {
      signal.throwIfAborted()
      for (const reply of await this.connection.send(commands.slice(first, first + atOnce))) replies.push(reply)
    }
    return replies
  }
}

/**
 * The lists of clients of some readings, in their order: asked once a server, however many of the program's connections
 * lead there. A list is as long as its server has clients. Time-bound: what is left then has no lists.
 */
export async function clientLists(readings: readonly Reading[]): Promise<string[][]> {
  const all: string[][] = []
  const end = performance.now() + readLimitMs
  for (const { source, surroundings } of readings) {
    const known = all.find((lists) => lists.some((list) => isListed(surroundings.client, list)))
    all.push(known ?? (performance.now() < end ? await source.clientLists() : []))
  }
  return all
}
