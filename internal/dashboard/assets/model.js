// @ts-check
// What the view means to a person on call: which rows are in trouble, and in which order. Pure.

import { num, str } from './format.js';
import { isObject } from './patch.js';

/** @typedef {{ name?: string, driver?: string, origin?: string, read_only?: boolean, source?: string, status?: string,
 *   health?: string, metrics?: Record<string, any>, meta?: Record<string, any>,
 *   trend?: { waiting_per_min?: number, drain_seconds?: number } }} Queue */
/** @typedef {{ status?: string, timestamp?: number, system?: Record<string, any>, process?: Record<string, any>, meta?: Record<string, any> }} Server */
/** @typedef {{ generated_at?: number, totals?: Record<string, any>, apps?: Record<string, any>, problems?: { key?: string, reason?: string }[] }} View */

/** What is the matter with a row: its word (and that for several rows, where it differs), how bad, its shape,
 * its place (0 first) and why.
 * @typedef {{ word: string, several?: string, level: 'crit' | 'warn' | 'ok' | 'idle', shape: string, tier: number, why: string }} Verdict */

/** @typedef {{ id: string, app: string, name: string, driver: string, queue: Queue, meta: Record<string, any>,
 *   verdict: Verdict, dlqFor: string[], reportedAt?: number, asOf?: number, oldestMs?: number, trend?: import('./trend.js').Trend, text: string }} QueueItem */
/** @typedef {{ id: string, app: string, name: string, server: Server, meta: Record<string, any>, verdict: Verdict, text: string }} ServerItem */

/** @type {Record<string, Verdict>} */
const VERDICTS = {
  lost: { word: 'lost', level: 'crit', shape: 'cross', tier: 0, why: 'its reporter stopped: these are its last numbers' },
  stale: { word: 'stale', level: 'warn', shape: 'half', tier: 1, why: 'its reporter is late: these numbers are old' },
  partial: { word: 'partial', level: 'warn', shape: 'half', tier: 2, why: 'its numbers are incomplete' },
  failing: { word: 'failing', level: 'crit', shape: 'up', tier: 3, why: 'failed jobs are rising' },
  noworkers: { word: 'no workers', several: 'without workers', level: 'crit', shape: 'square', tier: 4, why: 'jobs wait and no worker is connected' },
  stalled: { word: 'stalled', level: 'crit', shape: 'square', tier: 4, why: 'jobs wait and nothing works on them' },
  growing: { word: 'growing', level: 'warn', shape: 'up', tier: 5, why: 'waiting has risen over the last minutes' },
  failures: { word: 'failures', several: 'with failures', level: 'warn', shape: 'diamond', tier: 6, why: 'it holds failed jobs' },
  paused: { word: 'paused', level: 'idle', shape: 'bars', tier: 7, why: 'paused: workers take nothing from it' },
  older: { word: 'older', level: 'ok', shape: 'half', tier: 7, why: 'its numbers are from an earlier poll: it is read less often, to keep within a budget of calls' },
  ok: { word: 'ok', level: 'ok', shape: 'dot', tier: 7, why: 'reported within 15 s, and healthy' },
  fresh: { word: 'fresh', level: 'ok', shape: 'dot', tier: 7, why: 'reported within 15 s' },
};

/** Rows below this tier are in trouble; failed jobs alone may be last month's. */
export const TROUBLE = VERDICTS.failures.tier;

/** @param {Queue} q @param {Record<string, any>} meta @param {boolean} isDLQ @param {number} [reportedAt] @returns {Verdict} */
function judge(q, meta, isDLQ, reportedAt) {
  const health = str(q.health);
  if (q.status === 'lost' || q.status === 'stale') return VERDICTS[q.status];
  if (meta.error) return VERDICTS.partial;
  if (health === 'failing') return VERDICTS.failing;
  if (meta.workers === 0 && (num(q.metrics?.waiting) ?? 0) > 0 && !isDLQ) return VERDICTS.noworkers;
  if (health === 'stalled' || health === 'growing') return VERDICTS[health];
  if ((num(q.metrics?.failed) ?? 0) > 0 && !isDLQ) return VERDICTS.failures;
  if (health === 'paused' || meta.paused === true) return VERDICTS.paused;
  if ((reportedAt ?? 0) - (num(meta.as_of) ?? Infinity) > 15_000) return VERDICTS.older;
  return health === 'ok' ? VERDICTS.ok : VERDICTS.fresh;
}

/** @param {unknown} v @returns {[string, any][]} */
const entries = (v) => (isObject(v) ? Object.entries(v).filter(([, x]) => isObject(x)) : []);

/** @type {WeakMap<object, any>} */
const known = new WeakMap(); // an unchanged row is the same object (see patch.js), and judged once a report

