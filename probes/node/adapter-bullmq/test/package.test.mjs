// What the README and docs/acl.md promise.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Queue } from 'bullmq6'
import { reportQueues } from '@gravito/adapter-bullmq'
import { asks, output, redis, root, without } from '../../adapter-host/test/servers.mjs'
import { eventually, nextReport, queueOf, reported, stacked, workerOf } from './reports.mjs'

const here = fileURLToPath(new URL('..', import.meta.url))
const skip = without('redis-server')

test("the README's example", { skip }, async (test) => {
  const t = stacked(test)
  const [, example] = /^```js\n(.*?)^```$/ms.exec(readFileSync(join(here, 'README.md'), 'utf8'))
  const server = await redis(t)
  await (await queueOf(t, 'bullmq6', 'emails', { port: server.port })).add('job', {})
  // In this folder, where its imports are found.
  const dir = mkdtempSync(join(here, 'test', 'readme-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const queues = ['emails', 'images'].map((name) => `const ${name} = new Queue('${name}', { connection: { port: ${server.port} } })`)
  const program = ["import { Queue } from 'bullmq6'", ...queues, example, "await new Promise((done) => setTimeout(done, 1000))", 'await reporter.stop()', 'await emails.close()', 'await images.close()']
  writeFileSync(join(dir, 'example.mjs'), program.join('\n'))
  assert.equal(await output(process.execPath, [join(dir, 'example.mjs')], {}), '')
  const { queues: rows } = await reported(server.port)
  assert.deepEqual(rows.map(({ name, metrics }) => [name, metrics.waiting]), [['emails', 1], ['images', 0]])
})

test('the permissions of docs/acl.md suffice', { skip }, async (test) => {
  const t = stacked(test)
  const [server, dashboard] = [await redis(t), await redis(t)]
  const acl = readFileSync(join(root, 'docs', 'acl.md'), 'utf8')
  await asks(dashboard.port, /^ACL SETUSER pulse-bullmq .*$/m.exec(acl)[0].split(' '))
  const row = /^\| \[bullmq\].*\| `(.*)` \| `(.*)` \|$/m.exec(acl)
  const commands = row[2].replaceAll('\\', '').split(' ').filter((word) => word !== '+role' && word !== '+scan')
  await asks(server.port, ['ACL', 'SETUSER', 'reader', 'reset', 'on', '>secret', row[1], ...commands, '+info'])
  const writer = await queueOf(t, 'bullmq6', 'mail', { port: server.port, maxRetriesPerRequest: null })
  await workerOf(t, 'bullmq6', 'mail', { port: server.port, maxRetriesPerRequest: null }, async () => Promise.reject(new Error('on purpose')))
  await writer.add('job', {})
  await eventually(async () => (await writer.getFailedCount()) === 1)
  await writer.pause()
  await writer.add('job', {})

  const queue = new Queue('mail', { connection: { port: server.port, username: 'reader', password: 'secret' }, skipMetasUpdate: true })
  queue.on('error', () => {})
  t.after(() => queue.close())
  const lines = []
  const reporter = reportQueues([queue], { app: 'shop', redis: `redis://pulse-bullmq:bullmq-password@127.0.0.1:${dashboard.port}`, intervalMs: 300, log: (line) => lines.push(line) })
  t.after(() => reporter.stop())
  const { queues, problems } = await nextReport(dashboard.port)
  assert.equal(problems, undefined)
  const { metrics, meta } = queues[0]
  assert.deepEqual(metrics, { waiting: 1, active: 0, delayed: 0, failed: 1 })
  assert.equal(meta.error, undefined)
  assert.equal(meta.workers, 1)
  assert.ok(meta.oldest_at && meta.oldest_failed_at)
  assert.deepEqual(lines, [])
  assert.equal((await asks(dashboard.port, ['ACL', 'LOG'])).toString(), '*0\r\n')
})
