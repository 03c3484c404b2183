// Members of meta as words and units: what a reporter adds to a queue or a server. Pure.

import { bytes, duration, plain } from '../format.js'
import { language, LANGUAGES, t, type Key } from '../messages.js'
import en from '../messages/en.json' with { type: 'json' }

/** What to show: a moment, a text of ours, or one that somebody else wrote. */
export type Words = { at: number } | { text: string } | { foreign: string }

/** What a member is called; undefined where the page knows no word for it. */
export function nameOf(member: string): string | undefined {
  const key = `meta.name.${member}`
  return Object.hasOwn(en, key) ? t(key as Key) : undefined
}

// Unix ms of 2001 to 2100: what else ends in _at may be a count of anything.
const plausible = (ms: number) => ms > 1e12 && ms < 4.1e12

const LONG = 2_000 // of a value: more is in the JSON

export function wordsOf(member: string, value: unknown): Words {
  if (typeof value === 'boolean') return { text: t(value ? 'meta.yes' : 'meta.no') }
  if (typeof value === 'number') return numberOf(member, value)
  const text = plain(value)
  return { foreign: text.length > LONG ? `${text.slice(0, LONG)}…` : text }
}

function numberOf(member: string, n: number): Words {
  if (/(^|_)(at|as_of)$/.test(member) && plausible(n)) return { at: n }
  if (/_ms$/.test(member)) return { text: milliseconds(n) }
  if (/_seconds$/.test(member)) return { text: milliseconds(n * 1_000) }
  if (/_bytes$/.test(member)) return { text: bytes(n) }
  return { text: /_percent$/.test(member) ? `${grouped(n)} %` : grouped(n) }
}

/** Below a second exact, above it as people say it; a length of time may be negative. */
function milliseconds(ms: number): string {
  const length = Math.abs(ms)
  const text = length > 0 && length < 1_000 ? t('unit.ms', { n: grouped(length) }) : duration(length)
  return ms < 0 ? `−${text}` : text
}

/** Every digit. Past 2^53 a browser reads numbers rounded, and it says so. */
function grouped(n: number): string {
  const text = n.toLocaleString(Object.hasOwn(LANGUAGES, language.value) ? language.value : 'en', { maximumFractionDigits: 6 })
  return Number.isInteger(n) && !Number.isSafeInteger(n) ? `≈ ${text}` : text
}
