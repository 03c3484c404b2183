// Redis' clock is everybody's: a process with a wrong one publishes by Redis' time, and harms no other's keys.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import * as ioredis from 'ioredis'
import * as nodeRedis from 'redis'
import { connectionTo, publish, Recurring, RedisClock } from '@gravito/pulse-protocol/publish'
import { startRecorder } from '../dist/index.js'
import { asks, redis, without } from '../../adapter-host/test/servers.mjs'
import { eventually } from './eventually.mjs'

const skip = without('redis-server')
const [second, minute, hour] = [1_000, 60_000, 3_600_000]

/** A machine whose date is so many milliseconds ahead. */
function machine(ahead) {
  const m = { ahead, slept: 0, trips: 0 }
  m.clock = new RedisClock({ date: () => Date.now() + m.ahead, ran: () => performance.now() - m.slept })
  return m
}

/** A connection that counts what is sent. */
function counted(connection, m) {
  return { ...connection, send: (commands) => (m.trips++, connection.send(commands)) }
}

const isNow = (ms, what) => assert.ok(Math.abs(ms - Date.now()) < 30 * second, `${what} is ${ms - Date.now()} ms ahead`)

describe('a clock', { skip }, () => {
  let server, client
  const cleanups = []
  before(async () => {
    server = await redis({ after: (f) => cleanups.push(f) })
    client = new ioredis.Redis(server.url)
  })
  after(async () => {
    client.disconnect()
    for (const cleanup of cleanups) await cleanup()
  })

  const clients = {
    'a URL': () => [server.url, () => {}],
    ioredis: () => {
      const c = new ioredis.Redis(server.url)
      return [c, () => c.disconnect()]
    },
    'node-redis': async () => {
      const c = await nodeRedis.createClient({ url: server.url }).connect()
      return [c, () => c.destroy()]
    },
    'node-redis, RESP3': async () => {
      const c = await nodeRedis.createClient({ url: server.url, RESP: 3 }).connect()
      return [c, () => c.destroy()]
    },
  }
  for (const [name, make] of Object.entries(clients)) {
    for (const ahead of [0, 25 * hour, -40 * second, -hour]) {
      test(`that is ${ahead / second} s ahead, by ${name}`, async (t) => {
        const [target, end] = await make()
        const m = machine(ahead)
        const bare = connectionTo(target)
        t.after(() => (bare.close(), end()))
        const connection = counted(bare, m)
        await client.del('pulse:index')
        await client.zadd('pulse:index', Date.now() - 23 * hour, 'lost', Date.now(), 'living', Date.now() - 25 * hour, 'long gone', Date.now() + 2 * minute, 'tomorrow', 2_082_758_400_000, '2036')
        for (let i = 0; i < 3; i++) {
          isNow(await m.clock.now(connection), 'the time')
          await publish(connection, { key: 'pulse:server:shop:web-1', json: '{}', clock: m.clock, ttlMs: minute })
        }
        assert.equal(m.trips, 1 + 3)
        isNow(Number(await client.zscore('pulse:index', 'pulse:server:shop:web-1')), 'the score')
        assert.deepEqual(await client.zrange('pulse:index', 0, -1), ['lost', 'living', 'pulse:server:shop:web-1'])
        const problem = m.clock.problem('redis 10.0.0.7:6379')
        if (ahead === 0) assert.equal(problem, undefined)
        else assert.match(problem, ahead > 0 ? /^this reporter's clock is 25 h ahead of that of redis 10\.0\.0\.7:6379, / : /^this reporter's clock is (40 s|60 min) behind that of redis/)
      })
    }
  }

  test('of a machine that was suspended, or set, is asked for anew', async (t) => {
    const m = machine(0)
    const bare = connectionTo(server.url)
    t.after(() => bare.close())
    const connection = counted(bare, m)
    for (const change of [() => {}, () => (m.slept += hour), () => (m.ahead -= hour)]) {
      change()
      for (let i = 0; i < 3; i++) isNow(await m.clock.now(connection), 'the time')
    }
    assert.equal(m.trips, 3)
    m.slept += hour
    await publish(connection, { key: 'pulse:server:shop:web-1', json: '{}', clock: m.clock, ttlMs: minute })
    isNow(m.clock.estimate(), 'after a publication the time')
  })

  test('that Redis does not tell is the own one, and erases nothing of the future', async (t) => {
    await asks(server.port, ['ACL', 'SETUSER', 'without-time', 'on', '>x', '~pulse:*', '+@all', '-time'])
    const c = new ioredis.Redis(server.port, '127.0.0.1', { username: 'without-time', password: 'x', enableReadyCheck: false })
    t.after(() => c.disconnect())
    const m = machine(-hour)
    const connection = counted(connectionTo(c), m)
    await client.del('pulse:index')
    await client.zadd('pulse:index', Date.now(), 'living')
    for (let i = 0; i < 2; i++) {
      isNow((await m.clock.now(connection)) + hour, 'the time')
      await publish(connection, { key: 'pulse:server:shop:web-1', json: '{}', clock: m.clock, ttlMs: minute })
    }
    assert.equal(m.trips, 1 + 2)
    assert.deepEqual(await client.zrange('pulse:index', 0, -1), ['pulse:server:shop:web-1', 'living'])
    assert.match(m.clock.problem('redis'), /^this reporter's own clock is used, right or wrong, for redis does not tell the time: NOPERM .*allow its user \+time/)
  })

  test('of a process that runs a recorder', async (t) => {
    const now = Date.now
    t.after(() => (Date.now = now))
    for (const [ahead, told] of [[0, undefined], [25 * hour, 25 * hour], [-40 * second, -40 * second]]) {
      await client.flushall()
      Date.now = () => now() + ahead
      const recorder = startRecorder({ app: 'shop', id: 'web-1', redis: server.url, slowAfterMs: { job: 1 }, intervalMs: 200, log: () => {} })
      const beat = JSON.parse(await eventually(() => client.get('pulse:server:shop:web-1')))
      recorder.note('job', 'SendInvoice', 5)
      await recorder.stop()
      Date.now = now
      isNow(beat.timestamp, 'the heartbeat')
      assert.equal(beat.meta.clock_ahead_ms, told)
      const [[, fields]] = await client.xrange('pulse:slow:shop', '-', '+')
      isNow(Number(fields[fields.indexOf('timestamp') + 1]), 'the slow entry')
    }
  })
})

test('a difference is told in steps, and stays while it is the same', () => {
  let ahead = 0
  const clock = new RedisClock({ date: () => 1_764_000_000_000 + ahead, ran: () => 0 })
  for (const [ms, want] of [
    [0, 0], [5000, 0], [-5000, 0], [5100, 5000], [4500, 5000], [3900, 0], [4900, 0],
    [-42_400, -40_000], [-42_600, -40_000], [-38_000, -40_000], [-45_100, -45_000], [90_000, 2 * minute], [100_000, 2 * minute],
    [-59 * minute, -59 * minute], [25 * hour, 25 * hour], [25.8 * hour, 25 * hour], [0, 0],
  ]) {
    ahead = ms
    clock.answered(['1764000000', '0'], 0)
    assert.equal(clock.aheadMs, want, `${ms}`)
  }
  for (const rubbish of [['60', '0'], 'OK', null, ['x', 'y'], []]) {
    clock.answered(rubbish, 0)
    assert.equal(clock.state, 'refused')
  }
})

test('a slow answer is no difference', () => {
  const clock = new RedisClock({ date: () => 1_764_000_000_000, ran: () => 6000 })
  for (const at of ['1764000000', '1763999994']) {
    clock.answered([at, '0'], 0)
    assert.equal(clock.aheadMs, 0)
  }
})

test('trouble that comes and goes gets a line every ten minutes', () => {
  let now = 0
  const trouble = new Recurring(() => now)
  for (const [at, isThere, want] of [
    [0, false, false], [0, true, 1], [1, true, 0], [hour, true, 0], [2 * hour, false, true],
    [2 * hour + 1, true, 1], [2 * hour + 2, false, true], [2 * hour + 3, true, 0], [2 * hour + 4, false, false], [2 * hour + 5, true, 0],
    [2 * hour + 10 * minute, true, 0], [2 * hour + 10 * minute + 1, true, 2], [2 * hour + 11 * minute, false, true], [3 * hour, false, false],
  ]) {
    now = at
    assert.equal(isThere ? trouble.there() : trouble.gone(), want, `after ${at} ms`)
  }
})
