// What the scripts beside this file share: one interface over Bull 4 and BullMQ 3 to 6, as far as
// they need it, and the form of what they print.

import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'

export const HOUR = 3_600_000
export const names = ['bull4', 'bullmq3', 'bullmq4', 'bullmq5', 'bullmq6']

// main runs a script: one JSON line on stdout, or a reason on stderr and status 1.
export async function main(options, run) {
  try {
    const common = { port: { type: 'string' }, prefix: { type: 'string', default: 'bull' } }
    const { values } = parseArgs({ options: { ...common, ...options } })
    if (!(values.port > 0)) throw new Error('--port is required')
    await run(values, (value) => new Promise((done) => process.stdout.write(JSON.stringify(value) + '\n', done)))
    process.exit(0)
  } catch (err) {
    console.error(err)
    process.exit(1)
  }
}

// Without retries a wrong port is an error at once.
export const connect = (port) => new Redis({ port: Number(port), retryStrategy: () => null })

// Expectations hold only in a keyspace nobody else has written to.
export async function refuseUsedPrefix(redis, prefix) {
  const pattern = prefix.replace(/[[\]*?\\]/g, '\\$&') + ':*'
  if ((await redis.keys(pattern)).length > 0) throw new Error(`there are already keys with the prefix ${prefix}`)
}

export async function until(what, condition, timeout = 15_000) {
  for (const end = Date.now() + timeout; !(await condition()); ) {
    if (Date.now() > end) throw new Error(`${what}: did not happen within ${timeout} ms`)
    await new Promise((done) => setTimeout(done, 10))
  }
}

// Ten minutes ago and one second later at each call.
export const clock = ((at) => () => (at += 1000))(Date.now() - 600_000)

export function expectation(name, scenario, e) {
  const { waiting = 0, active = 0, delayed = 0, failed = 0, oldest = null, workers = 0 } = e
  const { paused, prioritized = 0, completed = 0, waiting_children = 0, concurrency, rate_limited, processed, processed_failed } = e
  const meta = { paused, prioritized, completed, waiting_children, concurrency, rate_limited, processed, processed_failed }
  return { name, scenario, waiting, active, delayed, failed, meta, oldest_timestamp: oldest, workers }
}

export class Library {
  #module
  #options
  #open = []

  static async load(name, port, prefix) {
    if (!names.includes(name)) throw new Error(`--lib takes one of ${names.join(', ')}, not ${name}`)
    const library = new Library()
    library.bull = name === 'bull4'
    const module = await import(name)
    library.#module = library.bull ? module.default : module
    const redis = { port: Number(port), maxRetriesPerRequest: null }
    library.#options = library.bull ? { redis, prefix } : { connection: redis, prefix }
    return library
  }

  queue(name, options) {
    const Queue = this.bull ? this.#module : this.#module.Queue
    return this.#track(new Queue(name, { ...this.#options, ...options }))
  }

  async flow(tree) {
    const producer = new this.#module.FlowProducer(this.#options)
    await producer.add(tree)
    await producer.close()
  }

  async queueEvents(name) {
    const events = this.#track(new this.#module.QueueEvents(name, this.#options))
    await events.waitUntilReady()
  }

  // finish runs a worker until it has finished n jobs, lets `settled` come true, and takes the worker
  // away: by force where it is rate limited, since BullMQ 3 would wait for the limit to pass.
  async finish(name, n, processor, { settled, force = false, ...options } = {}) {
    const worker = this.#worker(name, processor, options)
    let finished = 0
    worker.on('completed', () => finished++)
    worker.on('failed', () => finished++)
    await until(`${name}: ${n} jobs finished`, () => finished >= n)
    if (settled) await until(`${name}: settled`, settled)
    await worker.close(force)
    this.#open = this.#open.filter((it) => it !== worker)
  }

  // hold starts a worker whose jobs never end.
  async hold(name, options) {
    const worker = this.#worker(name, () => new Promise(() => {}), options)
    if (!this.bull) await worker.waitUntilReady()
  }

  #worker(name, processor, { concurrency = 1, ...options } = {}) {
    if (!this.bull) {
      return this.#track(new this.#module.Worker(name, processor, { ...this.#options, concurrency, ...options }))
    }
    const worker = this.queue(name, options)
    worker.process('*', concurrency, processor)
    return worker
  }

  #track(it) {
    // A forced close is an error event. A call of ours that fails is thrown; a worker that does runs into a timeout.
    it.on('error', () => {})
    this.#open.push(it)
    return it
  }

  // close waits for no job: what a held worker has stays in `active`, as after a crash.
  close() {
    return Promise.all(this.#open.splice(0).map((it) => it.close(true)))
  }
}
