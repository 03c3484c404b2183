// @ts-check
// Whether a queue grows: the server's trend where it has one, else what this page saw itself.

import { num } from './format.js';

/** @typedef {{ perMin: number, drainSeconds?: number, seenMs?: number }} Trend */

const ENOUGH = 30_000; // less than three reports is noise
const HALF = 150_000; // the rate spans the last 2.5 to 5 minutes
const GAP = 60_000; // after a silence, begin again

export class Trends {
  /** @type {Map<string, { from: [number, number], next: [number, number], last: [number, number] }>} */
  #seen = new Map();

  /** @param {string} id @param {import('./model.js').Queue} queue @param {number} [read] when its numbers were read @returns {Trend | undefined} */
  of(id, queue, read) {
    const given = num(queue.trend?.waiting_per_min);
    const own = this.#observe(id, read, num(queue.metrics?.waiting));
    if (given !== undefined) return { perMin: given, drainSeconds: num(queue.trend?.drain_seconds) };
    return queue.status === 'fresh' ? own : undefined;
  }

  /** Forgets the queues that are no longer there. @param {Set<string>} ids */
  keep(ids) {
    for (const id of this.#seen.keys()) if (!ids.has(id)) this.#seen.delete(id);
  }

  /** @param {string} id @param {number | undefined} t @param {number | undefined} waiting @returns {Trend | undefined} */
  #observe(id, t, waiting) {
    if (t === undefined || waiting === undefined) return undefined;
    const now = /** @type {[number, number]} */ ([t, waiting]);
    let s = this.#seen.get(id);
    if (!s || t - s.last[0] > GAP || t < s.last[0]) this.#seen.set(id, (s = { from: now, next: now, last: now }));
    s.last = now;
    if (t - s.next[0] > HALF) [s.from, s.next] = [s.next, now];
    const seenMs = t - s.from[0];
    return seenMs < ENOUGH ? undefined : { perMin: ((waiting - s.from[1]) * 60_000) / seenMs, seenMs };
  }
}
