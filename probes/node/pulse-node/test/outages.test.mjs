// Harmless: where Redis fails the log says it once, one report is under way, and it is back within an interval.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, test } from 'node:test'
import * as ioredis from 'ioredis'
import * as nodeRedis from 'redis'
import { startRecorder } from '../dist/index.js'
import { asks, output, redis, without } from '../../adapter-host/test/servers.mjs'
import { eventually } from './eventually.mjs'

const skip = without('redis-server')
const intervalMs = 1200
const key = 'pulse:server:shop:web-1'
const here = fileURLToPath(new URL('.', import.meta.url))

/** Each takes a server away, gives it back, and has a text that the log must hold. */
const outages = {
  killed: { begin: (s) => s.stop(), end: (s) => s.start(), says: /ECONNREFUSED|its client is not connected/ },
  frozen: { begin: (s) => s.signal('SIGSTOP'), end: (s) => s.signal('SIGCONT'), says: /nothing came back within 5 s/ },
  full: { begin: (s) => asks(s.port, ['CONFIG', 'SET', 'maxmemory', '1']), end: (s) => asks(s.port, ['CONFIG', 'SET', 'maxmemory', '0']), says: /SET pulse:server:shop:web-1 at redis.*: OOM/ },
  'read-only': { begin: (s) => asks(s.port, ['REPLICAOF', '127.0.0.1', '1']), end: (s) => asks(s.port, ['REPLICAOF', 'NO', 'ONE']), says: /READONLY/ },
  refusing: { begin: (s) => asks(s.port, ['ACL', 'SETUSER', 'default', '-set']), end: (s) => asks(s.port, ['ACL', 'SETUSER', 'default', '+set']), says: /NOPERM.*docs\/acl\.md/ },
}

const targets = {
  'a URL': (url) => [url, () => {}],
  ioredis: (url) => {
    const client = new ioredis.Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 200 }) // as BullMQ wants it
    client.on('error', () => {})
    return [client, () => client.disconnect()]
  },
  'node-redis': async (url) => {
    const client = nodeRedis.createClient({ url, socket: { reconnectStrategy: 200 } })
    client.on('error', () => {})
    await client.connect()
    return [client, () => client.destroy()]
  },
}

/** A client that counts how many of our commands are under way, and the most that were. */
function counted(client) {
  if (typeof client === 'string') return { target: client, flight: undefined }
  const flight = { now: 0, most: 0 }
  const name = 'call' in client ? 'call' : 'sendCommand'
  const send = client[name].bind(client)
  client[name] = (...words) => {
    flight.most = Math.max(flight.most, ++flight.now)
    return send(...words).finally(() => flight.now--)
  }
  return { target: client, flight }
}

const listeners = (client) => (typeof client === 'string' ? 0 : client.eventNames().reduce((sum, name) => sum + client.listenerCount(name), 0))

