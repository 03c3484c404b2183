// What is wrong, worst first: one entry a cause, not one a row that suffers from it. Pure.

import { isTrouble, LEVELS, metric, STATES, type Alert, type AppItem, type Level, type QueueItem, type Reporter, type ServerItem } from './model.js'
import { byText } from './order.js'
import { isObject, num, str, type View } from './view.js'

/** What Pulse itself could not read or do, in the server's words. */
export interface Problem {
  key: string
  reason: string
}

interface Common {
  /** The same as long as it is the same trouble, of the same cause: what is muted is remembered by it. */
  id: string
  level: Level
  /** Since when, Unix ms; undefined where nobody knows. */
  since: number | undefined
  /** How many jobs wait because of it, as far as that is known. */
  waiting: number
}

export type Trouble = Common & (
  | { kind: 'queue'; item: QueueItem }
  | { kind: 'server'; item: ServerItem }
  /** Servers of one app that are silent together. */
  | { kind: 'servers'; app: string; count: number; status: 'lost' | 'stale' }
  /** A reporter that is silent, late (stale) or cannot renew some of its queues. */
  | { kind: 'reporter'; app: string; source: string; status: 'lost' | 'stale' | 'part'; queues: number; reason: string }
  /** What fires by a rule of the recorder's though nothing else is wrong with it. */
  | { kind: 'alert'; alert: Alert }
  /** What a reporter that runs cannot do, or what cannot be read. */
  | { kind: 'problem'; key: string; reason: string; count: number }
  | { kind: 'unreadable'; problems: Problem[] }
)

export const problemsOf = (view: View | undefined): Problem[] =>
  (Array.isArray(view?.problems) ? view.problems : []).filter(isObject)
    .map((p) => ({ key: str(p['key']), reason: str(p['reason']) }))
    // That Redis doesn't answer is said above all. What it answers, and what to do about that, is not.
    .filter((p) => !(view?.redis_down && p.key === 'redis' && p.reason.startsWith('Redis has not answered')))

/** Servers that were lost this long ago are taken for gone on purpose. */
export const GONE = 3_600_000

const GROUPED = 2 // servers of an app that are silent are told one by one up to this many

export function troublesOf(apps: AppItem[], problems: Problem[], now: number): Trouble[] {
  const found = apps.flatMap((app) => {
    const own = [...queueTroubles(app), ...serverTroubles(app, now)]
    return app.alerts.length ? [...own, ...alertTroubles(app, own)] : own
  })
  found.push(...problemTroubles(problems, apps))
  return found.sort((a, b) => LEVELS[a.level] - LEVELS[b.level] || b.waiting - a.waiting || (a.since ?? Infinity) - (b.since ?? Infinity) || byText(a.id, b.id))
}

const inTrouble = new WeakMap<AppItem, Trouble[]>()

function queueTroubles(app: AppItem): Trouble[] {
  let known = inTrouble.get(app)
  if (!known) inTrouble.set(app, (known = judgeQueues(app)))
  return known
}

function judgeQueues(app: AppItem): Trouble[] {
  const found: Trouble[] = []
  const alerts = new Map(app.alerts.map((a) => [`${a.kind} ${a.key}`, a.since]))
  const reporters = new Map(app.reporters.map((r) => [r.source, r]))
  const silent = new Map<string, Extract<Trouble, { kind: 'reporter' }>>()
  for (const item of app.queues) {
    if (!isTrouble(item.state)) continue
    const waiting = metric(item, 'waiting') ?? 0
    if (item.state !== STATES.lost && item.state !== STATES.stale) {
      found.push({ kind: 'queue', id: `queue ${item.id} ${item.state.word}`, item, level: item.state.level, since: alerts.get(`queue ${item.key}`), waiting })
      continue
    }
    // A queue that is not renewed is its reporter's trouble.
    const reporter = reporters.get(item.source)
    const status = item.state === STATES.lost ? 'lost' : reporter && reporter.status !== 'stale' ? 'part' : 'stale'
    const id = `reporter ${app.app}/${item.source} ${status}`
    const known = silent.get(id)
    if (known) {
      known.queues++
      known.waiting += waiting
    } else {
      silent.set(id, { kind: 'reporter', id, app: app.app, source: item.source, status, queues: 1, waiting, level: item.state.level,
        since: status === 'part' ? item.asOf : reporter?.timestamp, reason: str(item.meta['error']) })
    }
  }
  // One that is lost without having left a row.
  for (const { source, status, timestamp } of app.reporters) {
    const id = `reporter ${app.app}/${source} lost`
    if (status === 'lost' && !silent.has(id)) {
      silent.set(id, { kind: 'reporter', id, app: app.app, source, status: 'lost', queues: 0, waiting: 0, level: 'crit', since: timestamp, reason: '' })
    }
  }
  return [...found, ...silent.values()]
}

