// @ts-check
// The page: one view in, everything shown out. Each part is a module of its own; this wires them.

import { alertsOf, showAlerts } from './alerts.js';
import { Controls } from './choice.js';
import { Clock } from './clock.js';
import { byId, el, rebuild, setAttr, setText } from './dom.js';
import { clockTime, count, duration, num, plural } from './format.js';
import { Live } from './live.js';
import { isTrouble, matches, queuesOf, serversOf, STATES } from './model.js';
import { problemsOf, showProblems } from './problems.js';
import { Queues } from './queues.js';
import { Servers } from './servers.js';

const OLD = 15_000; // numbers this old, and nothing coming: the page says so everywhere

const clock = new Clock();
const controls = new Controls(draw);
const queues = new Queues(draw);
const servers = new Servers(draw);
/** @type {import('./model.js').QueueItem[]} */
let items = [];
/** @type {import('./model.js').ServerItem[]} */
let hosts = [];
/** @type {ReturnType<typeof problemsOf>} */
let problems = [];
/** @type {ReturnType<typeof alertsOf>} */
let alerts = [];
let frozen = false;
let frame = 0;

const live = new Live((view, streamed) => {
  const generated = num(view.generated_at);
  if (generated !== undefined) clock.observe(generated, streamed);
  take(view);
});

/** @param {import('./model.js').View} view */
function take(view) {
  frozen = isFrozen();
  items = queuesOf(view, frozen);
  hosts = serversOf(view, frozen);
  problems = problemsOf(view);
  alerts = alertsOf(view);
  // Not in the frame: a tab in the background has none, and its title is what is seen of it.
  showHeadline();
  showState();
  draw();
}

/** How old the numbers are: they were read when Redis last answered. */
const age = () => Math.max(0, clock.now() - (num(live.view?.redis_down?.read_at) ?? num(live.view?.generated_at) ?? clock.now()));

/** Whether nothing newer comes: then what is shown is of then, and no queue is to blame for being old. */
const isFrozen = () => Boolean(live.view?.redis_down) || (live.state === 'reconnecting' && age() > OLD);

function draw() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    if (live.view) show(live.view);
  });
}

/** @param {import('./model.js').View} view */
function show(view) {
  const now = clock.now();
  const { choice } = controls;
  showAlerts(alerts, now);
  showProblems(problems);
  showTotals(view);
  showChips();
  controls.offer([...new Set([...items, ...hosts].map((i) => i.app))], [...new Set(items.map((i) => i.driver))]);

  const shown = items.filter((item) => matches(item, choice));
  queues.show(shown, choice, now);
  setText(byId('queues-count'), controls.filtered ? `showing ${count(shown.length)} of ${count(items.length)}` : count(items.length));
  byId('queues').hidden = items.length === 0;
  byId('none-match').hidden = shown.length > 0;
  byId('no-queues').hidden = items.length > 0;

  const text = choice.q.toLowerCase();
  const near = hosts.filter((s) => (!choice.app || s.app === choice.app) && s.text.includes(text));
  servers.show(near, now);
  setText(byId('servers-count'), near.length < hosts.length ? `showing ${count(near.length)} of ${count(hosts.length)}` : count(hosts.length));
  byId('servers').hidden = hosts.length === 0;
  byId('loading').hidden = true;
}

/** @param {{ state: import('./model.js').State }[]} rows */
const troubled = (rows) => rows.filter((row) => isTrouble(row.state));

function showHeadline() {
  const bad = [...troubled(items), ...troubled(hosts)];
  const verdict = byId('verdict');
  const critical = bad.some(({ state }) => state.level === 'crit');
  setAttr(verdict, 'data-level', frozen ? 'idle' : bad.length ? (critical ? 'crit' : 'warn') : problems.length ? 'warn' : 'idle');
  const parts = [];
  if (bad.length) parts.push(`${[some(items, 'queue'), some(hosts, 'server')].filter(Boolean).join(' and ')} in trouble`);
  else if (items.length === 0) parts.push('No queue has reported');
  else parts.push(plural(items.length, 'queue') + (frozen ? '' : calm()));
  if (!bad.length && problems.length) parts.push(plural(problems.length, 'problem'));
  setText(verdict, (frozen ? 'Last known: ' : '') + parts.join('; '));
}

/** How many are in trouble: "2 of 6 queues". @param {{ state: import('./model.js').State }[]} rows @param {string} one */
function some(rows, one) {
  const bad = troubled(rows).length;
  return bad ? `${count(bad)} of ${plural(rows.length, one)}` : '';
}

/** That nothing is wrong is said only of queues that somebody has judged. */
function calm() {
  const unknown = items.filter((i) => i.state === STATES.unknown).length;
  if (unknown === items.length) return ', health unknown';
  return `, none in trouble${unknown ? `, ${count(unknown)} unknown` : ''}`;
}

