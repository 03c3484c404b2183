// @ts-check
// What the view means to a person on call: which rows are in trouble, and in which order. Pure.

import { num, str } from './format.js';
import { isObject } from './patch.js';

/** @typedef {{ name?: string, driver?: string, origin?: string, read_only?: boolean, source?: string, status?: string,
 *   health?: string, health_reason?: string, metrics?: Record<string, any>, meta?: Record<string, any>,
 *   trend?: { waiting_per_min?: number, drain_seconds?: number, drain_range?: number[],
 *     processed_per_min?: number, arriving_per_min?: number, wait_seconds?: number } }} Queue */
/** @typedef {{ status?: string, timestamp?: number, system?: Record<string, any>, process?: Record<string, any>, meta?: Record<string, any> }} Server */
/** @typedef {{ generated_at?: number, redis_down?: { since?: number, read_at?: number }, totals?: Record<string, any>, apps?: Record<string, any>, problems?: { key?: string, reason?: string }[] }} View */

/** How a row does: its word, how bad that is, its shape, its place in the order of states and why.
 * @typedef {{ word: string, level: 'crit' | 'warn' | 'ok' | 'idle', shape: string, tier: number, why: string }} State */

/** @typedef {{ id: string, app: string, name: string, driver: string, queue: Queue, meta: Record<string, any>,
 *   state: State, why: string, frozen: boolean, dlqFor: string[], reportedAt?: number, asOf?: number, oldestMs?: number, text: string }} QueueItem */
/** @typedef {{ id: string, app: string, name: string, server: Server, meta: Record<string, any>, state: State, frozen: boolean, text: string }} ServerItem */

/** A row that is not fresh is lost or stale; a fresh queue is as healthy as the recorder says. @type {Record<string, State>} */
export const STATES = {
  lost: { word: 'lost', level: 'crit', shape: 'cross', tier: 0, why: 'its reporter stopped: these are its last numbers' },
  stalled: { word: 'stalled', level: 'crit', shape: 'square', tier: 1, why: 'jobs wait and nothing works on them' },
  failing: { word: 'failing', level: 'crit', shape: 'up', tier: 2, why: 'failed jobs are rising' },
  stale: { word: 'stale', level: 'warn', shape: 'half', tier: 3, why: 'these numbers are old: its reporter is late, or cannot read them now' },
  growing: { word: 'growing', level: 'warn', shape: 'up', tier: 4, why: 'more and more jobs wait' },
  disk: { word: 'disk > 95 %', level: 'warn', shape: 'square', tier: 5, why: 'its disk is almost full' },
  cpu: { word: 'CPU > 95 %', level: 'warn', shape: 'up', tier: 5, why: 'its processors are busy' },
  frozen: { word: 'frozen', level: 'idle', shape: 'half', tier: 5, why: 'nothing newer is known: these are the last numbers' },
  unknown: { word: 'unknown', level: 'idle', shape: 'ring', tier: 5, why: 'no recorder has judged it' },
  paused: { word: 'paused', level: 'idle', shape: 'bars', tier: 6, why: 'paused: workers take nothing from it' },
  ok: { word: 'ok', level: 'ok', shape: 'dot', tier: 7, why: 'the recorder sees nothing wrong' },
  fresh: { word: 'fresh', level: 'idle', shape: 'dot', tier: 7, why: 'it reports' },
};

const LEVELS = { crit: 0, warn: 1, idle: 2, ok: 2 };

/** @param {State} state */
export const isTrouble = (state) => LEVELS[state.level] < 2;

/** Whether something is wrong with it that is no less so while nothing newer is known. @param {State} state */
const lasts = (state) => state !== STATES.stale && (isTrouble(state) || state === STATES.paused);

/** @param {State} state @param {boolean} frozen */
const stillKnown = (state, frozen) => (frozen && !lasts(state) ? STATES.frozen : state);

const HEALTHS = ['stalled', 'failing', 'growing', 'paused', 'ok'];

/** @param {Queue} q */
const stateOf = (q) => STATES[q.status === 'lost' || q.status === 'stale' ? q.status : HEALTHS.includes(str(q.health)) ? str(q.health) : 'unknown'];

const FULL = 95; // percent

/** @param {Server} s */
function serverState({ status, system = {} }) {
  if (status === 'lost' || status === 'stale') return STATES[status];
  const [total, free] = [num(system.disk_total), num(system.disk_free)];
  if (total && free !== undefined && (1 - free / total) * 100 > FULL) return STATES.disk;
  return (num(system.cpu_usage) ?? 0) > FULL ? STATES.cpu : STATES.fresh;
}

/** @param {unknown} v @returns {[string, any][]} */
export const entries = (v) => (isObject(v) ? Object.entries(v).filter(([, x]) => isObject(x)) : []);

/** @type {WeakMap<object, any>} */
const known = new WeakMap(); // an unchanged row is the same object (see patch.js), and read once a report

/** @param {View} view @param {boolean} frozen nothing newer comes @returns {QueueItem[]} */
export function queuesOf(view, frozen) {
  /** @type {QueueItem[]} */
  const items = [];
  for (const [app, { queues, sources }] of entries(view.apps)) {
    // When a queue was reported stands with its reporter, not in its row: see the API's view.
    const reports = new Map(entries(sources).map(([name, source]) => [name, num(source.timestamp)]));
    for (const [key, queue] of entries(queues)) {
      const reportedAt = reports.get(str(queue.source) || '-');
      let item = known.get(queue);
      if (item?.reportedAt !== reportedAt || item?.frozen !== frozen) item = undefined;
      if (!item) known.set(queue, (item = queueItem(app, key, queue, reportedAt, frozen)));
      items.push(item);
    }
  }
  return items;
}

