// The protocol's own vectors: what Go reads of each, this package reads, too.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kindOf } from '@gravito/pulse-protocol'
import { documentOf, read, vectors } from './vectors.mjs'

test('there are vectors of every kind', () => {
  for (const [kind, least] of Object.entries({ queues: 50, server: 15, quasar: 8, slow: 8 })) {
    const found = vectors.filter(({ key }) => kindOf(key) === kind)
    assert.ok(found.length >= least, `${found.length} vectors of ${kind}`)
  }
})

const known = ['snapshot', 'heartbeat', 'slow', 'id', 'app', 'problems', 'error']

for (const vector of vectors) {
  const { file, about, key, expect, ...rest } = vector
  test(`${file}: ${about}`, () => {
    assert.deepEqual(Object.keys(rest), ['document'], 'a misspelt member would be nothing')
    for (const name of Object.keys(expect)) assert.ok(known.includes(name), `expect.${name}: a misspelt expectation would expect nothing`)
    const document = documentOf(vector)
    const forms = kindOf(key) === 'slow' ? [document] : [document, new TextEncoder().encode(document)]
    for (const form of forms) {
      const { error, problems, ...found } = read(key, form)
      if (expect.error !== undefined || error !== undefined) {
        assert.ok(expect.error !== undefined && error?.includes(expect.error), `the error is ${error}, expected ${expect.error}`)
        continue
      }
      const { problems: parts = [], app, error: _, ...expected } = expect
      assert.deepEqual(found, expected)
      if (found.heartbeat !== undefined) assert.equal(found.heartbeat.meta.app_name, app)
      const sentences = problems.map(({ queue, reason }) => (queue === undefined ? reason : `queue ${JSON.stringify(queue)}: ${reason}`))
      assert.equal(sentences.length, parts.length, sentences.join('\n'))
      for (const [i, part] of parts.entries()) assert.ok(sentences[i].includes(part), `problem ${i} is ${sentences[i]}, expected ${part}`)
    }
  })
}