describe('a Redis', { skip, concurrency: 4 }, () => {
  for (const [outage, { begin, end, says }] of Object.entries(outages)) {
    for (const [name, make] of Object.entries(targets)) {
      test(`that is ${outage}, by ${name}`, async (t) => {
        const server = await redis(t)
        const [client, close] = await make(server.url)
        t.after(close)
        const { target, flight } = counted(client)
        const listenedBefore = listeners(client)
        const lines = []
        const recorder = startRecorder({ app: 'shop', id: 'web-1', redis: target, intervalMs, log: (line) => lines.push(line) })
        t.after(() => recorder.stop())
        await eventually(async () => (await asks(server.port, ['EXISTS', key])).toString() === ':1\r\n')
        assert.deepEqual(lines, [])

        await begin(server)
        await eventually(() => lines.length > 0)
        await delay(2.5 * intervalMs)
        assert.equal(lines.length, 1, lines.join('\n'))
        assert.match(lines[0], /^gravito-pulse: cannot publish heartbeats of shop\/web-1: .*; will try again every 1.2 s until it works$/)
        assert.match(lines[0], says)
        assert.ok(flight === undefined || flight.most <= 5, `${flight?.most} commands were under way at once: more than one report`)

        await end(server)
        await eventually(() => lines.length > 1)
        assert.deepEqual(lines.slice(1), ['gravito-pulse: publishes heartbeats of shop/web-1 again'])
        await eventually(async () => (await asks(server.port, ['EXISTS', key])).toString() === ':1\r\n')
        await recorder.stop()
        assert.equal(listeners(client), listenedBefore)
        assert.ok(flight === undefined || flight.now === 0)
      })
    }
  }

  test('a log that throws, or rejects, ends nothing', async (t) => {
    const server = await redis(t)
    await server.stop()
    let said = 0
    const recorder = startRecorder({
      app: 'shop',
      id: 'web-1',
      redis: server.url,
      intervalMs: 100,
      log: () => {
        if (said++ === 0) throw new Error('theirs')
        return Promise.reject(new Error('theirs'))
      },
    })
    t.after(() => recorder.stop())
    await eventually(() => said === 1)
    await server.start()
    await eventually(() => said === 2)
  })

  test('that answers after 6 s', async (t) => {
    const server = await redis(t)
    let waitMs = 0
    const proxy = createServer((near) => {
      const far = connect(server.port, '127.0.0.1')
      near.on('error', () => {}).on('close', () => far.destroy()).pipe(far)
      far.on('error', () => {}).on('close', () => near.destroy()).on('data', async (part) => near.write(await delay(waitMs, part, { ref: false })))
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    t.after(() => proxy.close())
    const client = new ioredis.Redis(proxy.address().port, '127.0.0.1', { maxRetriesPerRequest: null })
    t.after(() => client.disconnect())
    const { target, flight } = counted(client)
    const lines = []
    const recorder = startRecorder({ app: 'shop', id: 'web-1', redis: target, intervalMs, log: (line) => lines.push(line) })
    t.after(() => recorder.stop())
    await eventually(async () => (await asks(server.port, ['EXISTS', key])).toString() === ':1\r\n')
    waitMs = 6000
    await eventually(() => lines.length > 0)
    await delay(14_000) // in which two reports end, both of them late
    assert.equal(lines.length, 1, lines.join('\n'))
    assert.match(lines[0], /nothing came back within 5 s/)
    assert.ok(flight.most <= 5)
    waitMs = 0
    await eventually(() => lines.length > 1)
    assert.deepEqual(lines.slice(1), ['gravito-pulse: publishes heartbeats of shop/web-1 again'])
  })

  test('that answers rubbish', async (t) => {
    const rubbish = createServer((socket) => socket.on('error', () => {}).on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')))
    rubbish.listen(0, '127.0.0.1')
    await once(rubbish, 'listening')
    t.after(() => rubbish.close())
    const lines = []
    const recorder = startRecorder({ app: 'shop', id: 'web-1', redis: `redis://127.0.0.1:${rubbish.address().port}`, intervalMs: 300, log: (line) => lines.push(line) })
    t.after(() => recorder.stop())
    await eventually(() => lines.length > 0)
    await delay(1500)
    assert.equal(lines.length, 1, lines.join('\n'))
    assert.match(lines[0], /^gravito-pulse: cannot publish heartbeats of shop\/web-1: /)
  })
})

describe('a program ends by itself', { skip, concurrency: 3 }, () => {
  const states = {
    'while Redis answers': { begin: async () => {}, prints: /^$/ },
    'while Redis is frozen': { begin: (s) => s.signal('SIGSTOP'), prints: /^$/ },
    'while Redis is down': { begin: (s) => s.stop(), prints: /^gravito-pulse: cannot publish .*ECONNREFUSED.*\n$/ },
  }
  for (const [state, { begin, prints }] of Object.entries(states)) {
    for (const [library, options] of Object.entries({ ioredis: [], 'node-redis': ['--import', `${here}without-ioredis.mjs`] })) {
      test(`${state}, by a URL and ${library}`, async (t) => {
        const server = await redis(t)
        await begin(server)
        assert.match(await output(process.execPath, [...options, `${here}program.mjs`, server.url, '2']), prints)
        if (state === 'while Redis answers') assert.equal((await asks(server.port, ['EXISTS', key])).toString(), ':1\r\n')
        await server.signal('SIGCONT')
      })
    }
  }

  test('and comes back by node-redis alone', async (t) => {
    const server = await redis(t)
    const child = spawn(process.execPath, ['--import', `${here}without-ioredis.mjs`, `${here}program.mjs`, server.url, '60'], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => child.kill('SIGKILL'))
    let printed = ''
    child.stdout.on('data', (part) => (printed += part))
    const beats = async () => (await asks(server.port, ['EXISTS', key])).toString() === ':1\r\n'
    await eventually(beats)
    await server.stop()
    await eventually(() => /^gravito-pulse: cannot publish heartbeats .*\n/.test(printed))
    await server.start()
    await eventually(() => printed.endsWith('\ngravito-pulse: publishes heartbeats of shop/web-1 again\n'))
    await eventually(beats)
    await server.stop()
    await delay(1500)
    await server.start()
    await eventually(beats)
    assert.equal(printed.match(/\n/g).length, 2, printed) // of what recurs within ten minutes nothing is said
  })
})
