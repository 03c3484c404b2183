// Text of others, and the marks that several parts share.

import type { ComponentChild, VNode } from 'preact'
import { short, visible, clockTime, duration, utc } from '../format.js'
import { rich, t } from '../messages.js'
import type { State } from '../model.js'
import { now } from '../store.js'

/** Text that somebody else wrote: on its own in the line's direction, its invisible characters shown. */
export const Foreign = ({ text, class: className }: { text: string; class?: string }): VNode =>
  <bdi class={className} title={short(text)}>{visible(text)}</bdi>

/** A row's state: a shape and a word. */
export const StateMark = ({ state, word = true }: { state: State; word?: boolean }): VNode =>
  <span class="state" data-level={state.level} data-shape={state.shape} title={t(`state.${state.word}.why`)}>
    {word ? t(`state.${state.word}`) : <span class="unseen">{t(`state.${state.word}`)}</span>}
  </span>

/** A moment by the reader's clock, with UTC on hover. */
export const Time = ({ at }: { at: number | undefined }): VNode => <time title={utc(at)}>{clockTime(at)}</time>

/** Since when something is so, and for how long. */
export const Since = ({ at }: { at: number | undefined }): ComponentChild =>
  at !== undefined && <>{rich('trouble.since', { time: <Time at={at} /> })} · <Ago at={at} /></>

/** When a channel was last told of an alert. */
export const Told = ({ at }: { at: number | undefined }): ComponentChild =>
  at === undefined ? t('alerts.untold') : rich('alerts.told', { time: <Time at={at} /> })

/** How long ago something was, as it grows. */
export const Ago = ({ at, parts = 1 }: { at: number | undefined; parts?: number }): ComponentChild =>
  <time title={utc(at)}>{duration(at === undefined ? undefined : now.value - at, parts)}</time>
