// What the answers of a Redis mean, also of one that refuses or talks rubbish: numbers are exact or absent.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { countQueues } from '../dist/count.js'
import { QueueKeys } from '../dist/keys.js'
import { BoundedWait } from '../dist/bounded-wait.js'
import { countOf, listOf, textOf } from '../dist/reply.js'
import { rowOf } from '../dist/row.js'
import { Source } from '../dist/source.js'
import { Workers } from '../dist/workers.js'

const now = 1_764_000_000_000
const nobody = new Workers({ lists: [], client: null, cluster: null, replication: null })

/** Polls a Redis of lists, sizes and texts under `bull:q:`; an Error there is what it refuses with. */
async function poll(keys, { queue = new QueueKeys('q', 'bull:q:'), workers = nobody } = {}) {
  const answer = ([command, key, ...args]) => {
    const short = key.slice('bull:q:'.length)
    if (`${command} ${short}` in keys) return keys[`${command} ${short}`]
    const value = keys[short]
    if (value instanceof Error || (value !== undefined && !Array.isArray(value))) return value
    switch (command) {
      case 'LLEN': return value?.length ?? 0
      case 'ZCARD': return 0
      case 'LRANGE': return value?.slice(Number(args[0])) ?? []
      case 'LINDEX': return value?.[0] ?? null
      case 'HMGET': return args.map((field) => keys.fields?.[field] ?? null)
      case 'ZRANGE': return []
    }
    return null
  }
  const [counted] = await countQueues([queue], async (commands) => commands.map(answer))
  return rowOf(counted, workers, now)
}

const v4 = { version: 'bullmq:4.18.3' }
const many = (n) => Array.from({ length: n }, (_, i) => `j${i}`)

describe('a marker is no job', () => {
  const v2 = { 'opts.maxLenEvents': '10000' }
  for (const [where, keys, waiting] of [
    ['alone', { fields: v4, wait: ['0:1764000000000'] }, 0],
    ['at the head', { fields: v4, wait: ['0:0', 'a'] }, 1],
    ['between jobs', { fields: v4, wait: ['a', 'b', '0:17.5', 'c', 'd'] }, 4],
    ['in a paused list', { fields: v4, paused: ['a', '0:0', 'b'] }, 2],
    ['far from the end, after 200 jobs', { fields: v4, wait: ['a', '0:0', ...many(200)] }, 202],
    ['of BullMQ 2', { fields: v2, wait: ['a', 'b', '0', 'c', 'd'] }, 4],
    ['but a job, in Bull 4', { wait: ['0'] }, 1],
    ['but a job, that looks like one', { fields: v4, wait: ['0:order', '0:7.order'] }, 2],
  ]) {
    test(where, async () => assert.equal((await poll(keys)).metrics.waiting, waiting))
  }

  test('of before an upgrade, remembered until a worker gets there', async () => {
    const queue = new QueueKeys('q', 'bull:q:')
    const fields = { version: 'bullmq:6.7.0' }
    const marker = '0:1764000000000'
    for (const [wait, waiting] of [
      [['d', 'c', marker, 'b', 'a'], 4],
      [['d', 'c', marker, 'b', 'a', ...many(300)], 304],
      [['d', 'c', ...many(5)], 7],
      [['d', 'c', marker, 'b', 'a'], 5], // no version makes it again
    ]) {
      assert.equal((await poll({ fields, wait }, { queue })).metrics.waiting, waiting)
    }
  })
})

describe('finished jobs', () => {
  const finished = ({ meta: { processed, processed_failed } }) => [processed, processed_failed]
  const counter = (count) => (count instanceof Error ? count : [count, count && '1764000000000'])
  for (const [name, completed, failed, expected] of [
    ['are not known where no worker counts them', null, null, [undefined, undefined]],
    ['are both those that are done and those that failed', '7', '3', [10, 3]],
    ['may all be done', '7', null, [7, 0]],
    ['may all have failed', null, '3', [3, 3]],
    ['are not known by a counter of something else', 'many', '3', [undefined, undefined]],
    ['are not known by a negative one', '-1', '3', [undefined, undefined]],
    ['are not known by one beyond all numbers', '9007199254740991', '3', [undefined, undefined]],
    ['are not known by one that may not be read', new Error('NOPERM no permissions'), '3', [undefined, undefined]],
  ]) {
    test(name, async () => {
      const queue = new QueueKeys('q', 'bull:q:')
      for (let i = 0; i < 2; i++) {
        const row = await poll({ fields: v4, 'HMGET metrics:completed': counter(completed), 'HMGET metrics:failed': counter(failed) }, { queue })
        assert.deepEqual(finished(row), expected)
      }
    })
  }

  test('are not known by a counter that is behind', async () => {
    for (const [at, expected] of [['1764000060000', 7], ['1764000060001', undefined]]) {
      const keys = { fields: v4, 'ZCARD completed': 8, 'ZRANGE completed': ['8', at], 'HMGET metrics:completed': counter('7') }
      assert.equal(finished(await poll(keys))[0], expected)
    }
  })

  test('are asked for where they were, and everywhere once a minute', async (t) => {
    let now = 0
    t.mock.method(performance, 'now', () => now)
    const queue = new QueueKeys('q', 'bull:q:')
    for (const [at, completed, failed, expected] of [
      [0, null, null, undefined],
      [10_000, '5', null, undefined], // it is not asked
      [60_000, '5', null, 5],
      [70_000, '6', null, 6],
      [75_000, '6', '2', 8],
      [80_000, null, null, undefined],
      [90_000, '7', null, undefined],
    ]) {
      now = at
      assert.equal(finished(await poll({ fields: v4, 'HMGET metrics:completed': counter(completed), 'HMGET metrics:failed': counter(failed) }, { queue }))[0], expected, String(at))
    }
  })
})

