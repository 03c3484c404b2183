// Harmless: where Redis fails the log says it once, nothing piles up, and reports are back when Redis is.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { reportQueues } from '@gravito/adapter-bullmq'
import { asks, output, redis, without } from '../../adapter-host/test/servers.mjs'
import { eventually, nextReport, openQueue, queueOf, reported, stacked } from './reports.mjs'

const skip = without('redis-server')
const intervalMs = 400

/** Each takes a server away, gives it back, and has a text that the log must hold. */
const outages = {
  killed: { begin: (s) => s.stop(), end: (s) => s.start(), says: /ECONNREFUSED|not connected|closed|ended|within 2 s/i },
  frozen: { begin: (s) => s.signal('SIGSTOP'), end: (s) => s.signal('SIGCONT'), says: /queue "mail": redis.* has not answered within 2 s|nothing came back within/ },
  full: { begin: (s) => asks(s.port, ['CONFIG', 'SET', 'maxmemory', '1']), end: (s) => asks(s.port, ['CONFIG', 'SET', 'maxmemory', '0']), says: /SET pulse:queues:shop:bullmq at redis.*: OOM/ },
  'read-only': { begin: (s) => asks(s.port, ['REPLICAOF', '127.0.0.1', '1']), end: (s) => asks(s.port, ['REPLICAOF', 'NO', 'ONE']), says: /READONLY/ },
  refusing: { begin: (s) => asks(s.port, ['ACL', 'SETUSER', 'default', '-set']), end: (s) => asks(s.port, ['ACL', 'SETUSER', 'default', '+set']), says: /NOPERM.*docs\/acl\.md/ },
}

/** A queue of each kind of connection, and the client that is underneath. */
const queues = {
  'BullMQ 6 with ioredis': async (t, { url }) => {
    const client = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 100 })
    t.after(() => client.disconnect())
    return [await queueOf(t, 'bullmq6', 'mail', client), client]
  },
  'BullMQ 6 with node-redis': async (t, { url }) => {
    const client = createClient({ url, socket: { reconnectStrategy: 100 } })
    client.on('error', () => {})
    await client.connect()
    t.after(() => client.isOpen && client.destroy())
    return [await queueOf(t, 'bullmq6', 'mail', client), client]
  },
  'BullMQ 5': async (t, { port }) => {
    const queue = await queueOf(t, 'bullmq5', 'mail', { port, retryStrategy: () => 100 })
    return [queue, await queue.client]
  },
  'Bull 4': async (t, { port }) => {
    const queue = await queueOf(t, 'bull4', 'mail', { port, retryStrategy: () => 100 })
    return [queue, queue.client]
  },
}

/** Counts how many of our commands a client has under way, and the most that it had. */
function watch(client) {
  const flight = { now: 0, most: 0 }
  const name = 'call' in client ? 'call' : 'sendCommand'
  const send = client[name].bind(client)
  client[name] = (...words) => {
    flight.most = Math.max(flight.most, ++flight.now)
    const sent = send(...words)
    sent.then(() => {}, () => {}).finally(() => flight.now--)
    return sent
  }
  return flight
}

const listeners = (client) => client.eventNames().reduce((sum, name) => sum + client.listenerCount(name), 0)

