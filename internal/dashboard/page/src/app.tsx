// The page: its parts, in the order in which they are read.

import { signal } from '@preact/signals'
import type { VNode } from 'preact'
import { t } from './messages.js'
import { Attention } from './parts/attention.js'
import { Detail } from './parts/detail.js'
import { Queues } from './parts/queues.js'
import { Totals } from './parts/totals.js'
import { VerdictBar } from './parts/verdict.js'

/** A fault of the page's own: it must not go on looking live. */
export const broken = signal(false)

export function Page(): VNode {
  return (
    <>
      <VerdictBar>{null}</VerdictBar>
      <main>
        {broken.value && <p id="broken" class="panel bad" role="alert">{t('page.broken')} <button type="button" onClick={() => location.reload()}>{t('page.reload')}</button></p>}
        <Attention />
        <Totals />
        <Queues />
      </main>
      <Detail />
    </>
  )
}
