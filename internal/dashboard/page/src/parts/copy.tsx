// A button that copies a text, and says that it did. Where the browser lets no page write to the clipboard, as
// over plain HTTP, the text is shown to be copied by hand.

import { useSignal } from '@preact/signals'
import type { ComponentChild, VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { t } from '../messages.js'

const SAID = 2_000

export function Copy({ text, children }: { text: string; children: ComponentChild }): VNode {
  const outcome = useSignal<'' | 'copied' | 'by hand'>('')
  const copy = async () => {
    outcome.value = (await toClipboard(text)) ? 'copied' : 'by hand'
    if (outcome.value === 'copied') setTimeout(() => { outcome.value = '' }, SAID)
  }
  return (
    <>
      <button type="button" class="copy" onClick={() => void copy()}>{children} <span role="status">{outcome.value === 'copied' ? `✓ ${t('copy.copied')}` : ''}</span></button>
      {outcome.value === 'by hand' && <ByHand text={text} label={t('copy.byhand')} />}
    </>
  )
}

/** Whether the text is in the clipboard now: plain HTTP has none, and a browser may refuse it. */
export const toClipboard = async (text: string): Promise<boolean> =>
  (await navigator.clipboard?.writeText(text).then(() => true, () => false)) ?? false

/** The text, selected, to be copied by hand. */
export function ByHand({ text, label }: { text: string; label: string }): VNode {
  const area = useRef<HTMLTextAreaElement>(null)
  useEffect(() => { area.current?.focus(); area.current?.select() }, [text])
  return <textarea ref={area} class="by-hand" readOnly rows={6} value={text} aria-label={label} />
}
