// The alerts that fire, as the recorder has them: what, since when, and when somebody was last told.

import type { ComponentChild, VNode } from 'preact'
import { t } from '../messages.js'
import type { Alert } from '../model.js'
import { apps } from '../store.js'
import { linkOfAlert } from './sentence.js'
import { Foreign, Since, Told } from './text.js'

const MOST = 50

export function Alerts(): ComponentChild {
  const alerts = apps.value.flatMap((a) => a.alerts).sort((a, b) => (a.since ?? 0) - (b.since ?? 0))
  if (!alerts.length) return null
  return (
    <section id="alerts" aria-labelledby="alerts-title">
      <div class="title"><h2 id="alerts-title" tabIndex={-1}>{t('count.alerts', { n: alerts.length })}</h2></div>
      <ul class="panel list">{alerts.slice(0, MOST).map((a) => <Item key={`${a.kind} ${a.app}/${a.key} ${a.rule}`} alert={a} />)}</ul>
      {alerts.length > MOST && <p class="muted">{t('alerts.rest', { n: alerts.length - MOST })}</p>}
    </section>
  )
}

function Item({ alert }: { alert: Alert }): VNode {
  const { app, kind, key, rule, reason, since, sent } = alert
  const name = kind === 'reporter' ? (key === '-' ? app : `${key} · ${app}`) : `${app}/${key}`
  return (
    <li data-alert={`${kind} ${app}/${key}`}>
      <a href={linkOfAlert(alert)}><Foreign text={name} /></a>
      <Foreign class="rule" text={rule} />
      <span class="reason"><Foreign text={reason} /></span>
      <span class="muted"><Since at={since} /></span>
      <span class="muted"><Told at={sent} /></span>
    </li>
  )
}
