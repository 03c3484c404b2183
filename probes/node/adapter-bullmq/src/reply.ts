import type { Reply } from '@gravito/pulse-protocol/publish'

/** A number of jobs. Throws a sentence if the reply is a refusal, or no such number. */
export function countOf(reply: Reply): number {
  // A client may be set to give integers as texts.
  const isText = typeof reply === 'string' && /^\d+$/.test(reply)
  const count = isText || typeof reply === 'bigint' ? Number(reply) : reply
  if (typeof count !== 'number') throw unexpected(reply, 'an integer')
  if (!Number.isSafeInteger(count) || count < 0) throw new Error(`the answer is ${String(reply)} where a number of jobs is due: this Redis is broken`)
  return count
}

/** A text; empty where there is none. Throws a sentence if the reply is anything else. */
export function textOf(reply: Reply): string {
  if (typeof reply === 'string') return reply
  if (isNothing(reply)) return ''
  if (Buffer.isBuffer(reply)) return reply.toString()
  throw unexpected(reply, 'text')
}

/** A list; empty where there is none. Throws a sentence if the reply is anything else. */
export function listOf(reply: Reply): Reply[] {
  if (Array.isArray(reply)) return reply
  if (isNothing(reply)) return []
  throw unexpected(reply, 'a list')
}

export function isNothing(reply: Reply): reply is null | undefined {
  return reply === null || reply === undefined
}

/** What `read` makes of the reply, or `other` where it is something else or a refusal. */
export function orElse<T>(read: (reply: Reply) => T, reply: Reply, other: T): T {
  try {
    return read(reply)
  } catch {
    return other
  }
}

/** The first word of a refusal, such as `NOPERM`; empty for anything else. */
export function codeOf(reply: Reply): string {
  return (reply instanceof Error && /^[A-Z][A-Z0-9_]*(?= |$)/.exec(reply.message)?.[0]) || ''
}

function unexpected(reply: Reply, due: string): Error {
  return reply instanceof Error ? reply : new Error(`the answer is ${kindOf(reply)} where ${due} is due`)
}

function kindOf(reply: Reply): string {
  if (isNothing(reply)) return 'nothing'
  if (Array.isArray(reply)) return 'a list'
  if (typeof reply === 'string' || Buffer.isBuffer(reply)) return 'text'
  return typeof reply === 'number' || typeof reply === 'bigint' ? 'an integer' : 'something else'
}

/** The longest sentence of somebody else's, in characters. */
const longest = 300

/** A refusal as part of a sentence. */
export function messageOf(err: unknown): string {
  const message = err instanceof Error ? err.message : String(err)
  const code = codeOf(err)
  const text = code === '' || code === message ? message : `${code}: ${message.slice(code.length + 1)}`
  return text.length > longest ? `${text.slice(0, longest).toWellFormed()}…` : text
}
