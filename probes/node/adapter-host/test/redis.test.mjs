// A real Redis, real clients, and queues that real BullMQ wrote: what Node reports is what the native
// reporter does.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlowProducer, Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { createClient } from 'redis'
import { createClient as createClient5 } from 'redis5'
import { AdapterModule, fromIoredis, fromNodeRedis } from '@gravito/pulse-adapter-host'
import { encodeReplies } from '../dist/resp.js'
import { asks, builtIn, output, redis, root, without } from './servers.mjs'

/** A `send` of each client, version and protocol. */
async function sends(t, url, options = {}) {
  const made = {}
  for (const [name, Client, protocols] of [['ioredis 5', Redis5, [2]], ['ioredis 6', Redis, [2, 3]]]) {
    for (const protocol of protocols) {
      const client = new Client(url, { protocol, retryStrategy: () => null, ...options })
      t.after(() => client.disconnect())
      made[`${name}, RESP${protocol}`] = fromIoredis(client)
    }
  }
  for (const [name, create] of [['node-redis 5', createClient5], ['node-redis 6', createClient]]) {
    for (const protocol of [2, 3]) {
      const client = create({ url, RESP: protocol, ...options, socket: { reconnectStrategy: false } })
      client.on('error', () => {})
      await client.connect()
      t.after(() => client.isOpen && client.destroy())
      made[`${name}, RESP${protocol}`] = fromNodeRedis(client)
    }
  }
  return made
}

/** Queues in several states. The worker stays, with a job that never ends, until the test does. */
async function fill(t, url) {
  const connection = new Redis(url, { maxRetriesPerRequest: null })
  connection.setMaxListeners(0)
  const close = []
  t.after(async () => {
    for (const it of close.reverse()) await it.close(true).catch(() => {})
    connection.disconnect()
  })
  const queue = (name) => {
    const q = new Queue(name, { connection })
    close.push(q)
    return q
  }
  const emails = queue('emails')
  for (let i = 0; i < 3; i++) await emails.add('send', { i })
  await emails.add('later', {}, { delay: 3_600_000 })
  await emails.add('first', {}, { priority: 1 })
  const images = queue('grüße an 日本')
  await images.add('resize', {})
  await images.pause()
  const empty = queue('empty')
  await empty.waitUntilReady()
  const flow = new FlowProducer({ connection })
  close.push(flow)
  await flow.add({ name: 'parent', queueName: 'parents', children: [{ name: 'child', queueName: 'children' }] })
  const failing = queue('failing')
  await failing.add('x', {})
  const failer = new Worker('failing', async () => Promise.reject(new Error('on purpose')), { connection })
  await new Promise((done) => failer.once('failed', done))
  await failer.close()
  await queue('busy').add('x', {})
  const worker = new Worker('busy', () => new Promise(() => {}), { connection })
  worker.on('error', () => {})
  close.push(worker)
  await new Promise((done) => worker.once('active', done))

  await connection.rpush('jobs:mail', 'a', 'b')
  await connection.rpush('jobs:\u00fc', 'a')
  await connection.xadd('events', '*', 'k', 'v')
  await connection.xgroup('CREATE', 'events', 'billing', '0')
  await connection.xadd('events', '*', 'k', 'v')
  await connection.rpush('laravel_database_queues:default', '{"id":"1"}', '{"id":"2"}')
  await connection.zadd('laravel_database_queues:default:delayed', 1, 'x')
  await connection.zadd('laravel_database_queues:default:reserved', Date.now() / 1000 + 60, 'y')
}

const drivers = [
  { adapter: 'bullmq', queues: '*' },
  { adapter: 'redislist', keys: 'jobs:*' },
  { adapter: 'redisstream', streams: 'events' },
  { adapter: 'laravel', queues: '*' },
]
const variables = { PULSE_BULLMQ_QUEUES: '*', PULSE_LIST_KEYS: 'jobs:*', PULSE_REDIS_STREAMS: 'events', PULSE_LARAVEL_QUEUES: '*' }

const byName = (queues) => Object.fromEntries(queues.map((q) => [`${q.driver}/${q.name}`, q]))

