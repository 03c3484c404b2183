// What the tests share: the Go reporter beside ours, and the queues of each library.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createRequire } from 'node:module'
import { asks, output, root } from '../../adapter-host/test/servers.mjs'
import { eventually } from '../../pulse-node/test/eventually.mjs'

export { eventually }

export const goReporter = join(root, 'build', 'redis-reporter', 'bootstrap')

/** A test whose last thing is ended first: a queue before its Redis. node:test does it the other way round. */
export function stacked(t) {
  const ends = []
  t.after(async () => {
    for (const end of ends.reverse()) await end()
  })
  return { after: (end) => ends.push(end) }
}

/** The document that is in Redis, or undefined. */
export async function reported(port, key = 'pulse:queues:shop:bullmq') {
  const text = (await asks(port, ['GET', key])).toString('latin1')
  if (text.startsWith('$-1')) return undefined
  return JSON.parse(Buffer.from(text.slice(text.indexOf('\n') + 1), 'latin1').toString())
}

/** The first document that was read after now. */
export async function nextReport(port) {
  const now = Date.now()
  return eventually(async () => {
    const report = await reported(port)
    return report !== undefined && report.timestamp > now && report
  })
}

/** What the Go reporter reads there just now. */
export async function byGo(url, prefix = 'bull') {
  const env = { ...process.env, PULSE_APP: 'shop', PULSE_REDIS_URL: url, PULSE_BULLMQ_QUEUES: '*', PULSE_BULLMQ_PREFIX: prefix, PULSE_LOG_LEVEL: 'error' }
  return JSON.parse(await output(goReporter, ['-once'], { env }))
}

/** Runs one of the scripts that make queues with a real library, until the test ends; resolves with what it printed. */
export async function seeded(t, script, ...args) {
  const child = spawn(process.execPath, [join(root, 'probes/bullmq/testdata/node', script), ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise((done) => child.once('close', done))
  t.after(async () => {
    child.stdin.end()
    await ended
  })
  let printed = ''
  for await (const part of child.stdout) {
    printed += part
    if (printed.endsWith('\n')) break
  }
  return JSON.parse(printed)
}

const require = createRequire(import.meta.url)

/** A queue of a library, closed when the test ends. `connection` is what the library takes as such, or its options. */
export function openQueue(t, library, name, connection, prefix = 'bull') {
  const module = require(library)
  const queue = library === 'bull4' ? new module(name, { redis: connection, prefix }) : new module.Queue(name, { connection, prefix })
  queue.on('error', () => {})
  t.after(async () => {
    // Where Redis is gone for good, closing waits for it for ever.
    await Promise.race([queue.close().catch(() => {}), delay(1000, undefined, { ref: false })])
  })
  return queue
}

/** The same, once it is connected. */
export async function queueOf(t, library, ...rest) {
  const queue = openQueue(t, library, ...rest)
  await (library === 'bull4' ? queue.isReady() : queue.waitUntilReady())
  return queue
}

/** A worker of a library with a job handler, stopped when the test ends. */
export async function workerOf(t, library, name, connection, run, prefix = 'bull') {
  const module = require(library)
  let worker
  if (library === 'bull4') {
    worker = new module(name, { redis: connection, prefix })
    worker.process(run)
  } else {
    worker = new module.Worker(name, run, { connection, prefix })
  }
  worker.on('error', () => {})
  t.after(async () => {
    await Promise.race([worker.close(true).catch(() => {}), delay(1000, undefined, { ref: false })])
  })
  return worker
}

/** Redis' own digest of all keys. */
export const digest = async (port) => String(await asks(port, ['DEBUG', 'DIGEST']))
