// The line that the keyboard is on.

import { signal, useSignalEffect } from '@preact/signals'
import { lineHeight } from './virtual.js'

/** The id of a line of the list of queues; '' is none. The list may be sorted anew meanwhile. */
export const cursor = signal('')

const TOP = 56 + 33 // what stays at the top of the screen: the verdict and the headings

/** Brings the line that the cursor moves to into sight, and the focus to its link. indexOf gives where it stands now. */
export function cursorMoved(body: { current: HTMLElement | null }, indexOf: (id: string) => number): void {
  useSignalEffect(() => {
    const at = cursor.value ? indexOf(cursor.value) : -1
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