/** @param {View} view @param {import('./trend.js').Trends} trends @returns {QueueItem[]} */
export function queuesOf(view, trends) {
  /** @type {QueueItem[]} */
  const items = [];
  for (const [app, { queues, sources }] of entries(view.apps)) {
    // When a queue was reported stands with its reporter, not in its row: see the API's view.
    const reports = new Map(entries(sources).map(([name, source]) => [name, num(source.timestamp)]));
    for (const [key, queue] of entries(queues)) {
      const reportedAt = reports.get(str(queue.source) || '-');
      let item = known.get(queue);
      if (item?.reportedAt !== reportedAt) item = undefined;
      if (!item) known.set(queue, (item = queueItem(app, key, queue, reportedAt, trends)));
      items.push(item);
    }
  }
  trends.keep(new Set(items.map((i) => i.id)));
  return items;
}

/** @param {string} app @param {string} key @param {Queue} queue @param {number | undefined} reportedAt @param {import('./trend.js').Trends} trends @returns {QueueItem} */
function queueItem(app, key, queue, reportedAt, trends) {
  const meta = isObject(queue.meta) ? queue.meta : {};
  const driver = (queue.driver === 'other' && str(meta.driver)) || str(queue.driver) || 'other';
  const dlqFor = (Array.isArray(meta.dlq_for) ? meta.dlq_for : []).filter((n) => typeof n === 'string');
  const name = str(queue.name) || key;
  const id = `${app}/${key}`;
  return {
    id, app, name, driver, queue, meta, dlqFor, reportedAt,
    verdict: judge(queue, meta, dlqFor.length > 0, reportedAt),
    asOf: num(meta.as_of),
    oldestMs: oldestMs(num(meta.oldest_at), reportedAt),
    trend: trends.of(id, queue, num(meta.as_of) ?? reportedAt),
    text: `${name}\n${app}\n${driver}\n${str(queue.source)}`.toLowerCase(),
  };
}

/** How old the oldest waiting job was when that was reported. @param {number | undefined} madeAt @param {number | undefined} reportedAt */
const oldestMs = (madeAt, reportedAt) => (madeAt === undefined || reportedAt === undefined ? undefined : Math.max(reportedAt - madeAt, 0));

/** Servers, the silent ones first, the latest of them at the top. @param {View} view @returns {ServerItem[]} */
export function serversOf(view) {
  const items = [];
  for (const [app, { servers }] of entries(view.apps)) {
    for (const [name, server] of entries(servers)) {
      let item = known.get(server);
      if (!item) {
        const meta = isObject(server.meta) ? server.meta : {};
        const verdict = VERDICTS[server.status === 'lost' || server.status === 'stale' ? server.status : 'fresh'];
        const text = [name, app, server.system?.hostname, meta.environment, meta.runtime, meta.version].map(str).join('\n').toLowerCase();
        known.set(server, (item = { id: `${app}/${name}`, app, name, server, meta, verdict, text }));
      }
      items.push(item);
    }
  }
  const seen = (/** @type {ServerItem} */ s) => (s.verdict.tier === 0 ? -(num(s.server.timestamp) ?? 0) : 0);
  return items.sort((a, b) => a.verdict.tier - b.verdict.tier || seen(a) - seen(b) || byText(a.app, b.app) || byText(a.name, b.name));
}

/** @typedef {{ q: string, app: string, driver: string, origin: string, state: string, sort: string, dir: string }} Choice */

/** @param {QueueItem} item @param {Choice} choice */
export const matches = (item, choice) =>
  (!choice.app || item.app === choice.app) &&
  (!choice.driver || item.driver === choice.driver) &&
  (!choice.origin || (item.queue.origin === 'gravito') === (choice.origin === 'gravito')) &&
  (!choice.state || item.verdict.word === choice.state) &&
  (!choice.q || item.text.includes(choice.q.toLowerCase()));

const collator = new Intl.Collator('en', { numeric: true });
/** @param {string} a @param {string} b */
const byText = (a, b) => (a === b ? 0 : collator.compare(a, b) || (a < b ? -1 : 1));

/** @param {string} name @returns {(i: QueueItem) => number | undefined} */
const metric = (name) => (i) => num(i.queue.metrics?.[name]);

/** The columns that can be sorted by, and what each compares.
 * @type {Record<string, (i: QueueItem) => string | number | undefined>} */
export const COLUMNS = {
  state: (i) => i.verdict.tier,
  queue: (i) => i.name,
  app: (i) => i.app,
  driver: (i) => i.driver,
  waiting: metric('waiting'),
  active: metric('active'),
  delayed: metric('delayed'),
  failed: metric('failed'),
  oldest: (i) => i.oldestMs,
  trend: (i) => i.trend?.perMin,
  updated: (i) => i.asOf ?? i.reportedAt,
};

/** Worst first. Among lost queues the latest loss is tonight's; among failures the most failed.
 * @param {QueueItem} a @param {QueueItem} b */
function byTrouble(a, b) {
  const tier = a.verdict.tier - b.verdict.tier;
  if (tier) return tier;
  const first = a.verdict === VERDICTS.lost ? COLUMNS.updated : a.verdict === VERDICTS.failures ? COLUMNS.failed : COLUMNS.waiting;
  return byColumn(first, -1, a, b) || byColumn(COLUMNS.waiting, -1, a, b) || byText(a.name, b.name) || byText(a.id, b.id);
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
