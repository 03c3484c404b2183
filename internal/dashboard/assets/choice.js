// @ts-check
// What the reader chose to see. It lives in the address, so that a link shows a colleague the same.

import { byId, el, rebuild, setAttr } from './dom.js';
import { COLUMNS } from './model.js';

/** @type {import('./model.js').Choice} */
const DEFAULT = { q: '', app: '', driver: '', origin: '', state: '', sort: '', dir: '' };
const NUMBERS = ['waiting', 'active', 'delayed', 'failed', 'oldest', 'trend', 'updated'];

const input = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byId(id));
const select = (/** @type {string} */ id) => /** @type {HTMLSelectElement} */ (byId(id));
const origins = () => /** @type {NodeListOf<HTMLInputElement>} */ (document.getElementsByName('origin'));

export class Controls {
  choice = { ...DEFAULT };
  #changed;

  /** @param {() => void} changed */
  constructor(changed) {
    this.#changed = changed;
    this.#read();
    addEventListener('hashchange', () => (this.#read(), changed()));
    byId('filters').addEventListener('submit', (e) => e.preventDefault());
    input('search').addEventListener('input', () => this.set({ q: input('search').value }));
    for (const id of ['app', 'driver']) select(id).addEventListener('change', () => this.set({ [id]: select(id).value }));
    select('sort').addEventListener('change', () => this.#sort(select('sort').value));
    for (const radio of origins()) radio.addEventListener('change', () => this.set({ origin: radio.value }));
    byId('clear').addEventListener('click', () => this.set({ ...DEFAULT, sort: this.choice.sort, dir: this.choice.dir }));
    for (const th of headings()) th.querySelector('button')?.addEventListener('click', () => this.#turn(th.dataset.sort ?? ''));
    addEventListener('keydown', (e) => this.#key(e));
  }

  get filtered() {
    const { q, app, driver, origin, state } = this.choice;
    return Boolean(q || app || driver || origin || state);
  }

  /** @param {Partial<import('./model.js').Choice>} some */
  set(some) {
    this.choice = { ...this.choice, ...some };
    const params = new URLSearchParams(Object.entries(this.choice).filter(([, v]) => v));
    history.replaceState(null, '', params.size ? `#${params}` : location.pathname + location.search);
    this.#show();
    this.#changed();
  }

  /** What there is to choose from. @param {string[]} apps @param {string[]} drivers */
  offer(apps, drivers) {
    this.#options('app', 'All apps', apps);
    this.#options('driver', 'All drivers', drivers);
  }

  #read() {
    const params = new URLSearchParams(location.hash.slice(1));
    this.choice = { ...DEFAULT };
    for (const key of /** @type {(keyof typeof DEFAULT)[]} */ (Object.keys(DEFAULT))) this.choice[key] = params.get(key) ?? '';
    if (!Object.hasOwn(COLUMNS, this.choice.sort)) this.choice.sort = this.choice.dir = '';
    if (!['gravito', 'external'].includes(this.choice.origin)) this.choice.origin = '';
    this.#show();
  }

  #show() {
    const { q, app, driver, origin, sort, dir } = this.choice;
    if (input('search').value !== q) input('search').value = q;
    for (const radio of origins()) radio.checked = radio.value === origin;
    // A link may name an app that is not there, or not yet: it stays chosen and in sight.
    this.offer(app ? [app] : [], driver ? [driver] : []);
    select('sort').value = sort;
    byId('clear').hidden = !this.filtered;
    for (const th of headings()) setAttr(th, 'aria-sort', th.dataset.sort !== sort ? 'none' : dir === 'desc' ? 'descending' : 'ascending');
  }

  /** @param {'app' | 'driver'} id @param {string} all @param {string[]} names */
  #options(id, all, names) {
    const chosen = this.choice[id];
    const offered = [...new Set(chosen ? [...names, chosen] : names)].sort();
    rebuild(select(id), offered, () => [
      el('option', { value: '' }, all),
      ...offered.map((name) => el('option', { value: name }, name)),
    ]);
    select(id).value = chosen;
  }

  /** @param {string} sort */
  #sort(sort) {
    this.set({ sort, dir: sort && (NUMBERS.includes(sort) ? 'desc' : 'asc') });
  }

  /** A heading's first press sorts, the second turns the order, the third goes back to trouble first. @param {string} column */
  #turn(column) {
    const first = NUMBERS.includes(column) ? 'desc' : 'asc';
    if (this.choice.sort !== column) this.#sort(column);
    else if (this.choice.dir === first) this.set({ dir: first === 'asc' ? 'desc' : 'asc' });
    else this.#sort('');
  }

  /** @param {KeyboardEvent} e */
  #key(e) {
    const search = input('search');
    if (e.key === 'Escape' && document.activeElement === search) {
      if (search.value) this.set({ q: '' });
      else search.blur();
      e.preventDefault();
    }
    if (e.key !== '/' || e.target === search || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    search.focus();
    search.select();
  }
}

const headings = () => /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('th[data-sort]'));
