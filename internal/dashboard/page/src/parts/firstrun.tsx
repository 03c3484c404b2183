// What is shown while there is no queue: how far it has come, and the one thing to do next.

import { signal } from '@preact/signals'
import type { ComponentChild, VNode } from 'preact'
import { count } from '../format.js'
import { t } from '../messages.js'
import { apps, problems, queueCount, redisDown, view } from '../store.js'
import { Copy } from './copy.js'
import { Foreign } from './text.js'

const SNIPPETS = {
  bullmq: "export PULSE_APP=shop PULSE_BULLMQ_QUEUES='*'\nbuild/redis-reporter/bootstrap",
  laravel: "export PULSE_APP=shop PULSE_LARAVEL_QUEUES='*' PULSE_LARAVEL_PREFIX=shop_database_\nbuild/redis-reporter/bootstrap",
  stream: "export PULSE_APP=shop PULSE_STREAM_QUEUES='*'\nbuild/redis-reporter/bootstrap",
  sqs: "export PULSE_APP=shop AWS_REGION=eu-west-1\nbuild/sqs-reporter/bootstrap",
  shell: `while redis-cli -u "$PULSE_REDIS_URL" SET pulse:queues:shop \\
  '{"timestamp":'$(date +%s000)',"app":"shop","queues":[{"name":"orders","driver":"other","metrics":{"waiting":3}}]}' EX 30
do sleep 10; done`,
}
type Driver = keyof typeof SNIPPETS
const chosen = signal<Driver>('bullmq')

export function FirstRun(): ComponentChild {
  if (!view.value || queueCount.value) return null
  const reporters = apps.value.flatMap((a) => a.reporters)
  const reasons = problems.value
  return (
    <section id="first-run" class="panel" aria-labelledby="first-run-title">
      <h2 id="first-run-title">{t('first.title')}</h2>
      <ul class="checks">
        <Check done={!redisDown.value}>{t(redisDown.value ? 'first.redis.down' : 'first.redis')}</Check>
        <Check done={reporters.length > 0}>
          {reporters.length ? <>{t('first.heard')} {reporters.map((r, i) => <span key={`${r.app}/${r.source}`}>{i > 0 && ', '}<b><Foreign text={r.source === '-' ? r.app : `${r.source} · ${r.app}`} /></b></span>)}</> : t('first.unheard')}
          {reasons.map((p, i) => <p key={i} class="bad"><Foreign text={`${p.key}: ${p.reason}`} /></p>)}
        </Check>
        <Check done={false}>{t('first.queues', { n: count(0) })}</Check>
      </ul>
      {reporters.length === 0 && <Snippet />}
      <p class="muted">{t('first.soon')}</p>
    </section>
  )
}

const Check = ({ done, children }: { done: boolean; children: ComponentChild }): VNode =>
  <li data-done={done || undefined}><span class="box" aria-hidden="true">{done ? '✓' : '○'}</span><span class="unseen">{t(done ? 'first.done' : 'first.open')}</span><div>{children}</div></li>

function Snippet(): VNode {
  return (
    <div class="snippet">
      <label>{t('first.choose')} <select value={chosen.value} onChange={(e) => { chosen.value = e.currentTarget.value as Driver }}>
        {(Object.keys(SNIPPETS) as Driver[]).map((d) => <option key={d} value={d}>{t(`first.${d}`)}</option>)}
      </select></label>
      <p>{t(chosen.value === 'shell' ? 'first.shell.why' : 'first.same')}</p>
      <pre tabIndex={0}>{SNIPPETS[chosen.value]}</pre>
      <Copy text={SNIPPETS[chosen.value]}>{t('copy.copy')}</Copy>
    </div>
  )
}
