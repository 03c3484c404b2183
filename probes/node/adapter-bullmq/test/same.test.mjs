// Queues that real libraries wrote, in every state: what is reported is what the Go adapter reports of the same keys,
// and nothing is changed.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { reportQueues } from '@gravito/adapter-bullmq'
import { asks, redis, without } from '../../adapter-host/test/servers.mjs'
import { byGo, digest, eventually, goReporter, nextReport, queueOf, reported, seeded, stacked, workerOf } from './reports.mjs'

const skip = without('redis-server', goReporter)

/** Holds a document to the Go reporter's, and its numbers to what the scripts say that they made. */
function assertSame(report, expected, made) {
  assert.deepEqual(report.problems, undefined)
  assert.deepEqual(expected.problems, undefined)
  assert.deepEqual(report.queues, expected.queues)
  const { app, source, interval_ms } = report
  assert.deepEqual({ app, source, interval_ms }, { app: 'shop', source: 'bullmq', interval_ms: 200 })
  for (const { name, waiting, active, delayed, failed } of made) {
    assert.deepEqual(report.queues.find((queue) => queue.name === name)?.metrics, { waiting, active, delayed, failed }, name)
  }
}

describe('as the Go adapter does', { skip, concurrency: 2 }, () => {
  for (const library of ['bullmq6', 'bullmq5', 'bullmq4', 'bullmq3', 'bull4']) {
    for (const [state, prefix, options] of [['at rest', 'bull', []], ['with workers and the prefix of a cluster', '{my:bull}', ['--hold']]]) {
      test(`${library}, ${state}`, async (test) => {
        const t = stacked(test)
        const [server, dashboard] = [await redis(t), await redis(t)]
        const made = await seeded(t, 'seed.mjs', '--lib', library, '--port', String(server.port), '--prefix', prefix, ...options)
        assert.ok(made.length > 30)
        const connection = { port: server.port, maxRetriesPerRequest: null }
        const queues = await Promise.all(made.map(({ name }) => queueOf(t, library, name, connection, prefix)))
        const before = await digest(server.port)
        const reporter = reportQueues(queues, { app: 'shop', redis: dashboard.url, intervalMs: 200 })
        t.after(() => reporter.stop())
        const first = await nextReport(dashboard.port)
        const second = await nextReport(dashboard.port)
        const expected = await byGo(server.url, prefix)
        for (const report of [first, second]) assertSame(report, expected, made)
        assert.equal(await digest(server.port), before)
      })
    }
  }

  test('what an upgrade leaves behind', async (test) => {
    const t = stacked(test)
    const [server, dashboard] = [await redis(t), await redis(t)]
    const made = await seeded(t, 'upgrade.mjs', '--port', String(server.port))
    const queues = await Promise.all(made.map(({ name }) => queueOf(t, 'bullmq6', name, { port: server.port })))
    const before = await digest(server.port)
    const reporter = reportQueues(queues, { app: 'shop', redis: dashboard.url, intervalMs: 200 })
    t.after(() => reporter.stop())
    const reports = [await nextReport(dashboard.port), await nextReport(dashboard.port)]
    const expected = await byGo(server.url)
    for (const report of reports) assertSame(report, expected, made)
    assert.equal(await digest(server.port), before)
  })

  for (const library of ['bullmq1', 'bullmq2']) {
    test(library, async (test) => {
      const t = stacked(test)
      const [server, dashboard] = [await redis(t), await redis(t)]
      const connection = { port: server.port, maxRetriesPerRequest: null }
      const queue = (name) => queueOf(t, library, name, connection)
      const [mail, paused, failing, done, busy] = await Promise.all(['mail', 'paused', 'failing', 'done', 'busy'].map(queue))
      await mail.add('job', {}, { delay: 3_600_000 })
      for (const options of [{}, { lifo: true }, { priority: 2 }]) await mail.add('job', {}, options)
      await paused.pause()
      for (let i = 0; i < 4; i++) await paused.add('job', {})
      await failing.add('job', {})
      await done.add('job', {})
      await busy.add('job', {})
      await workerOf(t, library, 'failing', connection, async () => Promise.reject(new Error('on purpose')))
      await workerOf(t, library, 'done', connection, async () => 'done')
      await workerOf(t, library, 'busy', connection, () => new Promise(() => {}))
      await eventually(async () => (await failing.getFailedCount()) + (await done.getCompletedCount()) + (await busy.getActiveCount()) === 3)

      const queues = [mail, paused, failing, done, busy]
      const reporter = reportQueues(queues, { app: 'shop', redis: dashboard.url, intervalMs: 200 })
      t.after(() => reporter.stop())
      const report = await nextReport(dashboard.port)
      assertSame(report, await byGo(server.url), [
        { name: 'mail', waiting: 3, active: 0, delayed: 1, failed: 0 },
        { name: 'paused', waiting: 4, active: 0, delayed: 0, failed: 0 },
        { name: 'failing', waiting: 0, active: 0, delayed: 0, failed: 1 },
        { name: 'done', waiting: 0, active: 0, delayed: 0, failed: 0 },
        { name: 'busy', waiting: 0, active: 1, delayed: 0, failed: 0 },
      ])
      assert.equal(report.queues.find(({ name }) => name === 'busy').meta.workers, 1)
    })
  }

  test('workers of another database are not ours, and a replica does not know them', async (test) => {
    const t = stacked(test)
    const [server, dashboard] = [await redis(t), await redis(t)]
    const queues = await Promise.all([0, 1].map((db) => queueOf(t, 'bullmq6', `mail${db}`, { port: server.port, db })))
    await workerOf(t, 'bullmq6', 'mail0', { port: server.port, db: 1, maxRetriesPerRequest: null }, async () => {})
    await workerOf(t, 'bullmq6', 'mail1', { port: server.port, db: 1, maxRetriesPerRequest: null }, async () => {})
    await eventually(async () => (await queues[1].getWorkers()).length === 1)
    const reporter = reportQueues(queues, { app: 'shop', redis: dashboard.url, intervalMs: 200 })
    t.after(() => reporter.stop())
    const report = await nextReport(dashboard.port)
    assert.deepEqual(report.queues.map(({ meta }) => meta.workers), [0, 1])
    await asks(server.port, ['REPLICAOF', '127.0.0.1', '1'])
    assert.deepEqual((await nextReport(dashboard.port)).queues.map(({ meta }) => 'workers' in meta), [false, false])
  })
})

test('a report has the key, the life and the index that the protocol wants', { skip }, async (test) => {
  const t = stacked(test)
  const server = await redis(t)
  const queue = await queueOf(t, 'bullmq6', 'mail', { port: server.port })
  const reporter = reportQueues([queue], { app: 'shop', source: 'web', ttlMs: 50_000 })
  t.after(() => reporter.stop())
  const { timestamp, source } = await eventually(() => reported(server.port, 'pulse:queues:shop:web'))
  assert.equal(source, 'web')
  const seen = Number((await asks(server.port, ['ZSCORE', 'pulse:index', 'pulse:queues:shop:web'])).toString().split('\r\n')[1])
  assert.ok(seen >= timestamp && seen < timestamp + 30_000, `it was read at ${timestamp}, and is in the index as seen at ${seen}`)
  const life = Number((await asks(server.port, ['PTTL', 'pulse:queues:shop:web'])).toString().slice(1))
  assert.ok(life > 30_000 && life <= 50_000, String(life))
})
