// The protocol's own vectors: a snapshot from an adapter is read as one from Redis.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { readSnapshot } from '../dist/snapshot.js'

const vectors = new URL('../../../../protocol/vectors/', import.meta.url)
const names = readdirSync(vectors).filter((name) => name.startsWith('snapshot-'))
assert.ok(names.length > 50, `${names.length} vectors`)

for (const name of names) {
  const { about, document, expect } = JSON.parse(readFileSync(new URL(name, vectors), 'utf8'))
  test(`${name}: ${about}`, () => {
    const data = Buffer.from(typeof document === 'string' ? document : JSON.stringify(document))
    const app = expect.snapshot?.app ?? 'shop'
    const context = { app, source: expect.snapshot?.source ?? '', now: expect.snapshot?.timestamp ?? 0 }
    if (expect.error !== undefined) {
      assert.throws(() => readSnapshot(data, context), /^Error: reported a snapshot|^Error: gave a snapshot/)
      return
    }
    const { json, snapshot } = readSnapshot(data, context)
    const { problems = [], ...rest } = snapshot
    assert.deepEqual(rest, expect.snapshot)
    const expected = expect.problems ?? []
    assert.equal(problems.length, expected.length, JSON.stringify(problems))
    for (const [i, part] of expected.entries()) {
      assert.ok(`queue "${problems[i].queue}": ${problems[i].reason}`.includes(part), `${i}: ${part} is not in ${JSON.stringify(problems)}`)
    }
    // What is handed on says the same to who reads it next.
    const again = readSnapshot(Buffer.from(json), context)
    assert.deepEqual(again.snapshot, snapshot)
    assert.equal(again.json, json)
  })
}

const context = { app: 'shop', source: '', now: 1_764_000_000_000 }
const written = (fields) => Buffer.from(JSON.stringify({ timestamp: context.now, app: 'shop', queues: [], ...fields }))

test('what needs no change is handed on byte for byte', () => {
  const data = ` {"app":"shop","queues":[{"metrics":{"waiting":1,"delayed":0},"name":"a","driver":"other","meta":{"driver":"x","n":1.0}}],\n"timestamp":1764000000000}`
  assert.equal(readSnapshot(Buffer.from(data), context).json, data)
})

test('what JavaScript would write otherwise is written as it is read', () => {
  const text = written({}).toString()
  for (const data of [` \ufeff${text}`, text.replace('"queues":[]', '"queues":[{"name":"a\\ud800","driver":"sqs","metrics":{"waiting":1}}]'), text.replace('[]', '[{"name":"a","driver":"sqs","metrics":{"waiting":1},"meta":{"n":1e400}}]'), text.replace('{', '{"unknown":1,')]) {
    const { json, snapshot } = readSnapshot(Buffer.from(data), context)
    assert.equal(json, JSON.stringify(snapshot))
    assert.notEqual(json, data)
  }
  const exact = text.replace('[]', '[{"name":"a","driver":"sqs","metrics":{"waiting":1},"meta":{"id":12345678901234567890}}]')
  assert.equal(readSnapshot(Buffer.from(exact), context).json, exact)
})

test('problems are bounded', () => {
  const { snapshot } = readSnapshot(written({ queues: Array(5000).fill(7) }), context)
  assert.equal(snapshot.problems.length, 101)
  assert.match(snapshot.problems[100].reason, /more than 100 problems/)
  const passed = readSnapshot(written({ problems: Array(5000).fill({ reason: 'x' }) }), context)
  assert.equal(passed.snapshot.problems.length, 101)
})

test('queues are bounded', () => {
  const queues = Array.from({ length: 100_001 }, (_, i) => ({ name: `q${i}`, driver: 'other', metrics: { waiting: 1 } }))
  const { snapshot } = readSnapshot(written({ queues }), context)
  assert.equal(snapshot.queues.length, 100_000)
  assert.match(snapshot.problems[0].reason, /more than 100000 queues/)
})
