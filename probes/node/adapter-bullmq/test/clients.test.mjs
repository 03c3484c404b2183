// All connections that queues may have: one shared, one each, of several Redis, of a cluster, of any client library.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Cluster, Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { createClient } from 'redis'
import { reportQueues } from '@gravito/adapter-bullmq'
import { asks, redis, without } from '../../adapter-host/test/servers.mjs'
import { byGo, eventually, goReporter, nextReport, queueOf, reported, stacked, workerOf } from './reports.mjs'

const skip = without('redis-server', goReporter)

const io = (Client, options) => async (t, url) => {
  const client = new Client(url, { maxRetriesPerRequest: null, ...options })
  t.after(() => client.disconnect())
  return client
}
const nodeRedis = (RESP) => async (t, url) => {
  const client = createClient({ url, RESP })
  client.on('error', () => {})
  await client.connect()
  t.after(() => client.isOpen && client.destroy())
  return client
}
const clients = {
  'ioredis 6': io(Redis),
  'ioredis 6 with RESP3': io(Redis, { protocol: 3 }),
  'ioredis 6 with numbers as texts': io(Redis, { stringNumbers: true }),
  'ioredis 5': io(Redis5),
  'node-redis 6': nodeRedis(2),
  'node-redis 6 with RESP3': nodeRedis(3),
}

/** Makes a queue with a job in most states. */
async function fill(t, library, name, connection, prefix) {
  const queue = await queueOf(t, library, name, connection, prefix)
  const job = (options) => (library === 'bull4' ? queue.add({}, options) : queue.add('job', {}, options))
  for (const options of [{}, {}, { priority: 3 }, { delay: 3_600_000 }]) await job(options)
  const failing = await workerOf(t, library, name, connection, async () => Promise.reject(new Error('on purpose')), prefix)
  await eventually(async () => (await queue.getFailedCount()) === 3)
  await failing.close()
  await job({})
  await queue.pause()
  return queue
}
const filled = { waiting: 1, active: 0, delayed: 1, failed: 3 }

describe('the queues of BullMQ 6', { skip, concurrency: 2 }, () => {
  for (const [client, make] of Object.entries(clients)) {
    test(`by ${client}`, async (test) => {
      const t = stacked(test)
      const server = await redis(t)
      await fill(t, 'bullmq6', 'mail', { port: server.port, maxRetriesPerRequest: null })
      const queue = await queueOf(t, 'bullmq6', 'mail', await make(t, server.url))
      const reporter = reportQueues([queue], { app: 'shop', intervalMs: 200 })
      t.after(() => reporter.stop())
      const report = await nextReport(server.port)
      assert.deepEqual(report.queues, (await byGo(server.url)).queues)
      assert.deepEqual(report.queues[0].metrics, filled)
      assert.ok(report.queues[0].meta.oldest_failed_at > 1.6e12)
      assert.equal(report.problems, undefined)
    })
  }
})

test('queues of several libraries on several Redis are one report, and are counted where they are', { skip }, async (test) => {
  const t = stacked(test)
  const [a, b, dashboard] = [await redis(t), await redis(t), await redis(t)]
  const queues = [
    await fill(t, 'bullmq6', 'six', { port: a.port, maxRetriesPerRequest: null }),
    await fill(t, 'bullmq3', 'three', { port: a.port, maxRetriesPerRequest: null }),
    await fill(t, 'bull4', 'four', { port: b.port }),
    await fill(t, 'bullmq5', 'five', { port: b.port, db: 2, maxRetriesPerRequest: null }),
  ]
  const watched = new Redis(a.url)
  t.after(() => watched.disconnect())
  await asks(a.port, ['CONFIG', 'RESETSTAT'])
  const reporter = reportQueues(queues, { app: 'shop', redis: dashboard.url, intervalMs: 500 })
  t.after(() => reporter.stop())
  const { queues: rows, problems } = await nextReport(dashboard.port)
  assert.equal(problems, undefined)
  assert.deepEqual(rows.map(({ name }) => name), ['five', 'four', 'six', 'three'])
  for (const { metrics, name } of rows) assert.deepEqual(metrics, filled, name)
  await reporter.stop()
  const calls = async (command) => Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec((await asks(a.port, ['INFO', 'commandstats'])).toString())?.[1] ?? 0)
  // Two connections, one server: each asks who it is, one asks who is there.
  assert.equal((await calls('client\\|info')) / (await calls('client\\|list')), 2)
})

test('two Queue objects of one queue are one row, and two queues of one name are a problem', { skip }, async (test) => {
  const t = stacked(test)
  const [a, b] = [await redis(t), await redis(t)]
  const queues = [await queueOf(t, 'bullmq6', 'mail', { port: a.port }), await queueOf(t, 'bullmq6', 'mail', { port: a.port })]
  await queues[0].add('job', {})
  const reporter = reportQueues(queues, { app: 'shop', intervalMs: 200 })
  t.after(() => reporter.stop())
  const report = await nextReport(a.port)
  assert.deepEqual(report.queues.map(({ metrics }) => metrics.waiting), [1])
  assert.equal(report.problems, undefined)
  await reporter.stop()

  const both = reportQueues([...queues, await queueOf(t, 'bullmq6', 'mail', { port: b.port })], { app: 'shop', intervalMs: 200, log: () => {} })
  t.after(() => both.stop())
  const two = await nextReport(a.port)
  assert.equal(two.queues.length, 1)
  assert.match(two.problems[0].reason, /bullmq has this name twice/)
})

