/**
 * What went wrong, for a program to decide by:
 *
 * - `module`: the module cannot be used at all
 * - `settings`: the adapter, or the host, doesn't take its settings
 * - `adapter`: the adapter ended its poll with a sentence for a person
 * - `broken`: the adapter trapped, or broke a rule: its instance is closed, and is started again later
 * - `session`: the session is closed, or is being polled already
 * - `source`: what `send` returned is not one reply a request
 */
export type ErrorCode = 'module' | 'settings' | 'adapter' | 'broken' | 'session' | 'source'

/** An error of this package. Its message is a sentence for a person, which names the adapter. */
export class AdapterError extends Error {
  override readonly name = 'AdapterError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Why an instance can't go on. The sentence follows the adapter's name. */
export class Broken extends Error {}

/** What an adapter wrote, as part of a sentence: one line, without control characters, not too long. */
export function quote(text: string, most = 80): string {
  return JSON.stringify(shorten(text, most))
}

/** One line of printable text, at most `most` characters and an ellipsis. */
export function shorten(text: string, most: number): string {
  const line = text.slice(0, most + 1).replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').toWellFormed()
  return line.length > most ? line.slice(0, most).toWellFormed() + '…' : line
}

export function messageOf(err: unknown): string {
  return err instanceof Error || (typeof err === 'object' && err !== null && 'message' in err) ? String(err.message) : String(err)
}
