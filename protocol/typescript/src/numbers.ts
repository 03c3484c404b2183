import { endOfJSON, tokens } from './json.js'
import { maxCount } from './limits.js'
import { fromBytesInShort, quote, quoteBytes, shorten } from './text.js'

/** A number that should be whole and not negative: undefined where it is missing or null, and a text where it is something else, which is that. */
export type Count = number | string | undefined

/** A count, of JSON or of text that may be none. */
export function readCount(value: string | undefined): Count {
  if (value === undefined || value === 'null') return undefined
  // Not only as JSON writes numbers: a field of a stream may be +5 or 007.
  const n = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value) ? Number(value) : NaN
  if (n >= 0 && Number.isSafeInteger(n)) return n + 0 // no -0
  if (endOfJSON(value) !== undefined) return quoteBytes(value)
  let line = ''
  for (const token of tokens(value)) line += token
  return fromBytesInShort(line)
}

/** What is wrong with a count that must be there; undefined if nothing is. */
export function countProblem(name: string, count: Count): string | undefined {
  if (count === undefined) return `${name} is missing: it takes a number`
  return typeof count === 'string' ? `${name} is ${shorten(count)}: it takes a whole number from 0 to 2^53-1` : undefined
}

/** A JSON number of any size; undefined where a JSON value is missing or something else, or where no double holds it. */
export function readNumber(value: string | undefined): number | undefined {
  const n = Number(value)
  return Number.isFinite(n) ? n : undefined
}

/** A JSON number of bytes or of another amount that is whole and not negative. */
export function readSize(value: string | undefined): number | undefined {
  const n = readNumber(value)
  return n === undefined || n < 0 || n > maxCount ? undefined : Math.trunc(n) + 0 // no -0
}

/** What is wrong with a timestamp; undefined if nothing is. */
export function timestampProblem(timestamp: unknown): string | undefined {
  // Unix milliseconds passed the first in 1973 and pass the last in 2286: others are in seconds or microseconds.
  if (Number.isInteger(timestamp) && (timestamp as number) >= 100_000_000_000 && (timestamp as number) <= 9_999_999_999_999) return undefined
  return `timestamp is ${quote(timestamp)}: it takes Unix milliseconds, such as 1764000000000`
}

/** What is wrong with a number that must be there, and perhaps whole; undefined if nothing is. */
export function numberProblem(name: string, value: unknown, { most = maxCount, isWhole = false }: { most?: number; isWhole?: boolean } = {}): string | undefined {
  if (value === undefined || value === null) return `${name} is missing`
  const isInRange = typeof value === 'number' && value >= 0 && value <= most // not so of NaN
  if (isInRange && (!isWhole || Number.isInteger(value))) return undefined
  return `${name} is ${quote(value)}: it takes ${isInRange ? 'a whole number from ' : ''}0 to ${most === maxCount ? '2^53-1' : most}`
}
