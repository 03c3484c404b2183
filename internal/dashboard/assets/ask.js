// @ts-check
// Asks the server for JSON. What went wrong is a sentence for a person.

import { isObject } from './patch.js';

/** @param {string} url relative @returns {Promise<unknown>} */
export async function ask(url) {
  const answer = await fetch(url, { cache: 'no-cache', signal: AbortSignal.timeout(10_000) }).catch((error) => {
    throw new Error(error.name === 'TimeoutError' ? 'no answer within 10 s' : 'the server cannot be reached');
  });
  const body = await answer.json().catch(() => undefined);
  if (answer.status === 401) signIn();
  if (!answer.ok) throw new Error(isObject(body) && body.detail ? String(body.detail) : `the server answered ${answer.status}`);
  return body;
}

/** The session is over: the server shows its login page instead of this one. */
function signIn() {
  // Were it to show this page again, reloading at once would never end.
  const last = Number(sessionStorage.getItem('pulse.signin'));
  if (Date.now() - last < 15_000) return;
  sessionStorage.setItem('pulse.signin', String(Date.now()));
  location.reload();
}
