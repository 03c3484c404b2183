// Heartbeats and slow entries on a real Redis, by each client and by URL.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { after, before, describe, test } from 'node:test'
import express from 'express'
import express4 from 'express4'
import fastify from 'fastify'
import fastify4 from 'fastify4'
import * as ioredis from 'ioredis'
import * as ioredis5 from 'ioredis5'
import * as nodeRedis from 'redis'
import * as nodeRedis5 from 'redis5'
import { startRecorder } from '../dist/index.js'
import { redis, root, without } from '../../adapter-host/test/servers.mjs'
import { eventually } from './eventually.mjs'

const skip = without('redis-server')

describe('a recorder', { skip }, () => {
  let server, client
  const cleanups = []
  before(async (t) => {
    server = await redis({ after: (f) => cleanups.push(f) })
    client = new ioredis.Redis(server.url)
  })
  after(async () => {
    client.disconnect()
    for (const cleanup of cleanups) await cleanup()
  })

  const targets = {
    'a URL': () => [server.url, () => {}],
    'ioredis 6': () => {
      const c = new ioredis.Redis(server.url)
      return [c, () => c.disconnect()]
    },
    'ioredis 5': () => {
      const c = new ioredis5.Redis(server.url)
      return [c, () => c.disconnect()]
    },
    'ioredis without a connection yet': () => {
      const c = new ioredis.Redis(server.url, { lazyConnect: true })
      return [c, () => c.disconnect()]
    },
    'node-redis 6': async () => {
      const c = await nodeRedis.createClient({ url: server.url }).connect()
      return [c, () => c.destroy()]
    },
    'node-redis 5, RESP3': async () => {
      const c = await nodeRedis5.createClient({ url: server.url, RESP: 3 }).connect()
      return [c, () => c.destroy()]
    },
  }
  for (const [name, make] of Object.entries(targets)) {
    test(`by ${name}`, async (t) => {
      const [target, end] = await make()
      t.after(end)
      const lines = []
      const app = name.replaceAll(/[^a-z0-9]/g, '-')
      const recorder = startRecorder({ app, redis: target, id: 'web-1', environment: 'test', version: '1.2.3', slowAfterMs: { job: 1 }, intervalMs: 200, log: (line) => lines.push(line) })
      t.after(() => recorder.stop())
      assert.equal(await recorder.slow('job', 'SendInvoice', async () => delay(5, 'sent')), 'sent')
      const key = `pulse:server:${app}:web-1`
      const heartbeat = JSON.parse(await eventually(() => client.get(key)))
      assert.deepEqual([heartbeat.meta.app_name, heartbeat.meta.id, heartbeat.meta.environment, heartbeat.meta.version], [app, 'web-1', 'test', '1.2.3'])
      assert.equal(heartbeat.process.pid, process.pid)
      assert.ok(heartbeat.system.memory_total > heartbeat.system.memory_free && heartbeat.system.memory_free > 0)
      assert.ok(heartbeat.process.memory_rss > heartbeat.process.memory_heap)
      const ttl = await client.pttl(key)
      assert.ok(ttl > 0 && ttl <= 30_000, String(ttl))
      assert.ok(Number(await eventually(() => client.zscore('pulse:index', key))) >= heartbeat.timestamp)
      const [[, fields]] = await eventually(async () => {
        const entries = await client.xrange(`pulse:slow:${app}`, '-', '+')
        return entries.length === 1 && entries
      })
      const entry = Object.fromEntries(fields.flatMap((f, i) => (i % 2 ? [] : [[f, fields[i + 1]]])))
      assert.deepEqual([entry.kind, entry.name, entry.threshold_ms], ['job', 'SendInvoice', '1'])
      await eventually(async () => JSON.parse(await client.get(key)).timestamp > heartbeat.timestamp)
      recorder.note('job', 'last words', 7)
      await recorder.stop()
      assert.equal(await client.xlen(`pulse:slow:${app}`), 2, 'what waits at its end is written')
      assert.deepEqual(lines, [])
    })
  }

  test('by a user with the rights in docs/acl.md', async (t) => {
    const [, ...rule] = /^ACL (SETUSER pulse-host .*)$/m.exec(readFileSync(join(root, 'docs', 'acl.md'), 'utf8'))[0].split(' ')
    await client.call('ACL', ...rule)
    const lines = []
    const url = server.url.replace('://', '://pulse-host:host-password@')
    const recorder = startRecorder({ app: 'shop', redis: url, intervalMs: 100, log: (line) => lines.push(line) })
    t.after(() => recorder.stop())
    recorder.note('job', 'SendInvoice', 5000)
    await eventually(() => client.xlen('pulse:slow:shop'))
    await recorder.stop()
    assert.deepEqual(lines, [])
  })

  test('by a URL with a database, and only if there is one', async (t) => {
    const lines = []
    const recorder = startRecorder({ app: 'third', id: 'a', redis: `${server.url}/3`, intervalMs: 100, log: (line) => lines.push(line) })
    t.after(() => recorder.stop())
    const third = new ioredis.Redis(`${server.url}/3`)
    t.after(() => third.disconnect())
    await eventually(() => third.exists('pulse:server:third:a'))
    const none = startRecorder({ app: 'none', id: 'a', redis: `${server.url}/99`, intervalMs: 100, log: (line) => lines.push(line) })
    t.after(() => none.stop())
    await eventually(() => lines.length > 0)
    assert.match(lines[0], /cannot publish heartbeats of none\/a: redis .*: ERR DB index is out of range/)
    assert.equal(await client.exists('pulse:server:none:a', 'pulse:server:third:a'), 0)
  })

  test('by a URL with a wrong password: the log has no secret', async (t) => {
    const lines = []
    const recorder = startRecorder({ app: 'shop', redis: server.url.replace('://', '://user:s3cret@'), intervalMs: 100, log: (line) => lines.push(line) })
    t.after(() => recorder.stop())
    await eventually(() => lines.length > 0)
    assert.match(lines[0], /WRONGPASS/)
    assert.ok(!lines[0].includes('s3cret'))
  })

  /** Makes requests of a server that notes every request, and returns the names that were noted. */
  async function namesOf(t, app, start, ...requests) {
    const recorder = startRecorder({ app, redis: server.url, slowAfterMs: { http: 0.001 }, intervalMs: 100 })
    const web = await start(recorder)
    const { port } = web.address()
    for (const { path, ...options } of requests) {
      await new Promise((done, fail) =>
        http
          .request({ port, host: '127.0.0.1', path, agent: false, ...options }, (response) => response.resume().once('end', done).once('close', done))
          .once('error', fail)
          .end(),
      )
    }
    await new Promise((done) => web.close(done))
    await recorder.stop()
    const entries = await client.xrange(`pulse:slow:${app}`, '-', '+')
    return entries.map(([, f]) => `${f[f.indexOf('name') + 1]} ${f[f.indexOf('meta') + 1]}`)
  }
  const listening = (web) => new Promise((done) => web.once('listening', () => done(web)))

  for (const [name, make] of [['express 5', express], ['express 4', express4]]) {
    test(`slow requests of ${name} are named by their route`, async (t) => {
      const names = await namesOf(
        t,
        name.replace(' ', ''),
        (recorder) => {
          const app = make()
          app.use(recorder.express())
          app.get('/orders/:id', (request, response) => response.json({ id: request.params.id }))
          const router = make.Router()
          router.get('/items/:item', (_request, response) => response.status(201).end())
          app.use('/api/v1/:tenant', router)
          const inner = make.Router({ mergeParams: true })
          inner.get('/b', (_request, response) => response.end())
          const outer = make.Router()
          outer.use('/in/:second', inner)
          app.use('/:first/out', outer)
          const mounted = make()
          mounted.get('/c', (_request, response) => response.end())
          app.use('/m/:value', mounted)
          app.get('/stream', (_request, response) => response.type('text/event-stream').end())
          app.get('/fails', () => {
            throw new Error('told')
          })
          app.use((_err, _request, response, _next) => response.status(500).end())
          return listening(app.listen(0, '127.0.0.1'))
        },
        { path: '/orders/7?token=secret' },
        { path: '/api/v1/acme/items/secret' },
        { path: '/alice%20b/out/in/42/b' },
        { path: '/m/a1/c' },
        { path: '/%zz/out/in/42/b' },
        { path: '/stream' },
        { path: '/secret-7', method: 'POST' },
        { path: '/fails' },
      )
      assert.deepEqual(names, [
        'GET /orders/:id {"status":200}',
        'GET /api/v1/:tenant/items/:item {"status":201}',
        'GET /:first/out/in/:second/b {"status":200}',
        'GET /m/:value/c {"status":200}',
        'GET (no pattern) {"status":500}',
        'POST (no pattern) {"status":404}',
        'GET /fails {"status":500}',
      ])
    })
  }

  for (const [name, make] of [['fastify 5', fastify], ['fastify 4', fastify4]]) {
    test(`slow requests of ${name} are named by their route`, async (t) => {
      const names = await namesOf(
        t,
        name.replace(' ', ''),
        async (recorder) => {
          const app = make()
          await app.register(recorder.fastify())
          app.get('/orders/:id', async (request) => ({ id: request.params.id }))
          await app.register(async (sub) => sub.post('/items/:item', async (_request, reply) => reply.code(201).send()), { prefix: '/api/:tenant' })
          app.get('/stream', async (_request, reply) => reply.type('text/event-stream').send('data: 1\n\n'))
          await app.listen({ port: 0, host: '127.0.0.1' })
          return app.server
        },
        { path: '/orders/7?token=secret' },
        { path: '/api/acme/items/secret', method: 'POST' },
        { path: '/stream' },
        { path: '/secret-7' },
      )
      assert.deepEqual(names, ['GET /orders/:id {"status":200}', 'POST /api/:tenant/items/:item {"status":201}', 'GET (no pattern) {"status":404}'])
    })
  }

  test('slow requests of node:http are named by what the program says', async (t) => {
    const names = await namesOf(
      t,
      'plain',
      (recorder) => {
        const handler = (request, response) => {
          if (request.url === '/aborted') request.destroy()
          else response.end()
        }
        const routeOf = (request) => {
          if (request.url === '/throws') throw new Error('a bug of theirs')
          return request.url.startsWith('/orders/') ? '/orders/:id' : undefined
        }
        return listening(http.createServer(recorder.http(handler, routeOf)).listen(0, '127.0.0.1'))
      },
      { path: '/orders/7' },
      { path: '/throws' },
      { path: '/orders/7', method: 'PROPFIND' },
      { path: '/orders/8', headers: { connection: 'upgrade', upgrade: 'websocket' } },
    )
    assert.deepEqual(names, ['GET /orders/:id {"status":200}', 'GET (no pattern) {"status":200}', '(other method) /orders/:id {"status":200}'])
  })

  test('slow returns what the function does, and notes it once', async (t) => {
    const recorder = startRecorder({ app: 'calls', redis: server.url, slowAfterMs: { query: 0.0001, other: 0.0001 }, intervalMs: 100 })
    assert.equal(recorder.slow('query', 'sync', () => 7), 7)
    assert.throws(() => recorder.slow('query', 'throws', () => { throw new RangeError('theirs') }), RangeError)
    await assert.rejects(recorder.slow('query', 'rejects', async () => { throw new RangeError('theirs') }), RangeError)
    let ran = 0
    const lazy = { then: (done) => done(++ran) } // runs each time its then is called, as a query builder does
    assert.equal(await recorder.slow('query', 'lazy', () => lazy), 1)
    recorder.note('unheard of', 'kind', 5)
    recorder.note('query', '', 5, { big: 'x'.repeat(9000) })
    recorder.note('query', 'ü'.repeat(400), 5, { cycle: 1n })
    recorder.note('query', 'NaN', NaN)
    await recorder.stop()
    const entries = await client.xrange('pulse:slow:calls', '-', '+')
    const get = (f, name) => f[f.indexOf(name) + 1]
    assert.deepEqual(entries.map(([, f]) => get(f, 'name')), ['sync', 'throws', 'rejects', 'lazy', 'kind', 'unnamed', `${'ü'.repeat(250)}…`])
    assert.deepEqual(entries.slice(4).map(([, f]) => [get(f, 'kind'), f.includes('meta') && get(f, 'meta')]), [['other', false], ['query', '{"meta_left_out":true}'], ['query', '{"meta_left_out":true}']])
    assert.equal(recorder.slowDropped, 0)
  })

  test('more than there is room for is dropped and counted', async (t) => {
    const recorder = startRecorder({ app: 'flood', redis: server.url, intervalMs: 60_000 })
    for (let i = 0; i < 300; i++) recorder.note('job', `job ${i}`, 2000)
    assert.equal(recorder.slowDropped, 44)
    await recorder.stop()
    assert.equal(await client.xlen('pulse:slow:flood'), 256)
  })
})

