import { quote } from '../text.js'

/** What an option takes. */
export type OptionKind = 'any' | 'text' | 'function' | 'milliseconds' | 'whole milliseconds'

/**
 * What is wrong with the options of a function; undefined if nothing is. An option that is undefined is absent, and one
 * that it does not know is a mistake.
 */
export function optionProblem(of: string, options: unknown, kinds: Readonly<Record<string, OptionKind>>): string | undefined {
  if (typeof options !== 'object' || options === null) return `${of} is ${quote(options)}: it takes an object with ${Object.keys(kinds).join(', ')}`
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined
    if (kind === undefined) return `${of} has no ${quote(name)}: it takes ${Object.keys(kinds).join(', ')}`
    if (value === undefined || kind === 'any') continue
    const shown = `${of}.${name} is ${quote(value)}`
    if (kind === 'milliseconds' || kind === 'whole milliseconds') {
      const isInRange = typeof value === 'number' && value > 0 && value <= 86_400_000
      if (!isInRange || (kind !== 'milliseconds' && !Number.isInteger(value))) return `${shown}: it takes a number of ${kind}, more than 0 and at most a day`
    } else if (typeof value !== (kind === 'text' ? 'string' : kind)) return `${shown}: it takes a ${kind}`
  }
  return undefined
}

/** What is wrong with a life that is too short for its interval, both in milliseconds; undefined if nothing is. */
export function ttlProblem(ttlMs: number, intervalMs: number): string | undefined {
  return ttlMs > intervalMs ? undefined : `ttlMs is ${ttlMs}: it takes more than intervalMs, which is ${intervalMs}, or what is reported is lost in between`
}
