// The bar at the top: how the whole of it does, in one sentence, and how old the numbers are.

import { effect } from '@preact/signals'
import type { ComponentChild, VNode } from 'preact'
import { count, duration, compact } from '../format.js'
import { rich, t } from '../messages.js'
import { STATES } from '../model.js'
import { apps, connection, failure, frozen, mutedTroubles, now, queueCount, readAt, redisDown, troubles, verdict, view, type Verdict } from '../store.js'
import { fields, num } from '../view.js'
import { Sentence, shortName, TroubleLink } from './sentence.js'
import { Foreign, Time } from './text.js'

export function VerdictBar({ children }: { children: ComponentChild }): VNode {
  return (
    <header class="top" id="verdict" data-verdict={verdict.value}>
      <h1 class="brand"><span class="mark" aria-hidden="true" /><span class="brand-name">Pulse</span>{isDemo() && <span class="tag demo" title={t('page.demo.why')}>{t('page.demo')}</span>}</h1>
      <div class="says">
        <p id="sentence" role="status">{says()}</p>
        <More />
      </div>
      <Connection />
      {children}
    </header>
  )
}

const isDemo = () => apps.value.some((a) => a.isDemo)

function More(): ComponentChild {
  const n = troubles.value.length - 1
  return verdict.value !== 'blind' && n > 0 ? <a id="more" href="#" onClick={toAttention}>{t('trouble.more', { n })}</a> : null
}

function toAttention(event: Event): void {
  event.preventDefault()
  document.getElementById('attention')?.scrollIntoView({ block: 'center' })
}

function says(): ComponentChild {
  switch (verdict.value) {
    case 'connecting': return t('verdict.connecting')
    case 'blind': {
      if (!view.value) return <><b>{t('verdict.nonumbers')}</b>: <Foreign text={failure.value} /></>
      const since = num(redisDown.value?.since)
      const old = t('verdict.frozen', { age: duration(now.value - (readAt.value ?? now.value)) })
      if (redisDown.value) return <><b>{t('verdict.redis.since')}</b> {since !== undefined && rich('trouble.since', { time: <Time at={since} /> })}, {old}</>
      return <><b>{t('verdict.server')}</b>{failure.value && `: ${failure.value}`}, {old}</>
    }
    case 'ok': return calm()
    default: {
      const worst = troubles.value[0]!
      return <TroubleLink of={worst}><Sentence of={worst} /></TroubleLink>
    }
  }
}

/** That nothing is wrong is said only of queues that somebody has judged. */
function calm(): string {
  const queues = queueCount.value
  if (!queues) return t('verdict.empty')
  const unknown = apps.value.reduce((n, app) => n + app.queues.filter((q) => q.state === STATES.unknown).length, 0)
  const all = t('count.queues', { n: queues })
  const silenced = mutedTroubles.value.length
  if (unknown === queues && !silenced) return `${t('verdict.ok.unknown')} · ${all}`
  return [silenced ? t('verdict.ok.muted', { n: silenced }) : t('verdict.ok'), all, ...(unknown ? [t('verdict.ok.some', { n: unknown })] : [])].join(' · ')
}

function Connection(): VNode {
  const state = frozen.value && connection.value !== 'reconnecting' ? 'frozen' : connection.value
  return (
    <p id="live-state" data-state={state}>
      <span class="live-word">{t(`live.${state}`)}</span>
      {readAt.value !== undefined && <span class="live-age">{t('live.age', { age: duration(now.value - readAt.value) })}</span>}
    </p>
  )
}

const WAVE = 'M5 17h5.2l3-8.5 5.2 15 3.2-9 1.3 2.5H27'
/** A shape and a colour for each: a pulse, a triangle, a square, a ring. */
const ICONS: Record<Verdict, string> = {
  connecting: icon('#5b6776', `<path d="${WAVE}" fill="none" stroke="#fff" stroke-width="2.6"/>`),
  ok: icon('#4253c8', `<path d="${WAVE}" fill="none" stroke="#fff" stroke-width="2.6"/>`),
  warn: icon('#b87800', '<path d="M16 6 27 25H5z" fill="#fff"/>'),
  crit: icon('#c22f26', '<path d="M9 9h14v14H9z" fill="#fff"/>'),
  blind: icon('#17202b', '<path d="M8 8l16 16M24 8 8 24" stroke="#fff" stroke-width="4"/>'),
}

function icon(fill: string, shape: string): string {
  return `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="${fill}"/>${shape}</svg>`)}`
}

/** The tab carries the same verdict. */
export function showInTab(): void {
  effect(() => {
    const title = [...tabWords(), 'Pulse'].join(' · ')
    if (document.title !== title) document.title = title
  })
  effect(() => {
    const link = document.querySelector<HTMLLinkElement>('link[rel=icon]')
    const href = ICONS[verdict.value]
    if (link && link.href !== href) link.href = href
  })
}

function tabWords(): string[] {
  switch (verdict.value) {
    case 'blind': return [!view.value ? t('title.none') : redisDown.value ? t('title.redis') : t('title.server')]
    case 'crit': case 'warn': {
      const [worst] = troubles.value
      const n = troubles.value.filter((x) => x.level === worst?.level).length
      return [`${n > 1 ? `${count(n)} ` : ''}${t(`title.${verdict.value}`)}`, ...(worst ? [shortName(worst)] : [])]
    }
    default: {
      const waiting = num(fields(view.value?.totals)['waiting'])
      const silenced = mutedTroubles.value.length
      return [...(silenced ? [t('trouble.mutedshort', { n: silenced })] : []), ...(waiting === undefined ? [] : [t('title.waiting', { n: compact(waiting) })])]
    }
  }
}
