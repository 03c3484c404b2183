import type { Command, Connection, Reply } from './connection.js'

/** What is needed of an ioredis client: 5 or 6, of one server, a Sentinel or a cluster. */
export interface IoredisClient {
  call(command: string, ...args: string[]): Promise<unknown>
  readonly status?: string
  readonly options?: object
}

/** What is needed of a node-redis client (the package `redis`): 5 or 6, of one server or a Sentinel. */
export interface NodeRedisClient {
  sendCommand(args: string[]): Promise<unknown>
  readonly isReady?: boolean
}

/** What is needed of node-redis' client of a cluster. */
export interface NodeRedisCluster {
  sendCommand(firstKey: string | undefined, isReadonly: boolean, args: string[]): Promise<unknown>
  readonly masters: unknown
}

/** The client of a queue of BullMQ: what its newer versions wrap around one of these, and have no public type for. */
export interface BullMQClient {
  readonly isCluster: boolean
  runCommand(name: string, args: unknown[]): Promise<unknown>
}

/** A Redis client that a program already has. */
export type RedisClient = IoredisClient | NodeRedisClient | NodeRedisCluster | BullMQClient

/** What BullMQ 6 wraps around node-redis. */
interface WrappedClient {
  readonly raw: IoredisClient | NodeRedisClient
}

/** Whether a value is a client that commands can be sent with. */
export function isClient(value: unknown): value is RedisClient {
  if (typeof value !== 'object' || value === null) return false
  const client = value as Partial<IoredisClient & NodeRedisClient & WrappedClient>
  return typeof client.call === 'function' || typeof client.sendCommand === 'function' || isClient(client.raw)
}

/**
 * A connection by a client that a program has. The client stays its owner's: it is neither connected nor closed
 * here, and nobody listens to its events. Throws if it puts a prefix before each key.
 */
export function clientConnection(client: RedisClient): Connection {
  const { raw } = client as Partial<WrappedClient>
  const bare = isClient(raw) ? raw : client
  const { keyPrefix, host, port } = ('options' in bare ? bare.options : undefined) as { keyPrefix?: string; host?: string; port?: number } ?? {}
  if (keyPrefix) {
    throw new TypeError(`the Redis client puts ${JSON.stringify(keyPrefix)} before each key, and the dashboard would look in vain: give it a client without keyPrefix`)
  }
  const where = typeof host === 'string' ? `redis ${host}:${port ?? 6379}` : 'redis'
  return {
    where,
    async send(commands) {
      const reason = absence(bare)
      if (reason !== undefined) throw new Error(`${where}: ${reason}`)
      const replies = await Promise.allSettled(commands.map(async (command) => sendOne(bare, command)))
      return replies.map((reply) => (reply.status === 'fulfilled' ? (reply.value as Reply) : asError(reply.reason)))
    },
    giveUp() {},
    close() {},
  }
}

/** Of both clients ioredis has call, and a sendCommand that takes something else. */
function sendOne(client: RedisClient, command: Command): Promise<unknown> {
  const [name, ...args] = command as readonly [string, ...string[]]
  if ('call' in client) return client.call(name, ...args)
  if ('masters' in client) return client.sendCommand(args[0], false, [name, ...args])
  return (client as NodeRedisClient).sendCommand([name, ...args])
}

/**
 * Why nothing can be sent now, or undefined. A client that has lost its connection would keep commands until it is
 * back, perhaps for ever; one that connects for the first time is given them.
 */
function absence(client: RedisClient): string | undefined {
  const status = 'status' in client ? client.status : undefined
  if (status === 'reconnecting' || status === 'close' || status === 'end') return `its client is not connected (${status})`
  if ('isReady' in client && client.isReady === false) return 'its client is not connected'
  return undefined
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
