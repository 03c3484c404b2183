// @ts-check
// The table of queues.

import { charts } from './chart.js';
import { el, rebuild, setAttr, setText, byId } from './dom.js';
import { about, count, decimal, duration, moment, num, plain, plural, signed, str, NONE } from './format.js';
import { arrange, STATES } from './model.js';
import { Rows, ages, cell, particulars, setState } from './rows.js';

/** @typedef {import('./model.js').QueueItem} Item */

const METRICS = ['waiting', 'active', 'delayed', 'failed'];
const SHORT = 120; // characters of a reason that a row shows; its details show all
const SORT_EVERY = 2_000;
const POINTER_RESTS = 4_000;

export class Queues {
  #rows;
  /** @type {Map<string, number>} */
  #rank = new Map();
  #sortedAt = 0;
  #sortedBy = '';
  #pointedAt = 0;
  /** An order is due that was held back while the reader pointed at a row. */
  unsorted = false;

  /** @param {() => void} again */
  constructor(again) {
    const body = byId('queue-rows');
    this.#rows = new Rows(body, byId('queues-more'), queueRow, again);
    for (const type of ['pointermove', 'pointerdown', 'keydown']) {
      body.addEventListener(type, () => (this.#pointedAt = Date.now()), { passive: true });
    }
    body.addEventListener('pointerleave', () => (this.#pointedAt = 0));
  }

  /** @param {Item[]} items @param {import('./model.js').Choice} choice @param {number} now */
  show(items, choice, now) {
    this.#rows.show(this.#order(items, choice), now);
  }

  /** @param {number} now */
  tick(now) {
    this.#rows.tick(now);
  }

  /** Rows keep their places for a while: one must not slip away from under the pointer. @param {Item[]} items @param {import('./model.js').Choice} choice */
  #order(items, choice) {
    const at = Date.now();
    const by = JSON.stringify(choice);
    const hold = at - this.#sortedAt < SORT_EVERY || at - this.#pointedAt < POINTER_RESTS;
    this.unsorted = by === this.#sortedBy && hold;
    if (this.unsorted) {
      const rank = (/** @type {Item} */ i) => this.#rank.get(i.id) ?? Number.MAX_SAFE_INTEGER;
      return items.slice().sort((a, b) => rank(a) - rank(b));
    }
    [this.#sortedAt, this.#sortedBy] = [at, by];
    const sorted = arrange(items, choice.sort, choice.dir);
    this.#rank = new Map(sorted.map((item, i) => [item.id, i]));
    return sorted;
  }
}

/** @param {string} id @returns {import('./rows.js').Row} */
function queueRow(id) {
  /** @type {Item} */
  let item;
  const node = el('tr', { role: 'row', 'data-queue': id });
  const details = particulars(node, () => facts(item), charts(id));

  const age = ages();
  const state = el('span', { class: 'state' });
  const name = el('bdi', { class: 'name' });
  const tags = el('span', { class: 'tags' });
  const notes = el('div', { class: 'notes' });
  const queue = el('th', { role: 'rowheader', scope: 'row', class: 'c-queue' }, details.button, name, tags, age.seen, notes);
  const app = el('bdi', { class: 'cut' });
  const driver = el('bdi', { class: 'badge' });
  const readOnly = el('span', { class: 'tag', title: 'not a Gravito queue: Pulse only reads it' }, 'read-only');
  const numbers = METRICS.map((m) => cell(m, m));
  const oldest = cell('oldest', 'oldest');
  const trend = cell('trend', 'trend');
  for (const [i, m] of METRICS.entries()) numbers[i].dataset.metric = m;
  oldest.dataset.metric = 'oldest';
  trend.dataset.metric = 'trend';

  const into = (/** @type {HTMLElement} */ td, /** @type {Node[]} */ ...children) => (td.append(...children), td);
  node.append(
    into(cell('state'), state), queue, into(cell('app'), app), into(cell('driver'), driver, readOnly),
    ...numbers, oldest, trend, age.updated, details.body,
  );

  return {
    node,
    update(next) {
      item = next;
      const { queue: q, meta } = item;
      setAttr(node, 'data-status', str(q.status) || 'unknown');
      setAttr(node, 'data-origin', q.origin === 'gravito' ? 'gravito' : 'external');
      setAttr(node, 'data-level', item.state.level);
      setAttr(node, 'data-secondary', item.dlqFor.length ? '' : undefined);
      setAttr(node, 'data-health', item.state.word); // colours what made it that
      setState(state, item.state, item.state === STATES.stale ? '' : item.why);
      setText(name, item.name);
      setAttr(name, 'title', item.name);
      setText(app, item.app);
      setAttr(app, 'title', item.app);
      setText(driver, item.driver);
      setAttr(driver, 'title', item.driver === q.driver ? item.driver : `${item.driver} (reported as ${q.driver})`);
      readOnly.hidden = !q.read_only && q.origin === 'gravito';
      const named = tagsOf(item);
      rebuild(tags, named, () => named.map(([text, kind, title]) => el('span', { class: `tag ${kind}`, title }, text)));
      const said = notesOf(item);
      rebuild(notes, said, () => said.map(([text, kind]) => el('span', { class: `fact ${kind}` }, text)));
      for (const [i, m] of METRICS.entries()) setNumber(numbers[i], item, m);
      setOldest(oldest, item);
      setTrend(trend, item);
      age.update({ status: q.status, timestamp: item.reportedAt }, item.asOf);
      details.refill();
    },
    tick(now) {
      age.tick(now);
      details.redraw();
    },
  };
}

/** @param {HTMLElement} td @param {Item} item @param {string} metric */
function setNumber(td, item, metric) {
  const value = num(item.queue.metrics?.[metric]);
  setText(td, count(value));
  setAttr(td, 'data-value', value === undefined ? 'none' : value === 0 ? 'zero' : 'some');
  const lost = item.queue.status === 'lost';
  setAttr(td, 'title', value !== undefined ? count(value) : lost ? 'its last number is not known' : `${item.driver} can't count this`);
}

/** @param {HTMLElement} td @param {Item} item */
function setOldest(td, { oldestMs: ms }) {
  setText(td, ms === undefined ? NONE : duration(ms, 1));
  setAttr(td, 'data-value', ms === undefined ? 'none' : 'some');
  setAttr(td, 'title', ms === undefined ? 'the age of the oldest waiting job is not known' : `the oldest waiting job is ${duration(ms)} old`);
}

/** Where the recorder sees it going; nothing where it doesn't say. @param {HTMLElement} td @param {Item} item */
function setTrend(td, { queue }) {
  const perMin = num(queue.trend?.waiting_per_min);
  const drains = queue.metrics?.waiting === 0 ? undefined : num(queue.trend?.drain_seconds); // it is empty since the recorder looked
  const rate = perMin === undefined ? '' : signed(perMin);
  const way = !rate ? 'none' : rate === '0' ? 'flat' : /** @type {number} */ (perMin) > 0 ? 'up' : 'down';
  const drain = drains === undefined ? '' : `empty in ≈ ${about(drains, queue.trend?.drain_range)}`;
  setAttr(td, 'data-value', drain && way === 'none' ? 'flat' : way);
  setAttr(td, 'title', rate || drain ? 'waiting, as the recorder saw it; in brackets the range it is in with 95 %' : undefined);
  rebuild(td, [rate, way, drain], () => [
    ...(rate ? [el('span', { class: 'rate' }, way === 'flat' ? 'steady' : `${rate}/min`)] : []),
    ...(drain ? [el('span', { class: 'drain' }, drain)] : []),
  ]);
}

/** Short marks beside the name: [text, kind, title]. @param {Item} item @returns {[string, string, string][]} */
function tagsOf({ queue, meta, state, asOf, reportedAt, dlqFor }) {
  /** @type {[string, string, string][]} */
  const tags = [];
  const health = str(queue.health);
  const paused = meta.paused === true || health === 'paused';
  if (paused && state !== STATES.paused) tags.push(['paused', '', STATES.paused.why]);
  if (['failing', 'stalled', 'growing'].includes(health) && state.word !== health) tags.push([health, 'bad', `health: ${health}`]);
  if (meta.workers === 0 && !dlqFor.length) tags.push(['no workers', '', 'no worker is connected']);
  if ((reportedAt ?? 0) - (asOf ?? Infinity) > 15_000) tags.push(['older', '', 'its numbers are from an earlier poll: see when they were updated']);
  if (meta.demo === true) tags.push(['demo', 'demo', 'invented numbers, for trying Pulse out']);
  if (meta.fifo === true) tags.push(['fifo', '', 'first in, first out']);
  if (meta.rate_limited === true) tags.push(['rate limited', '', 'workers are held back by its rate limit']);
  return tags;
}

/** Sentences below the name: [text, kind]. @param {Item} item @returns {[string, string][]} */
function notesOf({ meta, dlqFor, why }) {
  /** @type {[string, string][]} */
  const notes = [];
  if (why) notes.push([why.length > SHORT ? `${why.slice(0, SHORT)}…` : why, 'why']);
  if (meta.error) notes.push([plain(meta.error), 'bad']);
  if (dlqFor.length) notes.push([`dead-letter queue of ${dlqFor.join(', ')}: counted as failed, once`, '']);
  if (str(meta.dlq)) notes.push([`failed counts ${meta.dlq}${meta.dlq_shared === true ? ', shared' : ''}`, '']);
  if (num(meta.prioritized)) notes.push([`${count(meta.prioritized)} prioritized`, '']);
  if (num(meta.stalled)) notes.push([`${count(meta.stalled)} stalled: begun, and their worker is late or gone`, 'bad']);
  if (num(meta.stranded)) notes.push([`${count(meta.stranded)} stranded: no worker takes them`, 'bad']);
  if (num(meta.workers)) notes.push([plural(meta.workers, 'worker'), '']);
  return notes;
}

/** Whether a member of meta is a moment: oldest_at, as_of and the like. @param {string} name @param {unknown} v */
const isTime = (name, v) => /(_at|as_of)$/.test(name) && num(v) !== undefined;

/** @param {Item} item @returns {[string, unknown][]} */
function facts({ app, driver, queue, meta, state, why, reportedAt }) {
  const { arriving_per_min, processed_per_min, wait_seconds } = queue.trend ?? {};
  const { error, driver: _, ...rest } = meta; // its driver is named already
  return [
    ['full name', str(queue.name)],
    ['app', app],
    ['driver', driver],
    ['source', queue.source],
    ['status', queue.status],
    ['health', queue.health],
    ['why', why || state.why],
    ['arriving a minute', num(arriving_per_min) && decimal(arriving_per_min)],
    ['finished a minute', num(processed_per_min) && decimal(processed_per_min)],
    ['a new job waits', num(wait_seconds) === undefined ? '' : `≈ ${about(/** @type {number} */ (wait_seconds))}`],
    ['reported at', moment(reportedAt)],
    ['error', error],
    ...Object.entries(rest).map(([k, v]) => /** @type {[string, unknown]} */ ([k, isTime(k, v) ? moment(v) : v])),
  ];
}
