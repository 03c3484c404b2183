// What the reader chose to see. It lives in the address's fragment, so that a link shows a colleague the same.

import { signal } from '@preact/signals'
import { COLUMNS } from './order.js'
import { term } from './search.js'

export interface Choice {
  q: string
  sort: string
  dir: '' | 'asc' | 'desc'
  /** Whether rows are grouped by app; '' leaves it to how many there are. */
  group: '' | 'on' | 'off'
  /** The apps that are folded though they would not be, or open though they would. */
  turned: string[]
  /** What the drawer shows: "queue:app/key" or "server:app/id". */
  open: string
  /** How many hours its charts show. */
  hours: number
}

export const HOURS = [1, 6, 24]

const DEFAULT: Choice = { q: '', sort: '', dir: '', group: '', turned: [], open: '', hours: 1 }

export const choice = signal<Choice>(DEFAULT)

/** The inverse of write. Filters that links had before there were search terms are read as those. */
export function read(fragment: string): Choice {
  const params = new URLSearchParams(fragment)
  const of = (name: string) => params.get(name) ?? ''
  const older = ['app', 'driver', 'origin'].flatMap((f) => (of(f) ? [term(f, of(f))] : []))
  if (of('state')) older.push(term('is', of('state')))
  const sort = Object.hasOwn(COLUMNS, of('sort')) ? of('sort') : ''
  return {
    q: [...older, of('q')].filter(Boolean).join(' '),
    sort,
    dir: sort && (of('dir') === 'desc' ? 'desc' : 'asc'),
    group: of('group') === 'on' || of('group') === 'off' ? (of('group') as 'on' | 'off') : '',
    turned: params.getAll('turned'),
    open: /^(queue|server):./.test(of('open')) ? of('open') : '',
    hours: HOURS.find((h) => String(h) === of('hours')) ?? DEFAULT.hours,
  }
}

/** The fragment without its #; '' is what the page shows by itself. */
export function write(c: Choice): string {
  const params = new URLSearchParams()
  for (const name of ['q', 'sort', 'dir', 'group', 'open'] as const) if (c[name]) params.set(name, c[name])
  for (const app of c.turned) params.append('turned', app)
  if (c.hours !== DEFAULT.hours) params.set('hours', String(c.hours))
  return params.toString()
}

/** Where a link leads that chooses this besides what is chosen. */
export const linkTo = (some: Partial<Choice>): string => `#${write({ ...choice.value, ...some })}`

/** Opening or closing the drawer is a step that the browser's back button undoes; filters are not. */
export function choose(some: Partial<Choice>): void {
  const before = choice.value
  choice.value = { ...before, ...some }
  const fragment = write(choice.value)
  const url = fragment ? `#${fragment}` : location.pathname + location.search
  if (choice.value.open !== before.open) history.pushState(null, '', url)
  else history.replaceState(null, '', url)
}

export function followAddress(): void {
  const take = () => { choice.value = read(location.hash.slice(1)) }
  take()
  addEventListener('hashchange', take)
  addEventListener('popstate', take)
}

/** A heading's first press sorts, the second turns the order, the third goes back to trouble first. */
export function turnSort(column: string): void {
  const { sort, dir } = choice.value
  const first = COLUMNS[column]?.first ?? 'asc'
  if (sort !== column) choose({ sort: column, dir: first })
  else if (dir === first) choose({ dir: first === 'asc' ? 'desc' : 'asc' })
  else choose({ sort: '', dir: '' })
}

/** Folds a group that is open, or opens it. */
export function turnGroup(app: string): void {
  const { turned } = choice.value
  choose({ turned: turned.includes(app) ? turned.filter((a) => a !== app) : [...turned, app] })
}
