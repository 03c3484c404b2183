import assert from 'node:assert/strict'
import { test } from 'node:test'
import { about, bytes, clockTime, compact, count, decimal, duration, plain, short, signed, utc, visible } from '../dist/format.js'
import { language } from '../dist/messages.js'

language.value = 'en'

const SECOND = 1_000, MINUTE = 60_000, HOUR = 3_600_000, DAY = 86_400_000

test('What is not a number is a dash, never 0', () => {
  for (const v of [undefined, null, NaN, Infinity, '7', [], {}, true]) {
    for (const format of [count, compact, duration, bytes, clockTime]) assert.equal(format(v), '—')
    assert.equal(utc(v), '')
  }
  assert.equal(decimal(undefined), '—')
  assert.deepEqual([count(0), compact(0), duration(0), bytes(0), decimal(0)], ['0', '0', '0 s', '0 B', '0'])
})

test('Numbers are exact up to four digits, then three of them', () => {
  assert.deepEqual([9_999, 10_000, 12_345, 1_204_567, 9_007_199_254_740_991, -12_345].map(compact), ['9,999', '10K', '12.3K', '1.2M', '9010T', '-12.3K'])
  assert.deepEqual([0, 1, 12_345, 9_007_199_254_740_991].map(count), ['0', '1', '12,345', '9,007,199,254,740,991'])
  assert.deepEqual([0.04, 12.34, 99.96, 100.4].map(decimal), ['0', '12.3', '100', '100'])
  assert.deepEqual([0, 0.04, -0.04, 12.5, -3, 12_345, -12_345].map(signed), ['0', '0', '0', '+12.5', '−3', '+12.3K', '−12.3K'])
})

test('A length of time has one unit, or two from an hour on', () => {
  for (const [ms, text, one] of [
    [-5, '0 s', '0 s'], [999, '0 s', '0 s'], [59_999, '59 s', '59 s'], [MINUTE, '1 min', '1 min'], [90 * SECOND, '1 min', '1 min'], [59.9 * MINUTE, '59 min', '59 min'],
    [HOUR, '1 h', '1 h'], [HOUR + 59 * SECOND, '1 h', '1 h'], [3 * HOUR + 5 * MINUTE, '3 h 5 min', '3 h'], [DAY - 1, '23 h 59 min', '23 h'],
    [DAY, '1 d', '1 d'], [2 * DAY + 30 * MINUTE, '2 d', '2 d'], [9 * DAY + 3 * HOUR, '9 d 3 h', '9 d'],
  ]) {
    assert.equal(duration(ms), text)
    assert.equal(duration(ms, 1), one)
  }
})

test('An estimate is told in the unit that is not too exact, with its range', () => {
  for (const [seconds, range, text] of [
    [340, [240, 660], '≈ 6 min (4–11)'], [89, undefined, '≈ 89 s'], [90, undefined, '≈ 2 min'], [3 * 3_600 - 1, undefined, '≈ 180 min'], [3 * 3_600, undefined, '≈ 3 h'],
    [48 * 3_600, undefined, '≈ 2 d'], [90 * 86_400, [1e6, 1e7], '≈ 90 d (12–116)'], [1e9, [1e8, 1e10], '> 90 d'], [340, [330, 350], '≈ 6 min'], [340, [null, 660], '≈ 6 min'], [340, 'odd', '≈ 6 min'], [0, [0, 0], '≈ 0 s'],
  ]) assert.equal(about(seconds, range), text)
})

test('Bytes have the unit in which they are short', () => {
  assert.deepEqual([1_023, 1_024, 1_536, 8e9, 2 ** 60].map(bytes), ['1,023 B', '1 KiB', '1.5 KiB', '7.5 GiB', '1,024 PiB'])
})

test('A moment that no Date can be is a dash', () => {
  assert.equal(clockTime(8.65e15), '—')
  assert.equal(utc(8.65e15), '')
  assert.equal(utc(0), '1970-01-01 00:00:00 UTC')
  assert.match(clockTime(0), /^19(69|70)-\d\d-\d\d \d\d:\d\d:\d\d$/)
  assert.match(clockTime(Date.now()), /\d\d:\d\d:\d\d$/)
})

test('No name can look like another one', () => {
  for (const hidden of ['\0', '\n', '\t', '\u001b', '\u007f', '\u0085', '\u00ad', '\u061c', '\u180e', '\u200b', '\u200c', '\u200e', '\u200f', '\u2028', '\u202a', '\u202e', '\u2060', '\u2066', '\u2069', '\ufeff', '\ufff9', '\u{e0041}', '\ud800', '\udc00']) {
    assert.equal(visible(`a${hidden}b`), `a\\u{${hidden.codePointAt(0).toString(16)}}b`)
  }
  for (const text of ['orders', '佇列', 'ünï', '👩‍👧', 'صف', '😀', 'a b']) assert.equal(visible(text), text)
})

test('A text is as long as a line takes', () => {
  assert.equal(short('x'.repeat(200)), 'x'.repeat(200))
  assert.equal(short('x'.repeat(201)), `${'x'.repeat(200)}…`)
  assert.equal(short('\u202e'), '\\u{202e}')
})

test('Any value is a text', () => {
  const round = {}
  round.self = round
  assert.deepEqual([undefined, null, 'a', 1_234.5, true, { a: [1] }].map(plain), ['', '', 'a', '1,234.5', 'true', '{"a":[1]}'])
  assert.ok(plain(round).length > 0)
})
