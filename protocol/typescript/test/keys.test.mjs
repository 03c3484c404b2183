// Keys are made and read as in Go.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { indexKey, isName, kindOf, nameFrom, nameProblem, parseKey, queuesKey, serverKey, shorten, slowKey } from '@gravito/pulse-protocol'

const a128 = 'a'.repeat(128)

test('a name', () => {
  for (const name of ['a', '7', 'Shop.eu-1_a@b', a128]) {
    assert.ok(isName(name), name)
    assert.equal(nameProblem('app', name), undefined)
  }
  for (const text of ['', `${a128}a`, '.a', '-a', '_a', '@a', 'a b', 'a:b', 'a/b', 'a\n', '\na', 'ü', 'a\0', 'a*']) {
    assert.ok(!isName(text), text)
    assert.match(nameProblem('app', text), /^app is ".*: it takes 1 to 128 letters/)
  }
  assert.match(nameProblem('app', '\n'.repeat(1 << 20)), /^app is "(\\n){80}"… \(1048576 bytes\): it takes/)
  assert.match(nameProblem('app', 7), /^app is 7: it takes/)
})

test('a name from free text', () => {
  for (const [text, name] of Object.entries({
    'web-1': 'web-1', 'my app': 'my-app', '  padded': 'padded', 'a:b/c': 'a-b-c', 'üb': 'x-b', _a: 'x_a', '-': 'x-', '\0': 'x-', 日本: 'x--', '😀': 'x-', '': '', '   ': '',
    ['a'.repeat(200)]: a128, ['-'.repeat(200)]: `x${'-'.repeat(127)}`,
  })) {
    assert.equal(nameFrom(text), name)
    assert.equal(nameFrom(name), name)
  }
})

test('a key is read as it was made', () => {
  for (const [key, address] of [
    [queuesKey('shop'), { kind: 'queues', app: 'shop', rest: '' }],
    [queuesKey('shop', 'sqs'), { kind: 'queues', app: 'shop', rest: 'sqs' }],
    [serverKey('shop', a128), { kind: 'server', app: 'shop', rest: a128 }],
    [slowKey('shop'), { kind: 'slow', app: 'shop', rest: '' }],
    ['gravito:quasar:node:a b:host 1', { kind: 'quasar', app: 'a-b', rest: 'host-1' }],
    ['gravito:quasar:node:a:b:c', { kind: 'quasar', app: 'a', rest: 'b-c' }],
  ]) {
    assert.deepEqual(parseKey(key), address)
    assert.equal(kindOf(key), address.kind)
  }
  assert.equal(queuesKey('shop', 'sqs'), 'pulse:queues:shop:sqs')
  assert.equal(serverKey('shop', 'web-1'), 'pulse:server:shop:web-1')
  assert.equal(slowKey('shop'), 'pulse:slow:shop')
})

test('what is no key', () => {
  for (const key of ['', indexKey, 'pulse:queues', 'Pulse:queues:shop', 'xpulse:queues:shop', 'pulse:history:shop', 'gravito:quasar:nodes', 'bull:queues:meta']) {
    assert.equal(kindOf(key), undefined, key)
    assert.equal(parseKey(key), undefined, key)
  }
  for (const key of [
    'pulse:queues:', 'pulse:queues:a:', 'pulse:queues::a', 'pulse:queues:a:b c', 'pulse:queues:a:b:c', 'pulse:queues:a\n', 'pulse:queues:a*', `pulse:queues:${a128}a`,
    'pulse:server:', 'pulse:server:a', 'pulse:server::', 'pulse:server:a:', 'pulse:server:a:b:c', 'pulse:slow:', 'pulse:slow:a:b',
    'gravito:quasar:node:', 'gravito:quasar:node:a', 'gravito:quasar:node:a:', 'gravito:quasar:node: :b',
  ]) {
    assert.notEqual(kindOf(key), undefined, key)
    assert.equal(parseKey(key), undefined, key)
  }
})

test('a text is cut between characters', () => {
  for (const [text, bytes, cut] of [['abc', 3, 'abc'], ['abcd', 3, 'abc…'], ['a€', 4, 'a€'], ['a€b', 3, 'a…'], ['😀', 4, '😀'], ['😀a', 4, '😀…'], ['😀', 3, '…'], ['éé', 3, 'é…'], ['', 0, '']]) {
    assert.equal(shorten(text, bytes), cut)
  }
})
