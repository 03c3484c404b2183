// A trouble as a sentence, and where it leads.

import type { ComponentChild } from 'preact'
import { linkTo } from '../choice.js'
import { count, decimal, duration, signed } from '../format.js'
import { rich, t } from '../messages.js'
import { hasNoWorkers, metric, perMinute, STATES, type QueueItem, type ServerItem } from '../model.js'
import { term } from '../search.js'
import type { Trouble } from '../trouble.js'
import { Ago, Foreign } from './text.js'

const named = (text: string) => <b><Foreign text={text} /></b>
const sourceName = (source: string) => (source === '-' ? t('trouble.reporter.unnamed') : named(source))

/** What is wrong, in a sentence. */
export function Sentence({ of: trouble }: { of: Trouble }): ComponentChild {
  switch (trouble.kind) {
    case 'queue': return queueSentence(trouble.item)
    case 'server': return serverSentence(trouble.item, trouble.since)
    case 'servers': return rich('trouble.servers', { n: trouble.count, app: named(trouble.app) })
    case 'reporter': {
      const { app, source, status, queues, waiting, since, reason } = trouble
      const rest = [queues ? t('count.queues', { n: queues }) : '', waiting ? t('trouble.lastknown', { n: waiting }) : ''].filter(Boolean).join(', ')
      return <>{rich(`trouble.reporter.${status}`, { source: sourceName(source), app: named(app), age: <Ago at={since} parts={2} /> })}
        {rest && `: ${rest}`}{reason && <> · <Foreign text={reason} /></>}</>
    }
    case 'problem': return <>{rich('trouble.problem', { key: named(trouble.key), reason: <Foreign text={trouble.reason} /> })}
      {trouble.count > 1 && `, ${t('trouble.also', { n: trouble.count - 1 })}`}</>
    case 'unreadable': return <>{t('trouble.unreadable', { n: new Set(trouble.problems.map((p) => p.key)).size })}: <Foreign text={trouble.problems[0]?.key ?? ''} /></>
  }
}

function queueSentence(item: QueueItem): ComponentChild {
  const name = named(item.name)
  const numbers: string[] = []
  const [waiting, failed, rate] = [metric(item, 'waiting'), metric(item, 'failed'), perMinute(item)]
  if (item.state === STATES.failing && failed !== undefined) numbers.push(t('trouble.failed', { n: failed }))
  if (waiting !== undefined) numbers.push(t('trouble.waiting', { n: waiting }))
  if (item.oldestMs !== undefined) numbers.push(t('trouble.oldest', { age: duration(item.oldestMs, 1) }))
  if (rate !== undefined && signed(rate) !== '0') numbers.push(t('trouble.rate', { rate: signed(rate) }))
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

/** The same without elements, for a title. */
export function shortName(trouble: Trouble): string {
  switch (trouble.kind) {
    case 'queue': case 'server': return trouble.item.name
    case 'servers': return trouble.app
    case 'reporter': return trouble.source === '-' ? trouble.app : `${trouble.source} · ${trouble.app}`
    case 'problem': return trouble.key
    case 'unreadable': return count(trouble.problems.length)
  }
}

/** Where to look into it. */
export function linkOf(trouble: Trouble): string {
  switch (trouble.kind) {
    case 'queue': return linkTo({ open: `queue:${trouble.item.id}` })
    case 'server': return linkTo({ open: `server:${trouble.item.id}` })
    case 'servers': return linkTo({ q: `${term('app', trouble.app)} is:lost`, open: '' })
    case 'reporter': return linkTo({ q: [term('app', trouble.app), ...(trouble.source === '-' ? [] : [term('source', trouble.source)])].join(' '), open: '' })
    case 'problem': case 'unreadable': return linkTo({ open: '' })
  }
}
