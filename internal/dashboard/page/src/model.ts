// What the view means to a person on call: which rows there are, how each does, and what it adds up to. Pure.

import { entries, fields, num, str, type App, type Queue, type Server, type View } from './view.js'

export type Level = 'crit' | 'warn' | 'ok' | 'idle'
export type Word =
  | 'lost' | 'stalled' | 'failing' | 'stale' | 'growing' | 'disk' | 'cpu' | 'frozen' | 'unknown' | 'paused' | 'ok' | 'fresh' | 'problem'

/** How a row does. The rank orders states of one level; the shape shows it without colour. */
export interface State {
  word: Word
  level: Level
  shape: string
  rank: number
}

/** A row that is not fresh is lost or stale; a fresh queue is as healthy as the recorder says. */
export const STATES: Record<Word, State> = {
  lost: { word: 'lost', level: 'crit', shape: 'cross', rank: 0 },
  stalled: { word: 'stalled', level: 'crit', shape: 'square', rank: 1 },
  failing: { word: 'failing', level: 'crit', shape: 'up', rank: 2 },
  stale: { word: 'stale', level: 'warn', shape: 'half', rank: 3 },
  growing: { word: 'growing', level: 'warn', shape: 'up', rank: 4 },
  disk: { word: 'disk', level: 'warn', shape: 'square', rank: 5 },
  cpu: { word: 'cpu', level: 'warn', shape: 'up', rank: 5 },
  frozen: { word: 'frozen', level: 'idle', shape: 'half', rank: 6 },
  unknown: { word: 'unknown', level: 'idle', shape: 'ring', rank: 6 },
  paused: { word: 'paused', level: 'idle', shape: 'bars', rank: 7 },
  ok: { word: 'ok', level: 'ok', shape: 'dot', rank: 8 },
  problem: { word: 'problem', level: 'warn', shape: 'half', rank: 5 },
  fresh: { word: 'fresh', level: 'idle', shape: 'dot', rank: 8 },
}

export const LEVELS: Record<Level, number> = { crit: 0, warn: 1, idle: 2, ok: 2 }

export const isTrouble = (state: State): boolean => LEVELS[state.level] < 2

/** Whether something is wrong with it that is no less so while nothing newer is known. */
const lasts = (state: State) => state !== STATES.stale && (isTrouble(state) || state === STATES.paused)

const stillKnown = (state: State, frozen: boolean) => (frozen && !lasts(state) ? STATES.frozen : state)

export interface QueueItem {
  /** "app/key" */
  id: string
  app: string
  /** What it is called in the view and in history: "sqs/orders". */
  key: string
  name: string
  driver: string
  source: string
  queue: Queue
  origin: 'gravito' | 'external'
  meta: Record<string, unknown>
  state: State
  /** Why the recorder judges so, in its own words. */
  why: string
  /** The queues that this one is the dead-letter queue of. */
  dlqFor: string[]
  reportedAt: number | undefined
  /** When its numbers were read, where that was before the report. */
  asOf: number | undefined
  /** How old the oldest waiting job was when that was reported. */
  oldestMs: number | undefined
}

export interface ServerItem {
  id: string
  app: string
  name: string
  server: Server
  meta: Record<string, unknown>
  state: State
  /** Percent of each, where known. */
  cpu: number | undefined
  memory: number | undefined
  disk: number | undefined
}

/** Who reports an app's queues; "-" where it doesn't say. */
export interface Reporter {
  app: string
  source: string
  status: string
  timestamp: number | undefined
}

export interface Alert {
  app: string
  kind: string
  key: string
  rule: string
  reason: string
  since: number | undefined
  sent: number | undefined
}

export type Sums = Record<'waiting' | 'active' | 'delayed' | 'failed', number | undefined>

/** One app of the view. */
export interface AppItem {
  app: string
  queues: QueueItem[]
  /** The same by key. */
  byKey: Map<string, QueueItem>
  servers: ServerItem[]
  /** Whether any of its servers is not lost. */
  hasLivingServer: boolean
  /** Whether some of its numbers are invented. */
  isDemo: boolean
  reporters: Reporter[]
  alerts: Alert[]
  /** Of the living queues, each job once. */
  sums: Sums
  /** How many more jobs wait a minute, of the queues that know it. */
  rate: number | undefined
  /** The living queue whose oldest waiting job is the oldest. */
  oldest: QueueItem | undefined
  /** The worst state of its queues; nothing of an app without any. */
  worst: State | undefined
}

const HEALTHS = new Set(['stalled', 'failing', 'growing', 'paused', 'ok'])

function queueState(q: Queue): State {
  if (q.status === 'lost' || q.status === 'stale') return STATES[q.status]
  const health = str(q.health)
  return HEALTHS.has(health) ? STATES[health as Word] : STATES.unknown
}

const FULL = 95 // percent

function serverState(status: unknown, s: Pick<ServerItem, 'cpu' | 'memory' | 'disk'>): State {
  if (status === 'lost' || status === 'stale') return STATES[status]
  if ((s.disk ?? 0) > FULL) return STATES.disk
  return (s.cpu ?? 0) > FULL ? STATES.cpu : STATES.fresh
}

const NONE: string[] = []

