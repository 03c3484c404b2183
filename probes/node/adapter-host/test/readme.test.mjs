// The README's example is run as it stands there.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { defaultLimits } from '../dist/limits.js'
import { builtIn, output, redis, without } from './servers.mjs'

const here = fileURLToPath(new URL('..', import.meta.url))
const readme = readFileSync(join(here, 'README.md'), 'utf8')

test("the README's example", { skip: without('redis-server', builtIn) }, async (t) => {
  const [, example] = /^```js\n(.*?)^```$/ms.exec(readme)
  const server = await redis(t)
  const connection = new Redis(server.url, { maxRetriesPerRequest: null })
  t.after(() => connection.disconnect())
  const queue = new Queue('emails', { connection })
  await queue.addBulk([{ name: 'a', data: {} }, { name: 'b', data: {} }])
  await queue.close()
  // In this folder, where its imports are found; run where adapters.wasm is.
  const dir = mkdtempSync(join(here, 'test', 'readme-'))
  t.after(() => rmSync(dir, { recursive: true }))
  writeFileSync(join(dir, 'example.mjs'), example)
  const printed = await output(process.execPath, [join(dir, 'example.mjs')], { cwd: dirname(builtIn), env: { ...process.env, REDIS_URL: server.url } })
  assert.equal(printed, 'emails: 2 waiting\n')
  const reported = JSON.parse(await connection.get('pulse:queues:shop'))
  assert.equal(reported.queues[0].metrics.waiting, 2)
  assert.ok((await connection.pttl('pulse:queues:shop')) > 0)
})

test('the README has every limit and every error code', () => {
  for (const name of Object.keys(defaultLimits)) assert.ok(readme.includes(`\`${name}\``), name)
  const codes = /type ErrorCode = (.*)/.exec(readFileSync(join(here, 'src', 'errors.ts'), 'utf8'))[1].match(/\w+/g)
  assert.equal(codes.length, 6)
  for (const code of codes) assert.ok(readme.includes(`| \`${code}\` |`), code)
})
