// BullMQ 6 on PostgreSQL has no keys to read: there, and only there, its own counting is used.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPostgresBackend, Queue, Worker } from 'bullmq6'
import { reportQueues } from '@gravito/adapter-bullmq'
import { redis, without } from '../../adapter-host/test/servers.mjs'
import { initdb, postgres } from './postgres.mjs'
import { eventually, nextReport, queueOf, stacked } from './reports.mjs'

test('queues in PostgreSQL are counted beside those in Redis', { skip: without('redis-server', initdb) }, async (test) => {
  const t = stacked(test)
  const server = await redis(t)
  const { connection, stop } = await postgres(t)
  const open = async (name) => {
    const queue = new Queue(name, { connection: { ...connection, migrate: true } }, createPostgresBackend)
    queue.on('error', () => {})
    t.after(() => queue.close().catch(() => {}))
    await queue.waitUntilReady()
    return queue
  }
  const [mail, paused] = [await open('mail'), await open('paused')]
  await mail.add('job', {}, { attempts: 1 })
  const worker = new Worker('mail', async () => Promise.reject(new Error('on purpose')), { connection }, createPostgresBackend)
  worker.on('error', () => {})
  await eventually(async () => (await mail.getFailedCount()) === 1)
  await worker.close()
  for (const options of [{}, {}, { priority: 2 }, { delay: 3_600_000 }]) await mail.add('job', {}, options)
  await paused.pause()
  await paused.add('job', {})
  const redisQueue = await queueOf(t, 'bullmq6', 'sms', { port: server.port })

  const lines = []
  const reporter = reportQueues([mail, redisQueue, paused], { app: 'shop', intervalMs: 300, log: (line) => lines.push(line) })
  t.after(() => reporter.stop())
  const { queues, problems } = await nextReport(server.port)
  assert.equal(problems, undefined)
  assert.deepEqual(queues.map(({ name }) => name), ['mail', 'paused', 'sms'])
  assert.deepEqual(queues[0], {
    name: 'mail',
    driver: 'bullmq',
    metrics: { waiting: 3, active: 0, delayed: 1, failed: 1 },
    meta: { counted_by: 'getJobCounts', prioritized: 1, completed: 0, waiting_children: 0 },
  })
  assert.deepEqual(queues[1].metrics, { waiting: 1, active: 0, delayed: 0, failed: 0 })
  assert.equal(queues[1].meta.paused, true)
  assert.equal(queues[1].meta.runnable, 0)
  assert.equal(queues[2].meta.counted_by, undefined)

  assert.throws(() => reportQueues([mail], { app: 'shop' }), /none of the queues is in Redis/)

  await stop()
  await eventually(() => lines.length > 0)
  const left = await nextReport(server.port)
  assert.deepEqual(left.queues.map(({ name }) => name), ['sms'])
  assert.deepEqual(left.problems.map(({ queue }) => queue).sort(), ['mail', 'paused'])
  assert.equal(lines.length, 1, lines.join('\n'))
})
