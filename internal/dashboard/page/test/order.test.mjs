import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byText, COLUMNS, GROUP_ABOVE, linesOf } from '../dist/order.js'
import { parseQuery } from '../dist/search.js'
import { apps, queue } from './view.mjs'

const CHOICE = { q: '', sort: '', dir: '', group: '', turned: [], open: '', hours: 1 }

/** The lines as words: "shop+" is an open group, "shop-" a folded one, ">name" a queue below another, "and4" four that are folded. */
const shown = (of, choice = {}, q = '') =>
  linesOf(of, parseQuery(q), { ...CHOICE, ...choice }).lines
    .map((l) => (l.kind === 'rest' ? `and${l.queues}` : l.kind === 'group' ? `${l.app}${l.folded ? '-' : '+'}` : `${l.below ? '>' : ''}${l.key.split('/').slice(1).join('/')}`)).join(' ')

test('The worst level comes first, and in it what has the most waiting', () => {
  assert.equal(shown(apps({
    shop: { queues: [queue('ok', 9_000, { health: 'ok' }), queue('unknown', 1), queue('growing', 800, { health: 'growing' }), queue('stalled', 4, { health: 'stalled' }), queue('late', 900, { status: 'stale' })] },
    blog: { queues: [queue('failing', 10, { health: 'failing' }), queue('lost', null, { status: 'lost' }), queue('paused', 50, { health: 'paused' })] },
  })), 'failing stalled lost late growing ok paused unknown')
})

test('What is the same in all that counts is in order of its name, as people count', () => {
  assert.equal(shown(apps({ a: { queues: [queue('q10', 1), queue('q9', 1), queue('B', 1), queue('a', 1)] }, b: { queues: [queue('q9', 1)] } })), 'a B q9 q9 q10')
  assert.ok(byText('a', 'A') !== 0 && byText('a', 'A') === -byText('A', 'a'))
})

test('A dead-letter queue is right below the first of its sources', () => {
  const of = apps({
    shop: { queues: [
      queue('a', 1), queue('b', 9), queue('b-dlq', 500, { meta: { dlq_for: ['a', 'b'] } }), queue('lone-dlq', 5, { meta: { dlq_for: ['gone'] } }),
      queue('b-dlq2', 3, { health: 'stalled', meta: { dlq_for: ['b'] } }), queue('b', 2, { driver: 'bullmq' }), queue('self', 4, { meta: { dlq_for: ['self'] } }),
    ] },
    blog: { queues: [queue('b', 7)] },
  })
  assert.equal(shown(of), 'b >b-dlq >b-dlq2 b lone-dlq self b a')
  // Sorted by a column, each stands for itself.
  assert.equal(shown(of, { sort: 'waiting', dir: 'desc' }), 'b-dlq b b lone-dlq self b-dlq2 b a')
  // Its source is not shown.
  assert.equal(shown(of, {}, 'is:dlq'), 'b-dlq2 b-dlq lone-dlq self')
})

const many = (app, n, rest = () => ({})) => ({ [app]: { queues: Array.from({ length: n }, (_, i) => queue(`${app}${i}`, n - i, rest(i))) } })

test('More rows than one looks through are grouped, the worst app first, healthy ones folded', () => {
  const of = (n) => apps({ ...many('well', n - 3), ...many('bad', 2, (i) => (i ? { health: 'stalled' } : {})), ...many('warns', 1, () => ({ health: 'growing' })) })
  assert.ok(!shown(of(GROUP_ABOVE)).includes('+'))
  const more = of(GROUP_ABOVE + 1)
  assert.equal(shown(more), 'bad+ bad1 bad0 warns+ warns0 well-')
  assert.equal(shown(more, { turned: ['bad', 'unheard of'] }), 'bad- warns+ warns0 well-')
  assert.match(shown(more, { turned: ['well'] }), /^bad\+ bad1 bad0 warns\+ warns0 well\+ well0 well1 /)
  assert.ok(!shown(more, { group: 'off' }).includes('+'))
  assert.equal(shown(of(4), { group: 'on' }), 'bad+ bad1 bad0 warns+ warns0 well-')
  // What was searched for is not hidden; what was sorted is one list, unless one says so.
  assert.equal(shown(more, { group: 'on' }, 'well3'), 'well+ well3 well30 well31 well32 well33 well34 well35 well36 well37')
  assert.equal(shown(more, { group: 'on', turned: ['well'] }, 'well3'), 'well-')
  assert.ok(!shown(more, { sort: 'waiting', dir: 'asc' }).includes('+'))
  assert.equal(shown(more, { sort: 'waiting', dir: 'asc', group: 'on' }), 'bad+ bad1 bad0 warns+ warns0 well-')
  assert.equal(shown(more, { sort: 'waiting', dir: 'desc', group: 'on' }), 'bad+ bad0 bad1 warns+ warns0 well-')
  assert.equal(linesOf(more, parseQuery(''), CHOICE).queues, GROUP_ABOVE + 1)
})

test('Of an app in trouble the healthy queues are folded, unless they are few', () => {
  const of = apps({ ...many('well', 40), ...many('bad', 5, (i) => (i === 2 ? { health: 'stalled' } : {})) })
  assert.equal(shown(of), 'bad+ bad2 and4 well-')
  assert.equal(shown(of, { turned: ['bad'] }), 'bad+ bad2 bad0 bad1 bad3 bad4 well-')
  assert.equal(shown(of, {}, 'app:bad'), 'bad2 bad0 bad1 bad3 bad4')
})

test('What is unknown is last either way', () => {
  const at = (name, rest) => queue(name, rest.waiting, rest)
  const sources = { r: { status: 'fresh', timestamp: 10_000 } }
  const of = apps({ shop: { sources, queues: [
    at('none', { metrics: {} }),
    at('few', { source: 'r', metrics: { waiting: 0, active: 0, delayed: 0, failed: 0 }, trend: { waiting_per_min: -5, drain_seconds: 0 }, meta: { oldest_at: 9_000, as_of: 1_000 } }),
    at('lots', { source: 'r', metrics: { waiting: 7, active: 7, delayed: 7, failed: 7 }, trend: { waiting_per_min: 0, drain_seconds: 9 }, meta: { oldest_at: 1_000 } }),
  ] } })
  for (const sort of ['waiting', 'active', 'delayed', 'failed', 'trend', 'drain', 'oldest', 'updated']) {
    assert.equal(shown(of, { sort, dir: 'asc' }), 'few lots none', sort)
    assert.equal(shown(of, { sort, dir: 'desc' }), 'lots few none', sort)
  }
})

test('Columns of words are in order of the words', () => {
  const of = apps({ zoo: { queues: [queue('a2', 1, { health: 'stalled' })] }, art: { queues: [queue('a10', 5, { driver: 'bullmq', health: 'ok' })] } })
  assert.equal(shown(of, { sort: 'queue', dir: 'asc' }), 'a2 a10')
  assert.equal(shown(of, { sort: 'app', dir: 'asc' }), 'a10 a2')
  assert.equal(shown(of, { sort: 'driver', dir: 'asc' }), 'a10 a2')
  assert.equal(shown(of, { sort: 'state', dir: 'asc' }), 'a2 a10')
  assert.equal(shown(of, { sort: 'state', dir: 'desc' }), 'a10 a2')
  for (const column of Object.values(COLUMNS)) assert.match(column.first, /^(asc|desc)$/)
})
