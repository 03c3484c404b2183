import { quote } from './text.js'

/** How long a snapshot and a heartbeat live, in milliseconds, unless a setting says otherwise. */
export const defaultTtlMs = 30_000
/** How often a reporter reports, in milliseconds, unless a setting says otherwise. */
export const defaultIntervalMs = 10_000
/** How long a key that is no longer written stays in {@link indexKey}, in milliseconds. */
export const indexLifeMs = 86_400_000
/** How many entries a stream of slow entries keeps. */
export const slowMaxLength = 1000
/** The sorted set of the snapshot and heartbeat keys that exist or lately existed, by the Unix milliseconds at which each was last seen. */
export const indexKey = 'pulse:index'

const queuesPrefix = 'pulse:queues:'
const serverPrefix = 'pulse:server:'
const slowPrefix = 'pulse:slow:'
/** Older agents write nodes here; they are read as heartbeats and snapshots. */
const quasarPrefix = 'gravito:quasar:node:'

/** Where a reporter SETs its snapshot of an app. Reporters that share an app have a source each, so that they don't overwrite each other. */
export function queuesKey(app: string, source: string = ''): string {
  return queuesPrefix + app + (source === '' ? '' : `:${source}`)
}

/** Where a process or host SETs its heartbeat. */
export function serverKey(app: string, id: string): string {
  return `${serverPrefix}${app}:${id}`
}

/** The stream of an app's slow entries. */
export function slowKey(app: string): string {
  return slowPrefix + app
}

/** What a key holds, by its prefix. */
export type KeyKind = 'queues' | 'server' | 'quasar' | 'slow'

/** What a key alone says. While its document exists the document is the authority, not this. */
export interface Address {
  kind: KeyKind
  app: string
  /** A snapshot's source or a server's id; empty where a key has none. */
  rest: string
}

const prefixes: Record<KeyKind, string> = { queues: queuesPrefix, server: serverPrefix, slow: slowPrefix, quasar: quasarPrefix }

/** What a key holds, by its prefix alone; undefined for any other key. */
export function kindOf(key: string): KeyKind | undefined {
  return (Object.keys(prefixes) as KeyKind[]).find((kind) => key.startsWith(prefixes[kind]))
}

/** What a key of the protocol says, or undefined for any other, and for one whose parts are no names. */
export function parseKey(key: string): Address | undefined {
  const kind = kindOf(key)
  if (kind === undefined) return undefined
  const whole = key.slice(prefixes[kind].length)
  const colon = kind === 'slow' ? -1 : whole.indexOf(':')
  let [app, rest] = colon < 0 ? [whole, ''] : [whole.slice(0, colon), whole.slice(colon + 1)]
  if (kind === 'quasar') [app, rest] = [nameFrom(app), nameFrom(rest)]
  const mayLackRest = kind === 'slow' || (kind === 'queues' && colon < 0)
  return isName(app) && (mayLackRest || isName(rest)) ? { kind, app, rest } : undefined
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/

/** Whether a text can be an app, an id or a source. */
export function isName(text: string): boolean {
  return namePattern.test(text)
}

/** What is wrong with a text that should be an app, an id or a source, called `what`; undefined if nothing is. */
export function nameProblem(what: string, text: unknown): string | undefined {
  if (typeof text === 'string' && isName(text)) return undefined
  return `${what} is ${quote(text)}: it takes 1 to 128 letters, digits, '.', '_', '@' or '-', the first a letter or digit`
}

/** A name made of free text, such as a host's: what a name cannot hold becomes `-`. Empty only where the text is, or nothing but spaces. */
export function nameFrom(text: string): string {
  let name = ''
  for (const character of text.replace(/^ +/, '')) name += /^[A-Za-z0-9._@-]$/.test(character) ? character : '-'
  if (name !== '' && !isName(name[0] as string)) name = `x${name}`
  return name.slice(0, 128)
}
