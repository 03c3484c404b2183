// Starts the page, or the login before it.

import { effect } from '@preact/signals'
import { render } from 'preact'
import { broken, Page } from './app.js'
import { followAddress } from './choice.js'
import { prepareLogin } from './login.js'
import { language } from './messages.js'
import { listenToKeys } from './parts/keys.js'
import { keepOrder } from './parts/queues.js'
import { keepServersInOrder } from './parts/servers.js'
import { showInTab } from './parts/verdict.js'
import { frozen, start } from './store.js'
import { showTheme } from './theme.js'

const root = document.getElementById('page')
effect(() => { document.documentElement.lang = language.value })
showTheme()
if (root) {
  addEventListener('error', () => { broken.value = true })
  addEventListener('unhandledrejection', () => { broken.value = true })
  followAddress()
  keepOrder()
  keepServersInOrder()
  listenToKeys()
  // For a screen that nobody touches: no controls, larger text.
  document.body.toggleAttribute('data-wall', new URLSearchParams(location.search).has('wall'))
  effect(() => { document.body.toggleAttribute('data-frozen', frozen.value) })
  render(<Page signedIn={root.dataset['signedIn'] !== undefined} />, root)
  showInTab()
  start()
} else prepareLogin()