function showTitle() {
  const waiting = num(live.view?.totals?.waiting);
  const parts = [];
  const bad = troubled(items).length + troubled(hosts).length;
  if (live.state === 'reconnecting') parts.push('No connection');
  else if (frozen) parts.push('Redis unreachable');
  if (bad && !frozen) parts.push(`${count(bad)} in trouble`);
  if (problems.length) parts.push(plural(problems.length, 'problem'));
  if (!parts.length && waiting !== undefined) parts.push(`${count(waiting)} waiting`);
  const title = [parts.join(', '), 'Pulse'].filter(Boolean).join(' · ');
  if (document.title !== title) document.title = title;
}

/** @param {import('./model.js').View} view */
function showTotals(view) {
  for (const tile of /** @type {NodeListOf<HTMLElement>} */ (byId('totals').querySelectorAll('[data-total]'))) {
    const name = tile.dataset.total ?? '';
    const value = num(view.totals?.[name]);
    setText(tile, count(value));
    setAttr(tile, 'data-value', value === undefined ? 'none' : value === 0 ? 'zero' : 'some');
    const note = tile.nextElementSibling;
    if (note) setText(note, name === 'servers' ? silentServers() : notCounted(view, name));
  }
}

/** The queues that are not in a sum. @param {import('./model.js').View} view @param {string} name of the sum */
function notCounted({ totals }, name) {
  const unknown = num(totals?.unknown?.[name]) ?? 0;
  const lost = num(totals?.lost?.queues) ?? 0;
  if (!lost) return unknown ? `${plural(unknown, 'queue')} unknown` : '';
  const isSum = name !== 'queues' && num(totals?.[name]) !== undefined;
  return `${unknown ? `${count(unknown)} unknown ` : ''}${unknown || isSum ? '+ ' : ''}${count(lost)} lost${isSum ? ', not counted' : ''}`;
}

function silentServers() {
  const words = ['lost', 'stale'].map((w) => [hosts.filter((s) => s.state.word === w).length, w]);
  return words.filter(([n]) => n).map(([n, w]) => `${n} ${w}`).join(', ');
}

/** What the trouble is made of; each chip shows only its queues. */
function showChips() {
  /** @type {Map<string, { state: import('./model.js').State, n: number }>} */
  const kinds = new Map();
  for (const { state } of items) {
    if ((state.level === 'ok' || state === STATES.frozen) && state.word !== controls.choice.state) continue;
    const kind = kinds.get(state.word) ?? { state, n: 0 };
    kind.n++;
    kinds.set(state.word, kind);
  }
  const list = [...kinds.values()].sort((a, b) => a.state.tier - b.state.tier);
  rebuild(byId('chips'), [list.map((k) => [k.state.word, k.n]), controls.choice.state], () =>
    list.map(({ state, n }) => {
      const on = controls.choice.state === state.word;
      const chip = el('button', { type: 'button', class: 'chip state', 'data-level': state.level, 'data-shape': state.shape, 'aria-pressed': String(on), title: on ? 'show all queues again' : `show only these: ${state.why}` },
        `${count(n)} ${state.word}`);
      chip.addEventListener('click', () => controls.set({ state: on ? '' : state.word }));
      return chip;
    }));
  byId('demo').hidden = !items.some((i) => i.meta.demo === true);
}

const WORDS = {
  connecting: 'Connecting…',
  live: 'Live',
  polling: 'Polling every 5 s',
  reconnecting: 'Reconnecting…',
};

function showState() {
  const down = live.view?.redis_down;
  const state = down && live.state !== 'reconnecting' ? 'frozen' : live.state;
  const word = state === 'frozen' ? `Redis unreachable since ${clockTime(down?.since)}` : WORDS[state];
  const node = byId('live-state');
  if (node.dataset.state !== state) {
    // Said once a change, not once a second.
    setText(byId('announce'), `${word} ${state === 'reconnecting' ? live.failure : ''}`);
    node.dataset.state = state;
  }
  const old = duration(age());
  setText(byId('live-word'), word);
  setText(byId('live-age'), !live.view ? '' : state === 'frozen' ? `numbers frozen ${old} ago` : state === 'reconnecting' ? `these numbers are ${old} old` : `numbers from ${old} ago`);
  setText(byId('live-why'), state === 'reconnecting' || state === 'connecting' ? live.failure : '');
  setText(byId('loading-why'), live.failure && `No numbers yet: ${live.failure}.`);
  document.body.toggleAttribute('data-old', frozen);
  showTitle();
}

function second() {
  live.tick();
  if (live.view && isFrozen() !== frozen) take(live.view);
  showState();
  const now = clock.now();
  showAlerts(alerts, now);
  queues.tick(now);
  servers.tick(now);
  if (queues.unsorted) draw();
}

// A page that broke must not go on looking live.
function broken() {
  byId('broken').hidden = false;
}
addEventListener('error', broken);
addEventListener('unhandledrejection', broken);
document.addEventListener('visibilitychange', () => document.hidden || second());
byId('reload').addEventListener('click', () => location.reload());

live.start();
setInterval(second, 1_000);
