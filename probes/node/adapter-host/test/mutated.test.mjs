// Modules with a few bytes changed, the same ones in every run: whatever they do, it is an AdapterError.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdapterModule } from '@gravito/pulse-adapter-host'
import { adapter, call, drop, fdWrite, i32, now, printed } from './assemble.mjs'

const at = 1 << 18
const seeds = [
  adapter(),
  adapter({ imports: [fdWrite], data: [printed(at, 'hello\n')], tables: [[0x70, 0, 1]], prelude: [...i32(1), ...i32(at), ...i32(1), ...i32(at + 8), ...call(0), ...drop] }),
]

test('1,000 mutated modules', async () => {
  let state = 2463534242
  const random = (n) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % n
  }
  const ends = { ok: 0, module: 0, settings: 0, broken: 0, adapter: 0 }
  for (let i = 0; i < 1000; i++) {
    const module = Buffer.from(seeds[random(seeds.length)])
    for (let n = 1 + random(4); n > 0; n--) {
      const place = random(3) === 0 ? random(250) : 8 + random(module.length - 8)
      module[place] = random(2) === 0 ? random(256) : module[place] ^ (1 << random(8))
    }
    try {
      const loaded = await AdapterModule.load(module, { log: () => {}, limits: { runTime: 50 } })
      const session = await loaded.open({ app: 'shop' })
      await session.poll(async (requests) => requests.map(() => 3), now)
      ends.ok++
    } catch (err) {
      assert.equal(err.name, 'AdapterError', `module ${i}: ${err.stack}`)
      ends[err.code]++
    }
  }
  assert.equal(Object.values(ends).reduce((a, b) => a + b), 1000)
  for (const end of ['ok', 'module', 'broken']) assert.ok(ends[end] > 10, JSON.stringify(ends))
})