test('the queues of a cluster, whose nodes know their own clients only', { skip }, async (test) => {
  const t = stacked(test)
  const nodes = [await redis(t, '--cluster-enabled', 'yes'), await redis(t, '--cluster-enabled', 'yes')]
  await asks(nodes[0].port, ['CLUSTER', 'ADDSLOTSRANGE', '0', '8191'])
  await asks(nodes[1].port, ['CLUSTER', 'ADDSLOTSRANGE', '8192', '16383'])
  await asks(nodes[1].port, ['CONFIG', 'SET', 'cluster-require-full-coverage', 'no'])
  await asks(nodes[0].port, ['CLUSTER', 'MEET', '127.0.0.1', String(nodes[1].port)])
  await eventually(async () => (await Promise.all(nodes.map(({ port }) => asks(port, ['CLUSTER', 'INFO'])))).every((info) => /cluster_state:ok[^]*cluster_known_nodes:2/.test(info)))
  const cluster = new Cluster([{ host: '127.0.0.1', port: nodes[0].port }], { redisOptions: { maxRetriesPerRequest: null } })
  t.after(() => cluster.disconnect())
  const prefixes = ['{a}', '{b}'] // of a node each
  const queues = []
  for (const prefix of prefixes) queues.push(await fill(t, 'bullmq6', `mail${prefix}`, cluster, prefix))
  const busy = await queueOf(t, 'bullmq6', 'busy', cluster, '{a}')
  await busy.add('job', {})
  await workerOf(t, 'bullmq6', 'busy', cluster, () => new Promise(() => {}), '{a}')
  await eventually(async () => (await busy.getActiveCount()) === 1)
  const reporter = reportQueues([...queues, busy], { app: 'shop', intervalMs: 200 })
  t.after(() => reporter.stop())
  const report = await eventually(async () => JSON.parse((await cluster.get('pulse:queues:shop:bullmq')) ?? 'null'))
  assert.equal(report.problems, undefined)
  const expected = []
  for (const prefix of prefixes) expected.push(...(await byGo(`redis://127.0.0.1:${nodes[0].port},127.0.0.1:${nodes[1].port}`, prefix)).queues)
  expected.sort((a, b) => (a.name < b.name ? -1 : 1))
  assert.deepEqual(report.queues, expected)
  for (const { name, metrics } of report.queues) if (name !== 'busy') assert.deepEqual(metrics, filled)
  assert.equal(report.queues.find(({ name }) => name === 'busy').meta.workers, 1)
})

test('what is no queue, or no option, is refused at once with a sentence', () => {
  const queue = { name: 'mail', toKey: (type) => `bull:mail:${type}`, client: Promise.resolve({}) }
  const refused = (queues, options, sentence) => assert.throws(() => reportQueues(queues, { app: 'shop', ...options }), { name: 'TypeError', message: sentence })
  refused([queue, {}], {}, /^queues\[1\] is no queue: it takes what new Queue/)
  refused([queue], { app: 'my shop' }, /^app is "my shop": it takes/)
  refused([queue], { source: '' }, /^source is "": it takes/)
  refused([queue], { intervalMs: 0.5 }, /^options.intervalMs is 0.5: it takes a number of whole milliseconds/)
  refused([queue], { ttlMs: 0 }, /^options.ttlMs is 0: it takes/)
  refused([queue], { redis: 'http://somewhere' }, /^redis is a URL of http:\/\/: it takes redis:\/\//)
  refused([queue], { ttlMs: 5_000 }, /^ttlMs is 5000: it takes more than intervalMs, which is 10000/)
  refused([queue], { interval: 5 }, /^options has no "interval": it takes app, source, redis, intervalMs, ttlMs, log$/)
  refused([queue], { log: false }, /^options.log is false: it takes a function$/)
  refused(queue, {}, /^queues is no list: it takes reportQueues\(\[queue/)
  refused(new Set([queue]), {}, /^queues is no list/)
  assert.throws(() => reportQueues([queue]), { name: 'TypeError', message: /^options is missing: it takes an object with app, source/ })
  refused([], {}, /^none of the queues is in Redis, where reports go/)
})

test('a queue whose client cannot be asked is a problem of its own', { skip }, async (test) => {
  const t = stacked(test)
  const server = await redis(t)
  const strange = (name, client) => ({ name, toKey: (type) => `bull:${name}:${type}`, client })
  const queue = await queueOf(t, 'bullmq6', 'mail', { port: server.port })
  const queues = [queue, strange('none', Promise.resolve(undefined)), strange('other', Promise.resolve({})), strange('closed', Promise.reject(new Error('Connection is closed.')))]
  const lines = []
  const reporter = reportQueues(queues, { app: 'shop', intervalMs: 200, log: (line) => lines.push(line) })
  t.after(() => reporter.stop())
  await nextReport(server.port)
  const { queues: rows, problems } = await nextReport(server.port)
  assert.deepEqual(rows.map(({ name }) => name), ['mail'])
  assert.deepEqual(problems.map(({ queue }) => queue), ['none', 'other', 'closed'])
  assert.match(problems[0].reason, /no Redis client/)
  assert.match(problems[1].reason, /neither a URL nor a client/)
  assert.match(problems[2].reason, /Connection is closed/)
  await nextReport(server.port)
  assert.equal(lines.length, 1, lines.join('\n'))
  assert.match(lines[0], /^gravito-pulse: cannot read queue "none" of shop \(and 2 more\): /)
  assert.ok(await reported(server.port))
})
