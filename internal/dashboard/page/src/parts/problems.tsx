// What Pulse itself could not read or do, in full, folded to one line.

import type { ComponentChild } from 'preact'
import { t } from '../messages.js'
import { problems } from '../store.js'
import { Foreign } from './text.js'

const MOST = 500

export function Problems(): ComponentChild {
  const list = problems.value
  if (!list.length) return null
  return (
    <details id="problems" class="panel">
      <summary>{t('problems.title', { n: list.length })}</summary>
      <ul>{list.slice(0, MOST).map((p, i) => <li key={`${p.key} ${i}`}><code><Foreign text={p.key} /></code> <Foreign text={p.reason || t('problems.noreason')} /></li>)}</ul>
      {list.length > MOST && <p class="muted">{t('problems.rest', { n: list.length - MOST })}</p>}
    </details>
  )
}
