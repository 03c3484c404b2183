import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GONE, problemsOf, troublesOf } from '../dist/trouble.js'
import { apps, queue } from './view.mjs'

const NOW = 10 * GONE
const ids = (of, problems = []) => troublesOf(apps(of), problems, NOW).map((t) => t.id)

test('A reporter that is silent is one trouble, however many queues it had', () => {
  const sources = { redis: { status: 'lost', timestamp: NOW - 60_000 }, sqs: { status: 'stale', timestamp: NOW - 20_000 }, bull: { status: 'fresh', timestamp: NOW } }
  const of = (name, waiting, status, source, meta) => queue(name, waiting, { status, source, meta })
  const found = troublesOf(apps({ shop: { sources, queues: [
    of('a', 5, 'lost', 'redis'), of('b', null, 'lost', 'redis'), of('c', 7, 'lost', 'redis'),
    of('d', 1, 'stale', 'sqs'), of('e', 2, 'stale', 'sqs'),
    of('f', 3, 'stale', 'bull', { as_of: NOW - 90_000, error: 'NOPERM' }), of('g', 4, 'fresh', 'bull'),
  ] } }), [], NOW)
  assert.deepEqual(found.map(({ id, status, level, queues, waiting, since, reason }) => ({ id, status, level, queues, waiting, since, reason })), [
    { id: 'reporter shop/redis lost', status: 'lost', level: 'crit', queues: 3, waiting: 12, since: NOW - 60_000, reason: '' },
    // The same count of jobs: the longer one first.
    { id: 'reporter shop/bull part', status: 'part', level: 'warn', queues: 1, waiting: 3, since: NOW - 90_000, reason: 'NOPERM' },
    { id: 'reporter shop/sqs stale', status: 'stale', level: 'warn', queues: 2, waiting: 3, since: NOW - 20_000, reason: '' },
  ])
})

test('A reporter that is lost without having left a row is a trouble, a fresh or late one is not', () => {
  assert.deepEqual(ids({ shop: { sources: { '-': { status: 'lost', timestamp: 1 }, b: { status: 'fresh' }, c: { status: 'stale' } } } }), ['reporter shop/- lost'])
})

test('The worst level is first, in it what the most jobs wait for, then the longest', () => {
  const alerts = { 1: { kind: 'queue', key: 'sqs/newer', since: 200 }, 2: { kind: 'queue', key: 'sqs/older', since: 100 }, 3: { kind: 'server', key: 'sqs/unheard', since: 1, rule: 'cpu>90 5m' } }
  assert.deepEqual(ids({ shop: { alerts, queues: [
    queue('grows', 900, { health: 'growing' }), queue('unheard', 5, { health: 'stalled' }), queue('newer', 5, { health: 'stalled' }), queue('older', 5, { health: 'failing' }),
    queue('much', 6, { health: 'failing' }), queue('unknown', null, { health: 'stalled' }), queue('fine', 1e6, { health: 'ok' }), queue('held', 1e6, { health: 'paused' }), queue('new', 1e6),
  ] } }), ['queue shop/sqs/much failing', 'queue shop/sqs/older failing', 'queue shop/sqs/newer stalled', 'queue shop/sqs/unheard stalled', 'queue shop/sqs/unknown stalled',
    'queue shop/sqs/grows growing', 'alert server shop/sqs/unheard cpu>90 5m'])
})

test('What fires though nothing else is wrong with it is a trouble, and what is in one already is no second', () => {
  const fires = (kind, key) => ({ kind, key, rule: 'drain>1h 10m', since: 7 })
  const sources = { redis: { status: 'lost', timestamp: 1 }, sqs: { status: 'fresh', timestamp: NOW } }
  const servers = { full: { status: 'fresh', system: { disk_total: 100, disk_free: 1 } }, fine: { status: 'fresh' } }
  const alerts = { 1: fires('queue', 'sqs/fine'), 2: fires('queue', 'sqs/stuck'), 3: fires('queue', 'sqs/gone'), 4: fires('queue', 'sqs/lost'), 5: fires('reporter', 'redis'), 6: fires('server', 'full'), 7: fires('server', 'fine') }
  const of = { shop: { sources, servers, alerts, queues: [queue('fine', 9, { health: 'ok', source: 'sqs' }), queue('stuck', 5, { health: 'stalled', source: 'sqs' }), queue('lost', 1, { status: 'lost', source: 'redis' })] } }
  assert.deepEqual(ids(of), ['queue shop/sqs/stuck stalled', 'reporter shop/redis lost', 'alert queue shop/sqs/fine drain>1h 10m', 'alert server shop/fine drain>1h 10m', 'server shop/full disk'])
})

