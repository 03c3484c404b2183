import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergePatch } from '../dist/patch.js'

// RFC 7396, appendix A.
const EXAMPLES = [
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', '{}'],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"a":"foo"}', 'null', 'null'],
  ['{"a":"foo"}', '"bar"', '"bar"'],
  ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
  ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
  ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
]

test('The examples of RFC 7396 give what it says', () => {
  for (const [target, patch, is] of EXAMPLES) {
    assert.equal(JSON.stringify(mergePatch(JSON.parse(target), JSON.parse(patch))), is, `${target} with ${patch}`)
  }
})

test('What a patch does not name is the same object, and the target stays as it was', () => {
  const target = { apps: { shop: { queues: { a: { n: 1 }, b: { n: 2 } } }, blog: {} } }
  const before = structuredClone(target)
  const merged = mergePatch(target, { apps: { shop: { queues: { a: { n: 3 } } } } })
  assert.deepEqual(target, before)
  assert.deepEqual(merged, { apps: { shop: { queues: { a: { n: 3 }, b: { n: 2 } } }, blog: {} } })
  assert.equal(merged.apps.blog, target.apps.blog)
  assert.equal(merged.apps.shop.queues.b, target.apps.shop.queues.b)
  assert.notEqual(merged.apps.shop, target.apps.shop)
  assert.notEqual(merged.apps.shop.queues.a, target.apps.shop.queues.a)
})

test('Names that objects inherit are names like any other', () => {
  const hostile = '{"__proto__":{"evil":1},"constructor":{"prototype":{"evil":1}},"toString":{"a":1},"hasOwnProperty":1}'
  const merged = mergePatch({}, JSON.parse(hostile))
  assert.equal(JSON.stringify(merged), hostile)
  assert.equal({}.evil, undefined)
  assert.equal(Object.getPrototypeOf(merged), Object.prototype)
  // Again, onto what is there, and gone.
  assert.equal(JSON.stringify(mergePatch(merged, JSON.parse('{"__proto__":{"more":2},"constructor":null,"toString":{"b":2},"hasOwnProperty":null}'))),
    '{"__proto__":{"evil":1,"more":2},"toString":{"a":1,"b":2}}')
  assert.equal({}.more, undefined)
  assert.equal(JSON.stringify(mergePatch(merged, JSON.parse('{"__proto__":null,"constructor":null,"toString":null,"hasOwnProperty":null}'))), '{}')
})

test('What is nested thousands deep does not exhaust the stack', () => {
  const deep = (bottom) => {
    let value = bottom
    for (let i = 0; i < 20_000; i++) value = { a: value }
    return value
  }
  let at = mergePatch(deep(1), deep(2))
  while (typeof at === 'object') at = at.a
  assert.equal(at, 2)
})
