import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOURS, read, write } from '../dist/choice.js'
import { COLUMNS } from '../dist/order.js'

const NOTHING = { q: '', sort: '', dir: '', group: '', turned: [], open: '', hours: 1 }

test('A link shows what was chosen', () => {
  const texts = ['', 'orders', 'app:"old shop" -is:ok', 'a=b&c=d#e', '100%', '+ +', '佇列 \u202e', '\ud83d\ude00', '__proto__']
  const opens = ['', 'queue:shop/sqs/orders', 'queue:a b/c&d/e#f', 'server:shop/web-1', 'queue:/']
  let n = 0
  for (const q of texts) for (const open of opens) for (const sort of ['', ...Object.keys(COLUMNS)]) for (const group of ['', 'on', 'off']) {
    const chosen = { q, sort, dir: sort && (n % 2 ? 'asc' : 'desc'), group, turned: texts.slice(1, 1 + (n % 4)), open, hours: HOURS[n % HOURS.length] }
    n++
    assert.deepEqual(read(write(chosen)), chosen)
  }
})

test('What is not chosen is not in the address', () => {
  assert.equal(write(NOTHING), '')
  assert.deepEqual(read(''), NOTHING)
  assert.equal(write({ ...NOTHING, q: 'app:shop', open: 'queue:shop/sqs/a b' }), 'q=app%3Ashop&open=queue%3Ashop%2Fsqs%2Fa+b')
})

test('Links that had filters are read as searches', () => {
  assert.equal(read('app=old shop&driver=sqs&origin=gravito&state=stalled&q=orders').q, 'app:"old shop" driver:sqs origin:gravito is:stalled orders')
  assert.equal(read('app=shop').q, 'app:shop')
  assert.equal(read('state=lost&sort=waiting&dir=desc').q, 'is:lost')
})

test('What nobody can choose is not chosen', () => {
  assert.deepEqual(read('sort=constructor&dir=desc&group=maybe&open=javascript:alert(1)&hours=7&what=x'), NOTHING)
  assert.deepEqual(read('sort=__proto__&open=queue:&hours=NaN'), NOTHING)
  assert.equal(read('sort=waiting&dir=sideways').dir, 'asc')
  assert.deepEqual(read('%E0%A4%A&q=%'), { ...NOTHING, q: '%' })
})