test('a wrong option is a sentence', () => {
  const is = (options, pattern) => assert.throws(() => startRecorder({ app: 'shop', redis: 'redis://127.0.0.1:1', ...options }), (err) => err instanceof TypeError && pattern.test(err.message) && !err.message.includes('secret'))
  is({ app: '' }, /^app is "": it takes 1 to 128 letters/)
  is({ app: undefined }, /^app is missing/)
  is({ app: 7 }, /^options.app is 7: it takes a text$/)
  is({ id: 'a b' }, /^id is "a b"/)
  is({ intervalMs: 0 }, /^options.intervalMs is 0: it takes a number of whole milliseconds, more than 0 and at most a day$/)
  is({ intervalMs: 0.5 }, /^options.intervalMs is 0.5: it takes a number of whole/)
  is({ intervalMs: '10' }, /^options.intervalMs is "10": it takes a number of whole/)
  is({ ttlMs: 1000 }, /^ttlMs is 1000: it takes more than intervalMs, which is 10000/)
  is({ intervallMs: 7 }, /^options has no "intervallMs": it takes app, redis, id, .*, log$/)
  is({ slowAfterMs: { http: -1 } }, /^options.slowAfterMs.http is -1: it takes a number of milliseconds/)
  is({ slowAfterMs: { https: 1 } }, /^options.slowAfterMs has no "https": it takes http, job, query, other$/)
  is({ slowAfterMs: 500 }, /^options.slowAfterMs is 500: it takes an object with http, job, query, other$/)
  is({ log: 'x' }, /^options.log is "x": it takes a function$/)
  is({ version: 3 }, /^options.version is 3: it takes a text$/)
  is({ redis: {} }, /^redis is neither a URL nor a client/)
  is({ redis: { host: 'a', port: 1 } }, /such as new Redis\(\{ host \}\)/)
  is({ redis: 'redis://:pass#word@127.0.0.1' }, /^redis is a URL/)
  is({ redis: 'unix:///tmp/redis.sock' }, /^redis is a URL of unix:/)
  is({ redis: 'redis://a:1,b:2' }, /^redis is a URL of several hosts/)
  is({ redis: 'redis://u:a,secret@b:1,c' }, /^redis is a URL of several hosts/)
  is({ redis: 'redis://127.0.0.1/abc' }, /^redis is a URL whose path is no database/)
  for (const url of ['redis://u:1#secret@h', 'redis://u:6/secret@h', 'redis://u:6?secret@h']) is({ redis: url }, /^redis is a URL whose password has to be escaped/)
  is({ redis: '://secret' }, /^redis is a URL that cannot be read/)
  is({ redis: new ioredis.Redis({ lazyConnect: true, keyPrefix: 'app:' }) }, /puts "app:" before each key/)
  assert.throws(() => startRecorder(), { name: 'TypeError', message: /^options is missing: it takes an object with app, redis/ })
})

test('without a Redis it does nothing, and says so', async () => {
  const lines = []
  const recorder = startRecorder({ app: 'shop', id: 'a', redis: undefined, slowAfterMs: { job: 1 }, log: (line) => lines.push(line) })
  recorder.note('job', 'x', 5000)
  assert.equal(recorder.slowDropped, 0)
  await recorder.stop()
  assert.deepEqual(lines, ['gravito-pulse: shop/a has no redis: it publishes nothing'])
})
