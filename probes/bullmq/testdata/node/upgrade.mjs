// Makes queues that an older library left behind and BullMQ 6 opened since; prints what seed.mjs prints.
//
//   node upgrade.mjs --port N [--prefix bull] [--library]
//
// BullMQ 6 has no `paused` list of its own: what BullMQ 5 left there is in none of its counts, and
// runs only after a resume.

import { HOUR, Library, clock, connect, expectation, main, refuseUsedPrefix } from './harness.mjs'

async function add(queue, options) {
  const timestamp = clock()
  await queue.add('job', {}, { timestamp, ...options })
  return timestamp
}

const delay = (queue) => queue.add('job', {}, { delay: HOUR })

// `before` makes the queue with the older library, `after` goes on with BullMQ 6; either may return
// what must be reported.
const scenarios = [
  ['paused', 'bullmq5', async (queue) => {
    const oldest = await add(queue)
    await add(queue)
    await queue.pause()
    await add(queue)
    return { waiting: 3, paused: true, oldest }
  }],
  // BullMQ 6 adds to `wait` whether or not the queue is paused.
  ['paused-and-more', 'bullmq5', async (queue) => {
    await add(queue)
    await add(queue)
    await queue.pause()
  }, async (queue) => {
    const oldest = await add(queue)
    return { waiting: 3, paused: true, oldest }
  }],
  ['paused-and-resumed', 'bullmq5', async (queue) => {
    const oldest = await add(queue)
    await add(queue)
    await queue.pause()
    return { waiting: 2, oldest }
  }, (queue) => queue.resume()],
  // A marker of BullMQ 4 in the middle of the `wait` of a queue whose version now says 6.
  ['marker', 'bullmq4', async (queue) => {
    await delay(queue)
    return { oldest: await add(queue, { lifo: true }) }
  }, async (queue) => {
    await add(queue)
    return { waiting: 2, delayed: 1 }
  }],
  ['paused-marker', 'bullmq4', async (queue) => {
    await delay(queue)
    await queue.pause()
    await add(queue)
  }, async (queue) => {
    const oldest = await add(queue)
    return { waiting: 2, delayed: 1, paused: true, oldest }
  }],
  // `meta-paused` outlives the resume.
  ['bull-paused-and-resumed', 'bull4', async (queue) => {
    const oldest = await add(queue)
    await queue.pause()
    return { waiting: 1, oldest }
  }, (queue) => queue.resume()],
]

await main({ library: { type: 'boolean' } }, async ({ port, prefix, library: counts }, print) => {
  const redis = connect(port)
  await refuseUsedPrefix(redis, prefix)
  const current = await Library.load('bullmq6', port, prefix)

  const report = []
  for (const [scenario, lib, before, after] of scenarios) {
    const name = `upgrade-${scenario}`
    const older = await Library.load(lib, port, prefix)
    const left = await before(older.queue(name))
    await older.close()

    const queue = current.queue(name)
    await queue.waitUntilReady()
    const now = await after?.(queue)
    const entry = expectation(name, scenario, { ...left, ...now })
    if (counts) entry.library = await queue.getJobCounts()
    report.push(entry)
    await current.close()
  }
  await print(report)
})
