import { indexKey, indexLifeMs } from '../keys.js'
import { shorten } from '../text.js'
import type { RedisClock } from './clock.js'
import type { Command, Connection } from './connection.js'

/** A document of the protocol on its way to Redis. */
export interface Publication {
  key: string
  /** What is written there. */
  json: string
  /** By which it is noted in the index. Its time is renewed. */
  clock: RedisClock
  /** How long the key lives, in milliseconds. */
  ttlMs: number
}

/** How far ahead of Redis' time a member of the index may be, in milliseconds: more than a cluster's nodes are apart. */
const futureMs = 60_000

/**
 * Writes a document and notes it in the index, and sends other commands along. Rejects with a sentence if anything of
 * that failed; what could be written is written. That Redis does not tell its time is no failure.
 *
 * The index forgets what was last seen a day ago, and what is noted for a time that has not come: that was a wrong
 * clock. Where this one may be wrong itself it forgets nothing of the future; nor of the past, unless Redis never tells
 * its time and nobody else may clean up.
 */
export async function publish(connection: Connection, { key, json, clock, ttlMs }: Publication, others: readonly Command[] = []): Promise<void> {
  const now = clock.estimate()
  const commands: Command[] = [
    ['SET', key, json, 'PX', String(ttlMs)],
    ['ZADD', indexKey, String(now), key],
    ...others,
  ]
  if (clock.state !== 'unknown') commands.push(['ZREMRANGEBYSCORE', indexKey, '-inf', `(${now - indexLifeMs}`])
  if (clock.state === 'known') commands.push(['ZREMRANGEBYSCORE', indexKey, `(${now + futureMs}`, '+inf'])
  const asked = clock.ran()
  const replies = await connection.send([...commands, ['TIME']])
  clock.answered(replies.pop(), asked)
  const failed = replies.findIndex((reply) => reply instanceof Error)
  if (failed < 0) return
  const [name, failedKey] = commands[failed] as Command
  const { message } = replies[failed] as Error
  const remedy = message.startsWith('NOPERM') ? '; what its user must be allowed is in docs/acl.md' : ''
  throw new Error(`${name} ${failedKey} at ${connection.where}: ${shorten(message)}${remedy}`)
}