/** @param {string} app @param {string} key @param {Queue} queue @param {number | undefined} reportedAt @param {boolean} frozen @returns {QueueItem} */
function queueItem(app, key, queue, reportedAt, frozen) {
  const meta = isObject(queue.meta) ? queue.meta : {};
  const driver = (queue.driver === 'other' && str(meta.driver)) || str(queue.driver) || 'other';
  const dlqFor = (Array.isArray(meta.dlq_for) ? meta.dlq_for : []).filter((n) => typeof n === 'string');
  const name = str(queue.name) || key;
  const state = stillKnown(stateOf(queue), frozen);
  return {
    id: `${app}/${key}`, app, name, driver, queue, meta, dlqFor, reportedAt,
    state, why: str(queue.health_reason), frozen,
    asOf: num(meta.as_of),
    oldestMs: oldestMs(num(meta.oldest_at), reportedAt),
    text: `${name}\n${app}\n${driver}\n${str(queue.source)}`.toLowerCase(),
  };
}

/** How old the oldest waiting job was when that was reported. @param {number | undefined} madeAt @param {number | undefined} reportedAt */
const oldestMs = (madeAt, reportedAt) => (madeAt === undefined || reportedAt === undefined ? undefined : Math.max(reportedAt - madeAt, 0));

/** Servers, the silent ones first, the latest of them at the top. @param {View} view @param {boolean} frozen nothing newer comes @returns {ServerItem[]} */
export function serversOf(view, frozen) {
  const items = [];
  for (const [app, { servers }] of entries(view.apps)) {
    for (const [name, server] of entries(servers)) {
      let item = known.get(server);
      if (item?.frozen !== frozen) {
        const meta = isObject(server.meta) ? server.meta : {};
        const state = stillKnown(serverState(server), frozen);
        const text = [name, app, server.system?.hostname, meta.environment, meta.runtime, meta.version].map(str).join('\n').toLowerCase();
        known.set(server, (item = { id: `${app}/${name}`, app, name, server, meta, state, frozen, text }));
      }
      items.push(item);
    }
  }
  const seen = (/** @type {ServerItem} */ s) => (s.state.tier === 0 ? -(num(s.server.timestamp) ?? 0) : 0);
  return items.sort((a, b) => a.state.tier - b.state.tier || seen(a) - seen(b) || byText(a.app, b.app) || byText(a.name, b.name));
}

/** @typedef {{ q: string, app: string, driver: string, origin: string, state: string, sort: string, dir: string }} Choice */

/** @param {QueueItem} item @param {Choice} choice */
export const matches = (item, choice) =>
  (!choice.app || item.app === choice.app) &&
  (!choice.driver || item.driver === choice.driver) &&
  (!choice.origin || (item.queue.origin === 'gravito') === (choice.origin === 'gravito')) &&
  (!choice.state || item.state.word === choice.state) &&
  (!choice.q || item.text.includes(choice.q.toLowerCase()));

const collator = new Intl.Collator('en', { numeric: true });
/** @param {string} a @param {string} b */
const byText = (a, b) => (a === b ? 0 : collator.compare(a, b) || (a < b ? -1 : 1));

/** @param {string} name @returns {(i: QueueItem) => number | undefined} */
const metric = (name) => (i) => num(i.queue.metrics?.[name]);

/** The columns that can be sorted by, and what each compares.
 * @type {Record<string, (i: QueueItem) => string | number | undefined>} */
export const COLUMNS = {
  state: (i) => i.state.tier,
  queue: (i) => i.name,
  app: (i) => i.app,
  driver: (i) => i.driver,
  waiting: metric('waiting'),
  active: metric('active'),
  delayed: metric('delayed'),
  failed: metric('failed'),
  oldest: (i) => i.oldestMs,
  trend: (i) => num(i.queue.trend?.waiting_per_min),
  updated: (i) => i.asOf ?? i.reportedAt,
};

/** Worst level first, in it the most waiting. @param {QueueItem} a @param {QueueItem} b */
function byTrouble(a, b) {
  return LEVELS[a.state.level] - LEVELS[b.state.level] || byColumn(COLUMNS.waiting, -1, a, b) || byText(a.name, b.name) || byText(a.id, b.id);
}

/** What is unknown comes last either way. @param {(i: QueueItem) => string | number | undefined} of @param {number} sign @param {QueueItem} a @param {QueueItem} b */
function byColumn(of, sign, a, b) {
  const [x, y] = [of(a), of(b)];
  if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
  return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : byText(String(x), String(y)));
}

/** @param {QueueItem[]} items @param {string} sort @param {string} dir @returns {QueueItem[]} */
export function arrange(items, sort, dir) {
  if (Object.hasOwn(COLUMNS, sort)) {
    const sign = dir === 'desc' ? -1 : 1;
    return items.slice().sort((a, b) => byColumn(COLUMNS[sort], sign, a, b) || byTrouble(a, b));
  }
  return withDeadLetters(items);
}

/** Trouble order, each dead-letter queue right below the first of its sources. @param {QueueItem[]} items */
function withDeadLetters(items) {
  const address = (/** @type {QueueItem} */ i, /** @type {string} */ name) => `${i.app}\n${i.driver}\n${name}`;
  const sources = new Map(items.filter((i) => !i.dlqFor.length).map((i) => [address(i, i.name), i]));
  /** @type {Map<QueueItem, QueueItem[]>} */
  const below = new Map();
  const main = items.filter((i) => {
    const own = i.dlqFor.flatMap((n) => sources.get(address(i, n)) ?? []).sort(byTrouble);
    if (own.length) below.set(own[0], [...(below.get(own[0]) ?? []), i]);
    return !own.length;
  });
  return main.sort(byTrouble).flatMap((i) => [i, ...(below.get(i) ?? [])]);
}
