// @ts-check
// Numbers, ages and foreign text, as people read them. Pure.

export const NONE = '—';

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

/** @param {unknown} v @returns {number | undefined} */
export const num = (v) => (typeof v === 'number' && Number.isFinite(v) ? v : undefined);

/** @param {unknown} v */
export const str = (v) => (typeof v === 'string' ? v : '');

/** A count; what is not known is a dash, never 0. @param {unknown} v */
export const count = (v) => (num(v) === undefined ? NONE : whole.format(/** @type {number} */ (v)));

/** @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many = `${one}s`) => `${whole.format(n)} ${n === 1 ? one : many}`;

/** @param {number | undefined} v */
export const decimal = (v) => (v === undefined ? NONE : (Math.abs(v) < 100 ? oneDigit : whole).format(v));

/** A rate with its sign: "+12.5", "−3", "0". @param {number} v */
export function signed(v) {
  const text = decimal(Math.abs(v));
  return text === '0' ? text : (v < 0 ? '−' : '+') + text;
}

/** @type {[string, number, number][]} a unit, its seconds, and up to how many of it */
const ROUND = [['s', 1, 90], ['min', 60, 180], ['h', 3_600, 48], ['d', 86_400, Infinity]];

/** A length of time that is an estimate, rounded, with its range: "6 min (4–11)". @param {number} seconds @param {number[]} [range] */
export function about(seconds, range) {
  const [unit, size] = ROUND.find(([, size, most]) => seconds < size * most) ?? ROUND[3];
  const [low, n, high] = [range?.[0], seconds, range?.[1]].map((s) => count(num(s) === undefined ? undefined : Math.round(/** @type {number} */ (s) / size)));
  return `${n} ${unit}` + (low === NONE || high === NONE || low === high ? '' : ` (${low}–${high})`);
}

const UNITS = /** @type {const} */ ([['d', 86_400], ['h', 3_600], ['min', 60], ['s', 1]]);

/** A length of time in one unit, or two from an hour on: "12 s", "4 min", "3 h 5 min". @param {unknown} ms */
export function duration(ms, parts = 2) {
  const given = num(ms);
  if (given === undefined) return NONE;
  const seconds = Math.max(0, Math.floor(given / 1000));
  const i = UNITS.findIndex(([, size]) => seconds >= size);
  if (i < 0) return '0 s';
  const [unit, size] = UNITS[i];
  const rest = i < 2 ? Math.floor((seconds % size) / UNITS[i + 1][1]) : 0;
  return `${Math.floor(seconds / size)} ${unit}` + (parts > 1 && rest ? ` ${rest} ${UNITS[i + 1][0]}` : '');
}

/** @param {unknown} v */
export function bytes(v) {
  let n = num(v);
  if (n === undefined) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let i = 0;
  while (Math.abs(n) >= 1024 && i < units.length - 1) [n, i] = [n / 1024, i + 1];
  return `${decimal(n)} ${units[i]}`;
}

/** Any value as text; '' where there is none. @param {unknown} value */
export function plain(value) {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return value.toLocaleString('en');
  try {
    return JSON.stringify(value);
  } catch {
    return 'nested too deep to show';
  }
}

/** @param {unknown} ms */
export function moment(ms) {
  const t = num(ms);
  return t === undefined || Math.abs(t) > 8.64e15 ? '' : new Date(t).toLocaleString();
}

/** The time of day: "22:24:46"; with its date where that is not today. @param {unknown} ms */
export function clockTime(ms) {
  const t = num(ms);
  if (t === undefined || Math.abs(t) > 8.64e15) return NONE;
  const at = new Date(t);
  return at.toDateString() === new Date().toDateString() ? at.toLocaleTimeString('en-GB') : `${at.toLocaleDateString()} ${at.toLocaleTimeString('en-GB')}`;
}

// Control characters, bidirectional overrides, invisible marks and lone surrogates: a name must
// not be able to look like another one.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Cs}/gu;

/** Foreign text with its invisible characters shown. @param {string} text */
export const visible = (text) => text.replace(HIDDEN, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`);
