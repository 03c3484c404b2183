// The sums of all queues, on one line that keeps its place.

import type { ComponentChild, VNode } from 'preact'
import { linkTo } from '../choice.js'
import { compact, count, duration, NONE, signed } from '../format.js'
import { ALL, change, historyOf } from '../history.js'
import { t } from '../messages.js'
import type { QueueItem } from '../model.js'
import { apps, view } from '../store.js'
import { fields, num } from '../view.js'
import { Spark } from './spark.js'
import { Foreign } from './text.js'
import { narrow } from './virtual.js'

const totals = () => fields(view.value?.totals)
const lost = () => num(fields(totals()['lost'])['queues']) ?? 0

export function Totals(): ComponentChild {
  if (!view.value) return null
  const hour = historyOf(ALL)?.columns
  const failed = change(hour?.['failed'])
  return (
    // On a narrow screen it scrolls sideways: by keys, too.
    <dl id="totals" aria-label={t('totals.title')} tabIndex={narrow.value ? 0 : undefined}>
      <Total name="waiting" note={waitingRate()}><Spark column={hour?.['waiting']} /></Total>
      <Total name="active"><Spark column={hour?.['active']} /></Total>
      <Oldest />
      <Total name="failed" note={failed === undefined ? '' : failed === 0 ? t('totals.nochange') : t('totals.inhour', { rate: signed(failed) })} rises={(failed ?? 0) > 0}>
        <Spark column={hour?.['failed']} />
      </Total>
      <Total name="queues" />
      <Servers />
    </dl>
  )
}

function Total({ name, note = '', rises = false, children }: { name: 'waiting' | 'active' | 'failed' | 'queues'; note?: string; rises?: boolean; children?: ComponentChild }): VNode {
  const value = num(totals()[name])
  const missing = notCounted(name, value)
  // What is lost comes before what changed; that a driver cannot count it is nothing new.
  const aside = lost() || !note ? missing : note
  return (
    <div>
      <dt>{t(`totals.${name}`)}</dt>
      <dd>
        <span class="value" data-total={name} title={count(value)}>{compact(value)}</span>
        <span class={`note${rises && aside === note ? ' rises' : ''}`} title={[note, missing].filter(Boolean).join(' · ')}>{aside}</span>
        {children}
      </dd>
    </div>
  )
}

/** The queues that are not in a sum: lost ones, and those that don't know the number. */
function notCounted(name: string, value: number | undefined): string {
  const n = lost()
  const unknown = num(fields(totals()['unknown'])[name]) ?? 0
  if (name === 'queues') return n ? t('count.lost', { n }) : ''
  const parts = [...(unknown ? [t('totals.unknown', { n: unknown })] : []), ...(n ? [value === undefined ? t('count.lost', { n }) : t('totals.notcounted', { n })] : [])]
  return parts.join(' ')
}

/** The rates that are known, added up. */
function waitingRate(): string {
  let sum: number | undefined
  for (const { rate } of apps.value) if (rate !== undefined) sum = (sum ?? 0) + rate
  return sum === undefined ? '' : t('totals.perminute', { rate: signed(sum) })
}

function Oldest(): VNode {
  let oldest: QueueItem | undefined
  for (const app of apps.value) if ((app.oldest?.oldestMs ?? -1) > (oldest?.oldestMs ?? -1)) oldest = app.oldest
  return (
    <div class="wide">
      <dt>{t('totals.oldest')}</dt>
      <dd>
        <span class="value" data-total="oldest">{oldest ? duration(oldest.oldestMs, 1) : NONE}</span>
        {oldest && <a class="note" href={linkTo({ open: `queue:${oldest.id}` })}><Foreign text={oldest.name} /></a>}
      </dd>
    </div>
  )
}

/** How many of the servers report: "6/7". */
function Servers(): VNode {
  const servers = apps.value.flatMap((a) => a.servers)
  const silent = servers.filter((s) => s.state.word === 'lost').length
  return (
    <div>
      <dt>{t('totals.servers')}</dt>
      <dd>
        <span class="value" data-total="servers">{servers.length ? `${count(servers.length - silent)}/${count(servers.length)}` : '0'}</span>
        <span class="note">{silent ? t('count.lost', { n: silent }) : ''}</span>
      </dd>
    </div>
  )
}