test('Node reports what the native reporter does, with each client', { skip: without('redis-server', 'go', builtIn) }, async (t) => {
  const server = await redis(t)
  await fill(t, server.url)
  const env = { ...process.env, ...variables, PULSE_APP: 'shop', PULSE_REDIS_URL: server.url, PULSE_LOG_LEVEL: 'error' }
  const native = JSON.parse(await output('go', ['run', './functions/redis-reporter', '-once'], { cwd: root, env }))
  const expected = byName(native.queues)
  assert.deepEqual(native.problems ?? [], [])
  // That it is not two empty snapshots that agree.
  assert.deepEqual(expected['bullmq/emails'].metrics, { waiting: 4, active: 0, delayed: 1, failed: 0 })
  assert.equal(expected['bullmq/busy'].metrics.active, 1)
  assert.equal(expected['bullmq/busy'].meta.workers, 1)
  assert.equal(expected['bullmq/grüße an 日本'].meta.paused, true)
  assert.equal(Object.keys(expected).length, 11, Object.keys(expected).join(', '))

  const clients = Object.entries(await sends(t, server.url))
  for (const trusted of [true, false]) for (const [client, send] of clients) {
    await t.test(`${client}, ${trusted ? 'trusted' : "a stranger's"}`, async () => {
      const module = await AdapterModule.load(builtIn, { trusted })
      const found = []
      for (const settings of drivers) {
        const session = await module.open({ app: 'shop', source: 'redis', ...settings })
        for (let i = 0; i < 2; i++) {
          const { snapshot } = await session.poll(send)
          assert.equal(snapshot.app, 'shop')
          assert.equal(snapshot.source, 'redis')
          assert.equal(snapshot.problems, undefined)
          if (i > 0) found.push(...snapshot.queues)
        }
        session.close()
      }
      assert.deepEqual(byName(found), expected)
      assert.equal(found.length, native.queues.length)
    })
  }
})

test('a poll changes nothing', { skip: without('redis-server', builtIn) }, async (t) => {
  const server = await redis(t)
  const connection = new Redis(server.url, { maxRetriesPerRequest: null })
  t.after(() => connection.disconnect())
  const queue = new Queue('emails', { connection })
  await queue.addBulk([{ name: 'a', data: {} }, { name: 'b', data: {}, opts: { delay: 9_999_999 } }, { name: 'c', data: {}, opts: { priority: 2 } }])
  await queue.pause()
  await queue.close()
  const digest = async () => String(await asks(server.port, ['DEBUG', 'DIGEST']))
  const before = await digest()
  const module = await AdapterModule.load(builtIn)
  for (const send of Object.values(await sends(t, server.url))) {
    const session = await module.open({ app: 'shop', adapter: 'bullmq', queues: '*' })
    const { snapshot } = await session.poll(send)
    assert.equal(snapshot.queues[0].metrics.waiting, 2)
  }
  assert.equal(await digest(), before)
})

