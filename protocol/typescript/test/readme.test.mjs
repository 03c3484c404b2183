// The README's code is run as it stands there, in a Node without what a browser has not.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import * as all from '@gravito/pulse-protocol'

const here = fileURLToPath(new URL('..', import.meta.url))
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const blocks = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code)
const run = async (code) => promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], { cwd: here })

test("the README's code", async () => {
  assert.equal(blocks.length, 2)
  const { stdout, stderr } = await run(blocks.join(''))
  assert.deepEqual([stdout, stderr], ['emails: 12 waiting\n', ''])
  const bad = blocks.join('').replace('const { snapshot', "const broken = json.replace('}]', '},{}]')\nconst { snapshot").replace('readSnapshot(json)', 'readSnapshot(broken)')
  assert.equal((await run(bad)).stderr, 'shop: queue 1 is left out: it has no name\n')
})

test('the README has everything that is exported', () => {
  for (const name of Object.keys(all)) assert.ok(readme.includes(`\`${name}`), name)
})

test('a browser has what it takes', async () => {
  const program = `
    const { TextEncoder, TextDecoder } = globalThis
    delete globalThis.Buffer
    const print = console.log
    globalThis.process = undefined
    const p = await import('@gravito/pulse-protocol')
    const { snapshot, problems } = p.readSnapshot('{"timestamp":1764000000000,"app":"shop","queues":[{"name":"é\\\\ud800","metrics":{"waiting":1}},7]}')
    const bytes = new Uint8Array([...new TextEncoder().encode(p.encodeSnapshot(snapshot)), 0x20])
    print(JSON.stringify([p.readSnapshot(bytes).snapshot.queues[0].name, problems.length, p.nameProblem('app', 'é'.repeat(300)).length > 0]))`
  assert.equal((await run(program)).stdout, '["é\ufffd",1,true]\n')
})
