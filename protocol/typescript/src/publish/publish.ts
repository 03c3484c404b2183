import { indexKey, indexLifeMs } from '../keys.js'
import { shorten } from '../text.js'
import type { Command, Connection } from './connection.js'

/** A document of the protocol on its way to Redis. */
export interface Publication {
  key: string
  /** What is written there. */
  json: string
  /** The document's timestamp, in Unix milliseconds. */
  timestamp: number
  /** How long the key lives, in milliseconds. */
  ttlMs: number
}

/**
 * Writes a document and notes it in the index, and sends other commands along. Rejects with a sentence if anything of
 * that failed; what could be written is written.
 */
export async function publish(connection: Connection, { key, json, timestamp, ttlMs }: Publication, others: readonly Command[] = []): Promise<void> {
  const commands: Command[] = [
    ['SET', key, json, 'PX', String(ttlMs)],
    ['ZADD', indexKey, String(timestamp), key],
    ['ZREMRANGEBYSCORE', indexKey, '-inf', `(${timestamp - indexLifeMs}`],
    ...others,
  ]
  const replies = await connection.send(commands)
  const failed = replies.findIndex((reply) => reply instanceof Error)
  if (failed < 0) return
  const [name, failedKey] = commands[failed] as Command
  const { message } = replies[failed] as Error
  const remedy = message.startsWith('NOPERM') ? '; what its user must be allowed is in docs/acl.md' : ''
  throw new Error(`${name} ${failedKey} at ${connection.where}: ${shorten(message)}${remedy}`)
}
