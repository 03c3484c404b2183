// The list of queues.

import { signal } from '@preact/signals'
import type { ComponentChild, VNode } from 'preact'
import { useRef } from 'preact/hooks'
import { choice, choose, linkTo, turnGroup, turnSort } from '../choice.js'
import { compact, count, duration, NONE, short, signed, visible } from '../format.js'
import { change, historyOf } from '../history.js'
import { t } from '../messages.js'
import { isTrouble, metric, perMinute, STATES, type AppItem, type QueueItem, type Sums } from '../model.js'
import { COLUMNS, GROUP_ABOVE, linesOf, type Line } from '../order.js'
import { appByName, apps, query, queueCount, view } from '../store.js'
import { num } from '../view.js'
import { Age } from './age.js'
import { cursor, cursorMoved } from './cursor.js'
import { drainOf } from './drain.js'
import { keepArranged } from './hold.js'
import { Spark } from './spark.js'
import { Foreign, StateMark } from './text.js'
import { flying, VirtualLines } from './virtual.js'

const HOLD = 2_000 // lines keep their places this long
const POINTER_RESTS = 15_000 // and longer under a pointer: none must slip away from under it

let pointedAt = 0
const pointing = { onPointerMove: () => { pointedAt = Date.now() }, onPointerDown: () => { pointedAt = Date.now() }, onPointerLeave: () => { pointedAt = 0 } }

/** The lines as they stand, kept for a while though numbers change. */
export const lines = signal<{ lines: Line[]; queues: number }>({ lines: [], queues: 0 })

/** Keeps the lines in order. Called once, when the page starts. */
export function keepOrder(): void {
  keepArranged(
    () => {
      const { sort, dir, group, turned } = choice.value
      return [query.value, sort, dir, group, turned, queueCount.value]
    },
    (ms) => ms < HOLD || Date.now() - pointedAt < POINTER_RESTS,
    () => { lines.value = linesOf(apps.value, query.value, choice.value) },
  )
}

export function Queues(): ComponentChild {
  const body = useRef<HTMLElement | null>(null)
  cursorMoved(body, indexOf)
  if (!view.value || !queueCount.value) return null
  const { lines: list, queues } = lines.value
  const grouped = list.some((l) => l.kind === 'group')
  return (
    <section id="queues" aria-labelledby="queues-title" {...pointing}>
      <div class="title">
        <h2 id="queues-title" tabIndex={-1}>{t('queues.title')} <span class="muted" id="queues-count">{query.value.any ? t('queues.showing', { n: queues, all: queueCount.value }) : count(queueCount.value)}</span></h2>
        <p class="legend muted"><span class="glyph" data-origin="gravito" aria-hidden="true" />{t('queues.legend.gravito')} <span class="glyph" data-origin="external" aria-hidden="true" />{t('queues.legend.external')}</p>
        <Search />
        <SortBy />
        {(grouped || queueCount.value > GROUP_ABOVE || choice.value.group) && (
          <label class="check"><input type="checkbox" checked={grouped} onChange={(e) => choose({ group: e.currentTarget.checked ? 'on' : 'off' })} /> {t('queues.group')}</label>
        )}
      </div>
      <div class="grid" role="table" aria-labelledby="queues-title" aria-rowcount={list.length + 1} data-grouped={grouped || undefined}>
        <Headings />
        <VirtualLines count={list.length} bodyRef={body} id={(i) => nameOf(list[i])} line={lineAt} />
      </div>
      {!list.length && <p class="panel" id="none-match">{t('queues.none')} <button type="button" onClick={() => choose({ q: '' })}>{t('queues.clear')}</button></p>}
    </section>
  )
}

/** Where a line stands now; -1 if it is gone. */
export const indexOf = (id: string): number => lines.peek().lines.findIndex((l) => nameOf(l) === id)

/** A queue's id, and names for the other lines that no queue can have: a key is not empty. */
export const nameOf = (line: Line | undefined) => (!line ? '' : line.kind === 'queue' ? `${line.app}/${line.key}` : line.kind === 'group' ? `${line.app}/` : line.app)

function lineAt(index: number): VNode | null {
  const line = lines.value.lines[index]
  const app = line && appByName.value.get(line.app)
  if (!app) return null
  if (line.kind === 'rest') return <Rest app={app} queues={line.queues} at={cursor.value === nameOf(line)} index={index} />
  if (line.kind === 'group') return <Group app={app} folded={line.folded} at={cursor.value === nameOf(line)} index={index} />
  const item = app.byKey.get(line.key)
  return item ? <Row item={item} below={line.below} at={cursor.value === nameOf(line)} index={index} /> : null
}

function Search(): VNode {
  return (
    <form class="search" role="search" onSubmit={(e) => e.preventDefault()}>
      <input id="search" type="search" value={choice.value.q} placeholder={t('queues.search')} aria-label={t('queues.search.label')} aria-keyshortcuts="/" autocomplete="off" spellcheck={false}
        onInput={(e) => choose({ q: e.currentTarget.value })} />
    </form>
  )
}

