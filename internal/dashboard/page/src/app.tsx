// The page: its parts, in the order in which they are read.

import { signal } from '@preact/signals'
import type { VNode } from 'preact'
import { t } from './messages.js'
import { Alerts } from './parts/alerts.js'
import { Attention } from './parts/attention.js'
import { FirstRun } from './parts/firstrun.js'
import { Help } from './parts/help.js'
import { goTo } from './parts/keys.js'
import { Menu } from './parts/menu.js'
import { Palette } from './parts/palette.js'
import { Problems } from './parts/problems.js'
import { Detail } from './parts/detail.js'
import { Queues } from './parts/queues.js'
import { Servers } from './parts/servers.js'
import { Slow } from './parts/slow.js'
import { Totals } from './parts/totals.js'
import { VerdictBar } from './parts/verdict.js'

/** A fault of the page's own: it must not go on looking live. */
export const broken = signal(false)

/** signedIn: there was a login, so that one can sign out. */
export function Page({ signedIn }: { signedIn: boolean }): VNode {
  return (
    <>
      <button type="button" class="skip" onClick={() => goTo('queues')}>{t('page.skip')}</button>
      <VerdictBar><Menu signedIn={signedIn} /></VerdictBar>
      <main>
        {broken.value && <p id="broken" class="panel bad" role="alert">{t('page.broken')} <button type="button" onClick={() => location.reload()}>{t('page.reload')}</button></p>}
        <Attention />
        <Totals />
        <FirstRun />
        <Queues />
        <Servers />
        <Slow />
        <Alerts />
        <Problems />
      </main>
      <Palette />
      <Help />
      <Detail />
    </>
  )
}
