import type { Reply } from '@gravito/pulse-protocol/publish'
import type { QueueKeys } from './keys.js'
import { codeOf, orElse, textOf } from './reply.js'

/** What a connection says of itself and of its server. */
export interface Surroundings {
  /** `CLIENT LIST`; of a cluster that of each of its masters. None where Redis doesn't give it. */
  readonly lists: readonly string[]
  /** `CLIENT INFO`. */
  readonly client: Reply
  /** `CLUSTER INFO`. */
  readonly cluster: Reply
  /** `INFO replication`. */
  readonly replication: Reply
}

/**
 * The connected workers, from the client names that BullMQ and Bull give to blocking connections: `bull:b3JkZXJz`, or
 * that with `:w:` and the worker's name.
 */
export class Workers {
  /** The connections to our own database, of each server a list of lines. */
  readonly #servers: readonly (readonly string[])[]
  readonly #isAlone: boolean
  readonly #byPrefix = new Map<string, Map<string, number>>()

  constructor({ lists, client, cluster, replication }: Surroundings) {
    const servers = lists.map((list) => list.split('\n').filter((line) => line !== ''))
    const db = databaseOf(client) || databaseOfWhoAsks(servers.flat())
    const role = /^role:(\w+)/m.exec(orElse(textOf, replication, ''))?.[1] ?? 'master'
    // Workers connect to the primary. The list is a replica's if it has the link to a primary.
    const isKnown = db !== undefined && role === 'master' && !servers.flat().some((line) => fieldOf(line, 'flags').includes('M'))
    this.#servers = isKnown ? servers.map((lines) => lines.filter((line) => fieldOf(line, 'db') === db)) : []
    // Older versions name no connection to a cluster. Where Redis doesn't say that it is no cluster, it may be one.
    this.#isAlone = codeOf(cluster) === 'ERR'
  }

  /** How many workers a queue has; undefined where Redis doesn't tell, or none is seen and that may not be all. */
  of(queue: QueueKeys, active: number): number | undefined {
    // No client name can have a space or anything beyond ASCII.
    if (this.#servers.length === 0 || !/^[!-~]*$/.test(queue.prefix)) return undefined
    const named = this.#namedBy(queue.prefix)
    const seen = named.get(queue.clientName) ?? 0
    const isSure = active === 0 && (this.#isAlone || named.size > 0)
    return seen > 0 || isSure ? seen : undefined
  }

  /**
   * Workers of all queues of a prefix, by the base64 of the queue's name. In a cluster a worker may be connected to
   * several servers, and is to the one that has its queue: that one sees the most.
   */
  #namedBy(prefix: string): Map<string, number> {
    let named = this.#byPrefix.get(prefix)
    if (named === undefined) {
      this.#byPrefix.set(prefix, (named = new Map()))
      for (const lines of this.#servers) {
        for (const [queue, count] of countNames(lines, prefix)) named.set(queue, Math.max(count, named.get(queue) ?? 0))
      }
    }
    return named
  }
}

/** How many connections of one server have the name of each queue's worker. */
function countNames(lines: readonly string[], prefix: string): Map<string, number> {
  const named = new Map<string, number>()
  for (const line of lines) {
    const name = fieldOf(line, 'name')
    if (!name.startsWith(`${prefix}:`)) continue
    const [queue, kind] = name.slice(prefix.length + 1).split(':', 2) as [string, string?]
    if (kind === undefined || kind === 'w') named.set(queue, (named.get(queue) ?? 0) + 1)
  }
  return named
}

/**
 * Our database, where CLIENT INFO doesn't tell: a queue of the same name in another one has workers of its own. A Redis
 * before 6.2 has no CLIENT INFO, but only we ask for the list just now.
 */
function databaseOfWhoAsks(lines: readonly string[]): string | undefined {
  const asking = lines.filter((line) => ['client', 'client|list'].includes(fieldOf(line, 'cmd'))).map((line) => fieldOf(line, 'db'))
  return asking.every((db) => db === asking[0]) ? asking[0] : undefined // else somebody else asks, too
}

/** The database that a connection uses, as CLIENT INFO has it; empty where that is refused. */
export function databaseOf(client: Reply): string {
  return fieldOf(orElse(textOf, client, ''), 'db')
}

/** Whether a list of clients is of the server that answered CLIENT INFO: no two connections share id and addresses. */
export function isListed(client: Reply, list: string): boolean {
  const us = /^id=\d+ addr=\S+ laddr=\S+ /.exec(orElse(textOf, client, ''))?.[0]
  return us !== undefined && `\n${list}`.includes(`\n${us}`)
}

/** A field of a line of CLIENT LIST; empty where it isn't there. */
function fieldOf(line: string, name: string): string {
  const start = line.indexOf(` ${name}=`)
  if (start < 0) return ''
  return /^\S*/.exec(line.slice(start + name.length + 2))?.[0] ?? ''
}
