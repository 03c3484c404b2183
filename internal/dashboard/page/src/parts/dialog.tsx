// A dialog above the page: it has the focus until it is closed.

import type { ComponentChildren, VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { t } from '../messages.js'

export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }): VNode {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => { dialog.current?.showModal() }, [])
  const close = () => dialog.current?.close()
  return (
    <dialog ref={dialog} aria-label={title} onClose={onClose} onClick={(e) => { if (e.target === dialog.current) close() }}>
      <div class="dialog">
        <div class="title"><h2>{title}</h2><button type="button" class="quiet" onClick={close} aria-label={t('dialog.close')}>✕</button></div>
        {children}
      </div>
    </dialog>
  )
}
