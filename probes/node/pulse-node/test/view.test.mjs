// What a recorder writes is what the dashboard shows.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { startRecorder } from '../dist/index.js'
import { aggregator, aggregatorProgram } from '../../adapter-host/test/aggregator.mjs'
import { redis, without } from '../../adapter-host/test/servers.mjs'
import { eventually } from './eventually.mjs'

const skip = without('redis-server', aggregatorProgram)

test('the dashboard shows the server and what was slow', { skip }, async (t) => {
  const server = await redis(t)
  const get = await aggregator(t, server.url)
  const recorder = startRecorder({ app: 'shop', id: 'web-1', redis: server.url, environment: 'staging', version: '1.2.3', slowAfterMs: { query: 100 }, intervalMs: 500 })
  t.after(() => recorder.stop())
  recorder.note('query', 'select * from orders where id = ?', 1234.4, { rows: 7 })
  recorder.note('query', 'fast', 99)
  const view = await eventually(async () => {
    const v = await get('/api/v1/view')
    return v.apps.shop?.servers?.['web-1'] && v
  })
  const shown = view.apps.shop.servers['web-1']
  assert.equal(shown.status, 'fresh')
  assert.equal(shown.process.pid, process.pid)
  assert.deepEqual([shown.meta.environment, shown.meta.version, shown.meta.runtime], ['staging', '1.2.3', `node ${process.version}`])
  assert.ok(shown.meta.event_loop_delay_ms >= 0)
  assert.deepEqual(view.problems, [])
  const { entries } = await eventually(async () => {
    const slow = await get('/api/v1/slow?app=shop')
    return slow.entries.length > 0 && slow
  })
  assert.deepEqual(
    entries.map(({ kind, name, duration_ms, threshold_ms, meta }) => ({ kind, name, duration_ms, threshold_ms, meta })),
    [{ kind: 'query', name: 'select * from orders where id = ?', duration_ms: 1234, threshold_ms: 100, meta: { rows: 7 } }],
  )
})

test("the README's two lines work, and it has every option", { skip: without('redis-server') }, async (t) => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const [, example] = /^```js\n(.*?)^```$/ms.exec(readme)
  const server = await redis(t)
  const before = process.env.REDIS_URL
  process.env.REDIS_URL = server.url
  t.after(() => (before === undefined ? delete process.env.REDIS_URL : (process.env.REDIS_URL = before)))
  const program = example.replace("'@gravito/pulse-node'", JSON.stringify(new URL('../dist/index.js', import.meta.url).href))
  const { recorder } = await import(`data:text/javascript,${encodeURIComponent(`${program}export { recorder }`)}`)
  t.after(() => recorder.stop())
  const get = await import('ioredis').then(({ Redis }) => new Redis(server.url))
  t.after(() => get.disconnect())
  await eventually(async () => (await get.keys('pulse:server:shop:*')).length === 1)
  const options = readFileSync(new URL('../src/recorder.ts', import.meta.url), 'utf8').match(/export interface RecorderOptions \{(.*?)^\}/ms)[1]
  for (const [, name] of options.matchAll(/^ {2}(\w+)\??:/gm)) assert.match(readme, new RegExp(`\`${name}\``))
})
