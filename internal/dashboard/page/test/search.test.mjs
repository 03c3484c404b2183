import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseQuery, term } from '../dist/search.js'
import { apps, queue } from './view.mjs'

const [shop, old] = apps({
  shop: {
    sources: { redis: { status: 'fresh', timestamp: 3_600_000 } },
    queues: [
      queue('Orders', 150, { source: 'redis', health: 'stalled', metrics: { waiting: 150, active: 2, failed: 7, delayed: 0 }, meta: { workers: 0, oldest_at: 0 }, trend: { waiting_per_min: -2.5 } }),
      queue('orders-dlq', 0, { source: 'redis', health: 'ok', meta: { dlq_for: ['Orders'] } }),
      queue('held', 3, { driver: 'bullmq', health: 'growing', meta: { paused: true, workers: 4 } }),
      queue('mail', null, { driver: 'other', meta: { driver: 'rabbit' }, origin: 'gravito' }),
    ],
    servers: { 'web-1': { status: 'lost', system: { hostname: 'ip-10-0-0-1' }, meta: { environment: 'production', runtime: 'node', version: '20' } } },
  },
  'old shop': { queues: [queue('my "q"', 100, { status: 'lost' })], servers: { 'db-1': { status: 'fresh' } } },
})

const found = (text) => {
  const query = parseQuery(text)
  return [...shop.queues, ...old.queues].filter(query.queue).map((q) => q.name).join()
}
const servers = (text) => [...shop.servers, ...old.servers].filter(parseQuery(text).server).map((s) => s.name).join()

const ALL = 'Orders,orders-dlq,held,mail,my "q"'

test('Each term keeps what it says', () => {
  for (const [text, names] of Object.entries({
    '': ALL, '   ': ALL,
    orders: 'Orders,orders-dlq', ORDERS: 'Orders,orders-dlq', 'ord dlq': 'orders-dlq', shop: ALL, rabbit: 'mail', redis: 'Orders,orders-dlq', nothing: '',
    'app:shop': 'Orders,orders-dlq,held,mail', 'APP:Shop': 'Orders,orders-dlq,held,mail', 'app:sho': '', 'app:"old shop"': 'my "q"', 'app:"old shop': 'my "q"',
    'driver:sqs': 'Orders,orders-dlq,my "q"', 'driver:rabbit': 'mail', 'driver:other': '', 'source:redis': 'Orders,orders-dlq', 'source:-': 'held,mail,my "q"',
    'queue:dlq': 'orders-dlq', 'queue:shop': '', 'server:web': '', 'origin:gravito': 'mail', 'origin:external': 'Orders,orders-dlq,held,my "q"',
    'is:stalled': 'Orders', 'is:lost': 'my "q"', 'is:growing': 'held', 'is:ok': 'orders-dlq', 'is:unknown': 'mail', 'is:trouble': 'Orders,held,my "q"',
    'is:paused': 'held', 'is:dlq': 'orders-dlq', 'is:idle': 'orders-dlq', 'is:noworkers': 'Orders', 'is:nonsense': '',
    '"old shop"': 'my "q"', 'old shop': 'my "q"', '"shop old"': '',
  })) assert.equal(found(text), names, text)
})

test('Numbers are compared, and what is not known is neither more nor less', () => {
  for (const [text, names] of Object.entries({
    'waiting>100': 'Orders', 'waiting>=100': 'Orders,my "q"', 'waiting<3': 'orders-dlq', 'waiting<=3': 'orders-dlq,held', 'waiting=150': 'Orders', 'waiting>-1': 'Orders,orders-dlq,held,my "q"',
    'active=2': 'Orders', 'delayed=0': 'Orders', 'failed>6.5': 'Orders', 'workers=0': 'Orders', 'workers>0': 'held', 'oldest>=60': 'Orders', 'oldest>60': '', 'rate<-2': 'Orders', 'rate>0': '',
    'WAITING>100': 'Orders', '-waiting>100': 'orders-dlq,held,mail,my "q"',
  })) assert.equal(found(text), names, text)
})

test('A minus turns a term, and alone is a word', () => {
  assert.equal(found('-app:"old shop"'), 'Orders,orders-dlq,held,mail')
  assert.equal(found('-"old shop"'), 'Orders,orders-dlq,held,mail')
  assert.equal(found('app:shop -is:trouble'), 'orders-dlq,mail')
  assert.equal(found('-orders'), 'held,mail,my "q"')
  assert.equal(found('-'), 'orders-dlq,held,mail,my "q"') // it is in the name, or the reporter has none
  assert.equal(found('--orders'), ALL)
})

test('A term that there is not is text', () => {
  assert.equal(found('colour:red'), '')
  assert.equal(found('waiting>many'), '')
  assert.equal(found('size>3'), '')
  assert.equal(found('constructor>3'), '')
  assert.equal(found('app:'), '')
  for (const name of ['colour:red', 'waiting>many', 'size>3', 'app:', '__proto__:1', 'constructor>3', 'is:']) {
    const [app] = apps({ app: { queues: [queue(name, 1), queue('another', 1)] } })
    assert.deepEqual(app.queues.filter(parseQuery(name).queue).map((q) => q.name), [name])
  }
})

test('Servers are found by their own', () => {
  assert.equal(servers(''), 'web-1,db-1')
  assert.equal(servers('web'), 'web-1')
  assert.equal(servers('10-0-0'), 'web-1')
  assert.equal(servers('node production'), 'web-1')
  assert.equal(servers('app:"old shop"'), 'db-1')
  assert.equal(servers('is:lost'), 'web-1')
  assert.equal(servers('is:trouble -app:blog'), 'web-1')
  assert.equal(servers('server:db'), 'db-1')
  assert.equal(servers('queue:web'), '')
  assert.equal(servers('waiting>0'), '')
})

test('A term that is made for a value finds it', () => {
  for (const name of ['shop', 'old shop', 'a:b', 'app:x', '-x', 'ünï 佇列', 'a  b', '__proto__']) {
    const [app] = apps({ [name]: { queues: [queue('q', 1)] } })
    const [another] = apps({ another: { queues: [queue('q', 1)] } })
    const query = parseQuery(term('app', name))
    assert.ok(query.queue(app.queues[0]), name)
    assert.ok(!query.queue(another.queues[0]), name)
  }
})

test('Whatever is typed is read in time', () => {
  // A backtracking pattern would take hours for these.
  for (const hostile of ['"', '-', 'a', ':', 'a:', '" ', '-"', 'a:"', '\\', '>', 'waiting>', '1', ' ', 'a ', '(', '\u202e', '😀', 'app:"a" ']) {
    const text = hostile.repeat(Math.ceil(10_000 / hostile.length))
    for (const t of [text, `app:${text}`, `waiting>${text}`, `waiting>1${text}x`, `-${text}`]) {
      const query = parseQuery(t)
      query.queue(shop.queues[0])
      query.server(shop.servers[0])
    }
  }
}, { timeout: 20_000 })
