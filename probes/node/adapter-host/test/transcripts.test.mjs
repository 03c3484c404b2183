// What was recorded from real servers: Node asks and reports the same bytes as the native drivers and the
// Go host, which replay the same files.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AdapterModule } from '@gravito/pulse-adapter-host'
import { builtIn, root, without } from './servers.mjs'
import { encodeRequests, settingsOf } from './transcript.mjs'

const dir = join(root, 'probes', 'wasm', 'testdata', 'transcripts')
const skip = without(dir, builtIn)
const files = existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith('.json')) : []

test('there are transcripts', { skip }, () => {
  assert.ok(files.length > 0, `${dir} holds none`)
})

const bytes = (text) => Buffer.from(text, 'latin1')
const latin1 = (data) => Buffer.from(data).toString('latin1')

for (const file of files) {
  const { about, settings, polls } = JSON.parse(readFileSync(join(dir, file), 'utf8'))
  test(`${file}: ${about}`, { skip }, async () => {
    const log = []
    const module = await AdapterModule.load(builtIn, { trusted: true, log: (line) => log.push(line) })
    const session = await module.open(settingsOf(settings))
    for (const [i, { now, rounds = [], snapshot, error }] of polls.entries()) {
      let round = 0
      const send = async (requests) => {
        const expected = rounds[round++]
        assert.ok(expected, `poll ${i} asks in a round ${round}, the recording has ${rounds.length}`)
        assert.equal(latin1(encodeRequests(requests)), expected.requests, `poll ${i}, round ${round}`)
        return bytes(expected.replies)
      }
      if (error !== undefined) {
        await assert.rejects(session.poll(send, now), { code: 'adapter', message: new RegExp(`has no snapshot: ${escaped(bytes(error).toString())}$`) })
      } else {
        assert.equal(latin1((await session.poll(send, now)).json), snapshot, `poll ${i}`)
      }
      assert.equal(round, rounds.length, `poll ${i}`)
    }
    assert.deepEqual(log, [])
  })
}

test('of a module with several adapters the log says which was closed', { skip: without(builtIn) }, async () => {
  const log = []
  const module = await AdapterModule.load(builtIn, { log: (line) => log.push(line), limits: { requests: 1 } })
  const session = await module.open({ app: 'shop', adapter: 'redislist', keys: 'a,b' })
  assert.equal(module.describe().name, 'gravito-pulse')
  assert.equal(session.describe().name, 'redislist')
  await assert.rejects(session.poll(async () => [], 1_764_000_000_000), { code: 'broken', message: /^the adapter redislist / })
  assert.equal(log.length, 1)
  assert.match(log[0], /^the adapter redislist returned requests from pulse_poll that cannot be sent: there are more than 1 requests; its instance is closed/)
})

function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