describe('a Redis', { skip, concurrency: 8 }, () => {
  for (const [outage, { begin, end, says }] of Object.entries(outages)) {
    for (const [kind, make] of Object.entries(queues)) {
      test(`that is ${outage}, under ${kind}`, async (test) => {
        const t = stacked(test)
        const server = await redis(t)
        const [queue, client] = await make(t, server)
        await queue.add('job', {})
        const flight = watch(client)
        const lines = []
        const reporter = reportQueues([queue], { app: 'shop', intervalMs, log: (line) => lines.push(line) })
        t.after(() => reporter.stop())
        const first = await nextReport(server.port)
        assert.equal(first.queues[0].metrics.waiting, 1)
        const listened = listeners(client)
        assert.deepEqual(lines, [])

        await begin(server)
        t.after(() => server.signal('SIGCONT'))
        await eventually(() => lines.length > 0)
        await delay(3 * intervalMs)
        assert.equal(lines.length, 1, lines.join('\n'))
        assert.match(lines[0], /^gravito-pulse: cannot publish queues of shop: .*; will try again every 0.4 s until it works$/)
        assert.match(lines[0], says)
        assert.ok(flight.most <= 17, `${flight.most} commands were under way at once: more than one report`)

        await end(server)
        await eventually(() => lines.length > 1)
        assert.deepEqual(lines.slice(1), ['gravito-pulse: publishes queues of shop again'])
        const { queues: rows, problems } = await nextReport(server.port)
        assert.equal(rows[0].metrics.waiting, outage === 'killed' ? 0 : 1) // a test's Redis keeps nothing
        assert.equal(problems, undefined)
        await reporter.stop()
        assert.equal(listeners(client), listened)
        assert.equal(flight.now, 0)
      })
    }
  }

  for (const kind of ['bullmq6', 'bullmq5', 'bullmq3', 'bull4']) {
    test(`that is down when ${kind} begins`, async (test) => {
      const t = stacked(test)
      const server = await redis(t)
      await server.stop()
      const queue = openQueue(t, kind, 'mail', { port: server.port, retryStrategy: () => 100 })
      const lines = []
      const reporter = reportQueues([queue], { app: 'shop', intervalMs, log: (line) => lines.push(line) })
      t.after(() => reporter.stop())
      await eventually(() => lines.length > 0)
      await delay(3 * intervalMs)
      assert.equal(lines.length, 1, lines.join('\n'))
      await server.start()
      assert.deepEqual((await nextReport(server.port)).queues.map(({ name }) => name), ['mail'])
    })

    test(`that answers rubbish to ${kind}`, async (test) => {
      const t = stacked(test)
      const [server, dashboard] = [await redis(t), await redis(t)]
      const sockets = new Set()
      const rubbish = createServer((socket) => {
        sockets.add(socket)
        socket.on('error', () => {}).on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'))
      })
      rubbish.listen(0, '127.0.0.1')
      await once(rubbish, 'listening')
      t.after(() => {
        for (const socket of sockets) socket.destroy()
        rubbish.close()
      })
      let isOver = false
      t.after(() => (isOver = true))
      const broken = openQueue(t, kind, 'broken', { port: rubbish.address().port, retryStrategy: () => (isOver ? null : 500) })
      const good = await queueOf(t, kind, 'good', { port: server.port })
      const lines = []
      const reporter = reportQueues([broken, good], { app: 'shop', redis: dashboard.url, intervalMs, log: (line) => lines.push(line) })
      t.after(() => reporter.stop())
      await eventually(() => lines.length > 0)
      await delay(3 * intervalMs)
      assert.equal(lines.length, 1, lines.join('\n'))
      assert.match(lines[0], /^gravito-pulse: cannot read queue "broken" of shop: /)
      const { queues: rows, problems } = await nextReport(dashboard.port)
      assert.deepEqual(rows.map(({ name }) => name), ['good'])
      assert.deepEqual(problems.map(({ queue }) => queue), ['broken'])
    })
  }

  for (const [outage, { begin, end }] of Object.entries({ killed: outages.killed, frozen: outages.frozen })) {
    test(`that is ${outage} does not hide the queues of another, nor is it shown as it was`, async (test) => {
      const t = stacked(test)
      const [a, b, dashboard] = [await redis(t), await redis(t), await redis(t)]
      const lost = await queueOf(t, 'bullmq6', 'lost', { port: a.port, retryStrategy: () => 100 })
      const kept = await queueOf(t, 'bullmq6', 'kept', { port: b.port })
      await lost.add('job', {})
      const lines = []
      const reporter = reportQueues([lost, kept], { app: 'shop', redis: dashboard.url, intervalMs, log: (line) => lines.push(line) })
      t.after(() => reporter.stop())
      assert.equal((await nextReport(dashboard.port)).problems, undefined)
      await begin(a)
      t.after(() => a.signal('SIGCONT'))
      await eventually(async () => (await reported(dashboard.port)).problems)
      for (let i = 0; i < 3; i++) {
        const { queues: rows, problems } = await nextReport(dashboard.port)
        assert.deepEqual(rows.map(({ name }) => name), ['kept'])
        assert.deepEqual(problems.map(({ queue }) => queue), ['lost'])
      }
      assert.equal(lines.length, 1, lines.join('\n'))
      await end(a)
      await eventually(async () => (await reported(dashboard.port)).problems === undefined)
      await eventually(() => lines.length === 2)
      assert.equal(lines[1], 'gravito-pulse: reads all queues of shop again')
    })
  }

  test('of the dashboard, whose connection is dead and says nothing, is connected to anew', async (test) => {
    const t = stacked(test)
    const [server, dashboard] = [await redis(t), await redis(t)]
    let isDead = true
    const sockets = []
    const between = createServer((socket) => {
      sockets.push(socket.on('error', () => {}))
      if (!isDead) socket.pipe(connect(dashboard.port, '127.0.0.1').on('error', () => {})).pipe(socket)
    })
    between.listen(0, '127.0.0.1')
    await once(between, 'listening')
    t.after(() => {
      for (const socket of sockets) socket.destroy()
      between.close()
    })
    const queue = await queueOf(t, 'bullmq6', 'mail', { port: server.port })
    const lines = []
    const reporter = reportQueues([queue], { app: 'shop', redis: `redis://127.0.0.1:${between.address().port}`, intervalMs, log: (line) => lines.push(line) })
    t.after(() => reporter.stop())
    await eventually(() => lines.length > 0)
    isDead = false // for who connects from now on
    assert.deepEqual((await nextReport(dashboard.port)).queues.map(({ name }) => name), ['mail'])
    await eventually(() => lines.length === 2)
  })

  test('that a library never connects to is waited for once', async (test) => {
    const t = stacked(test)
    const [server, dashboard] = [await redis(t), await redis(t)]
    const queue = await queueOf(t, 'bullmq6', 'mail', { port: server.port })
    let asked = 0
    const never = { name: 'never', toKey: (type) => `bull:never:${type}`, get client() { return asked++, new Promise(() => {}) } }
    const reporter = reportQueues([never, queue], { app: 'shop', redis: dashboard.url, intervalMs: 100, log: () => {} })
    t.after(() => reporter.stop())
    for (let i = 0; i < 4; i++) {
      const { queues: rows, problems } = await nextReport(dashboard.port)
      assert.deepEqual(rows.map(({ name }) => name), ['mail'])
      assert.deepEqual(problems, [{ queue: 'never', reason: 'its library has not connected to Redis yet' }])
    }
    assert.equal(asked, 1)
  })

  test('that refuses to be read is a problem with what to allow', async (test) => {
    const t = stacked(test)
    const server = await redis(t)
    const queue = await queueOf(t, 'bullmq6', 'mail', { port: server.port })
    const lines = []
    const reporter = reportQueues([queue], { app: 'shop', intervalMs, log: (line) => lines.push(line) })
    t.after(() => reporter.stop())
    await nextReport(server.port)
    await asks(server.port, ['ACL', 'SETUSER', 'default', '-llen'])
    await eventually(() => lines.length > 0)
    const { queues: rows, problems } = await nextReport(server.port)
    assert.deepEqual(rows, [])
    assert.match(problems[0].reason, /^NOPERM: .*; allow \+llen .* on ~bull:\* \(docs\/acl\.md\)$/)
    await asks(server.port, ['ACL', 'SETUSER', 'default', '+llen'])
    await eventually(() => lines.length > 1)
    assert.equal(lines.length, 2, lines.join('\n'))
  })

  test('that is given back to its owner is not used any more', async (test) => {
    const t = stacked(test)
    const server = await redis(t)
    const queue = await queueOf(t, 'bullmq6', 'mail', { port: server.port })
    const reporter = reportQueues([queue], { app: 'shop', intervalMs: 100 })
    await nextReport(server.port)
    await reporter.stop()
    const { timestamp } = await reported(server.port)
    await delay(500)
    assert.equal((await reported(server.port)).timestamp, timestamp)
    await queue.add('job', {})
    assert.equal(await queue.getWaitingCount(), 1)
  })

  test('is not asked by a log that throws, or rejects', async (test) => {
    const t = stacked(test)
    const [server, dashboard] = [await redis(t), await redis(t)]
    const queue = await queueOf(t, 'bullmq6', 'mail', { port: server.port, retryStrategy: () => 100 })
    let said = 0
    const log = () => {
      if (said++ % 2 === 0) throw new Error('theirs')
      return Promise.reject(new Error('theirs'))
    }
    const reporter = reportQueues([queue], { app: 'shop', redis: dashboard.url, intervalMs: 100, log })
    t.after(() => reporter.stop())
    await server.stop()
    await eventually(() => said === 1)
    await server.start()
    await eventually(() => said === 2)
  })
})

