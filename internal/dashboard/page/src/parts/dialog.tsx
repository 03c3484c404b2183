// A dialog above the page: it has the focus until it is closed.

import type { ComponentChildren, VNode } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { t } from '../messages.js'

export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }): VNode {
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    const opened = dialog.current!
    opened.showModal()
    return () => opened.close() // gives the focus back to what had it
  }, [])
  // What is open is in a signal, and the element follows it: the browser's own way to close comes a moment later.
  const cancel = (event: Event) => {
    event.preventDefault()
    onClose()
  }
  // The event comes late: by then another dialog of the same kind may be open.
  const closed = () => { if (dialog.current) onClose() }
  return (
    <dialog ref={dialog} aria-label={title} onCancel={cancel} onClose={closed} onClick={(e) => { if (e.target === dialog.current) onClose() }}>
      <div class="dialog">
        <div class="title"><h2>{title}</h2><button type="button" class="quiet" onClick={onClose} aria-label={t('dialog.close')}>✕</button></div>
        {children}
      </div>
    </dialog>
  )
}
