// Makes queues in known states with a real library and prints what a correct reader must report of them.
//
//   node seed.mjs --lib bull4|bullmq3|bullmq4|bullmq5|bullmq6 --port N [--prefix bull] [--hold] [--library]
//
// --hold     adds the scenarios that need live workers, prints, and keeps them until stdin ends.
// --library  adds the library's own getJobCounts. In BullMQ it WRITES (it pops a marker off the tail of
//            `wait`), so a reader is to be tested on a seed made without it.
//
// The expectations come from what a scenario did, never from the library's counters. waiting =
// every job a worker could take, prioritized ones included. oldest_timestamp = the `timestamp` of
// the job at the tail of `wait`, or of `paused` if `wait` has no job; a marker is no job.

import { HOUR, Library, clock, connect, expectation, main, names, refuseUsedPrefix, until } from './harness.mjs'

// Each scenario makes a queue of its own name unless it says otherwise, and returns what must be
// reported where that is not 0, absent or null. Several queues: an array of [name, expectation].
const scenarios = [
  // Bull 4 writes no key before the first job, so there is nothing to find.
  ['empty', { from: 'bullmq3' }, async (s) => {
    await s.queue().waitUntilReady()
    return {}
  }],
  ['waiting', {}, async (s) => {
    const oldest = await s.fifo()
    await s.fifo()
    await s.fifo()
    return { waiting: 3, oldest }
  }],
  ['one', {}, async (s) => ({ oldest: await s.fifo(), waiting: 1 })],
  ['lifo', {}, async (s) => {
    await s.fifo()
    await s.fifo()
    await s.lifo()
    await s.fifo()
    const oldest = await s.lifo()
    return { waiting: 5, oldest }
  }],

  // BullMQ 3 and 4 push a marker "0:<ms>" on an EMPTY wait when a delayed job arrives. What comes
  // later moves it: FIFO jobs leave it at the tail, LIFO jobs at the head, both in the middle.
  ['delayed', {}, async (s) => {
    await s.delayed(1)
    await s.delayed(2)
    return { delayed: 2 }
  }],
  ['delayed-earlier', {}, async (s) => {
    await s.delayed(2)
    await s.delayed(1)
    return { delayed: 2 }
  }],
  ['delayed-removed', {}, async (s) => {
    const job = await s.queue().add('job', {}, { delay: HOUR })
    await job.remove()
    return {}
  }],
  ['delayed-waiting', {}, async (s) => {
    await s.delayed(1)
    const oldest = await s.fifo()
    await s.fifo()
    return { waiting: 2, delayed: 1, oldest }
  }],
  ['waiting-delayed', {}, async (s) => {
    const oldest = await s.fifo()
    await s.delayed(1)
    return { waiting: 1, delayed: 1, oldest }
  }],
  ['delayed-lifo', {}, async (s) => {
    await s.delayed(1)
    return { oldest: await s.lifo(), waiting: 1, delayed: 1 }
  }],
  ['delayed-lifo-waiting', {}, async (s) => {
    await s.delayed(1)
    const oldest = await s.lifo()
    await s.fifo()
    return { waiting: 2, delayed: 1, oldest }
  }],

  // Prioritized jobs are in wait, best priority at the tail, up to BullMQ 3; since 4 in their own
  // zset. BullMQ 4 then pushes the marker "0:0" on an empty wait.
  ['prioritized', {}, async (s) => {
    await s.priority(3)
    const best = await s.priority(1)
    await s.priority(2)
    return { waiting: 3, ...s.prioritized(3), oldest: s.zset ? null : best }
  }],
  ['prioritized-waiting', {}, async (s) => {
    await s.priority(3)
    const best = await s.priority(1)
    const first = await s.fifo()
    await s.fifo()
    return { waiting: 4, ...s.prioritized(2), oldest: s.zset ? first : best }
  }],
  ['prioritized-lifo', {}, async (s) => {
    await s.priority(3)
    const oldest = await s.lifo()
    return { waiting: 2, ...s.prioritized(1), oldest }
  }],
  ['prioritized-lifo-waiting', {}, async (s) => {
    await s.priority(3)
    const oldest = await s.lifo()
    await s.fifo()
    return { waiting: 3, ...s.prioritized(1), oldest }
  }],
  ['delayed-prioritized', {}, async (s) => {
    await s.delayed(1)
    await s.priority(3)
    const best = await s.priority(1)
    return { waiting: 2, delayed: 1, ...s.prioritized(2), oldest: s.zset ? null : best }
  }],
  ['delayed-prioritized-waiting', {}, async (s) => {
    await s.delayed(1)
    await s.priority(3)
    const best = await s.priority(1)
    const first = await s.fifo()
    return { waiting: 3, delayed: 1, ...s.prioritized(2), oldest: s.zset ? first : best }
  }],

  ['paused', {}, async (s) => {
    const oldest = await s.fifo()
    await s.fifo()
    await s.queue().pause()
    await s.fifo()
    return { waiting: 3, paused: true, oldest }
  }],
  // Bull 4 leaves `meta` and `meta-paused` here, but no `id`.
  ['paused-empty', {}, async (s) => {
    await s.queue().pause()
    return { paused: true }
  }],
  ['paused-delayed', {}, async (s) => {
    await s.queue().pause()
    await s.delayed(1)
    return { delayed: 1, paused: true }
  }],
  ['delayed-paused', {}, async (s) => {
    await s.delayed(1)
    await s.queue().pause()
    const oldest = await s.fifo()
    await s.fifo()
    return { waiting: 2, delayed: 1, paused: true, oldest }
  }],
  ['delayed-lifo-paused', {}, async (s) => {
    await s.delayed(1)
    const oldest = await s.lifo()
    await s.queue().pause()
    return { waiting: 1, delayed: 1, paused: true, oldest }
  }],
  ['paused-prioritized', {}, async (s) => {
    await s.priority(3)
    await s.queue().pause()
    const best = await s.priority(1)
    return { waiting: 2, paused: true, ...s.prioritized(2), oldest: s.zset ? null : best }
  }],
  ['resumed', {}, async (s) => {
    await s.delayed(1)
    await s.queue().pause()
    const oldest = await s.fifo()
    await s.queue().resume()
    return { waiting: 1, delayed: 1, oldest }
  }],

  ['failed', {}, async (s) => {
    for (let i = 0; i < 3; i++) await s.fifo()
    await s.finish(3, async () => { throw new Error('on purpose') })
    return { failed: 3 }
  }],
  ['completed', {}, async (s) => {
    for (let i = 0; i < 4; i++) await s.fifo()
    await s.finish(4, async () => 'done')
    return { completed: 4 }
  }],
  // A worker that is told to counts what it finishes, kept or not; a job that is tried again, once, though each try is
  // an event.
  ['counted', {}, async (s) => {
    for (let i = 0; i < 6; i++) await s.fifo(s.name, { removeOnComplete: true, attempts: 2 })
    await s.finish(8, async ({ id }) => { if (id % 3 === 0) throw new Error('on purpose') }, { metrics: { maxDataPoints: 60 } })
    return { failed: 2, processed: 6, processed_failed: 2 }
  }],
  ['counted-and-kept', {}, async (s) => {
    for (let i = 0; i < 3; i++) await s.fifo()
    await s.finish(3, async () => 'done', { metrics: { maxDataPoints: 60 } })
    return { completed: 3, processed: 3, processed_failed: 0 }
  }],
  // Ten minutes later the workers no longer count.
  ['counted-no-more', {}, async (s) => {
    await s.fifo()
    await s.finish(1, async () => 'done', { metrics: { maxDataPoints: 60 } })
    await s.redis.hset(s.key('metrics:completed'), 'prevTS', Date.now() - 600_000)
    await s.fifo()
    await s.finish(1, async () => 'done')
    return { completed: 2 }
  }],
  ['counted-failed', {}, async (s) => {
    await s.fifo()
    await s.finish(1, async () => { throw new Error('on purpose') }, { metrics: { maxDataPoints: 60 } })
    return { failed: 1, processed: 1, processed_failed: 1 }
  }],
  ['waiting-children', { from: 'bullmq3' }, async (s) => {
    await s.queue('parents').waitUntilReady()
    await s.queue('children').waitUntilReady()
    const oldest = await s.flow('parents', 'children')
    return [['parents', { waiting_children: 1 }], ['children', { waiting: 2, oldest }]]
  }],
  // No Queue object was ever made: `meta` has no `version`, and BullMQ 3 writes no `meta` at all.
  ['flow-only', { from: 'bullmq3' }, async (s) => {
    const oldest = await s.flow('flow-parents', 'flow-children')
    return [['flow-parents', { waiting_children: 1 }], ['flow-children', { waiting: 2, oldest }]]
  }],

  // The worker's limit is known to the worker only: Redis holds `limiter` (jobs taken) and its PTTL.
  ['rate-limited', {}, async (s) => {
    await s.fifo()
    const oldest = await s.fifo()
    await s.fifo()
    // Bull 4 moves what it may not run yet to `delayed`.
    const settled = s.library.bull ? async () => (await s.redis.zcard(s.key('delayed'))) === 2 : undefined
    await s.finish(1, async () => 'done', { limiter: { max: 1, duration: HOUR }, settled, force: true })
    const left = s.library.bull ? { delayed: 2 } : { waiting: 2, oldest }
    return { ...left, completed: 1, rate_limited: true }
  }],
  // Groups give strings named `limiter:id` and `limiter:meta`, and jobs named `<uuid>:id`.
  ['rate-limiter-groups', { to: 'bull4' }, async (s) => {
    const limiter = { max: 9, duration: HOUR, groupKey: 'group' }
    for (const group of ['id', 'meta']) await s.queue(s.name, { limiter }).add('job', { group })
    await s.finish(2, async () => 'done', { limiter })
    return { completed: 2 }
  }],
  ['rate-limited-by-hand', { from: 'bullmq5' }, async (s) => {
    const oldest = await s.fifo()
    await s.queue().rateLimit(HOUR)
    return { waiting: 1, rate_limited: true, oldest }
  }],
  ['global-rate-limited', { from: 'bullmq5' }, async (s) => {
    await s.queue().setGlobalRateLimit(1, HOUR)
    await s.fifo()
    const oldest = await s.fifo()
    await s.finish(1, async () => 'done', { force: true })
    return { waiting: 1, completed: 1, rate_limited: true, oldest }
  }],
  // `limiter` is there, the limit is not reached.
  ['global-rate-limit-open', { from: 'bullmq5' }, async (s) => {
    await s.queue().setGlobalRateLimit(100, HOUR)
    await s.fifo()
    await s.finish(1, async () => 'done')
    return { completed: 1 }
  }],
  ['global-concurrency', { from: 'bullmq5' }, async (s) => {
    await s.queue().setGlobalConcurrency(7)
    return { oldest: await s.fifo(), waiting: 1, concurrency: 7 }
  }],

  ['name-colon', { to: 'bullmq4' }, async (s) => [
    ['billing:eu:mail', { oldest: await s.fifo('billing:eu:mail'), waiting: 1 }],
    ['billing', { oldest: await s.fifo('billing'), waiting: 1 }],
    ['archive:id', { oldest: await s.fifo('archive:id'), waiting: 1 }],
    ['archive:meta', { oldest: await s.fifo('archive:meta'), waiting: 1 }],
  ]],
  // The other three match the first one's name if it is not escaped as a pattern.
  ['name-glob', {}, async (s) => {
    const oldest = await s.fifo('we[i]rd*name?')
    await s.fifo('we[i]rd*name?')
    return [
      ['we[i]rd*name?', { waiting: 2, oldest }],
      ['weird-name!', { oldest: await s.fifo('weird-name!'), waiting: 1 }],
      ['back\\slash', { oldest: await s.fifo('back\\slash'), waiting: 1 }],
      ['backslash', { oldest: await s.fifo('backslash'), waiting: 1 }],
    ]
  }],
  ['name-unicode', {}, async (s) => [
    ['grüße an 日本', { oldest: await s.fifo('grüße an 日本'), waiting: 1 }],
  ]],

  // Keys that look like another queue's `meta` or `id` and are none.
  ['custom-ids', {}, async (s) => {
    // BullMQ 5 and 6 take a ":" in an id only if there are two.
    const ids = ['order:7:meta', 'x:7:id', ...(s.before('bullmq5') ? ['7:id', '7:meta'] : [])]
    const added = []
    for (const jobId of ids) added.push(await s.fifo(s.name, { jobId }))
    return { waiting: added.length, oldest: added[0] }
  }],
  // Strings `de:x:id` and `de:x:meta`.
  ['deduplication', {}, async (s) => {
    const option = s.library.bull ? 'debounce' : 'deduplication'
    const oldest = await s.fifo(s.name, { [option]: { id: 'x:id' } })
    await s.fifo(s.name, { [option]: { id: 'x:meta' } })
    return { waiting: 2, oldest }
  }],
  // Hashes `repeat:x:id` and `repeat:x:meta` (BullMQ 5 and 6). 29 February is never now for long.
  ['scheduled', {}, async (s) => {
    const pattern = '0 0 29 2 *'
    if (s.before('bullmq5')) {
      await s.queue().add('job', {}, { repeat: s.library.bull ? { cron: pattern } : { pattern } })
      return { delayed: 1 }
    }
    await s.queue().upsertJobScheduler('x:id', { pattern })
    await s.queue().upsertJobScheduler('x:meta', { pattern })
    return { delayed: 2 }
  }],

  // The scenarios with --hold stay last: the others' connections are closed as they go.
  ['active', { hold: true }, async (s) => {
    await s.fifo()
    await s.fifo()
    const oldest = await s.fifo()
    await s.fifo()
    await s.hold({ concurrency: 2 }, 2)
    // Its connection is named "{prefix}:{base64}:qe" and is no worker.
    if (!s.library.bull) await s.library.queueEvents(s.name)
    return { waiting: 2, active: 2, workers: 1, oldest }
  }],
  ['active-workers', { hold: true }, async (s) => {
    for (let i = 0; i < 3; i++) await s.fifo()
    await s.hold({}, 1)
    await s.hold({}, 2)
    await s.hold(s.before('bullmq5') ? {} : { name: 'third' }, 3)
    return { active: 3, workers: 3 }
  }],
  // An idle worker of BullMQ 3 or 4 takes the marker away.
  ['idle-worker', { hold: true }, async (s) => {
    await s.delayed(1)
    await s.hold({}, 0)
    return { delayed: 1, workers: 1 }
  }],
  // A busy one doesn't.
  ['busy-worker', { hold: true }, async (s) => {
    await s.fifo()
    await s.hold({}, 1)
    await s.delayed(1)
    const oldest = await s.lifo()
    await s.fifo()
    return { waiting: 2, active: 1, delayed: 1, workers: 1, oldest }
  }],
]

