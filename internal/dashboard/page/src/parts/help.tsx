// The keys and the terms of the search, in a dialog.

import { signal } from '@preact/signals'
import type { ComponentChild } from 'preact'
import { t, type Key } from '../messages.js'
import { Dialog } from './dialog.js'

const open = signal(false)
export const openHelp = (): void => { open.value = true }

const KEYS: [string, Key][] = [
  ['/', 'help.search'], ['j k', 'help.move'], ['Enter', 'help.open'], ['Esc', 'help.close'], ['a', 'help.trouble'],
  ['g q', 'help.queues'], ['g s', 'help.servers'], ['g l', 'help.slow'], ['Ctrl K', 'help.palette'], ['?', 'help.title'],
]
const TERMS: [string, Key][] = [
  ['orders', 'help.term.word'], ['app:shop', 'help.term.app'], ['driver:sqs', 'help.term.driver'], ['source:redis', 'help.term.source'], ['origin:gravito', 'help.term.origin'], ['queue:mail server:web', 'help.term.name'], ['is:stalled', 'help.term.is'],
  ['is:trouble', 'help.term.trouble'], ['waiting>100', 'help.term.number'], ['oldest>30', 'help.term.oldest'], ['-app:"old shop"', 'help.term.not'],
]

export function Help(): ComponentChild {
  if (!open.value) return null
  return (
    <Dialog title={t('help.title')} onClose={() => { open.value = false }}>
      <dl class="keys">{KEYS.map(([key, what]) => <div key={key}><dt>{key.split(' ').map((k) => <kbd key={k}>{k}</kbd>)}</dt><dd>{t(what)}</dd></div>)}</dl>
      <h3>{t('help.terms')}</h3>
      <dl class="keys">{TERMS.map(([term, what]) => <div key={term}><dt><code>{term}</code></dt><dd>{t(what)}</dd></div>)}</dl>
    </Dialog>
  )
}
