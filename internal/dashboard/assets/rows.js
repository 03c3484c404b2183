// @ts-check
// A long list of rows, each made once, then only changed and moved; and the cells rows share.

import { el, rebuild, setAttr, setText } from './dom.js';
import { duration, moment, num, NONE, plain } from './format.js';

/** @typedef {{ node: HTMLElement, update: (item: any) => void, tick: (now: number) => void }} Row */

const FIRST = 200; // rows shown before "show all": more than anyone reads, less than a slow page

export class Rows {
  /** @type {Map<string, { row: Row, item: unknown, skipped: boolean }>} */
  #rows = new Map();
  #limit = FIRST;
  #now = 0;
  #body;
  #more;
  #make;

  /** @param {HTMLElement} body @param {HTMLElement} more the "show all" button @param {(id: string) => Row} make @param {() => void} again */
  constructor(body, more, make, again) {
    this.#body = body;
    this.#more = more;
    this.#make = make;
    more.addEventListener('click', () => {
      this.#limit = this.#limit === FIRST ? Infinity : FIRST;
      again();
    });
  }

  /** @param {{ id: string }[]} items @param {number} now */
  show(items, now) {
    this.#now = now;
    const focused = document.activeElement;
    const gone = new Set(this.#rows.keys());
    let place = this.#body.firstElementChild;
    for (const item of items.slice(0, this.#limit)) {
      let kept = this.#rows.get(item.id);
      if (!kept) this.#rows.set(item.id, (kept = this.#add(item.id)));
      gone.delete(item.id);
      if (kept.item !== item) {
        kept.item = item;
        try {
          kept.row.update(item);
          kept.row.tick(now);
        } catch (error) {
          reportError(error); // the page says that it broke; its neighbours are shown all the same
        }
      }
      if (kept.row.node === place) place = place.nextElementSibling;
      else this.#body.insertBefore(kept.row.node, place);
    }
    for (const id of gone) {
      this.#rows.get(id)?.row.node.remove();
      this.#rows.delete(id);
    }
    // A row that moves loses the focus.
    if (focused instanceof HTMLElement && focused !== document.activeElement && this.#body.contains(focused)) {
      focused.focus({ preventScroll: true });
    }
    this.#body.toggleAttribute('data-many', this.#rows.size > FIRST);
    this.#more.hidden = items.length <= FIRST;
    setText(this.#more, this.#limit === FIRST ? `Show all ${items.length.toLocaleString('en')}` : `Show the first ${FIRST}`);
  }

  /** @param {string} id */
  #add(id) {
    const kept = { row: this.#make(id), item: /** @type {unknown} */ (undefined), skipped: false };
    // The browser lays out only what is near the screen (style.css); the rest need not age either.
    kept.row.node.addEventListener('contentvisibilityautostatechange', (event) => {
      kept.skipped = /** @type {{ skipped?: boolean }} */ (event).skipped === true;
      if (!kept.skipped) kept.row.tick(this.#now);
    });
    return kept;
  }

  /** @param {number} now */
  tick(now) {
    this.#now = now;
    const many = this.#rows.size > FIRST;
    for (const { row, skipped } of this.#rows.values()) if (!many || !skipped) row.tick(now);
  }
}

/** @param {string} name @param {string} [label] shown beside the value where the columns have no headings */
export function cell(name, label) {
  return el('td', { role: 'cell', class: `c-${name}`, ...(label ? { 'data-label': label } : {}) });
}

/** @param {HTMLElement} node @param {import('./model.js').State} state @param {string} [why] */
export function setState(node, state, why) {
  setText(node, state.word);
  setAttr(node, 'data-level', state.level);
  setAttr(node, 'data-shape', state.shape);
  setAttr(node, 'title', why || state.why);
}

/** The two places that say a row's age: beside its numbers and, once it is lost, below its name. */
export function ages() {
  const updated = cell('updated', 'updated');
  const seen = el('span', { class: 'fact bad seen' });
  let at = /** @type {number | undefined} */ (undefined);
  let lost = false;
  return {
    updated,
    seen,
    /** @param {{ timestamp?: unknown, status?: unknown }} row @param {number} [read] when its numbers were read, if not then */
    update(row, read) {
      at = read ?? num(row.timestamp);
      lost = row.status === 'lost';
      setAttr(updated, 'data-value', at === undefined ? 'none' : 'some');
      setAttr(updated, 'title', at === undefined ? 'it does not say when' : moment(at));
    },
    /** Runs for every row every second. @param {number} now */
    tick(now) {
      setText(updated, at === undefined ? NONE : duration(now - at, 1));
      setText(seen, lost && at !== undefined ? `last seen ${duration(now - at)} ago` : '');
    },
  };
}

/** The button that opens a row's particulars, and the cell they are in.
 * @param {HTMLElement} row @param {() => [string, unknown][]} facts @param {{ node: HTMLElement, refresh: () => void }} [drawn] what is shown above the facts */
export function particulars(row, facts, drawn) {
  const button = el('button', { type: 'button', class: 'open', 'aria-expanded': 'false', 'aria-label': 'details' });
  const body = el('td', { role: 'cell', class: 'c-details', hidden: '' });
  const list = el('div');
  body.append(...(drawn ? [drawn.node] : []), list);
  const fill = () => {
    const rows = facts().map(([k, v]) => [k, plain(v)]).filter(([, v]) => v);
    rebuild(list, rows, () => [el('dl', {}, ...rows.map(([k, v]) => el('div', {}, el('dt', {}, el('bdi', {}, k)), el('dd', {}, el('bdi', {}, v)))))]);
  };
  const toggle = () => {
    body.hidden = !body.hidden;
    setAttr(button, 'aria-expanded', String(!body.hidden));
    if (!body.hidden) {
      fill();
      drawn?.refresh();
    }
  };
  row.addEventListener('click', (event) => {
    const on = /** @type {Element} */ (event.target);
    if (on === button || (!on.closest('.c-details') && !String(getSelection()))) toggle();
  });
  return { button, body, refill: () => void (body.hidden || fill()), redraw: () => void (body.hidden || drawn?.refresh()) };
}