test('each client gives the bytes that Redis sends', { skip: without('redis-server') }, async (t) => {
  const server = await redis(t)
  const odd = Buffer.from([0xff, 0x00, 0x0d, 0x0a, 0x24])
  await asks(
    server.port,
    ['SET', odd, odd], ['RPUSH', 'list', 'a', odd], ['HSET', 'hash', 'a', '1', odd, odd], ['SADD', 'set', 'only'],
    ['ZADD', 'zset', '1', 'one', '2.5', 'two', 'inf', 'three'], ['XADD', 'stream', '1-1', 'k', odd], ['XGROUP', 'CREATE', 'stream', 'group', '0'],
    ['ACL', 'SETUSER', 'monitor', 'on', '>secret', '~*', '+@all', '-llen'],
  )
  const commands = [
    ['GET', odd], ['GET', 'nothing'], ['LLEN', 'list'], ['LRANGE', 'list', '0', '-1'], ['LINDEX', 'list', '7'], ['LLEN', 'hash'],
    ['HGETALL', 'hash'], ['HMGET', 'hash', 'a', 'nothing'], ['HSCAN', 'hash', '0'], ['EXISTS', odd], ['SMEMBERS', 'set'], ['SISMEMBER', 'set', 'x'], ['SSCAN', 'set', '0'],
    ['TYPE', 'zset'], ['TYPE', 'nothing'], ['ZCARD', 'zset'], ['ZSCORE', 'zset', 'two'], ['ZSCORE', 'zset', 'three'], ['ZSCORE', 'zset', 'nobody'],
    ['ZRANGE', 'zset', '0', '-1'], ['zrange', 'zset', '0', '-1', 'WITHSCORES'], ['ZRANGE', 'nothing', '0', '-1', 'WITHSCORES'], ['ZSCAN', 'zset', '0'], ['ZCOUNT', 'zset', '-inf', '+inf'],
    ['XINFO', 'STREAM', 'stream'], ['XINFO', 'GROUPS', 'stream'], ['XINFO', 'GROUPS', 'nothing'], ['XLEN', 'stream'], ['XRANGE', 'stream', '-', '+'],
    ['SCAN', '0', 'COUNT', '1000'], ['PTTL', 'list'], ['ROLE'], ['STRLEN', odd],
  ].map((words) => words.map((w) => Buffer.from(w)))
  const login = ['AUTH', 'monitor', 'secret']
  // A status is a text to an adapter.
  const expected = (await asks(server.port, login, ...commands)).toString('latin1').replace('+OK\r\n', '').replace(/(^|\n)\+(.*)\r/g, (_, before, word) => `${before}$${word.length}\r\n${word}\r`)
  assert.match(expected, /-NOPERM/)
  assert.doesNotMatch(expected, /-WRONGTYPE/) // LLEN is refused before it is looked at
  for (const [client, send] of Object.entries(await sends(t, server.url, { username: 'monitor', password: 'secret' }))) {
    assert.equal(encodeReplies(await send(commands)).toString('latin1'), expected, client)
    const [list, info] = await send([['CLIENT', 'LIST'], ['CLIENT', 'INFO']].map((c) => c.map((w) => Buffer.from(w))))
    for (const text of [list, info]) assert.match(String(text), /^id=\d+ addr=127/, client)
  }
})

test('a Redis that is away is an error of the poll, and the next one goes on', { skip: without('redis-server', builtIn) }, async (t) => {
  const server = await redis(t)
  const io = new Redis(server.url, { maxRetriesPerRequest: 0, enableOfflineQueue: false, retryStrategy: () => 20 })
  io.on('error', () => {})
  t.after(() => io.disconnect())
  await new Promise((done) => io.once('ready', done))
  const session = await (await AdapterModule.load(builtIn)).open({ app: 'shop', adapter: 'redislist', keys: 'jobs' })
  await asks(server.port, ['RPUSH', 'jobs', 'a'])
  assert.equal((await session.poll(fromIoredis(io))).snapshot.queues[0].metrics.waiting, 1)
  await server.stop()
  await assert.rejects(session.poll(fromIoredis(io)), (err) => err.name !== 'AdapterError')
  const ready = new Promise((done) => io.once('ready', done))
  await server.start()
  await ready
  await asks(server.port, ['RPUSH', 'jobs', 'a', 'b'])
  assert.equal((await session.poll(fromIoredis(io))).snapshot.queues[0].metrics.waiting, 2)

  const node = createClient({ url: server.url, disableOfflineQueue: true, socket: { reconnectStrategy: () => 20 } })
  node.on('error', () => {})
  await node.connect()
  t.after(() => node.isOpen && node.destroy())
  await server.stop()
  await assert.rejects(session.poll(fromNodeRedis(node)), (err) => err.name !== 'AdapterError')
  await server.start()
})

test('clients that would send something else are refused', () => {
  const io = (options) => new Redis({ lazyConnect: true, ...options })
  assert.throws(() => fromIoredis(io({ keyPrefix: 'app:' })), /puts "app:" before each key/)
  assert.throws(() => fromIoredis(io({ stringNumbers: true })), /numbers as texts/)
  assert.throws(() => fromIoredis({ isCluster: true, pipeline() {} }), /a cluster/)
  assert.throws(() => fromNodeRedis({ masters: [], sendCommand() {} }), /a cluster/)
})
