import { clientConnection, isClient, type RedisClient } from './clients.js'
import { urlConnection } from './url.js'

/** A Redis command whose first argument, if it has any, is the key that it is about. */
export type Command = readonly [name: string, key?: string, ...args: string[]]

/** What Redis answered, as its client reads it; an Error where it refused. */
export type Reply = unknown

/** Where commands are sent. */
export interface Connection {
  /** How sentences call it, such as `redis 10.0.0.7:6379`. It holds no secret. */
  readonly where: string
  /** Sends all commands at once and resolves with a reply each, in order. Rejects where none could be sent. */
  send(commands: readonly Command[]): Promise<Reply[]>
  /** Ends what is under way, if the connection is of our own making; the next `send` makes another. */
  giveUp(): void
  /** Ends the connection, if it is of our own making. */
  close(): void
}

/** A Redis: the URL `redis://` or `rediss://` of one server, or a client that the program already has. */
export type Redis = string | RedisClient

/** A connection to a Redis. Connects nothing yet; throws if it is neither a URL nor a client. */
export function connectionTo(redis: Redis): Connection {
  if (typeof redis === 'string') return urlConnection(redis)
  if (isClient(redis)) return clientConnection(redis)
  throw new TypeError('redis is neither a URL nor a client: it takes redis://host:6379, or a client that is made already, such as new Redis({ host }) of ioredis or createClient() of redis')
}
