// What package protocol, in Go, reads of documents.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/**
 * What Go reads of each document, `{ key, data }` or, of a slow entry, `{ key, slow }`: a line of JSON each. Without Go
 * the test is skipped, or fails in CI, and it is undefined.
 */
export async function readByGo(t, documents) {
  const go = spawn('go', ['run', './protocol/typescript/test/reader'], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] })
  const isThere = await once(go, 'spawn').then(() => true, () => false)
  if (!isThere) {
    assert.notEqual(process.env.CI, 'true', 'go is not installed')
    t.skip('go is not installed')
    return undefined
  }
  const ended = once(go, 'close')
  const chunks = []
  go.stdout.on('data', (chunk) => chunks.push(chunk))
  for (const { key, data, slow } of documents) {
    if (!go.stdin.write(`${JSON.stringify({ key, data: data?.toString('base64'), slow })}\n`)) await once(go.stdin, 'drain')
  }
  go.stdin.end()
  assert.deepEqual(await ended, [0, null])
  const lines = Buffer.concat(chunks).toString().trimEnd().split('\n')
  assert.equal(lines.length, documents.length)
  return lines
}