/** An unchanged part is the same object (patch.ts), and read once. */
const apps = new WeakMap<object, { frozen: boolean; item: AppItem }>()
const queues = new WeakMap<object, { frozen: boolean; item: QueueItem }>()

/** frozen: nothing newer comes. */
export function appsOf(view: View, frozen: boolean): AppItem[] {
  return entries(view.apps).map(([name, app]) => {
    let known = apps.get(app)
    if (known?.frozen !== frozen) apps.set(app, (known = { frozen, item: appItem(name, app, frozen) }))
    return known.item
  })
}

function appItem(app: string, { queues, servers, sources, alerts }: App, frozen: boolean): AppItem {
  // When a queue was reported stands with its reporter, not in its row.
  const reporters = entries(sources).map(([source, s]) => ({ app, source, status: str(s['status']), timestamp: num(s['timestamp']) }))
  const reports = new Map(reporters.map((r) => [r.source, r.timestamp]))
  const list = entries(queues).map(([key, queue]) => queueItem(app, key, queue, reports.get(str(queue['source']) || '-'), frozen))
  let worst: State | undefined
  let rate: number | undefined
  let oldest: QueueItem | undefined
  let isDemo = false
  for (const q of list) {
    if (!worst || compareStates(q.state, worst) < 0) worst = q.state
    if (q.meta['demo'] === true) isDemo = true
    if (q.dlqFor.length) continue
    const perMin = perMinute(q)
    if (perMin !== undefined) rate = (rate ?? 0) + perMin
    if (q.queue.status !== 'lost' && q.oldestMs !== undefined && q.oldestMs > (oldest?.oldestMs ?? -1)) oldest = q
  }
  const hosts = entries(servers).map(([name, server]) => serverItem(app, name, server, frozen))
  return {
    app, queues: list, servers: hosts, hasLivingServer: hosts.some((s) => s.state !== STATES.lost), isDemo, byKey: new Map(list.map((q) => [q.key, q])), reporters, worst, rate, oldest,
    sums: { waiting: sum(list, 'waiting'), active: sum(list, 'active'), delayed: sum(list, 'delayed'), failed: sum(list, 'failed') },
    alerts: entries(alerts).map(([, a]) => (
      { app, kind: str(a['kind']), key: str(a['key']), rule: str(a['rule']), reason: str(a['reason']), since: num(a['since']), sent: num(a['sent']) })),
  }
}

function queueItem(app: string, key: string, queue: Queue, reportedAt: number | undefined, frozen: boolean): QueueItem {
  const before = queues.get(queue)
  if (before && before.frozen === frozen && before.item.reportedAt === reportedAt) return before.item
  const meta = fields(queue.meta)
  const item: QueueItem = {
    id: `${app}/${key}`, app, key,
    name: str(queue.name) || key,
    driver: (queue.driver === 'other' && str(meta['driver'])) || str(queue.driver) || 'other',
    source: str(queue.source) || '-',
    queue, meta, reportedAt,
    origin: queue.origin === 'gravito' ? 'gravito' : 'external',
    state: stillKnown(queueState(queue), frozen),
    why: str(queue.health_reason),
    dlqFor: Array.isArray(meta['dlq_for']) ? meta['dlq_for'].filter((n) => typeof n === 'string') : NONE,
    asOf: num(meta['as_of']),
    oldestMs: oldestMs(num(meta['oldest_at']), reportedAt),
  }
  queues.set(queue, { frozen, item })
  return item
}

const oldestMs = (madeAt: number | undefined, reportedAt: number | undefined) =>
  madeAt === undefined || reportedAt === undefined ? undefined : Math.max(reportedAt - madeAt, 0)

function serverItem(app: string, name: string, server: Server, frozen: boolean): ServerItem {
  const system = fields(server.system)
  const usage = { cpu: num(system['cpu_usage']), memory: share(system['memory_total'], system['memory_free']), disk: share(system['disk_total'], system['disk_free']) }
  return { id: `${app}/${name}`, app, name, server, meta: fields(server.meta), ...usage, state: stillKnown(serverState(server.status, usage), frozen) }
}

function share(total: unknown, free: unknown): number | undefined {
  const [all, left] = [num(total), num(free)]
  return !all || left === undefined ? undefined : Math.min(100, Math.max(0, (1 - left / all) * 100))
}

/** As the totals of the view: of living queues that know the number, no job twice; absent where there is none. */
function sum(list: QueueItem[], metric: keyof Sums): number | undefined {
  let total: number | undefined
  for (const { queue, dlqFor } of list) {
    const n = queue.status === 'lost' || dlqFor.length ? undefined : num(queue.metrics?.[metric])
    if (n !== undefined) total = (total ?? 0) + n
  }
  return total
}

export const compareStates = (a: State, b: State): number => LEVELS[a.level] - LEVELS[b.level] || a.rank - b.rank

export const metric = (item: QueueItem, name: string): number | undefined => num(item.queue.metrics?.[name])

/** Whether its workers can be counted and there is none. */
export const hasNoWorkers = (item: QueueItem): boolean => item.meta['workers'] === 0

export const perMinute = (item: QueueItem): number | undefined => num(item.queue.trend?.['waiting_per_min'])
