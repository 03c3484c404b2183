// The newest slow requests, jobs and queries. They are asked for while the reader looks at them.

import { signal } from '@preact/signals'
import type { ComponentChild, VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { ask } from '../ask.js'
import { duration, NONE, plain, short } from '../format.js'
import { t } from '../messages.js'
import { frozen, view } from '../store.js'
import { fields, isObject, num, str, type Fields } from '../view.js'
import { Foreign, Time } from './text.js'

const AGAIN = 15_000
const MOST = 50

const entries = signal<Fields[]>([])
const failure = signal('')

async function renew(): Promise<void> {
  try {
    const answer = fields(await ask(`api/v1/slow?limit=${MOST}`))
    entries.value = Array.isArray(answer['entries']) ? answer['entries'].filter(isObject) : []
    failure.value = ''
  } catch (error) {
    failure.value = error instanceof Error ? error.message : String(error)
  }
}

export function Slow(): ComponentChild {
  const section = useRef<HTMLElement>(null)
  const there = view.value !== undefined
  useEffect(() => {
    if (!section.current) return
    let timer: ReturnType<typeof setInterval> | undefined
    const seen = new IntersectionObserver(([change]) => {
      clearInterval(timer)
      timer = undefined
      if (!change?.isIntersecting) return
      void renew()
      timer = setInterval(() => { if (!document.hidden && !frozen.peek()) void renew() }, AGAIN)
    })
    seen.observe(section.current)
    return () => {
      clearInterval(timer)
      seen.disconnect()
    }
  }, [there])
  if (!there) return null
  const list = entries.value
  return (
    <section id="slow" aria-labelledby="slow-title" ref={section}>
      <div class="title"><h2 id="slow-title" tabIndex={-1}>{t('slow.title')}</h2>{!list.length && <span class="muted">{failure.value ? <Foreign text={failure.value} /> : t('slow.none')}</span>}</div>
      {list.length > 0 && <ul class="panel list">{list.map((e, i) => <Entry key={`${num(e['timestamp'])} ${i}`} entry={e} />)}</ul>}
    </section>
  )
}

const KINDS = ['http', 'job', 'query'] as const

function Entry({ entry }: { entry: Fields }): VNode {
  const kind = KINDS.find((k) => k === entry['kind']) ?? 'other'
  const meta = Object.entries(fields(entry['meta'])).map(([k, v]) => `${k} ${plain(v)}`).join(' · ')
  return (
    <li>
      <Time at={num(entry['timestamp'])} />
      <span class="muted">{t(`slow.${kind}`)}</span>
      <span class="reason"><b><Foreign text={str(entry['name'])} /></b>{meta && <span class="muted"> {short(meta)}</span>}</span>
      <span><b>{exact(entry['duration_ms'])}</b> <span class="muted">{t('slow.over', { time: exact(entry['threshold_ms']) })}</span></span>
      <Foreign class="muted" text={[str(entry['app']), str(entry['host'])].filter(Boolean).join(' · ')} />
    </li>
  )
}

const exact = (ms: unknown): string => {
  const n = num(ms)
  return n === undefined ? NONE : n < 10_000 ? t('unit.ms', { n }) : duration(n)
}
