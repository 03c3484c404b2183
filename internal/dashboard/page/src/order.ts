// Which rows of the queues are shown, and in which order. Pure.

import { compareStates, isTrouble, LEVELS, metric, perMinute, type AppItem, type QueueItem } from './model.js'
import type { Choice } from './choice.js'
import type { Query } from './search.js'
import { num } from './view.js'

/** A line of the list: the heading of an app's group, a queue, or how many healthy queues of the app are folded. */
export type Line =
  | { kind: 'group'; app: string; folded: boolean }
  | { kind: 'queue'; app: string; key: string; below: boolean }
  | { kind: 'rest'; app: string; queues: number }

/** From how many rows on they are grouped by app. */
export const GROUP_ABOVE = 40

/** So few healthy queues of an app in trouble are not worth a fold. */
const FEW = 3

type Value = string | number | undefined

/** The columns that can be sorted by: what each compares, and the way that comes first. */
export const COLUMNS: Record<string, { of: (i: QueueItem) => Value; first: 'asc' | 'desc' }> = {
  state: { of: (i) => LEVELS[i.state.level] * 100 + i.state.rank, first: 'asc' },
  queue: { of: (i) => i.name, first: 'asc' },
  app: { of: (i) => i.app, first: 'asc' },
  driver: { of: (i) => i.driver, first: 'asc' },
  waiting: { of: (i) => metric(i, 'waiting'), first: 'desc' },
  trend: { of: perMinute, first: 'desc' },
  drain: { of: (i) => num(i.queue.trend?.['drain_seconds']), first: 'desc' },
  active: { of: (i) => metric(i, 'active'), first: 'desc' },
  oldest: { of: (i) => i.oldestMs, first: 'desc' },
  delayed: { of: (i) => metric(i, 'delayed'), first: 'desc' },
  failed: { of: (i) => metric(i, 'failed'), first: 'desc' },
  updated: { of: (i) => i.asOf ?? i.reportedAt, first: 'asc' },
}

const collator = new Intl.Collator('en', { numeric: true })
export const byText = (a: string, b: string): number => (a === b ? 0 : collator.compare(a, b) || (a < b ? -1 : 1))

type Compare = (a: QueueItem, b: QueueItem) => number

/** What is unknown comes last either way. */
function byColumn(column: string, sign: number): Compare {
  const { of } = COLUMNS[column]!
  return (a, b) => {
    const [x, y] = [of(a), of(b)]
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined)
    return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : byText(String(x), String(y)))
  }
}

const mostWaiting = byColumn('waiting', -1)

/** The worst level first, in it what has the most waiting. */
export const byTrouble: Compare = (a, b) =>
  LEVELS[a.state.level] - LEVELS[b.state.level] || mostWaiting(a, b) || compareStates(a.state, b.state) || byText(a.name, b.name) || byText(a.id, b.id)

/** Sorted, each dead-letter queue right below the first of its sources. */
function withDeadLetters(items: QueueItem[], compare: Compare): { item: QueueItem; below: boolean }[] {
  const address = (i: QueueItem, name: string) => `${i.app}\n${i.driver}\n${name}`
  const sources = items.some((i) => i.dlqFor.length) ? new Map(items.filter((i) => !i.dlqFor.length).map((i) => [address(i, i.name), i])) : undefined
  const below = new Map<QueueItem, QueueItem[]>()
  const main = !sources ? items.slice() : items.filter((i) => {
    const [first] = i.dlqFor.flatMap((n) => sources.get(address(i, n)) ?? []).sort(compare)
    if (first) below.set(first, [...(below.get(first) ?? []), i])
    return !first
  })
  return main.sort(compare).flatMap((item) => [{ item, below: false }, ...(below.get(item) ?? []).map((item) => ({ item, below: true }))])
}

const line = ({ item, below }: { item: QueueItem; below: boolean }): Line => ({ kind: 'queue', app: item.app, key: item.key, below })

/** An app's lines as they were last made. */
const lines = new WeakMap<AppItem, { query: Query; sorted: string; lines: Line[] }>()

/** The list's lines, and of how many queues. A query is the same object as long as its text is the same. */
export function linesOf(apps: AppItem[], query: Query, choice: Choice): { lines: Line[]; queues: number } {
  const matching = query.any ? apps.map((app) => app.queues.filter(query.queue)) : apps.map((app) => app.queues)
  const queues = matching.reduce((n, list) => n + list.length, 0)
  const compare = choice.sort ? sortBy(choice) : byTrouble
  const grouped = choice.group === 'on' || (choice.group === '' && !choice.sort && queues > GROUP_ABOVE)
  if (!grouped) {
    const all = matching.flat()
    return { queues, lines: choice.sort ? all.sort(compare).map((item) => line({ item, below: false })) : withDeadLetters(all, compare).map(line) }
  }
  const sorted = `${choice.sort} ${choice.dir}`
  const groups = apps.flatMap((app, i) => (matching[i]!.length ? [{ app, items: matching[i]! }] : [])).sort((a, b) => byWorst(a.app, b.app))
  return {
    queues,
    lines: groups.flatMap(({ app, items }): Line[] => {
      const bad = items.filter((i) => isTrouble(i.state))
      const rest = items.length - bad.length
      // Healthy ones are folded, and in the others the healthy queues; what a search found is not.
      const shown = query.any || (bad.length && rest <= FEW) ? 'all' : bad.length ? 'troubled' : 'folded'
      const turned = choice.turned.includes(app.app)
      if (turned ? shown === 'all' : shown === 'folded') return [{ kind: 'group', app: app.app, folded: true }]
      const heading: Line = { kind: 'group', app: app.app, folded: false }
      if (!turned && shown === 'troubled') return [heading, ...withDeadLetters(bad, compare).map(line), { kind: 'rest', app: app.app, queues: rest }]
      let known = lines.get(app)
      if (known?.query !== query || known.sorted !== sorted) {
        lines.set(app, (known = { query, sorted, lines: withDeadLetters(items, compare).map(line) }))
      }
      return [heading, ...known.lines]
    }),
  }
}

function sortBy({ sort, dir }: Choice): Compare {
  const compare = byColumn(sort, dir === 'desc' ? -1 : 1)
  return (a, b) => compare(a, b) || byTrouble(a, b)
}

function byWorst(a: AppItem, b: AppItem): number {
  if (!a.worst || !b.worst) return Number(!a.worst) - Number(!b.worst)
  return compareStates(a.worst, b.worst) || (b.sums.waiting ?? -1) - (a.sums.waiting ?? -1) || byText(a.app, b.app)
}