const HEADINGS = ['state', 'queue', 'app', 'driver', 'waiting', 'trend', 'drain', 'active', 'oldest', 'delayed', 'failed'] as const

/** Where there are no headings to press. */
function SortBy(): VNode {
  const { sort } = choice.value
  return (
    <select class="sort" aria-label={t('queues.sort', { column: '' })} value={sort} onChange={(e) => {
      const column = e.currentTarget.value
      choose({ sort: column, dir: COLUMNS[column]?.first ?? '' })
    }}>
      <option value="">{t('queues.sort.trouble')}</option>
      {HEADINGS.map((column) => <option key={column} value={column}>{t(`queues.${column}`)}</option>)}
    </select>
  )
}

function Headings(): VNode {
  const { sort, dir } = choice.value
  return (
    <div class="headings" role="rowgroup">
      <div class="row" role="row">
        {HEADINGS.map((column) => (
          <div key={column} role="columnheader" class={`c-${column}`} aria-sort={sort !== column ? 'none' : dir === 'desc' ? 'descending' : 'ascending'}>
            <button type="button" title={t('queues.sort', { column: t(`queues.${column}`) })} onClick={() => turnSort(column)}>{t(`queues.${column}`)}</button>
          </div>
        ))}
      </div>
    </div>
  )
}

/** The heading of an app's queues: their sums, and the worst of their states. */
function Group({ app, folded, at, index }: { app: AppItem; folded: boolean; at: boolean; index: number }): VNode {
  const bad = app.queues.filter((q) => isTrouble(q.state)).length
  return (
    <div class="row group" role="row" aria-rowindex={index + 2} data-line={`${app.app}/`} data-group={app.app} data-level={app.worst?.level} data-at={at || undefined}>
      <div role="cell" class="c-state">{app.worst && <StateMark state={app.worst} />}</div>
      <div role="rowheader" class="c-queue">
        <button type="button" class="turn" aria-expanded={!folded} aria-label={t(folded ? 'queues.unfold' : 'queues.fold', { app: app.app })} onClick={() => turnGroup(app.app)}>
          <Foreign text={app.app} class="name" />
        </button>
        <span class="muted">{t('count.queues', { n: app.queues.length })}{bad > 0 && `, ${t('queues.introuble', { n: bad })}`}</span>
      </div>
      <div role="cell" class="c-app" /><div role="cell" class="c-driver" />
      <div role="cell" class="c-waiting"><GroupSum app={app} of="waiting" /></div>
      <div role="cell" class="c-trend" /><div role="cell" class="c-drain" />
      <div role="cell" class="c-active"><GroupSum app={app} of="active" /></div>
      <div role="cell" class="c-oldest" />
      <div role="cell" class="c-delayed"><GroupSum app={app} of="delayed" /></div>
      <div role="cell" class="c-failed"><GroupSum app={app} of="failed" /></div>
    </div>
  )
}

/** The healthy queues of an app in trouble, which are folded. */
function Rest({ app, queues, at, index }: { app: AppItem; queues: number; at: boolean; index: number }): VNode {
  return (
    <div class="row rest" role="row" aria-rowindex={index + 2} data-line={app.app} data-rest={app.app} data-at={at || undefined}>
      <div role="cell" class="c-state" />
      <div role="cell" class="c-queue"><button type="button" class="turn" aria-expanded="false" onClick={() => turnGroup(app.app)}>{t('queues.rest', { n: queues })}</button></div>
    </div>
  )
}

const GroupSum = ({ app, of }: { app: AppItem; of: keyof Sums }): VNode => <span class="value" title={count(app.sums[of])}>{compact(app.sums[of])}</span>

function Row({ item, below, at, index }: { item: QueueItem; below: boolean; at: boolean; index: number }): VNode {
  const { queue, state } = item
  return (
    <div class="row" role="row" aria-rowindex={index + 2} data-line={item.id} data-queue={item.id} data-level={state.level} data-status={String(queue.status)} data-health={state.word}
      data-origin={item.origin} data-below={below || undefined} data-at={at || undefined} data-open={choice.value.open === `queue:${item.id}` || undefined} onClick={openRow}>
      <div role="cell" class="c-state"><StateMark state={state} /></div>
      <div role="rowheader" class="c-queue">
        <a class="name" dir="auto" title={short(item.name)} href={linkTo({ open: `queue:${item.id}` })}>{visible(item.name)}</a>
        {!flying.value && <Notes item={item} />}
      </div>
      <div role="cell" class="c-app" dir="auto" title={item.app}>{item.app}</div>
      {flying.value ? <Sketch item={item} /> : <Numbers item={item} />}
    </div>
  )
}

