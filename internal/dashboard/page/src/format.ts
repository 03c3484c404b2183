// Numbers, ages and foreign text, as people read them.

import { t, writing } from './messages.js'
import { num } from './view.js'

export const NONE = '—'

/** A count; what is not known is a dash, never 0. */
export const count = (v: unknown): string => (num(v) === undefined ? NONE : writing().whole.format(v as number))

/** The same in at most three digits: "5.34K". */
export function compact(v: unknown): string {
  const n = num(v)
  return n === undefined ? NONE : Math.abs(n) < 10_000 ? writing().whole.format(n) : writing().compact.format(n)
}

export function decimal(v: number | undefined): string {
  return v === undefined ? NONE : (Math.abs(v) < 100 ? writing().digit : writing().whole).format(v)
}

/** A rate with its sign: "+12.5", "−3", "+3.75K", "0". */
export function signed(v: number): string {
  const text = Math.abs(v) >= 1_000 ? writing().compact.format(Math.abs(v)) : decimal(Math.abs(v))
  return text === '0' ? text : (v < 0 ? '−' : '+') + text
}

type Unit = 's' | 'min' | 'h' | 'd'
const unit = (u: Unit, n: string): string => t(`unit.${u}`, { n })

/** A unit, its seconds, and up to how many of it an estimate is told in. */
const ROUND: [Unit, number, number][] = [['s', 1, 90], ['min', 60, 180], ['h', 3_600, 48], ['d', 86_400, Infinity]]

const FAR = 90 * 86_400 // in seconds: an estimate beyond it is none

/** A length of time that is an estimate, rounded, with its range: "≈ 6 min (4–11)". */
export function about(seconds: number, range?: unknown): string {
  if (seconds > FAR) return `> ${unit('d', count(FAR / 86_400))}`
  const [u, size] = ROUND.find(([, size, most]) => seconds < size * most) ?? (['d', 86_400] as const)
  const rounded = (s: unknown) => (num(s) === undefined ? NONE : count(Math.round((s as number) / size)))
  const [low, high] = Array.isArray(range) ? [rounded(range[0]), rounded(range[1])] : [NONE, NONE]
  return `≈ ${unit(u, rounded(seconds))}` + (low === NONE || high === NONE || low === high ? '' : ` (${low}–${high})`)
}

const UNITS: [Unit, number][] = [['d', 86_400], ['h', 3_600], ['min', 60], ['s', 1]]

/** A length of time in one unit, or two from an hour on: "12 s", "4 min", "3 h 5 min". */
export function duration(ms: unknown, parts = 2): string {
  const given = num(ms)
  if (given === undefined) return NONE
  const seconds = Math.max(0, Math.floor(given / 1000))
  const i = UNITS.findIndex(([, size]) => seconds >= size)
  const [u, size] = UNITS[i] ?? ['s' as const, 1]
  const below = i === 0 || i === 1 ? UNITS[i + 1] : undefined
  const rest = below ? Math.floor((seconds % size) / below[1]) : 0
  return unit(u, String(Math.floor(seconds / size))) + (parts > 1 && below && rest ? ` ${unit(below[0], String(rest))}` : '')
}

export function bytes(v: unknown): string {
  let n = num(v)
  if (n === undefined) return NONE
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let i = 0
  while (Math.abs(n) >= 1024 && i < units.length - 1) [n, i] = [n / 1024, i + 1]
  return `${decimal(n)} ${units[i]}`
}

/** Any value as text; '' where there is none. */
export function plain(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  if (typeof value === 'number') return value.toLocaleString('en')
  try {
    return JSON.stringify(value)
  } catch {
    return t('meta.deep')
  }
}

const MOST = 8.64e15 // the last moment that a Date can be

/** The reader's time: "22:24:46", with its date where that is not today. */
export function clockTime(ms: unknown): string {
  const at = num(ms)
  if (at === undefined || Math.abs(at) > MOST) return NONE
  const date = new Date(at)
  const time = date.toLocaleTimeString('en-GB')
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString('sv')} ${time}`
}

/** The same moment in UTC, to be seen on hover. */
export function utc(ms: unknown): string {
  const at = num(ms)
  return at === undefined || Math.abs(at) > MOST ? '' : new Date(at).toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC')
}

// Control characters, bidirectional overrides, invisible marks, blanks that are none, and lone surrogates: a name must not be able
// to look like another one.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00a0\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Cs}/gu

/** Foreign text with its invisible characters shown. */
export const visible = (text: string): string =>
  text.replace(HIDDEN, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`).replace(/^ +| +$/g, (blanks) => '␣'.repeat(blanks.length))

const LONG = 200

/** The same, and no longer than a line takes. */
export const short = (text: string): string => visible(text.length > LONG ? `${text.slice(0, LONG)}…` : text)
