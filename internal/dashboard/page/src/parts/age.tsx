// How old numbers are, once that matters.

import type { ComponentChild } from 'preact'
import { duration } from '../format.js'
import { t } from '../messages.js'
import { now } from '../store.js'

const AGED = 15_000 // a younger number needs no age

export function Age({ at, status }: { at: number | undefined; status: string }): ComponentChild {
  if (at === undefined || now.value - at <= AGED) return null
  return <span class="aged" data-status={status}>{t('queues.old', { age: duration(now.value - at, 1) })}</span>
}
