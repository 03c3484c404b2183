// A button that copies a text, and says that it did. Where the browser lets no page write to the clipboard, as
// over plain HTTP, the text is shown to be copied by hand.

import { useSignal } from '@preact/signals'
import type { ComponentChild, VNode } from 'preact'
import { t } from '../messages.js'

const SAID = 2_000

export function Copy({ text, children }: { text: string; children: ComponentChild }): VNode {
  const outcome = useSignal<'' | 'copied' | 'by hand'>('')
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      outcome.value = 'copied'
      setTimeout(() => { outcome.value = '' }, SAID)
    } catch {
      outcome.value = 'by hand'
    }
  }
  return (
    <>
      <button type="button" class="copy" onClick={() => void copy()}>{children} <span role="status">{outcome.value === 'copied' ? `✓ ${t('copy.copied')}` : ''}</span></button>
      {outcome.value === 'by hand' && <textarea class="by-hand" readOnly aria-label={t('copy.byhand')} value={text} ref={(node) => { node?.select() }} />}
    </>
  )
}
