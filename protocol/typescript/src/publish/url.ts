import type { Connection } from './connection.js'
import { clientConnection, type IoredisClient, type NodeRedisClient } from './clients.js'

/** How long a connection may take to be made, in milliseconds. */
const connectTimeoutMs = 5_000

/** A client that was made here, connected, and does not keep the process alive. */
interface OwnClient {
  readonly client: IoredisClient | NodeRedisClient
  isUsable(): boolean
  destroy(): void
}

/**
 * A connection to the Redis of a URL, made by ioredis, or by node-redis where the program has only that installed. It is made
 * when something is sent, and made anew after it failed: the client itself never tries again behind our back.
 */
export function urlConnection(text: string): Connection {
  const { host, database, url } = parts(text)
  const where = `redis ${host}`
  let own: OwnClient | undefined
  let closed = false
  const giveUp = (): void => {
    own?.destroy()
    own = undefined
  }
  return {
    where,
    async send(commands) {
      if (closed) throw new Error(`${where}: the connection is closed`)
      if (own?.isUsable() !== true) {
        giveUp()
        const made = await connect(url, database, (client) => (own = client)).catch((err: unknown) => {
          giveUp()
          throw new Error(`${where}: ${err instanceof Error ? err.message : String(err)}`)
        })
        if (own !== made) {
          made.destroy()
          throw new Error(`${where}: it took too long to connect`)
        }
      }
      const replies = await clientConnection((own as OwnClient).client).send(commands)
      // The name may be another server's by now.
      if (replies.some((reply) => reply instanceof Error && reply.message.startsWith('READONLY'))) giveUp()
      return replies
    },
    giveUp,
    close() {
      closed = true
      giveUp()
    },
  }
}

/** What there is to a URL. Throws a sentence without the URL, which may hold a password. */
function parts(text: string): { host: string; database: string; url: string } {
  if (/^rediss?:\/\/[^/?#]*,/.test(text.replace(/^(rediss?:\/\/).*@/, '$1'))) {
    throw new TypeError('redis is a URL of several hosts: it takes one; give it a client of yours where it is a cluster')
  }
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new TypeError('redis is a URL that cannot be read: it takes redis://[user:password@]host:6379[/database], with what is special in a password escaped, such as # as %23')
  }
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    throw new TypeError(`redis is a URL of ${url.protocol}//: it takes redis:// or rediss://; give it a client of yours where it is a cluster, a Sentinel or a socket`)
  }
  if (url.hash !== '' || url.search.includes('@') || url.pathname.includes('@') || url.hostname === '') {
    throw new TypeError('redis is a URL whose password has to be escaped: # as %23, / as %2F, ? as %3F, @ as %40')
  }
  const [, database = '0'] = /^\/?(\d+)?$/.exec(url.pathname) ?? [undefined, '']
  if (database === '') throw new TypeError('redis is a URL whose path is no database: it takes a number, such as redis://host:6379/1')
  url.pathname = ''
  return { host: `${url.hostname}:${url.port || '6379'}`, database, url: url.href }
}

/** Connects, and gives what it is connecting to `making`, so that it can be given up meanwhile. */
async function connect(url: string, database: string, making: (client: OwnClient) => void): Promise<OwnClient> {
  const ioredis = await installed(() => import('ioredis'))
  if (ioredis !== undefined) {
    const client = new ioredis.Redis(url, {
      lazyConnect: true,
      connectTimeout: connectTimeoutMs,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      disconnectTimeout: 1, // a timer that keeps the process alive
    })
    let reason: Error | undefined
    client.on('error', (err) => (reason = err))
    client.once('connect', () => client.stream.unref())
    const own: OwnClient = { client, isUsable: () => client.status === 'ready', destroy: () => client.disconnect() }
    making(own)
    await client.connect().catch((err: unknown) => {
      throw reason ?? err // else it is "Connection is closed."
    })
    if (database !== '0') await client.call('SELECT', database) // by itself it would go on in database 0 where that fails
    return own
  }
  const redis = await installed(() => import('redis'))
  if (redis === undefined) throw new Error('neither ioredis nor redis is installed: npm install ioredis, or give it a client of yours')
  const client = redis.createClient({ url, disableOfflineQueue: true, socket: { connectTimeout: connectTimeoutMs, reconnectStrategy: false } })
  client.on('error', () => {}) // what was sent says what failed
  client.unref()
  const own: OwnClient = {
    client: client as unknown as NodeRedisClient,
    isUsable: () => client.isReady,
    destroy: () => {
      if (client.isOpen) client.destroy()
    },
  }
  making(own)
  await client.connect()
  if (database !== '0') await client.sendCommand(['SELECT', database])
  return own
}

async function installed<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load()
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw err
  }
}
