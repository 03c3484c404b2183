// Starts the page, or the login before it.

import { effect } from '@preact/signals'
import { render } from 'preact'
import { broken, Page } from './app.js'
import { followAddress } from './choice.js'
import { language } from './messages.js'
import { keepOrder } from './parts/queues.js'
import { showInTab } from './parts/verdict.js'
import { start } from './store.js'

const root = document.getElementById('page')
effect(() => { document.documentElement.lang = language.value })
if (root) {
  addEventListener('error', () => { broken.value = true })
  addEventListener('unhandledrejection', () => { broken.value = true })
  followAddress()
  keepOrder()
  root.replaceChildren()
  render(<Page />, root)
  showInTab()
  start()
} else {
  // A shared link's filters are in its fragment; the form hands them on to the page behind the login.
  for (const form of document.forms) form.action += location.hash
}
