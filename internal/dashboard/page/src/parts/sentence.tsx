// A trouble as a sentence, and where it leads.

import type { ComponentChild, VNode } from 'preact'
import { linkTo } from '../choice.js'
import { decimal, duration, short, signed, visible } from '../format.js'
import { rich, t } from '../messages.js'
import { hasNoWorkers, metric, perMinute, STATES, type Alert, type QueueItem, type ServerItem } from '../model.js'
import { term } from '../search.js'
import type { Trouble } from '../trouble.js'
import { drainOf } from './drain.js'
import { Ago, Foreign } from './text.js'

const LONG = 60 // a name in a sentence: what is wrong comes after it

export const named = (text: string): VNode => <b><Foreign text={text.length > LONG ? `${text.slice(0, LONG)}…` : text} /></b>
const sourceName = (source: string) => (source === '-' ? t('trouble.reporter.unnamed') : named(source))

/** What is wrong, in a sentence. */
export function Sentence({ of: trouble }: { of: Trouble }): ComponentChild {
  switch (trouble.kind) {
    case 'queue': return queueSentence(trouble.item)
    case 'server': return serverSentence(trouble.item, trouble.since)
    case 'servers': return rich(`trouble.servers.${trouble.status}`, { n: trouble.count, app: named(trouble.app) })
    case 'reporter': {
      const { app, source, status, queues, waiting, since, reason } = trouble
      const rest = [queues ? t('count.queues', { n: queues }) : '', waiting ? t('trouble.lastknown', { n: waiting }) : ''].filter(Boolean).join(', ')
      return <>{rich(`trouble.reporter.${status}`, { source: sourceName(source), app: named(app), age: <Ago at={since} parts={2} /> })}
        {rest && `: ${rest}`}{reason && ` · ${short(reason)}`}</>
    }
    case 'alert': return <>{named(afterSlash(trouble.alert.key))}: {short(trouble.alert.reason || trouble.alert.rule)}</>
    case 'problem': return <>{rich('trouble.problem', { key: named(trouble.key), reason: short(trouble.reason) })}
      {trouble.count > 1 && `, ${t('trouble.also', { n: trouble.count - 1 })}`}</>
    case 'unreadable': return <>{t('trouble.unreadable', { n: new Set(trouble.problems.map((p) => p.key)).size })}: <Foreign text={trouble.problems[0]?.key ?? ''} /></>
  }
}

function queueSentence(item: QueueItem): ComponentChild {
  const name = named(item.name)
  const numbers: string[] = []
  const [waiting, failed, rate, drain] = [metric(item, 'waiting'), metric(item, 'failed'), perMinute(item), drainOf(item)]
  if (item.state === STATES.failing && failed !== undefined) numbers.push(t('trouble.failed', { n: failed }))
  if (waiting !== undefined) numbers.push(t('trouble.waiting', { n: waiting }))
  if (item.oldestMs !== undefined) numbers.push(t('trouble.oldest', { age: duration(item.oldestMs, 1) }))
  if (rate !== undefined && signed(rate) !== '0') numbers.push(t('trouble.rate', { rate: signed(rate) }))
  if (drain) numbers.push(t('trouble.drain', { time: drain }))
  const what = item.state === STATES.stalled && hasNoWorkers(item) ? 'noworkers' : item.state.word
  const key = what === 'noworkers' || what === 'stalled' || what === 'failing' ? (`trouble.${what}` as const) : 'trouble.growing'
  return <>{rich(key, { name })}{numbers.length > 0 && `: ${numbers.join(', ')}`}</>
}

function serverSentence(item: ServerItem, since: number | undefined): ComponentChild {
  const values = { name: named(item.name), app: named(item.app), age: <Ago at={since} parts={2} /> }
  switch (item.state) {
    case STATES.disk: return rich('trouble.server.disk', { ...values, percent: decimal(item.disk) })
    case STATES.cpu: return rich('trouble.server.cpu', { ...values, percent: decimal(item.cpu) })
    case STATES.stale: return rich('trouble.server.stale', values)
    default: return rich('trouble.server.lost', values)
  }
}

/** A queue's key without its driver. */
const afterSlash = (key: string) => key.slice(key.indexOf('/') + 1)

/** The same without elements, for a title. */
export function shortName(trouble: Trouble): string {
  const name = nameOf(trouble)
  return visible([...name].slice(0, LONG).join(''))
}

function nameOf(trouble: Trouble): string {
  switch (trouble.kind) {
    case 'queue': case 'server': return trouble.item.name
    case 'servers': return trouble.app
    case 'reporter': return trouble.source === '-' ? trouble.app : `${trouble.source} · ${trouble.app}`
    case 'alert': return afterSlash(trouble.alert.key)
    case 'problem': return trouble.key
    case 'unreadable': return t('trouble.unreadable', { n: trouble.problems.length })
  }
}

/** Leads to where one looks into it. */
export const TroubleLink = ({ of: trouble, children }: { of: Trouble; children: ComponentChild }): VNode =>
  <a href={linkOf(trouble)} onClick={trouble.kind === 'problem' || trouble.kind === 'unreadable' ? showProblems : undefined}>{children}</a>

/** Problems have no address: they are opened and brought into sight. */
export function showProblems(event?: Event): void {
  event?.preventDefault()
  const problems = document.getElementById('problems') as HTMLDetailsElement | null
  if (!problems) return
  problems.open = true
  problems.scrollIntoView({ block: 'center' })
  problems.querySelector('summary')?.focus({ preventScroll: true })
}

export function linkOf(trouble: Trouble): string {
  switch (trouble.kind) {
    case 'queue': return linkTo({ open: `queue:${trouble.item.id}` })
    case 'server': return linkTo({ open: `server:${trouble.item.id}` })
    case 'servers': return linkTo({ q: `${term('app', trouble.app)} is:${trouble.status}`, open: '' })
    case 'reporter': return linkOfReporter(trouble.app, trouble.source)
    case 'alert': return linkOfAlert(trouble.alert)
    case 'problem': case 'unreadable': return linkTo({ open: '' })
  }
}

/** To what an alert is about. */
export const linkOfAlert = ({ app, kind, key }: Alert): string =>
  kind === 'queue' || kind === 'server' ? linkTo({ open: `${kind}:${app}/${key}` }) : linkOfReporter(app, key)

const linkOfReporter = (app: string, source: string) =>
  linkTo({ open: '', q: [term('app', app), ...(source === '-' ? [] : [term('source', source)])].join(' ') })
