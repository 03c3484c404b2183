// What the search box takes: words, and terms such as app:shop, driver:sqs, is:stalled or waiting>100. Pure.

import { hasNoWorkers, isTrouble, metric, perMinute, type QueueItem, type ServerItem } from './model.js'
import { num, str } from './view.js'

/** A query keeps the rows for which each of its terms holds. */
export interface Query {
  queue: (item: QueueItem) => boolean
  server: (item: ServerItem) => boolean
  /** Whether anything is asked for. */
  any: boolean
}

type Test<T> = (item: T) => boolean

/** What can be compared with a number, in units a person types: oldest is in minutes. */
const NUMBERS: Record<string, (item: QueueItem) => number | undefined> = {
  waiting: (i) => metric(i, 'waiting'),
  active: (i) => metric(i, 'active'),
  delayed: (i) => metric(i, 'delayed'),
  failed: (i) => metric(i, 'failed'),
  workers: (i) => num(i.meta['workers']),
  oldest: (i) => (i.oldestMs === undefined ? undefined : i.oldestMs / 60_000),
  rate: perMinute,
}

const COMPARE: Record<string, (a: number, b: number) => boolean> = {
  '>': (a, b) => a > b, '<': (a, b) => a < b, '>=': (a, b) => a >= b, '<=': (a, b) => a <= b, '=': (a, b) => a === b,
}

// A term: an optional minus, then a quoted text or no blank, with quotes around a value that has one.
const TERM = /-?(?:[a-z]+:)?"[^"]*"?|\S+/gi

export function parseQuery(text: string): Query {
  const queue: Test<QueueItem>[] = []
  const server: Test<ServerItem>[] = []
  for (const raw of text.match(TERM) ?? []) {
    const not = raw.length > 1 && raw.startsWith('-')
    const term = not ? raw.slice(1) : raw
    const [ofQueue, ofServer] = parseTerm(term)
    queue.push(not ? (i) => !ofQueue(i) : ofQueue)
    server.push(not ? (i) => !ofServer(i) : ofServer)
  }
  return { queue: (i) => queue.every((test) => test(i)), server: (i) => server.every((test) => test(i)), any: queue.length > 0 }
}

const never = () => false
const unquoted = (text: string) => text.replace(/^"|"$/g, '').toLowerCase()
const has = (where: unknown, text: string) => str(where).toLowerCase().includes(text)

function parseTerm(term: string): [Test<QueueItem>, Test<ServerItem>] {
  const compared = /^([a-z]+)(>=|<=|>|<|=)(-?\d+(?:\.\d+)?)$/i.exec(term)
  const number = compared?.[1]!.toLowerCase() ?? ''
  const read = Object.hasOwn(NUMBERS, number) && NUMBERS[number] // no "constructor" that objects inherit
  if (compared && read) {
    const [holds, than] = [COMPARE[compared[2]!]!, Number(compared[3])]
    return [(i) => { const n = read(i); return n !== undefined && holds(n, than) }, never]
  }
  const [, field = '', value = ''] = /^([a-z]+):(.+)$/is.exec(term) ?? []
  const v = unquoted(value)
  switch (value && field.toLowerCase()) {
    case 'app': return [(i) => i.app.toLowerCase() === v, (s) => s.app.toLowerCase() === v]
    case 'driver': return [(i) => i.driver.toLowerCase() === v, never]
    case 'source': return [(i) => i.source.toLowerCase() === v, never]
    case 'queue': return [(i) => has(i.name, v), never]
    case 'server': return [never, (s) => has(s.name, v)]
    case 'origin': return [(i) => i.origin === v, never]
    case 'is': return [(i) => isQueue(i, v), (s) => s.state.word === v || (v === 'trouble' && isTrouble(s.state))]
    default: {
      const words = unquoted(term)
      return [(i) => has(i.name, words) || has(i.app, words) || has(i.driver, words) || has(i.source, words),
        (s) => [s.name, s.app, s.server.system?.['hostname'], s.meta['environment'], s.meta['runtime'], s.meta['version']].some((f) => has(f, words))]
    }
  }
}

/** is: takes the words of states, and a few that are not one. */
function isQueue(item: QueueItem, word: string): boolean {
  switch (word) {
    case item.state.word: return true
    case 'trouble': return isTrouble(item.state)
    case 'paused': return item.meta['paused'] === true
    case 'dlq': return item.dlqFor.length > 0
    case 'idle': return metric(item, 'waiting') === 0 && !metric(item, 'active')
    case 'noworkers': return hasNoWorkers(item)
    default: return false
  }
}

/** A term that finds just this value: app:shop, app:"my app". */
export const term = (field: string, value: string): string => `${field}:${/[\s"]/.test(value) ? `"${value.replaceAll('"', '')}"` : value}`
