// The last hour of queues, minute by minute, for the drawings beside numbers. It is asked for in one request for
// all that have come into sight, and again when the recorder has written another minute.

import { computed, signal, type Signal } from '@preact/signals'
import { ask } from './ask.js'
import { frozen, now } from './store.js'
import { fields, isObject } from './view.js'

/** Numbers of a queue, oldest first, null where a minute is not known. */
export type Column = (number | null)[]
export type Columns = Record<string, Column>

export interface Range {
  /** Unix ms of the first minute. */
  from: number
  minutes: number
  columns: Columns
}

/** Stands for all queues together. */
export const ALL = '*'

const RECORDED = 35_000 // after a minute began: by then the recorder has written the one before
const AT_ONCE = 100 // keys that a request takes, and more than a screen shows
const RESTS = 150 // ms without another row in sight
const KEPT = 1_000 // ranges that are remembered

/** Changes when there may be another point. */
export const recorded = computed(() => Math.floor((now.value - RECORDED) / 60_000))

interface Kept {
  range: Signal<Range | undefined>
  asked: number
}

const kept = new Map<string, Kept>()
const wanted = new Map<number, Set<string>>()
let timer: ReturnType<typeof setTimeout> | undefined

/** The history of a key of the view, "app/queue key"; undefined until it is there. */
export function historyOf(key: string, minutes = 60): Range | undefined {
  const id = `${minutes} ${key}`
  let entry = kept.get(id)
  if (!entry) {
    if (kept.size >= KEPT) for (const oldest of kept.keys()) { kept.delete(oldest); break }
    kept.set(id, (entry = { range: signal(undefined), asked: -1 }))
  }
  if (entry.asked !== recorded.value && !frozen.value) {
    entry.asked = recorded.value
    const keys = wanted.get(minutes) ?? new Set()
    wanted.set(minutes, keys.add(key))
    // While the reader scrolls, rows only fly by.
    clearTimeout(timer)
    timer = setTimeout(askAll, RESTS)
  }
  return entry.range.value
}

function askAll(): void {
  if (document.hidden) return // they are asked for when somebody looks
  for (const [minutes, keys] of wanted) {
    const list = [...keys]
    const last = list.slice(-AT_ONCE)
    for (const key of list.slice(0, -AT_ONCE)) if (key !== ALL) kept.delete(`${minutes} ${key}`) // it will be asked for where it is shown again
    void askFor(last.includes(ALL) || !keys.has(ALL) ? last : [ALL, ...last.slice(1)], minutes)
  }
  wanted.clear()
}

if (typeof document !== 'undefined') document.addEventListener('visibilitychange', askAll)

async function askFor(keys: string[], minutes: number): Promise<void> {
  const query = new URLSearchParams([['minutes', String(minutes)], ...keys.map((key) => ['key', key])])
  // A drawing that is missing is no trouble: the numbers are there, and the next minute asks again.
  const answer = await ask(`api/v1/history?${query}`).catch(() => undefined)
  if (!isObject(answer)) return
  const series = fields(answer['series'])
  for (const key of keys) {
    const entry = kept.get(`${minutes} ${key}`)
    if (entry && Object.hasOwn(series, key)) entry.range.value = { from: Number(answer['from']), minutes, columns: columnsOf(series[key]) }
  }
}

const columnsOf = (raw: unknown): Columns =>
  Object.fromEntries(Object.entries(fields(raw)).filter(([, c]) => Array.isArray(c)).map(([name, c]) =>
    [name, (c as unknown[]).map((v) => (typeof v === 'number' && Number.isFinite(v) ? v : null))]))

/** How much a column has changed from its first known number to its last; undefined with fewer than two. */
export function change(column: Column | undefined): number | undefined {
  const known = (column ?? []).filter((v) => v !== null)
  const [first, last] = [known[0], known.at(-1)]
  return known.length < 2 || first === undefined || last === undefined ? undefined : last - first
}
