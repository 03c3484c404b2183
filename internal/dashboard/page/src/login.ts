// The login page: its texts in the reader's language, and a way to see what was typed.

import { t, type Key } from './messages.js'

export function prepareLogin(): void {
  for (const node of document.querySelectorAll<HTMLElement>('[data-text]')) node.textContent = t(node.dataset['text'] as Key, { host: location.host })
  document.title = `${t('login.title')} · Pulse`
  const token = document.querySelector<HTMLInputElement>('#token')
  const show = document.querySelector<HTMLInputElement>('#show')
  show?.addEventListener('change', () => { if (token) token.type = show.checked ? 'text' : 'password' })
  // A shared link's filters are in its fragment; the form hands them on to the page behind the login.
  for (const form of document.forms) form.action += location.hash
}
