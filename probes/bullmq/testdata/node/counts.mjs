// The rival: how long BullMQ 6 takes for getJobCounts of all queues that fill.mjs made.
//
//   node counts.mjs --port N [--prefix bull] [--queues 1000] [--mode sequential|all] [--rounds 10]
//
// All Queue objects share one connection and are ready before the clock starts; one round goes
// unmeasured, so that the script is in Redis and the code is warm. Prints the last round's totals
// as well, to show that both sides read the same data.

import { Queue } from 'bullmq6'
import { connect, main } from './harness.mjs'

const modes = {
  async sequential(queues) {
    const counts = []
    for (const queue of queues) counts.push(await queue.getJobCounts())
    return counts
  },
  all: (queues) => Promise.all(queues.map((queue) => queue.getJobCounts())),
}

const options = {
  queues: { type: 'string', default: '1000' },
  mode: { type: 'string', default: 'sequential' },
  rounds: { type: 'string', default: '10' },
}

await main(options, async ({ port, prefix, queues: n, mode, rounds }, print) => {
  if (!Object.hasOwn(modes, mode)) throw new Error(`--mode takes sequential or all, not ${mode}`)
  if (!(n > 0 && rounds > 0)) throw new Error('--queues and --rounds take a number from 1')

  const connection = connect(port).setMaxListeners(0)
  const queues = Array.from({ length: Number(n) }, (_, i) => new Queue(`queue-${i}`, { connection, prefix }))
  await Promise.all(queues.map((queue) => queue.waitUntilReady()))

  let counts = await modes[mode](queues)
  const took = []
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    counts = await modes[mode](queues)
    took.push(performance.now() - start)
  }
  took.sort((a, b) => a - b)

  const ms = (value) => Number(value.toFixed(3))
  const sum = (state) => counts.reduce((total, count) => total + count[state], 0)
  const middle = took.length >> 1
  const median = took.length % 2 ? took[middle] : (took[middle - 1] + took[middle]) / 2
  await print({
    mode, queues: queues.length, rounds: took.length, median_ms: ms(median), min_ms: ms(took[0]),
    waiting: sum('waiting'), delayed: sum('delayed'), failed: sum('failed'),
  })
})
