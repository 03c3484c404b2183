// What the page knows now, as signals: parts of the page read these and draw themselves anew.

import { batch, computed, signal } from '@preact/signals'
import { Clock } from './clock.js'
import { choice } from './choice.js'
import { Live, type Connection } from './live.js'
import { recall, remember } from './messages.js'
import { appsOf, type QueueItem, type ServerItem } from './model.js'
import { parseQuery } from './search.js'
import { problemsOf, troublesOf, type Trouble } from './trouble.js'
import { num, type View } from './view.js'

const OLD = 15_000 // numbers this old, and nothing coming: the page says so everywhere

const clock = new Clock()
const live = new Live((next, streamed) => {
  const generated = num(next.generated_at)
  if (generated !== undefined) clock.observe(generated, streamed)
  batch(() => {
    view.value = next
    look()
  })
})

export const view = signal<View | undefined>(undefined)
export const connection = signal<Connection>('connecting')
/** Why there is no connection, for a person. */
export const failure = signal('')
/** The time by the server's clock, renewed each second. */
export const now = signal(Date.now())
/** Nothing newer comes: what is shown is of then, and no queue is to blame for being old. */
export const frozen = signal(false)

/** When the numbers were read: when Redis last answered. */
export const readAt = computed(() => num(view.value?.redis_down?.read_at) ?? num(view.value?.generated_at))
export const redisDown = computed(() => view.value?.redis_down)

export const apps = computed(() => (view.value ? appsOf(view.value, frozen.value) : []))
/** The same by name. */
export const appByName = computed(() => new Map(apps.value.map((a) => [a.app, a])))
export const queueCount = computed(() => apps.value.reduce((n, app) => n + app.queues.length, 0))
export const problems = computed(() => problemsOf(view.value))
const text = computed(() => choice.value.q)
export const query = computed(() => parseQuery(text.value))

const MUTED = 'pulse.muted'

/** What the reader has muted in this browser, by the trouble's id. */
export const muted = signal(new Set<string>(readMuted()))

function readMuted(): string[] {
  try {
    const list: unknown = JSON.parse(recall(MUTED) ?? '[]')
    return Array.isArray(list) ? list.filter((id) => typeof id === 'string') : []
  } catch {
    return []
  }
}

export function mute(id: string, on: boolean): void {
  const next = new Set(muted.value)
  if (on) next.add(id)
  else next.delete(id)
  remember(MUTED, JSON.stringify([...next]))
  muted.value = next
}

const allTroubles = computed(() => troublesOf(apps.value, problems.value, readAt.value ?? 0))
/** What is wrong and not muted, worst first. */
export const troubles = computed((): Trouble[] => allTroubles.value.filter((t) => !muted.value.has(t.id)))
export const mutedTroubles = computed((): Trouble[] => allTroubles.value.filter((t) => muted.value.has(t.id)))

/** How the whole of it does; blind wins over all. */
export type Verdict = 'connecting' | 'blind' | 'crit' | 'warn' | 'ok'
export const verdict = computed((): Verdict => {
  if (!view.value) return connection.value === 'connecting' && !failure.value ? 'connecting' : 'blind'
  if (redisDown.value || frozen.value) return 'blind'
  const worst = troubles.value[0]?.level
  return worst === 'crit' || worst === 'warn' ? worst : 'ok'
})

export function queueById(id: string): QueueItem | undefined {
  const app = appOf(id)
  return app?.byKey.get(id.slice(app.app.length + 1))
}

export function serverById(id: string): ServerItem | undefined {
  return appOf(id)?.servers.find((s) => s.id === id)
}

/** An app's name has no slash. */
const appOf = (id: string) => appByName.value.get(id.slice(0, id.indexOf('/')))

/** What changes by itself as time goes by. */
function look(): void {
  now.value = clock.now()
  connection.value = live.state
  failure.value = live.failure
  frozen.value = Boolean(live.view?.redis_down) || (live.state === 'reconnecting' && now.value - (readAt.value ?? now.value) > OLD)
}

export function start(): void {
  live.start()
  setInterval(() => {
    live.tick()
    batch(look)
  }, 1_000)
  document.addEventListener('visibilitychange', () => document.hidden || batch(look))
}
