// Fills queues with real jobs for a benchmark and prints what all of them hold together.
//
//   node fill.mjs --port N [--prefix bull] [--queues 1000]
//
// Queue i is named queue-<i> and holds 1 + i % 5 waiting, i % 4 delayed and i % 3 failed jobs.

import { Queue } from 'bullmq6'
import { HOUR, connect, main, refuseUsedPrefix } from './harness.mjs'

const job = (opts) => ({ name: 'job', data: { order: 7 }, opts })
const times = (n, make) => Array.from({ length: n }, (_, i) => make(i))

await main({ queues: { type: 'string', default: '1000' } }, async ({ port, prefix, queues }, print) => {
  const connection = connect(port).setMaxListeners(0)
  await refuseUsedPrefix(connection, prefix)

  const total = { queues: Number(queues), waiting: 0, delayed: 0, failed: 0 }
  for (let i = 0; i < total.queues; i++) {
    const name = `queue-${i}`
    const queue = new Queue(name, { connection, prefix })
    const [waiting, delayed, failed] = [1 + (i % 5), i % 4, i % 3]
    await queue.addBulk([...times(waiting, () => job()), ...times(delayed, () => job({ delay: HOUR }))])

    // As a worker would leave them; a worker for each queue would take minutes.
    const now = Date.now()
    const pipeline = connection.pipeline()
    for (const id of times(failed, (n) => `failed-${n}`)) {
      const outcome = { finishedOn: now, failedReason: 'on purpose', stacktrace: '[]', atm: 1, ats: 1 }
      const hash = { name: 'job', data: '{"order":7}', opts: '{"attempts":0}', timestamp: now, delay: 0, priority: 0 }
      pipeline.hset(`${prefix}:${name}:${id}`, { ...hash, processedOn: now, ...outcome })
      pipeline.zadd(`${prefix}:${name}:failed`, now, id)
    }
    await pipeline.exec()
    await queue.close()

    total.waiting += waiting
    total.delayed += delayed
    total.failed += failed
  }
  await print(total)
})
