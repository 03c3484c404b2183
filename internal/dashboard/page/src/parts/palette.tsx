// The command palette: anything on the page by its name.

import { computed, signal } from '@preact/signals'
import type { ComponentChild, VNode } from 'preact'
import { choose } from '../choice.js'
import { LANGUAGES, speak, t } from '../messages.js'
import { apps } from '../store.js'
import { theme, THEMES } from '../theme.js'
import { toClipboard } from './copy.js'
import { Dialog } from './dialog.js'
import { openHelp } from './help.js'
import { goTo, nextTrouble } from './keys.js'
import { Foreign } from './text.js'

const MOST = 12

const open = signal(false)
const text = signal('')
const chosen = signal(0)

export function openPalette(): void {
  text.value = ''
  chosen.value = 0
  open.value = true
}

interface Command {
  id: string
  name: string
  /** Where it belongs, or what it is. */
  aside: string
  run: () => void
}

function actions(): Command[] {
  const action = (id: string, name: string, run: () => void): Command => ({ id, name, aside: '', run })
  return [
    action('trouble', t('help.trouble'), nextTrouble),
    action('queues', t('help.queues'), () => goTo('queues')),
    action('servers', t('help.servers'), () => goTo('servers')),
    action('slow', t('help.slow'), () => goTo('slow')),
    action('only-trouble', t('palette.onlytrouble'), () => choose({ q: 'is:trouble' })),
    action('group', t('queues.group'), () => choose({ group: 'on' })),
    action('ungroup', t('palette.ungroup'), () => choose({ group: 'off' })),
    action('clear', t('queues.clear'), () => choose({ q: '' })),
    // Over plain HTTP no page may write there; the address bar has the link too.
    ...(navigator.clipboard ? [action('link', t('palette.link'), () => void toClipboard(location.href))] : []),
    action('help', t('help.title'), openHelp),
    ...THEMES.map((x) => action(`theme ${x}`, `${t('page.theme')}: ${t(`page.theme.${x}`)}`, () => { theme.value = x })),
    ...Object.entries(LANGUAGES).map(([id, { name }]) => action(`language ${id}`, `${t('page.language')}: ${name}`, () => speak(id))),
  ]
}

/** Each word of the text is somewhere in the name or the app. */
const found = computed((): Command[] => {
  if (!open.value) return []
  const words = text.value.toLowerCase().split(/\s+/).filter(Boolean)
  const fits = (of: string) => { const low = of.toLowerCase(); return words.every((w) => low.includes(w)) }
  const list = actions().filter((c) => fits(c.name))
  if (!words.length) return list.slice(0, MOST)
  for (const app of apps.value) {
    for (const q of app.queues) {
      if (list.length >= MOST) return list
      if (fits(`${q.name} ${q.app}`)) list.push({ id: `queue ${q.id}`, name: q.name, aside: `${q.driver} · ${q.app}`, run: () => choose({ open: `queue:${q.id}` }) })
    }
    for (const s of app.servers) {
      if (list.length >= MOST) return list
      if (fits(`${s.name} ${s.app}`)) list.push({ id: `server ${s.id}`, name: s.name, aside: `${t('servers.server')} · ${s.app}`, run: () => choose({ open: `server:${s.id}` }) })
    }
  }
  return list
})

export function Palette(): ComponentChild {
  if (!open.value) return null
  const list = found.value
  const at = Math.min(chosen.value, list.length - 1)
  const close = () => { open.value = false }
  const run = (command: Command | undefined) => {
    close()
    command?.run()
  }
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') chosen.value = Math.min(at + 1, list.length - 1)
    else if (event.key === 'ArrowUp') chosen.value = Math.max(at - 1, 0)
    else if (event.key === 'Enter') run(list[at])
    else return
    event.preventDefault()
  }
  return (
    <Dialog title={t('palette.title')} onClose={close}>
      <input autofocus type="text" role="combobox" aria-expanded="true" aria-controls="palette-list" aria-activedescendant={list[at] ? `palette-${at}` : undefined} aria-label={t('palette.title')}
        placeholder={t('palette.placeholder')} value={text.value} autocomplete="off" spellcheck={false} onKeyDown={onKey}
        onInput={(e) => { text.value = e.currentTarget.value; chosen.value = 0 }} />
      <ul id="palette-list" role="listbox" aria-label={t('palette.title')}>{list.map((c, i) => <Option key={c.id} command={c} index={i} at={i === at} run={run} />)}</ul>
      {!list.length && <p class="muted">{t('palette.none')}</p>}
    </Dialog>
  )
}

const Option = ({ command, index, at, run }: { command: Command; index: number; at: boolean; run: (c: Command) => void }): VNode => (
  <li id={`palette-${index}`} role="option" aria-selected={at} onClick={() => run(command)}>
    <Foreign text={command.name} /> <span class="muted"><Foreign text={command.aside} /></span>
  </li>
)