describe('a refusal', () => {
  const noperm = new Error('NOPERM this user has no permissions')
  test('of what waiting is made of leaves the queue out, with what to do', async () => {
    for (const key of ['wait', 'LLEN paused', 'ZCARD prioritized', 'LRANGE wait', 'LINDEX wait']) {
      const row = await poll({ [key]: noperm })
      assert.equal(row.queue, 'q', key)
      assert.match(row.reason, /^NOPERM: this user has no permissions; allow \+llen .* on ~bull:\* \(docs\/acl\.md\)$/)
    }
    assert.match((await poll({ wait: new Error('WRONGTYPE Operation') })).reason, /^WRONGTYPE: Operation; something other than BullMQ wrote to its keys$/)
  })

  test('of another number leaves that one out, and what follows from it', async () => {
    const row = await poll({ active: noperm, wait: ['a'], fields: { concurrency: '5' } }, { workers: new Workers({ lists: ['id=1 addr=1 laddr=2 name= flags=N db=0 cmd=client|list'], client: 'id=1 db=0', cluster: new Error('ERR no'), replication: 'role:master' }) })
    assert.deepEqual(row.metrics, { waiting: 1, delayed: 0, failed: 0 })
    assert.deepEqual(Object.keys(row.meta), ['prioritized', 'completed', 'waiting_children', 'concurrency', 'error'])
    assert.match(row.meta.error, /^active: NOPERM: /)
    assert.match((await poll({ 'HMGET meta': noperm })).meta.error, /^meta: NOPERM: /)
  })
})

describe('rubbish', () => {
  for (const [what, value, reason] of [
    ['a negative number', -1, /the answer is -1 where a number of jobs is due/],
    ['a fraction', 1.5, /the answer is 1.5 where/],
    ['a number beyond exact', 2 ** 53, /where a number of jobs is due/],
    ['text', 'OK', /the answer is text where an integer is due/],
    ['a list', [1], /the answer is a list where an integer is due/],
    ['a map', new Map(), /the answer is something else where an integer is due/],
    ['nothing', null, /the answer is nothing where an integer is due/],
  ]) {
    test(`${what} as a length`, () => assert.throws(() => countOf(value), { message: reason }))
  }
  test('that adds up to more jobs than can be', async () => {
    const most = Number.MAX_SAFE_INTEGER
    assert.match((await poll({ 'LLEN wait': most, 'LLEN paused': most })).reason, /more jobs than can be/)
  })
  test('as text or list', () => {
    assert.throws(() => textOf(7), /the answer is an integer where text is due/)
    assert.throws(() => listOf('x'), /the answer is text where a list is due/)
    assert.equal(textOf(Buffer.from('ü')), 'ü')
  })
  test('without end is cut', async () => {
    assert.ok((await poll({ active: new Error('x'.repeat(100_000)) })).meta.error.length < 400)
  })
  test('as a time is no time', async () => {
    for (const [reply, at] of [['', undefined], ['soon', undefined], ['-5', undefined], [7, undefined], ['1763999999000', 1763999999000], [String(now + 9), now]]) {
      assert.equal((await poll({ wait: ['a'], 'HGET a': reply })).meta.oldest_at, at)
    }
    for (const [reply, at] of [[['a', '1764000000000.5'], now], [[['a', now]], now], [['a'], undefined], ['a', undefined], [['a', 'nan'], undefined], [['a', '1e300'], 8.64e15]]) {
      assert.equal((await poll({ 'ZCARD failed': 1, 'ZRANGE failed': reply })).meta.oldest_failed_at, at)
    }
  })
})

describe('what holds jobs back', () => {
  for (const [what, keys, meta] of [
    ['a pause', { fields: { paused: '1' } }, { paused: true, runnable: 0 }],
    ['a rate limit that is reached', { fields: { max: '3' }, limiter: '3' }, { rate_limited: true, runnable: 0 }],
    ['a rate limit that is not', { fields: { max: '3' }, limiter: '2' }, {}],
    ['a limit that only a worker knows', { limiter: '500' }, {}],
    ['queue.rateLimit', { limiter: String(Number.MAX_SAFE_INTEGER) }, { rate_limited: true, runnable: 0 }],
    ['concurrency', { fields: { concurrency: '3' }, active: ['x', 'y'] }, { concurrency: 3, runnable: 1 }],
    ['concurrency that is used up', { fields: { concurrency: '1' }, active: ['x', 'y'] }, { concurrency: 1, runnable: 0 }],
    ['concurrency that is enough', { fields: { concurrency: '9' } }, { concurrency: 9 }],
  ]) {
    test(what, async () => {
      const { paused, runnable, rate_limited, concurrency } = (await poll({ wait: ['a', 'b', 'c'], ...keys })).meta
      assert.deepEqual(JSON.parse(JSON.stringify({ paused, runnable, rate_limited, concurrency })), meta)
    })
  }
  test('groups of BullMQ Pro are said', async () => assert.match((await poll({ 'ZCARD groups': 2 })).meta.error, /^it has 2 groups of BullMQ Pro/))
})

