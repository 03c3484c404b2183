// A program that records, for tests that need a process of its own: node program.mjs URL SECONDS. It prints what is
// logged, and ends by itself after so many seconds of work.

import { setTimeout as delay } from 'node:timers/promises'
import { startRecorder } from '../dist/index.js'

const [url, seconds] = process.argv.slice(2)
process.on('unhandledRejection', (err) => {
  console.log(`unhandled: ${err}`)
  process.exitCode = 1
})
startRecorder({ app: 'shop', id: 'web-1', redis: url, intervalMs: 500, log: (line) => console.log(line) })
await delay(Number(seconds) * 1000)
