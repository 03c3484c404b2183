import { isAscii } from 'node:buffer'
import type { Reply } from './resp.js'
import type { Send } from './session.js'

/** What {@link fromIoredis} needs of ioredis: 5 or 6, one server or a Sentinel. */
export interface IoredisClient {
  pipeline(): {
    callBuffer(command: string, args: (string | Buffer)[]): unknown
    exec(): Promise<[error: Error | null, result: unknown][] | null>
  }
  readonly options?: { readonly keyPrefix?: string | undefined; readonly stringNumbers?: boolean | undefined }
  readonly isCluster?: boolean
}

/**
 * Asks with an ioredis client, one pipeline a round. The client stays its owner's: it is neither connected
 * nor closed here, and how long a lost connection is waited for is a setting of its own.
 */
export function fromIoredis(client: IoredisClient): Send {
  if (client.isCluster === true) throw new TypeError(noCluster)
  if (client.options?.keyPrefix) {
    throw new TypeError(`the client puts ${JSON.stringify(client.options.keyPrefix)} before each key: use one without keyPrefix, adapters know whole keys`)
  }
  if (client.options?.stringNumbers === true) throw new TypeError('the client returns numbers as texts: use one without stringNumbers')
  return async (requests) => {
    const pipeline = client.pipeline()
    for (const [command, ...args] of requests) pipeline.callBuffer((command as Buffer).toString(), args.map(plain))
    const results = (await pipeline.exec()) ?? []
    return results.map(([error, result], i) => (error ? refusal(error) : asInRESP2(requests[i], result as Reply)))
  }
}

/** ioredis writes texts twice as fast as bytes. What is not ASCII stays bytes, which may be no text. */
function plain(word: Buffer): string | Buffer {
  return isAscii(word) ? word.toString('latin1') : word
}

/** What {@link fromNodeRedis} needs of node-redis (the package `redis`): 5 or 6, one server or a Sentinel. */
export interface NodeRedisClient {
  sendCommand(args: Buffer[], options?: { typeMapping?: object }): Promise<unknown>
}

/** Types of RESP2 and RESP3 by the byte that they begin with, as node-redis wants to know what to make of them. */
const typeMapping = {
  [byte('$')]: Buffer,
  [byte('+')]: Buffer,
  [byte('=')]: Buffer, // verbatim: CLIENT LIST
  [byte(',')]: String, // a double: ZSCORE
  [byte('(')]: String, // a number that is too big
  [byte('%')]: Array, // a map: XINFO
  [byte('~')]: Array, // a set: SMEMBERS
}

/**
 * Asks with a node-redis client: what it is given at once, it sends at once. The client stays its owner's:
 * it must be connected.
 */
export function fromNodeRedis(client: NodeRedisClient): Send {
  if ('masters' in client) throw new TypeError(noCluster)
  return async (requests) => {
    const results = await Promise.allSettled(requests.map((request) => client.sendCommand(request, { typeMapping })))
    return results.map((r, i) => (r.status === 'rejected' ? refusal(r.reason) : asInRESP2(requests[i], r.value as Reply)))
  }
}

const noCluster = 'the client is one of a cluster, where SCAN and CLIENT LIST must be asked of each node: use a client of one server, or write a send of your own'

/** Redis' refusals begin with a word in capitals: NOPERM, WRONGTYPE. Everything else is that it could not be asked. */
function refusal(error: unknown): Error {
  if (error instanceof Error && /^[A-Z][A-Z0-9_]+( |$)/.test(error.message)) return error
  throw error
}

/** RESP3 has the members of `ZRANGE … WITHSCORES` in pairs, RESP2 in one list. */
function asInRESP2(request: Buffer[] | undefined, reply: Reply): Reply {
  if (!Array.isArray(reply) || !Array.isArray(reply[0])) return reply
  return request?.[0]?.toString().toUpperCase() === 'ZRANGE' ? reply.flat() : reply
}

function byte(type: string): number {
  return type.charCodeAt(0)
}
