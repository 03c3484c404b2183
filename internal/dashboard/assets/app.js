// @ts-check
// The page: one view in, everything shown out. Each part is a module of its own; this wires them.

import { Controls } from './choice.js';
import { Clock } from './clock.js';
import { byId, el, rebuild, setAttr, setText } from './dom.js';
import { count, duration, NONE, num, plural } from './format.js';
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
let frame = 0;

const live = new Live((view, streamed) => {
  const generated = num(view.generated_at);
  if (generated !== undefined) clock.observe(generated, streamed);
  items = queuesOf(view);
  hosts = serversOf(view);
  problems = problemsOf(view.problems);
  // Not in the frame: a tab in the background has none, and its title is what is seen of it.
  showHeadline();
  showState();
  draw();
});

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

const troubled = () => items.filter((i) => isTrouble(i.state)).length;

function showHeadline() {
  const bad = troubled();
  const verdict = byId('verdict');
  const critical = items.some((i) => i.state.level === 'crit');
  setAttr(verdict, 'data-level', bad ? (critical ? 'crit' : 'warn') : problems.length ? 'warn' : 'idle');
  const parts = [];
  if (bad) parts.push(`${count(bad)} of ${plural(items.length, 'queue')} in trouble`);
  else if (items.length === 0) parts.push('No queue has reported');
  else parts.push(plural(items.length, 'queue') + calm());
  if (!bad && problems.length) parts.push(plural(problems.length, 'problem'));
  setText(verdict, parts.join('; '));
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
  if (live.state === 'reconnecting') parts.push('No connection');
  if (troubled()) parts.push(`${count(troubled())} in trouble`);
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
    const uncounted = num(view.totals?.unknown?.[name]) ?? 0;
    // A sum over nothing that could be counted is not zero.
    const none = value === undefined || (value === 0 && uncounted > 0 && !items.some((i) => num(i.queue.metrics?.[name]) !== undefined));
    setText(tile, none ? NONE : count(value));
    setAttr(tile, 'data-value', none ? 'none' : value === 0 ? 'zero' : 'some');
    const note = tile.nextElementSibling;
    if (note) setText(note, uncounted ? `${plural(uncounted, 'queue')} unknown` : name === 'servers' ? silentServers() : '');
  }
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
    if (state.level === 'ok' && state.word !== controls.choice.state) continue;
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
  const { state } = live;
  const age = Date.now() - live.heard;
  const node = byId('live-state');
  if (node.dataset.state !== state) {
    // Said once a change, not once a second.
    setText(byId('announce'), `${WORDS[state]} ${state === 'reconnecting' ? live.failure : ''}`);
    node.dataset.state = state;
  }
  const old = state === 'reconnecting' && age > OLD;
  setText(byId('live-word'), WORDS[state]);
  setText(byId('live-age'), live.view ? (state === 'reconnecting' ? `these numbers are ${duration(age)} old` : `numbers from ${duration(age)} ago`) : '');
  setText(byId('live-why'), state === 'live' || state === 'polling' ? '' : live.failure);
  setText(byId('loading-why'), live.failure && `No numbers yet: ${live.failure}.`);
  document.body.toggleAttribute('data-old', old);
  showTitle();
}

function second() {
  live.tick();
  showState();
  const now = clock.now();
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