describe('workers', () => {
  const queue = new QueueKeys('orders', 'bull:orders:')
  const name = `bull:${Buffer.from('orders').toString('base64')}`
  const client = (called, more = '') => `id=1 addr=1 laddr=2 fd=8 name=${called} db=2 flags=N ${more}`
  const us = client('', 'cmd=client|list')
  const alone = new Error('ERR This instance has cluster support disabled')
  for (const [what, lists, more, active, expected] of [
    ['by each of their names', [[us, client(name), client(`${name}:w:one`), client(`${name}:qe`), client(`${name}x`), client(`bullet:${name.slice(5)}`)]], {}, 1, 2],
    ['none', [[us]], {}, 0, 0],
    ['none seen while a job runs', [[us]], {}, 1, undefined],
    ['of another database', [[us, client(name).replace('db=2', 'db=22')]], {}, 0, 0],
    ['without CLIENT INFO', [[us, client(name)]], { client: new Error('ERR unknown') }, 0, 1],
    ['without it, and two who ask', [[us, client(name), us.replace('db=2', 'db=3')]], { client: null }, 0, undefined],
    ['without a list', [], {}, 0, undefined],
    ['on a replica by its role', [[us, client(name)]], { replication: '# Replication\r\nrole:slave\r\n' }, 0, undefined],
    ['on a replica by its link', [[us, client('').replace('flags=N', 'flags=M')]], { replication: new Error('NOPERM') }, 0, undefined],
    ['of a cluster, counted by the server that has the queue', [[us, client(name)], [client(name), client(name)]], { cluster: 'cluster_state:ok' }, 2, 2],
    ['of a cluster whose clients have no such name', [[us]], { cluster: 'cluster_state:ok' }, 0, undefined],
    ['of a cluster whose other clients have', [[us, client('bull:b3RoZXI=')]], { cluster: 'cluster_state:ok' }, 0, 0],
    ['where it may be a cluster', [[us]], { cluster: new Error('NOPERM') }, 0, undefined],
  ]) {
    test(what, () => {
      const workers = new Workers({ lists: lists.map((lines) => `${lines.join('\n')}\n`), client: 'id=1 addr=1 laddr=2 fd=8 name= db=2', cluster: alone, replication: 'role:master', ...more })
      assert.equal(workers.of(queue, active), expected)
    })
  }
  test('of a prefix that no client name can have', () => {
    const workers = new Workers({ lists: [`${us}\n`], client: us, cluster: alone, replication: 'role:master' })
    assert.equal(workers.of(new QueueKeys('orders', 'my bull:orders:'), 0), undefined)
    assert.equal(workers.of(new QueueKeys('orders', 'büll:orders:'), 0), undefined)
  })
})

test('nothing is asked while an answer is due, and all is asked again when it has come', async () => {
  const wait = new BoundedWait('redis', 20)
  let answer
  const asked = []
  const work = () => {
    asked.push(1)
    return new Promise((done) => (answer = done))
  }
  const late = { message: 'redis has not answered within 0.02 s; it is asked again when it has' }
  // The timers keep no process alive: this one does.
  const alive = setInterval(() => {}, 1000)
  try {
    await assert.rejects(wait.for(work), late)
    await assert.rejects(wait.for(work), late)
    assert.equal(asked.length, 1)
    answer()
    await new Promise((done) => setTimeout(done, 0))
    assert.equal(await wait.for(async () => 7), 7)
    await assert.rejects(wait.for(() => { throw new Error('theirs') }), { message: 'theirs' })
    assert.equal(await wait.for(async () => 8), 8)
  } finally {
    clearInterval(alive)
  }
})

test('a Redis that answers too late is asked no more of what there was to ask', async () => {
  let [calls, open] = [0, () => {}]
  const gate = new Promise((done) => (open = done))
  const alive = setInterval(() => {}, 1000)
  try {
    const source = new Source({ call: () => (calls++, gate.then(() => 0)) })
    const queues = Array.from({ length: 100 }, (_, i) => new QueueKeys(`q${i}`, `bull:q${i}:`))
    await assert.rejects(source.read(queues), { message: 'redis has not answered within 2 s; it is asked again when it has' })
    const asked = calls
    assert.ok(asked < 300, `${asked} commands at once`)
    open()
    await new Promise((done) => setTimeout(done, 20))
    assert.equal(calls, asked)
  } finally {
    clearInterval(alive)
  }
})