class Scenario {
  constructor(lib, library, redis, prefix, name) {
    Object.assign(this, { lib, library, redis, prefix, name })
    this.zset = !this.before('bullmq4')
    this.queues = new Map()
  }

  before(lib) {
    return names.indexOf(this.lib) < names.indexOf(lib)
  }

  key(last) {
    return `${this.prefix}:${this.name}:${last}`
  }

  queue(name = this.name, options) {
    if (!this.queues.has(name)) this.queues.set(name, this.library.queue(name, options))
    return this.queues.get(name)
  }

  // fifo, lifo and priority add one job and return its timestamp, which is no other job's.
  fifo(name, options) {
    return this.#add(name, options)
  }

  lifo() {
    return this.#add(this.name, { lifo: true })
  }

  priority(priority) {
    return this.#add(this.name, { priority })
  }

  delayed(hours) {
    return this.queue().add('job', {}, { delay: hours * HOUR })
  }

  // The children are added in no certain order, so they share a timestamp.
  async flow(parents, children) {
    const timestamp = clock()
    const child = { name: 'child', queueName: children, opts: { timestamp } }
    await this.library.flow({ name: 'parent', queueName: parents, children: [child, child] })
    return timestamp
  }

  prioritized(n) {
    return this.zset ? { prioritized: n } : {}
  }

