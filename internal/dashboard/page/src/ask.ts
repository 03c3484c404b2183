// Asks the server for JSON. What went wrong is a sentence for a person.

import { t } from './messages.js'
import { isObject } from './view.js'

/** The answer's body; url is relative. */
export async function ask(url: string): Promise<unknown> {
  const answer = await fetch(url, { cache: 'no-cache', signal: AbortSignal.timeout(10_000) }).catch((error: unknown) => {
    throw new Error(error instanceof DOMException && error.name === 'TimeoutError' ? t('live.timeout') : t('live.unreachable'))
  })
  const body: unknown = await answer.json().catch(() => undefined)
  if (answer.status === 401) signIn()
  if (!answer.ok) throw new Error(isObject(body) && body['detail'] ? String(body['detail']) : t('live.answered', { status: String(answer.status) }))
  return body
}

/** The session is over: the server shows its login page instead of this one. */
function signIn() {
  // Were it to show this page again, reloading at once would never end.
  const last = Number(sessionStorage.getItem('pulse.signin'))
  if (Date.now() - last < 15_000) return
  sessionStorage.setItem('pulse.signin', String(Date.now()))
  location.reload()
}
