// @ts-check
// The alerts that fire, as the recorder has them.

import { byId, el, rebuild, setText } from './dom.js';
import { clockTime, count, duration, num, plural, str } from './format.js';
import { entries } from './model.js';

const MOST = 10;

/** @typedef {{ app: string, kind: string, key: string, rule: string, reason: string, since?: number, sent?: number }} Alert */

/** The oldest first. @param {import('./model.js').View} view @returns {Alert[]} */
export const alertsOf = (view) =>
  entries(view.apps)
    .flatMap(([app, { alerts }]) => entries(alerts).map(([, a]) => (
      { app, kind: str(a.kind), key: str(a.key), rule: str(a.rule), reason: str(a.reason), since: num(a.since), sent: num(a.sent) })))
    .sort((a, b) => (a.since ?? 0) - (b.since ?? 0));

/** @param {Alert[]} alerts @param {number} now */
export function showAlerts(alerts, now) {
  byId('alerts').hidden = alerts.length === 0;
  setText(byId('alerts-count'), alerts.length === 1 ? '1 alert fires' : `${count(alerts.length)} alerts fire`);
  const shown = alerts.slice(0, MOST);
  rebuild(byId('alert-rows'), shown, () => shown.map(row));
  for (const [i, { since }] of shown.entries()) {
    const lasts = byId('alert-rows').children[i].querySelector('.lasts');
    if (lasts) setText(lasts, since === undefined ? '' : `since ${clockTime(since)}, for ${duration(now - since, 1)}`);
  }
  setText(byId('alerts-rest'), alerts.length > MOST ? `${plural(alerts.length - MOST, 'more alert')}: api/v1/view lists all` : '');
}

/** @param {Alert} alert */
function row(alert) {
  const { app, kind, key, rule, reason, sent } = alert;
  return el('li', { 'data-alert': `${kind} ${app}/${key}` },
    target(alert),
    el('span', { class: 'rule' }, el('bdi', {}, rule)),
    el('span', { class: 'reason' }, reason),
    el('span', { class: 'muted lasts' }),
    el('span', { class: 'muted' }, sent === undefined ? 'nobody was told' : `last told ${clockTime(sent)}`));
}

/** What it is about, as a link to its row: or, where that is not shown, to the filters that show it. @param {Alert} alert */
function target({ app, kind, key }) {
  const name = kind === 'reporter' ? (key === '-' ? app : `${app}, reporter ${key}`) : `${app}/${key}`;
  const words = kind === 'queue' ? key.slice(key.indexOf('/') + 1) : key === '-' ? '' : key;
  const link = el('a', { href: `#${new URLSearchParams({ app, ...(words && { q: words }) })}` }, el('bdi', {}, name));
  link.addEventListener('click', (event) => {
    const to = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(kind === 'server' ? '[data-server]' : '[data-queue]'));
    const found = [...to].find((node) => (node.dataset.server ?? node.dataset.queue) === `${app}/${key}`);
    const open = /** @type {HTMLElement | null | undefined} */ (found?.querySelector('.open'));
    if (!found || !open) return;
    event.preventDefault();
    found.scrollIntoView({ block: 'center' });
    open.focus({ preventScroll: true });
    if (open.getAttribute('aria-expanded') === 'false') open.click();
  });
  return link;
}
