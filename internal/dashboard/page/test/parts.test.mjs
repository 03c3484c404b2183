import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assignSlots } from '../dist/parts/slots.js'
import { pathOf } from '../dist/parts/spark.js'

test('A line keeps its element while it is in sight, and no two share one', () => {
  // A seeded walk: windows of any size over a list that also changes its order.
  let seed = 7
  const random = (n) => (seed = (seed * 48_271) % 2_147_483_647) % n
  let slots = new Map()
  let most = 0
  for (let i = 0; i < 2_000; i++) {
    const first = random(40)
    const ids = Array.from({ length: random(30) }, (_, k) => String(i % 5 ? first + k : 70 - k))
    const next = assignSlots(ids, slots)
    assert.deepEqual([...next.keys()], ids)
    assert.equal(new Set(next.values()).size, ids.length, `two of ${[...next]} share an element`)
    for (const id of ids) if (slots.has(id)) assert.equal(next.get(id), slots.get(id))
    most = Math.max(most, ids.length)
    slots = next
  }
  assert.equal(most, 29)
})

test('What comes into sight takes the element of what left', () => {
  const before = assignSlots(['a', 'b', 'c'], new Map())
  assert.deepEqual([...before], [['a', 0], ['b', 1], ['c', 2]])
  assert.deepEqual([...assignSlots(['b', 'c', 'd'], before)], [['b', 1], ['c', 2], ['d', 0]])
})

test('A drawing goes from edge to edge, from 0 up', () => {
  assert.equal(pathOf([0, 5, 10], 64, 18), 'M0 16.5L32 9L64 1.5')
  assert.equal(pathOf([0, 0], 64, 18), 'M0 16.5L64 16.5')
  assert.equal(pathOf([7, 7], 64, 18), 'M0 1.5L64 1.5') // a level looks as high as it is
})

test('A gap is no line, and a minute alone is a dot', () => {
  assert.equal(pathOf([10, 10, null, null, 10, 10], 50, 18), 'M0 1.5L10 1.5M40 1.5L50 1.5')
  assert.equal(pathOf([null, 10, null], 64, 18), 'M32 1.5h0')
  assert.equal(pathOf([10, null, 10], 64, 18), 'M0 1.5h0M64 1.5h0')
  assert.equal(pathOf([10], 64, 18), 'M0 1.5h0')
  assert.equal(pathOf([null, null], 64, 18), '')
  assert.equal(pathOf([], 64, 18), '')
})