test('a program whose clock is wrong reports by that of Redis, and says so', { skip }, async (test) => {
  const t = stacked(test)
  const now = Date.now
  t.after(() => (Date.now = now))
  const server = await redis(t)
  const queue = await queueOf(t, 'bullmq6', 'mail', { port: server.port })
  for (const [ahead, says] of [[0, undefined], [90_000_000, '25 h ahead of'], [-40_000, '40 s behind']]) {
    await asks(server.port, ['FLUSHALL'])
    await queue.add('job', {})
    Date.now = () => now() + ahead
    const lines = []
    const reporter = reportQueues([queue], { app: 'shop', intervalMs, log: (line) => lines.push(line) })
    const { timestamp, queues, problems } = await eventually(() => reported(server.port))
    await reporter.stop()
    Date.now = now
    assert.ok(Math.abs(timestamp - now()) < 30_000, `the report is ${timestamp - now()} ms ahead`)
    assert.ok(Math.abs(queues[0].meta.oldest_at - now()) < 30_000)
    assert.deepEqual(problems, says && [{ reason: `this reporter's clock is ${says} that of redis 127.0.0.1:${server.port}, which is used instead: set the one that is wrong (NTP)` }])
    assert.deepEqual(lines, [])
  }
})

describe('a program ends by itself', { skip, concurrency: 4 }, () => {
  const program = fileURLToPath(new URL('program.mjs', import.meta.url))
  for (const [state, begin] of Object.entries({ answers: async () => {}, 'is frozen': (s) => s.signal('SIGSTOP'), 'is down': (s) => s.stop() })) {
    for (const [library, end] of [['bullmq6', 'forgets'], ['bullmq5', 'stops'], ['bull4', 'forgets']]) {
      test(`while the dashboard's Redis ${state}, and ${library} ${end} it`, async (test) => {
        const t = stacked(test)
        const [server, dashboard] = [await redis(t), await redis(t)]
        await begin(dashboard)
        t.after(() => dashboard.signal('SIGCONT'))
        const printed = await output(process.execPath, [program, library, String(server.port), dashboard.url, end])
        assert.match(printed, state === 'answers' ? /^$/ : /^gravito-pulse: cannot publish queues of shop: .*\n$/)
      })
    }
  }
})
