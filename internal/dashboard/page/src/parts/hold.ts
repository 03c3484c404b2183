// Rows keep their places for a while though numbers change: what is read must not move.

import { effect } from '@preact/signals'
import { now } from '../store.js'

/** Arranges anew as soon as another thing is chosen, else not before isHeld, of the ms since it was last done, is false. */
export function keepArranged(chosen: () => unknown[], isHeld: (ms: number) => boolean, arrange: () => void): void {
  let arrangedAt = 0
  let by: unknown[] = []
  effect(() => {
    const next = chosen()
    void now.value // a second later it may be due
    const time = Date.now()
    if (next.every((v, i) => v === by[i]) && isHeld(time - arrangedAt)) return
    arrangedAt = time
    by = next
    arrange()
  })
}
