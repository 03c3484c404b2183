// The drawer: all that is known of one queue or server. Its address can be shared. It stands beside the list, which
// stays usable; on a narrow screen it is a sheet above all.

import { computed, useSignal, useSignalEffect } from '@preact/signals'
import type { ComponentChild, VNode } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { choice, choose, linkTo } from '../choice.js'
import { about, bytes, count, decimal, duration, NONE, signed } from '../format.js'
import { rich, t, type Key } from '../messages.js'
import { hasNoWorkers, metric, perMinute, STATES, type QueueItem, type ServerItem } from '../model.js'
import { appByName, now, queueById, serverById, view } from '../store.js'
import { fields, num, str } from '../view.js'
import { Charts } from './chart.js'
import { copiesOfQueue, copiesOfServer, type Copies } from './copies.js'
import { ByHand, toClipboard } from './copy.js'
import { cursor } from './cursor.js'
import { drainOf } from './drain.js'
import { nameOf, wordsOf } from './meta.js'
import { Ago, Foreign, StateMark, Time, Told } from './text.js'
import { narrow } from './virtual.js'

const open = computed(() => choice.value.open)

/** What was shown last without the reader having asked for it: the focus stays where it is. */
let unasked = ''

export function Detail(): ComponentChild {
  useState(() => { unasked = open.peek() }) // the page's own address
  return open.value ? <Drawer /> : null
}

const idOf = (shown: string) => shown.slice(shown.indexOf(':') + 1)
const isQueue = (item: QueueItem | ServerItem): item is QueueItem => 'queue' in item
const close = () => choose({ open: '' })