function serverTroubles(app: AppItem, now: number): Trouble[] {
  const alerts = new Map(app.alerts.filter((a) => a.kind === 'server').map((a) => [a.key, a.since]))
  const silent = app.servers.filter((s) => (s.state === STATES.lost && !isGone(s, app, now)) || s.state === STATES.stale)
  const full = app.servers.filter((s) => s.state === STATES.disk || s.state === STATES.cpu)
  return [
    ...(['lost', 'stale'] as const).flatMap((status) => silentServers(app, status, silent.filter((s) => s.state.word === status))),
    ...full.map((item) => serverTrouble(item, alerts.get(item.name))),
  ]
}

function silentServers(app: AppItem, status: 'lost' | 'stale', list: ServerItem[]): Trouble[] {
  if (list.length <= GROUPED) return list.map((s) => serverTrouble(s, lastSeen(s)))
  const seen = list.flatMap((s) => lastSeen(s) ?? [])
  return [{ kind: 'servers', id: `servers ${app.app} ${status}`, app: app.app, count: list.length, status, level: STATES[status].level, waiting: 0,
    since: seen.length ? seen.reduce((a, b) => Math.min(a, b)) : undefined }]
}

const serverTrouble = (item: ServerItem, since: number | undefined): Trouble =>
  ({ kind: 'server', id: `server ${item.id} ${item.state.word}`, item, level: item.state.level, since, waiting: 0 })

const lastSeen = (s: ServerItem) => num(s.server.timestamp)

/** Whether a server was taken away on purpose, as far as one can tell: it has been silent for an hour, and another of its app has not. */
export const isGone = (s: ServerItem, app: AppItem, now: number): boolean =>
  s.state === STATES.lost && now - (lastSeen(s) ?? now) > GONE && app.hasLivingServer

/** Alerts of what is in no other trouble, such as a queue that takes hours to drain. */
function alertTroubles(app: AppItem, found: Trouble[]): Trouble[] {
  const known = ({ kind, key }: Alert) => {
    switch (kind) {
      case 'queue': return !app.byKey.has(key) || isTrouble(app.byKey.get(key)!.state)
      case 'server': return app.servers.some((s) => s.name === key && isTrouble(s.state))
      default: return kind === 'reporter' && found.some((t) => t.kind === 'reporter' && t.source === key)
    }
  }
  return app.alerts.filter((a) => !known(a)).map((alert) => {
    const item = alert.kind === 'queue' ? app.byKey.get(alert.key) : undefined
    return { kind: 'alert', id: `alert ${alert.kind} ${app.app}/${alert.key} ${alert.rule}`, alert, level: 'warn', since: alert.since, waiting: item ? metric(item, 'waiting') ?? 0 : 0 }
  })
}

function problemTroubles(problems: Problem[], apps: AppItem[]): Trouble[] {
  const keys = new Map<string, Problem[]>()
  for (const p of problems) keys.set(p.key, [...(keys.get(p.key) ?? []), p])
  const reporters = new Map<string, Reporter>()
  for (const { reporters: list } of apps) for (const r of list) for (const key of keysOf(r.app, r.source)) {
    // Of those that may write the same key, it is the trouble of one that runs.
    if (r.status !== 'lost' || !reporters.has(key)) reporters.set(key, r)
  }
  const found: Trouble[] = []
  const unreadable: Problem[] = []
  for (const [key, list] of keys) {
    const reporter = reporters.get(key)
    if (reporter?.status === 'lost') continue // that is a trouble already
    if (reporter || key === 'redis' || key.startsWith('pulse:trend:')) {
      found.push({ kind: 'problem', id: `problem ${key} ${causeOf(list[0]!.reason)}`, key, reason: list[0]!.reason, count: list.length, level: 'warn', since: undefined, waiting: 0 })
    } else unreadable.push(...list)
  }
  if (unreadable.length) found.push({ kind: 'unreadable', id: `unreadable ${[...new Set(unreadable.map((p) => p.key))].sort().join(' ')}`, problems: unreadable, level: 'warn', since: undefined, waiting: 0 })
  return found
}

/** A reason without its numbers: a time in it makes it no other one. */
const causeOf = (reason: string) => reason.replace(/\d+/g, '#')

/** The keys under which a reporter may write. */
const keysOf = (app: string, source: string) =>
  source === '-' ? [`pulse:queues:${app}`] : [`pulse:queues:${app}:${source}`, `pulse:queues:${app}`]
