// What keys do, wherever the focus is but in a field.

import { choose } from '../choice.js'
import { troubles } from '../store.js'
import { closeMenu } from './menu.js'
import { cursor } from './cursor.js'
import { openHelp } from './help.js'
import { openPalette } from './palette.js'
import { indexOf, lines, nameOf } from './queues.js'
import { linkOf, showProblems } from './sentence.js'

const SECTIONS: Record<string, string> = { q: 'queues', s: 'servers', l: 'slow' }
const SECOND = 1_500 // how long the second key of a pair may take

let afterG = 0
let troubleAt = -1

/** Brings a section to the top of the screen. */
export function goTo(section: string): void {
  const node = document.getElementById(section)
  node?.scrollIntoView({ block: 'start' })
  node?.querySelector<HTMLElement>('h2')?.focus({ preventScroll: true })
}

/** Opens what is wrong, the worst first, then the next. */
export function nextTrouble(): void {
  const list = troubles.value
  if (!list.length) return
  troubleAt = (troubleAt + 1) % list.length
  const trouble = list[troubleAt]!
  if (trouble.kind === 'problem' || trouble.kind === 'unreadable') showProblems()
  else location.hash = linkOf(trouble)
}

function move(by: number): void {
  const list = lines.value.lines
  if (!list.length) return
  const at = cursor.value ? indexOf(cursor.value) : -1
  cursor.value = nameOf(list[Math.min(list.length - 1, Math.max(0, at < 0 ? 0 : at + by))])
}

/** Empties the search that has the focus, or leaves it. */
function escape(event: KeyboardEvent): void {
  const search = document.getElementById('search') as HTMLInputElement | null
  if (!search || document.activeElement !== search) return
  if (search.value) choose({ q: '' })
  else search.blur()
  event.preventDefault()
}

function onKey(event: KeyboardEvent): void {
  // What is above all else has the keys; the drawer beside the list has not.
  if (event.defaultPrevented || document.querySelector('dialog:modal')) return
  if (event.key === 'Escape') {
    escape(event)
    return
  }
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === 'k') {
    event.preventDefault()
    openPalette()
    return
  }
  const on = event.target instanceof Element ? event.target : document.body
  if (event.ctrlKey || event.metaKey || event.altKey || on.closest('input, textarea, select, [contenteditable]')) return
  const second = Date.now() - afterG < SECOND && SECTIONS[event.key]
  afterG = 0
  if (second) goTo(second)
  else if (event.key === '/') {
    const search = document.getElementById('search') as HTMLInputElement | null
    search?.focus()
    search?.select()
  } else if (event.key === 'j') move(1)
  else if (event.key === 'k') move(-1)
  else if (event.key === 'a') nextTrouble()
  else if (event.key === 'g') afterG = Date.now()
  else if (event.key === '?') openHelp()
  else return
  event.preventDefault()
}

export function listenToKeys(): void {
  addEventListener('keydown', onKey)
  addEventListener('click', (event) => { if (!(event.target as Element).closest('#menu')) closeMenu() })
}