test('A trouble of another cause is another one, for those who muted the first', () => {
  const at = (health) => ids({ shop: { queues: [queue('a', 1, { health })] } })
  assert.notDeepEqual(at('growing'), at('stalled'))
  const read = (...keys) => ids({}, keys.map((key) => ({ key, reason: 'no JSON' })))
  assert.deepEqual(read('a', 'b'), read('b', 'a'))
  assert.notDeepEqual(read('a'), read('a', 'b'))
  const told = (reason) => ids({ shop: { sources: { '-': { status: 'fresh' } } } }, [{ key: 'pulse:queues:shop', reason }])
  assert.deepEqual(told('late since 12:00'), told('late since 12:10'))
  assert.notDeepEqual(told('late since 12:00'), told('no access'))
})

test('Servers are told one by one, those that are silent together at once, and those long gone not at all', () => {
  const lost = (ago) => ({ status: 'lost', timestamp: NOW - ago })
  const full = { status: 'fresh', system: { disk_total: 100, disk_free: 1 } }
  assert.deepEqual(ids({ shop: { servers: { a: lost(1_000), b: lost(2_000), c: lost(GONE + 1), d: full, e: { status: 'stale', timestamp: NOW - 1 }, f: { status: 'fresh' } } } }),
    ['server shop/b lost', 'server shop/a lost', 'server shop/e stale', 'server shop/d disk'])
  const [together, ...rest] = troublesOf(apps({ shop: { servers: { a: lost(1_000), b: lost(2_000), c: lost(GONE), gone: lost(GONE + 1), f: { status: 'fresh' } } } }), [], NOW)
  assert.deepEqual({ id: together.id, count: together.count, since: together.since, rest }, { id: 'servers shop lost', count: 3, since: NOW - GONE, rest: [] })
  // All of an app at once are not taken away.
  assert.deepEqual(ids({ blog: { servers: { y: lost(9 * GONE), z: lost(GONE + 1) } } }), ['server blog/y lost', 'server blog/z lost'])
  const late = { status: 'stale', timestamp: NOW - 20_000 }
  assert.deepEqual(ids({ blog: { servers: { x: late, y: late, z: late, w: { status: 'fresh' } } } }), ['servers blog stale'])
})

test('A problem of a reporter is one a key; of a lost one it is told already; what nobody reports is unreadable', () => {
  const of = { shop: { sources: { bull: { status: 'lost', timestamp: 1 }, redis: { status: 'fresh' }, '-': { status: 'fresh' }, sqs: { status: 'lost', timestamp: 1 } } } }
  const problems = [
    { key: 'pulse:queues:shop:redis', reason: 'NOPERM' }, { key: 'pulse:queues:shop:redis', reason: 'another' }, { key: 'pulse:queues:shop:sqs', reason: 'late' },
    { key: 'pulse:trend:shop', reason: 'odd' }, { key: 'pulse:queues:else', reason: 'no JSON' }, { key: 'x', reason: 'no JSON' }, { key: 'pulse:queues:shop', reason: 'a queue without a name' },
  ]
  const found = troublesOf(apps(of), problems, NOW)
  assert.deepEqual(found.map((t) => `${t.level} ${t.id} ${t.count ?? t.problems?.length ?? ''} ${t.reason ?? ''}`.trim()), [
    'crit reporter shop/bull lost', 'crit reporter shop/sqs lost', 'warn problem pulse:queues:shop a queue without a name 1 a queue without a name', 'warn problem pulse:queues:shop:redis NOPERM 2 NOPERM',
    'warn problem pulse:trend:shop odd 1 odd', 'warn unreadable pulse:queues:else x 2',
  ])
})

test("That Redis doesn't answer is said elsewhere; what it answers is not", () => {
  const refused = [{ key: 'redis', reason: 'Redis has answered NOPERM since 12:00:00 UTC; these are the last numbers' }]
  assert.deepEqual(problemsOf({ problems: refused, redis_down: { since: 1 } }), refused)
  const problems = [{ key: 'redis', reason: 'Redis has not answered since 12:00:00 UTC; these are the last numbers' }, { key: 'a', reason: 7 }, 'odd', null, { reason: 'no key' }]
  assert.deepEqual(problemsOf({ problems, redis_down: { since: 1 } }), [{ key: 'a', reason: '' }, { key: '', reason: 'no key' }])
  assert.equal(problemsOf({ problems }).length, 3)
  assert.deepEqual(problemsOf({ problems: { redis: 1 } }), [])
  assert.deepEqual(problemsOf(undefined), [])
})

test('While nothing newer comes, no queue is to blame for being late', () => {
  const shop = { sources: { a: { status: 'stale', timestamp: 1 } }, queues: [queue('late', 1, { status: 'stale', source: 'a' }), queue('stuck', 1, { health: 'stalled' })] }
  assert.deepEqual(troublesOf(apps({ shop }, true), [], NOW).map((t) => t.id), ['queue shop/sqs/stuck stalled'])
})
