// A program with a queue, for tests that need a process of its own: node program.mjs LIBRARY PORT URL forgets|stops.
// It reports for a while, closes its queue, and must then end by itself. It prints what is logged.

import { setTimeout as delay } from 'node:timers/promises'
import { reportQueues } from '@gravito/adapter-bullmq'
import { openQueue } from './reports.mjs'

const [library, port, url, end] = process.argv.slice(2)
process.on('unhandledRejection', (err) => {
  console.log(`unhandled: ${err}`)
  process.exitCode = 1
})
const queue = openQueue({ after() {} }, library, 'mail', { port: Number(port) })
const reporter = reportQueues([queue], { app: 'shop', redis: url, intervalMs: 300, log: (line) => console.log(line) })
await delay(6_500)
if (end === 'stops') await reporter.stop()
await queue.close()