function Drawer(): VNode {
  const element = useRef<HTMLDialogElement>(null)
  const title = useRef<HTMLHeadingElement>(null)
  const shown = open.value
  const id = idOf(shown)
  const item = shown.startsWith('queue:') ? queueById(id) : serverById(id)
  const opener = useRef<{ link: Element | null; of: string } | undefined>(undefined)
  opener.current ??= { link: document.activeElement, of: shown }

  const last = useRef(shown)
  last.current = shown
  // Before the dialog is closed: then the browser has forgotten where the focus was.
  useLayoutEffect(() => () => {
    const focus = document.activeElement
    if (focus && focus !== document.body && !element.current?.contains(focus)) return
    const { link, of } = opener.current!
    queueMicrotask(() => backTo(of === last.current ? link : null, last.current))
  }, [])

  // Above all else, with the focus kept inside, or beside the list: the browser has both.
  useLayoutEffect(() => {
    const dialog = element.current!
    if (narrow.value) dialog.showModal()
    else dialog.setAttribute('open', '')
    return () => dialog.close()
  }, [narrow.value])

  useLayoutEffect(() => {
    element.current!.scrollTop = 0
    if (shown !== unasked || narrow.value) title.current?.focus({ preventScroll: true })
    unasked = ''
  }, [shown])

  useEffect(() => {
    const on = (event: Event) => (event.target instanceof Element ? event.target : undefined)
    const escape = (event: KeyboardEvent) => {
      // A text field of the page's has its own use for this key, and so has a dialog above it.
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog:modal:not(#detail)') || on(event)?.closest(':is(input, select, textarea):not(#detail *)')) return
      event.preventDefault()
      close()
    }
    // A link to what is shown already leads into it.
    const enter = (event: MouseEvent) => {
      if (on(event)?.closest<HTMLAnchorElement>('a[href^="#"]')?.hash === location.hash) title.current?.focus({ preventScroll: true })
    }
    document.addEventListener('keydown', escape)
    document.addEventListener('click', enter)
    return () => {
      document.removeEventListener('keydown', escape)
      document.removeEventListener('click', enter)
    }
  }, [])

  follow()

  return (
    <dialog ref={element} id="detail" aria-labelledby="detail-title" onCancel={(e) => { e.preventDefault(); close() }}>
      <div class="detail-head">
        {item ? <StateMark state={item.state} /> : <span />}
        <button type="button" class="quiet close" aria-label={t('detail.close')} title={`${t('detail.close')} (Esc)`} onClick={close}>✕</button>
        <h2 id="detail-title" ref={title} tabIndex={-1}><Foreign text={item?.name ?? id} /></h2>
      </div>
      {item && isQueue(item) && <QueueDetail key={shown} item={item} />}
      {item && !isQueue(item) && <ServerDetail key={shown} item={item} />}
      {!item && <p id="detail-missing">{view.value ? t(shown.startsWith('queue:') ? 'detail.missing.queue' : 'detail.missing.server') : t('verdict.connecting')}</p>}
    </dialog>
  )
}

/** The focus goes back where it came from, or to the row that was shown last. */
function backTo(link: Element | null, shown: string): void {
  const id = idOf(shown)
  const row = [...document.querySelectorAll<HTMLElement>(shown.startsWith('queue:') ? '[data-queue]' : '[data-server]')]
    .find((r) => (r.dataset['queue'] ?? r.dataset['server']) === id)
  const target = link?.isConnected && link !== document.body ? link : row?.querySelector('a') ?? document.getElementById('queues-title')
  if (target instanceof HTMLElement) target.focus({ preventScroll: true })
}

/** While the drawer is open, the line that the keyboard goes to is what it shows. */
function follow(): void {
  const from = useRef(cursor.peek())
  useSignalEffect(() => {
    const line = cursor.value
    if (line === from.current) return
    from.current = line
    if (!queueById(line)) return // a heading
    unasked = `queue:${line}`
    // No step for the back button: it would take as many presses.
    history.replaceState(null, '', linkTo({ open: unasked }))
    choice.value = { ...choice.peek(), open: unasked }
  })
}

function QueueDetail({ item }: { item: QueueItem }): VNode {
  const { meta } = item
  const error = str(meta['error'])
  return (
    <>
      <p class="muted of-what">
        {rich('detail.of', { app: <Foreign text={item.app} />, driver: <Foreign text={item.driver} /> })}
        {item.source !== '-' && <> · {rich('detail.source', { source: <Foreign text={item.source} /> })}</>}
        {' · '}{t(`queues.legend.${item.origin}`)}
      </p>
      <Why item={item} />
      {error && <p class="error"><Foreign text={error} /></p>}
      <Alerts app={item.app} kind="queue" name={item.key} />
      <Age at={item.asOf ?? item.reportedAt} />
      <Numbers item={item} />
      <Charts of={item.id} />
      <Meta meta={meta} item={item} />
      <Copy make={(base) => copiesOfQueue(item, base)} />
    </>
  )
}

/** Why it is judged so: the recorder's reason; of what is silent, that comes after saying so. */
function Why({ item: { why, state } }: { item: QueueItem }): VNode {
  const silent = state === STATES.lost || state === STATES.stale || state === STATES.frozen
  return (
    <p class="why" id="detail-why" data-level={state.level}>
      {(silent || !why) && t(`state.${state.word}.why`)}
      {why && <>{silent && ' · '}<Foreign text={why} /></>}
    </p>
  )
}

/** The alerts about it that fire. */
function Alerts({ app, kind, name }: { app: string; kind: string; name: string }): ComponentChild {
  const firing = appByName.value.get(app)?.alerts.filter((a) => a.kind === kind && a.key === name) ?? []
  return firing.map((a) => (
    <p key={a.rule} class="alert">
      {rich('detail.alert', { rule: <code><Foreign text={a.rule} /></code> })} {a.since !== undefined && <>{rich('trouble.since', { time: <Time at={a.since} /> })} (<Ago at={a.since} />)</>}
      {' · '}<Told at={a.sent} />
    </p>
  ))
}

const Age = ({ at }: { at: number | undefined }): ComponentChild =>
  at !== undefined && <p class="muted age">{rich('live.age', { age: <Ago at={at} parts={2} /> })}</p>

const Pair = ({ name, children, of }: { name: ComponentChild; children: ComponentChild; of?: string }): VNode => <div data-of={of}><dt>{name}</dt><dd>{children}</dd></div>

function Numbers({ item }: { item: QueueItem }): VNode {
  const trend = item.queue.trend
  const [rate, wait] = [perMinute(item), num(trend?.['wait_seconds'])]
  const flow = (name: string) => { const n = num(trend?.[name]); return n === undefined ? undefined : decimal(n) }
  const rest: [Key, string | undefined][] = [
    ['detail.rate', rate === undefined ? undefined : signed(rate) === '0' ? t('queues.steady') : signed(rate)],
    ['detail.arriving', flow('arriving_per_min')],
    ['detail.finished', flow('processed_per_min')],
    ['detail.drain', drainOf(item) || undefined],
    ['detail.wait', wait === undefined ? undefined : about(wait)],
  ]
  return (
    <dl class="numbers">
      {(['waiting', 'active', 'delayed', 'failed'] as const).map((name) => <Pair key={name} name={t(`queues.${name}`)} of={name}>{count(metric(item, name))}</Pair>)}
      <Pair name={t('meta.name.workers')} of="workers"><span class={hasNoWorkers(item) ? 'bad' : ''}>{count(item.meta['workers'])}</span></Pair>
      <Pair name={t('totals.oldest')} of="oldest">{item.oldestMs === undefined ? NONE : duration(item.oldestMs)}</Pair>
      {rest.map(([name, text]) => text !== undefined && <Pair key={name} name={t(name)} of={name.slice(7)}>{text}</Pair>)}
    </dl>
  )
}

/** Every member of meta, in words and units. */
function Meta({ meta, item }: { meta: Record<string, unknown>; item?: QueueItem }): ComponentChild {
  const members = Object.keys(meta)
  if (!members.length) return null
  return (
    <section>
      <h3>{t('detail.meta')}</h3>
      <dl class="meta">
        {members.map((member) => (
          <Pair key={member} of={member} name={nameOf(member) ?? <Foreign text={member} />}>
            {(item && linksOf(member, meta[member], item)) ?? <Value member={member} value={meta[member]} />}
          </Pair>
        ))}
      </dl>
    </section>
  )
}

function Value({ member, value }: { member: string; value: unknown }): VNode {
  const words = wordsOf(member, value)
  if ('at' in words) return <><Time at={words.at} /> <Since at={words.at} /></>
  return 'text' in words ? <>{words.text}</> : <Foreign text={words.foreign} />
}

function Since({ at }: { at: number }): VNode {
  const passed = now.value - at
  return <span class="muted">({t(passed < 0 ? 'detail.ahead' : 'detail.ago', { age: duration(Math.abs(passed)) })})</span>
}

/** A dead-letter queue and the queues it is of lead to each other, where there are rows of them. */
function linksOf(member: string, value: unknown, item: QueueItem): ComponentChild {
  const names = member === 'dlq' && typeof value === 'string' ? [value] : member === 'dlq_for' && item.dlqFor.length ? item.dlqFor : undefined
  return names?.map((name, i) => {
    const id = `${item.app}/${item.driver}/${name}`
    return <span key={name}>{i > 0 && ', '}{queueById(id) ? <a href={linkTo({ open: `queue:${id}` })}><Foreign text={name} /></a> : <Foreign text={name} />}</span>
  })
}

function ServerDetail({ item }: { item: ServerItem }): VNode {
  const { server, state, meta } = item
  const [system, process] = [fields(server.system), fields(server.process)]
  const cores = num(system['cpu_cores'])
  const load = Array.isArray(system['load_avg']) ? system['load_avg'].map((n) => decimal(num(n))).join(' / ') : ''
  const pairs = (of: [Key, ComponentChild][]) => of.map(([name, value]) => <Pair key={name} name={t(name)} of={name.slice(7)}>{value || NONE}</Pair>)
  const uptime = num(process['uptime'])
  return (
    <>
      <p class="muted of-what">{rich('detail.server.of', { app: <Foreign text={item.app} /> })}</p>
      <p class="why" id="detail-why" data-level={state.level}>{t(`state.${state.word}.why`)}</p>
      <Alerts app={item.app} kind="server" name={item.name} />
      <Age at={num(server.timestamp)} />
      <dl class="meters">
        <Meter name="detail.cpu" percent={item.cpu}>{cores === undefined ? '' : t('detail.cores', { n: cores, cores: decimal(cores) })}</Meter>
        <Meter name="detail.memory" percent={item.memory}>{used(system['memory_total'], system['memory_free'])}</Meter>
        <Meter name="detail.disk" percent={item.disk}>{used(system['disk_total'], system['disk_free'])}</Meter>
      </dl>
      <dl class="meta">{pairs([
        ['detail.load', load], ['detail.hostname', <Foreign text={str(system['hostname'])} />], ['detail.platform', <Foreign text={str(system['platform'])} />],
        ['detail.pid', num(process['pid']) === undefined ? '' : String(process['pid'])],
        ['detail.process.cpu', num(process['cpu_usage']) === undefined ? '' : t('detail.ofcore', { percent: decimal(num(process['cpu_usage'])) })],
        ['detail.rss', bytes(process['memory_rss'])], ['detail.heap', bytes(process['memory_heap'])],
        ['detail.uptime', uptime === undefined ? '' : duration(uptime * 1_000)],
      ])}</dl>
      <Meta meta={meta} />
      <Copy make={(base) => copiesOfServer(item, base)} />
    </>
  )
}

function used(total: unknown, free: unknown): string {
  const [all, left] = [num(total), num(free)]
  return all === undefined || left === undefined ? '' : t('detail.used', { used: bytes(Math.max(0, all - left)), all: bytes(all) })
}

const Meter = ({ name, percent, children }: { name: Key; percent: number | undefined; children: ComponentChild }): VNode => (
  <Pair name={t(name)} of={name.slice(7)}>
    <span class="meter" aria-hidden="true"><span style={{ width: `${Math.min(100, Math.max(0, percent ?? 0))}%` }} /></span>
    {percent === undefined ? NONE : `${decimal(percent)} %`} <span class="muted">{children}</span>
  </Pair>
)

function Copy({ make }: { make: (base: string) => Copies }): VNode {
  /** What was copied last; its text is shown, to be taken by hand, where the page may not use the clipboard. */
  const copied = useSignal<{ as: string; text?: string } | undefined>(undefined)
  const took = copied.value
  const copies = make(new URL('.', location.href).href)
  const take = async (as: string) => {
    const text = copies[as]!()
    copied.value = (await toClipboard(text)) ? { as } : { as, text }
  }
  return (
    <section class="copy">
      <h3>{t('detail.copy')}</h3>
      {Object.keys(copies).map((as) => <button key={as} type="button" data-copy={as} aria-label={t('detail.copyas', { as })} onClick={() => void take(as)}>{as}</button>)}
      <p role="status" class="muted">{took && t(took.text === undefined ? 'detail.copied' : 'detail.byhand', { as: took.as })}</p>
      {took?.text !== undefined && <ByHand text={took.text} label={t('detail.text')} />}
    </section>
  )
}
