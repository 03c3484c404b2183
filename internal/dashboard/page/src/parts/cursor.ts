// The line that the keyboard is on.

import { signal, useSignalEffect } from '@preact/signals'
import { lineHeight } from './virtual.js'

/** Its index in the list of queues; -1 is none. */
export const cursor = signal(-1)

const TOP = 56 + 33 // what stays at the top of the screen: the verdict and the headings

/** Brings the line that the cursor moves to into sight, and the focus to its link. */
export function cursorMoved(body: { current: HTMLElement | null }): void {
  useSignalEffect(() => {
    const at = cursor.value
    if (at < 0 || !body.current) return
    const top = body.current.getBoundingClientRect().top + scrollY + at * lineHeight()
    if (top < scrollY + TOP) scrollTo({ top: top - TOP })
    else if (top + lineHeight() > scrollY + innerHeight) scrollTo({ top: top + lineHeight() - innerHeight })
    // It exists once the list has followed the scrolling.
    requestAnimationFrame(() => requestAnimationFrame(() => {
      body.current?.querySelector<HTMLElement>('[data-at] :is(a.name, button.turn)')?.focus({ preventScroll: true })
    }))
  })
}