/** What is shown of a row that flies by: nobody can read more. */
const Sketch = ({ item }: { item: QueueItem }): VNode => <><div role="cell" class="c-driver" /><div role="cell" class="c-waiting"><Metric item={item} of="waiting" /><span class="spark" /></div></>

function Numbers({ item }: { item: QueueItem }): VNode {
  const hour = historyOf(item.id)?.columns
  const rate = perMinute(item)
  return (
    <>
      <div role="cell" class="c-driver"><Driver item={item} /></div>
      <div role="cell" class="c-waiting"><Metric item={item} of="waiting" /><Spark column={hour?.['waiting']} /></div>
      <div role="cell" class="c-trend" data-metric="trend" data-way={rate === undefined ? undefined : wayOf(rate)}>{rate === undefined ? '' : wayOf(rate) === 'flat' ? t('queues.steady') : t('queues.perminute', { rate: signed(rate) })}</div>
      <div role="cell" class="c-drain" data-metric="drain">{drainOf(item)}</div>
      <div role="cell" class="c-active"><Metric item={item} of="active" /><Workers item={item} /></div>
      <div role="cell" class="c-oldest" data-metric="oldest">{item.oldestMs === undefined ? NONE : duration(item.oldestMs, 1)}</div>
      <div role="cell" class="c-delayed"><Metric item={item} of="delayed" /></div>
      <div role="cell" class="c-failed"><Metric item={item} of="failed" /><FailedRate change={change(hour?.['failed'])} /></div>
    </>
  )
}

function Notes({ item }: { item: QueueItem }): VNode {
  const why = reasonOf(item)
  return <><Tags item={item} />{why && <span class="why" title={short(why)}>{short(why)}</span>}<Age at={item.asOf ?? item.reportedAt} status={String(item.queue.status)} /></>
}

/** A press anywhere on a row is one on its name, unless text is being marked. */
function openRow(event: MouseEvent & { currentTarget: HTMLElement }): void {
  const on = event.target as Element
  if (on.closest('a, button') || String(getSelection())) return
  event.currentTarget.querySelector<HTMLElement>('a.name')?.click()
}

/** Why it is in this state, where that says more than the word; or whose dead letters it holds. */
function reasonOf(item: QueueItem): string {
  if (item.dlqFor.length && !isTrouble(item.state)) return t('queues.dlq', { names: item.dlqFor.join(', ') })
  const error = item.meta['error']
  if (item.state === STATES.stale || item.state === STATES.lost) return typeof error === 'string' ? error : ''
  return isTrouble(item.state) || item.state === STATES.unknown ? item.why || (typeof error === 'string' ? error : '') : typeof error === 'string' ? error : ''
}

function Tags({ item: { meta, state, queue } }: { item: QueueItem }): ComponentChild {
  const tags: string[] = []
  if ((meta['paused'] === true || queue.health === 'paused') && state !== STATES.paused) tags.push(t('state.paused'))
  const health = String(queue.health)
  if ((state === STATES.lost || state === STATES.stale) && (health === 'stalled' || health === 'failing' || health === 'growing')) tags.push(t(`state.${health}`))
  if (meta['fifo'] === true) tags.push('fifo')
  return tags.map((tag) => <span key={tag} class="tag">{tag}</span>)
}

const GLYPHS: Record<string, string> = { sqs: 'SQ', bullmq: 'BU', 'laravel-horizon': 'LA', 'gravito-stream': 'GS' }

/** Two letters of the driver; filled where it is a Gravito queue. */
function Driver({ item: { driver, origin } }: { item: QueueItem }): VNode {
  const letters = Object.hasOwn(GLYPHS, driver) ? GLYPHS[driver] : short(driver).slice(0, 2).toUpperCase()
  return (
    <span class="glyph" role="img" aria-label={short(driver)} data-origin={origin} title={short(driver)}>{letters}</span>
  )
}

function Metric({ item, of }: { item: QueueItem; of: keyof Sums }): VNode {
  const value = metric(item, of)
  const title = value !== undefined ? count(value) : item.queue.status === 'lost' ? t('queues.lastunknown') : t('queues.cannot', { driver: short(item.driver) })
  return <span class="value" data-metric={of} data-value={value === undefined ? 'none' : value === 0 ? 'zero' : 'some'} title={title}>{compact(value)}</span>
}

function Workers({ item }: { item: QueueItem }): ComponentChild {
  const workers = num(item.meta['workers'])
  return workers === undefined ? null : <span class="of" data-none={workers === 0 || undefined} title={t('count.workers', { n: workers })}>/ {compact(workers)}</span>
}

const wayOf = (rate: number) => (signed(rate) === '0' ? 'flat' : rate > 0 ? 'up' : 'down')

const FailedRate = ({ change }: { change: number | undefined }): ComponentChild =>
  change ? <span class="rate" data-way={change > 0 ? 'up' : 'down'}>{t('queues.perhour', { rate: signed(change) })}</span> : null

