// The menu in the top bar: theme, language, keys, and the way out.

import type { VNode } from 'preact'
import { LANGUAGES, language, speak, t } from '../messages.js'
import { theme, THEMES } from '../theme.js'
import { openHelp } from './help.js'
import { openPalette } from './palette.js'

export function Menu({ signedIn }: { signedIn: boolean }): VNode {
  return (
    <details id="menu" onKeyDown={closeByEscape}>
      <summary aria-label={t('page.menu')}><span aria-hidden="true">⋯</span></summary>
      <div class="panel">
        <label>{t('page.theme')} <select value={theme.value} onChange={(e) => { theme.value = THEMES.find((x) => x === e.currentTarget.value) ?? 'auto' }}>
          {THEMES.map((x) => <option key={x} value={x}>{t(`page.theme.${x}`)}</option>)}
        </select></label>
        <label>{t('page.language')} <select value={language.value} onChange={(e) => speak(e.currentTarget.value)}>
          {Object.entries(LANGUAGES).map(([id, { name }]) => <option key={id} value={id} lang={id}>{name}</option>)}
        </select></label>
        <button type="button" onClick={() => { closeMenu(); openPalette() }}>{t('palette.title')} <kbd>Ctrl K</kbd></button>
        <button type="button" onClick={() => { closeMenu(); openHelp() }}>{t('help.title')} <kbd>?</kbd></button>
        <a href="api/v1/view">{t('page.json')}</a>
        {signedIn && <form method="post" action="logout"><button type="submit">{t('page.signout')}</button></form>}
        <p class="muted">{t('page.passive')}</p>
      </div>
    </details>
  )
}

const menu = () => document.getElementById('menu') as HTMLDetailsElement | null

export function closeMenu(): void {
  const open = menu()
  if (open) open.open = false
}

function closeByEscape(event: KeyboardEvent): void {
  if (event.key !== 'Escape' || !menu()?.open) return
  event.stopPropagation()
  closeMenu()
  menu()?.querySelector('summary')?.focus()
}
