// @ts-check
// The last hour of a queue, drawn by hand: what waited and what had failed, minute by minute, gaps as gaps.

import { ask } from './ask.js';
import { el, rebuild, svg } from './dom.js';
import { count, num } from './format.js';
import { isObject } from './patch.js';

const MINUTES = 60;
const AGAIN = 60_000;
const [WIDTH, HEIGHT, EDGE] = [300, 48, 3];

/** A queue's charts. They ask for nothing until they are told to. @param {string} id the queue's: app and key */
export function charts(id) {
  const node = el('div', { class: 'charts' });
  let askedAt = 0;
  return {
    node,
    /** Asks if that is due. */
    async refresh(now = Date.now()) {
      if (now - askedAt < AGAIN) return;
      askedAt = now;
      try {
        const answer = await ask(`api/v1/history?minutes=${MINUTES}&key=${encodeURIComponent(id)}`);
        const series = isObject(answer) && isObject(answer.series) && Object.hasOwn(answer.series, id) ? answer.series[id] : undefined;
        show(node, isObject(series) ? series : {});
      } catch (error) {
        say(node, `The last hour cannot be shown: ${error instanceof Error ? error.message : error}`);
      }
    },
  };
}

/** @param {HTMLElement} node @param {Record<string, unknown>} series */
function show(node, series) {
  const drawn = ['waiting', 'failed'].map((name) => ({ name, column: columnOf(series[name]) })).filter(({ column }) => column.some((n) => n !== undefined));
  if (!drawn.length) return say(node, 'Nothing is recorded of the last hour.');
  rebuild(node, drawn.map(({ name, column }) => [name, column.map((n) => n ?? null)]), () => drawn.map(({ name, column }) => chart(name, column)));
}

/** @param {HTMLElement} node @param {string} text */
const say = (node, text) => rebuild(node, text, () => [el('p', { class: 'muted' }, text)]);

/** @param {unknown} column @returns {(number | undefined)[]} */
const columnOf = (column) => (Array.isArray(column) ? column.slice(-MINUTES).map(num) : []);

/** @param {string} name @param {(number | undefined)[]} column */
function chart(name, column) {
  const text = inWords(column);
  const most = Math.max(...column.map((n) => n ?? 0), 1);
  const x = (/** @type {number} */ i) => round(EDGE + (i / Math.max(column.length - 1, 1)) * (WIDTH - 2 * EDGE));
  const y = (/** @type {number} */ n) => round(HEIGHT - EDGE - (n / most) * (HEIGHT - 2 * EDGE));
  // A line of no length, with its round ends, is the dot of a minute that stands alone.
  const path = column.map((n, i) => (n === undefined ? '' : column[i - 1] === undefined ? `M${x(i)} ${y(n)}h0` : `L${x(i)} ${y(n)}`)).join('');
  return el('figure', { class: `chart ${name}` },
    el('figcaption', {}, el('span', { class: 'what' }, name), ' ', el('span', { class: 'muted' }, text)),
    svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${name}: ${text}` },
      svg('path', { class: 'base', d: `M0 ${HEIGHT - 0.5}H${WIDTH}` }), svg('path', { class: 'line', d: path })),
    el('div', { class: 'axis muted', 'aria-hidden': 'true' }, el('span', {}, 'an hour ago'), el('span', {}, 'now')));
}

const round = (/** @type {number} */ n) => Math.round(n * 10) / 10;

/** "from 12 to 340 in an hour, at most 512" @param {(number | undefined)[]} column */
export function inWords(column) {
  const known = column.flatMap((n, i) => (n === undefined ? [] : [{ n, i }]));
  const [first, last] = [known[0], known[known.length - 1]];
  const most = Math.max(...known.map(({ n }) => n));
  const minutes = last.i - first.i;
  if (minutes === 0) return `${count(first.n)}, seen once`;
  const time = minutes >= MINUTES - 2 ? 'an hour' : `${minutes} min`;
  const peak = most > Math.max(first.n, last.n) ? `, at most ${count(most)}` : '';
  const gaps = known.length < column.length && known.length <= minutes ? ', with gaps' : '';
  if (known.every(({ n }) => n === first.n)) return `${count(first.n)} for ${time}${gaps}`;
  return `from ${count(first.n)} to ${count(last.n)} in ${time}${peak}${gaps}`;
}