  finish(n, processor, options) {
    return this.library.finish(this.name, n, processor, options)
  }

  // hold starts a worker and waits until the queue has n active jobs and no marker left to take.
  async hold(options, n) {
    await this.library.hold(this.name, options)
    const client = ` name=${this.prefix}:${Buffer.from(this.name).toString('base64')}`
    await until(`${this.name}: a worker and ${n} active jobs`, async () => {
      const next = await this.redis.lindex(this.key('wait'), -1)
      const active = await this.redis.llen(this.key('active'))
      return active === n && !next?.startsWith('0:') && (await this.redis.client('LIST')).includes(client)
    })
  }

  async #add(name, options) {
    const timestamp = clock()
    await this.queue(name).add('job', {}, { timestamp, ...options })
    return timestamp
  }
}

const options = { lib: { type: 'string' }, hold: { type: 'boolean' }, library: { type: 'boolean' } }

await main(options, async ({ lib, port, prefix, hold, library: counts }, print) => {
  const library = await Library.load(lib, port, prefix)
  const redis = connect(port)
  await refuseUsedPrefix(redis, prefix)

  const report = []
  for (const [name, { from = names[0], to = names.at(-1), hold: needsHold }, run] of scenarios) {
    const at = names.indexOf(lib)
    if (at < names.indexOf(from) || at > names.indexOf(to) || (needsHold && !hold)) continue
    const result = await run(new Scenario(lib, library, redis, prefix, name))
    for (const [queue, e] of Array.isArray(result) ? result : [[name, result]]) report.push(expectation(queue, name, e))
    if (!needsHold) await library.close()
  }
  if (counts) {
    for (const entry of report) entry.library = await library.queue(entry.name).getJobCounts()
  }
  if (!hold) await library.close()

  await print(report)
  if (hold) {
    for await (const _ of process.stdin);
    await library.close()
  }
})
