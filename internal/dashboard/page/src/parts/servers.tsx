// The list of servers: hosts and processes that send heartbeats, the fullest first.

import { signal } from '@preact/signals'
import type { ComponentChild, VNode } from 'preact'
import { linkTo } from '../choice.js'
import { bytes, count, decimal, duration, NONE } from '../format.js'
import { t } from '../messages.js'
import { isTrouble, LEVELS, STATES, type ServerItem } from '../model.js'
import { byText } from '../order.js'
import { appByName, apps, query, readAt, serverById } from '../store.js'
import { isGone } from '../trouble.js'
import { fields, num, str } from '../view.js'
import { Age } from './age.js'
import { keepArranged } from './hold.js'
import { Foreign, StateMark } from './text.js'
import { VirtualLines } from './virtual.js'

const HOLD = 10_000 // rows keep their places this long though their load changes
const HIGH = 90 // percent, from where a meter warns

/** The ids of the servers as they stand, and how many were lost so long ago that they are folded. */
const order = signal<{ ids: string[]; gone: number; all: number }>({ ids: [], gone: 0, all: 0 })
const showGone = signal(false)

/** Keeps the rows in order. Called once, when the page starts. */
export function keepServersInOrder(): void {
  keepArranged(
    () => [query.value, showGone.value, apps.value.reduce((n, app) => n + app.servers.length, 0)],
    (ms) => ms < HOLD,
    () => {
      const servers = apps.value.flatMap((a) => a.servers)
      const matching = servers.filter(query.value.server)
      const at = readAt.peek() ?? 0
      const present = matching.filter((s) => !isGone(s, appByName.value.get(s.app)!, at))
      const shown = showGone.value ? matching : present
      order.value = { ids: shown.sort(byNeed).map((s) => s.id), gone: matching.length - present.length, all: servers.length }
    },
  )
}

const saturation = (s: ServerItem) => Math.max(s.cpu ?? 0, s.memory ?? 0, s.disk ?? 0)

/** Those in trouble first, of the lost ones the latest; then the fullest. */
function byNeed(a: ServerItem, b: ServerItem): number {
  const seen = (s: ServerItem) => (s.state === STATES.lost ? -(num(s.server.timestamp) ?? 0) : 0)
  return LEVELS[a.state.level] - LEVELS[b.state.level] || a.state.rank - b.state.rank || seen(a) - seen(b)
    || saturation(b) - saturation(a) || byText(a.app, b.app) || byText(a.name, b.name)
}

const HEADINGS = ['state', 'server', 'app', 'cpu', 'memory', 'disk', 'load', 'process', 'up', 'runtime'] as const

export function Servers(): ComponentChild {
  const { ids, gone, all } = order.value
  if (!all) return null
  return (
    <section id="servers" aria-labelledby="servers-title">
      <div class="title">
        <h2 id="servers-title" tabIndex={-1}>{t('servers.title')} <span class="muted" id="servers-count">{query.value.any ? t('queues.showing', { n: ids.length, all }) : count(all)}</span></h2>
        {gone > 0 && <button type="button" class="quiet" aria-expanded={showGone.value} onClick={() => { showGone.value = !showGone.value }}>{t('servers.gone', { n: gone })}</button>}
      </div>
      {ids.length > 0 && (
        <div class="grid" role="table" aria-labelledby="servers-title" aria-rowcount={ids.length + 1}>
          <div class="headings" role="rowgroup"><div class="row" role="row">
            {HEADINGS.map((h) => <div key={h} role="columnheader" class={`s-${h}`}>{t(`servers.${h}`)}</div>)}
          </div></div>
          <VirtualLines count={ids.length} id={(i) => ids[i] ?? ''} line={rowAt} />
        </div>
      )}
    </section>
  )
}

function rowAt(index: number): VNode | null {
  const id = order.value.ids[index]
  const item = id === undefined ? undefined : serverById(id)
  return item ? <Row item={item} index={index} /> : null
}

function Row({ item, index }: { item: ServerItem; index: number }): VNode {
  const { server, meta, state } = item
  const [system, process] = [fields(server.system), fields(server.process)]
  const stack = [str(meta['runtime']), str(meta['version'])].filter(Boolean).join(' · ')
  const load = Array.isArray(system['load_avg']) ? num(system['load_avg'][0]) : undefined
  const cores = num(system['cpu_cores'])
  const up = num(process['uptime'])
  return (
    <div class="row" role="row" aria-rowindex={index + 2} data-line={item.id} data-server={item.id} data-level={isTrouble(state) ? state.level : undefined} data-status={str(server.status)}>
      <div role="cell" class="s-state"><StateMark state={state} /></div>
      <div role="rowheader" class="s-server c-queue">
        <a class="name" href={linkTo({ open: `server:${item.id}` })}><Foreign text={item.name} /></a>
        {str(meta['environment']) && <Foreign class="muted" text={str(meta['environment'])} />}
        <Age at={num(server.timestamp)} status={str(server.status)} />
      </div>
      <div role="cell" class="s-app"><Foreign text={item.app} /></div>
      <Meter name="cpu" percent={item.cpu} of={cores === undefined ? '' : t('servers.cores', { n: cores })} />
      <Meter name="memory" percent={item.memory} of={ofBytes(system['memory_total'])} />
      <Meter name="disk" percent={item.disk} of={ofBytes(system['disk_total'])} />
      <div role="cell" class="s-load" title={t('servers.load.why')}>{load === undefined ? NONE : decimal(load)}</div>
      <div role="cell" class="s-process">{bytes(process['memory_rss'])}</div>
      <div role="cell" class="s-up">{up === undefined ? NONE : duration(up * 1000, 1)}</div>
      <div role="cell" class="s-runtime">{stack ? <Foreign text={stack} /> : NONE}</div>
    </div>
  )
}

const ofBytes = (total: unknown) => (num(total) ? t('servers.of', { total: bytes(total) }) : '')

/** A share of a whole: as a bar, and in percent. */
function Meter({ name, percent, of }: { name: 'cpu' | 'memory' | 'disk'; percent: number | undefined; of: string }): VNode {
  return (
    <div role="cell" class={`s-${name} meter`} data-high={(percent ?? 0) >= HIGH || undefined} title={of}>
      <span class="bar" aria-hidden="true"><i style={{ width: `${Math.min(100, Math.max(0, percent ?? 0))}%` }} /></span>
      <span class="percent">{percent === undefined ? NONE : `${decimal(percent)} %`}</span>
    </div>
  )
}
