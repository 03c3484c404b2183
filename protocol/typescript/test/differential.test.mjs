// Documents with some bytes changed, the same ones in every run: Go and JavaScript read the same of each, and say the
// same of what cannot be read, word for word.
//
// What JavaScript cannot do the same, or does not:
// - A number of a meta is a double here, and null where no double holds it; Go passes on its text.
// - A slow entry's meta is bounded as any other; Go's slow entries have no such bound. And Go's strconv takes
//   0x1p4 and 1_000 for numbers there.
// - Characters that only a newer Unicode than one of the two knows may stand in a sentence escaped or not.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { kindOf } from '@gravito/pulse-protocol'
import { readByGo } from './go.mjs'
import { documentOf, read, vectors } from './vectors.mjs'

const isLong = process.env.PULSE_CI === 'long' || process.env.FUZZTIME !== undefined
const count = isLong ? 200_000 : 6_000

/** A number that no double holds is null here. */
const parse = (line) => JSON.parse(line, (_, value) => (value === Infinity || value === -Infinity ? null : value))

/** A reading whose sentences have characters that only one Unicode knows as they are, not escaped. */
function withNewCharacters(reading) {
  if (typeof reading === 'string') {
    return reading.replace(/\\(?:u([0-9a-f]{4})|U([0-9a-f]{8}))/g, (escape, short, long) => {
      const character = String.fromCodePoint(Number.parseInt(short ?? long, 16))
      return /[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(character) ? character : escape
    })
  }
  if (Array.isArray(reading)) return reading.map(withNewCharacters)
  if (typeof reading !== 'object' || reading === null) return reading
  return Object.fromEntries(Object.entries(reading).map(([name, value]) => [name, withNewCharacters(value)]))
}

function same(actual, expected, name) {
  if (!isDeepStrictEqual(actual, expected)) assert.deepEqual(withNewCharacters(actual), withNewCharacters(expected), name)
}

/** Holds what is read here to what Go reads, and returns how often each end was met. */
async function compare(t, documents) {
  const lines = await readByGo(t, documents)
  if (lines === undefined) return undefined
  const ends = { error: 0, problems: 0, fine: 0 }
  for (const [i, { key, data, slow }] of documents.entries()) {
    const { problems = [], ...expected } = parse(lines[i])
    const { problems: found = [], ...rest } = read(key, slow ?? data)
    if (rest.slow?.meta !== undefined) rest.slow = { ...rest.slow, meta: JSON.parse(rest.slow.meta) }
    if (expected.slow?.meta !== undefined) expected.slow.meta = parse(expected.slow.meta)
    const name = `document ${i}, ${key}: ${slow ? JSON.stringify(slow) : data.length < 5000 ? JSON.stringify(data.toString('latin1')) : data.length}`
    same({ ...rest, problems: found }, { ...expected, problems }, name)
    ends[expected.error !== undefined ? 'error' : problems.length > 0 ? 'problems' : 'fine']++
  }
  return ends
}

let state = 2463534242
function random(n) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % n
}
const oneOf = (list) => list[random(list.length)]

/** What documents are made of, good and bad. */
const pieces = [
  '0', '-0', '-1', '1.0', '1e2', '1E+2', '-1e-400', '1e400', '9007199254740991', '9007199254740992', '9007199254740991.4', '0.1', '5e-1', '01', '1.', '.5', '+5', '123456789012345678901234567890',
  'null', 'true', 'false', 'tru', '""', '"a"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\u0000\\u001f"', '"\\x"', '"\\u12"', '"é€😀"', '"\\"\\\\\\/"', '"__proto__"', '"app"', '"name"', '"other"', '"error"',
  '{}', '[]', '[ 1 , "a b" ]', '{ "a" : { } }', '{"a":1,"a":[2 ,\n3]}', ',', ':', '{', '}', '[', ']', '"', '\\', ' ', '\n', '\t', '\ufeff', '\u00a0', '\u2028', '\u202e', '\u0301', '\x07', '\x7f', '\u{e0001}', '\ufffd', '[[[[]]]]',
  '"waiting":', '"driver":"celery",', '"reason":"x"', '"queue":"q",', '"timestamp":1764000000000,', `"${'€'.repeat(200)}"`, `"${'x'.repeat(1100)}"`,
].map((text) => Buffer.from(text))
/** Bytes that are not UTF-8, or are its edges. */
const rubbish = ['80', 'bf', 'c0', 'c1', 'c280', 'dfbf', 'e08080', 'e0a080', 'e28280', 'e282', 'eda080', 'edbfbf', 'ed9fbf', 'ee8080', 'f08080', 'f0908080', 'f48fbfbf', 'f4908080', 'f5', 'ff', '00'].map((hex) => Buffer.from(hex, 'hex'))

function mutated(data) {
  for (let n = 1 + random(4); n > 0; n--) {
    const [at, end] = [random(data.length + 1), random(data.length + 1)]
    const values = [...data.toString('latin1').matchAll(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|\{\}|\[\]/g)]
    switch (random(7)) {
      case 0: { // a byte
        data = Buffer.from(data)
        if (data.length > 0) data[at % data.length] = random(2) === 0 ? random(256) : data[at % data.length] ^ (1 << random(8))
        break
      }
      case 1: // something put in
        data = Buffer.concat([data.subarray(0, at), oneOf(random(3) === 0 ? rubbish : pieces), data.subarray(at)])
        break
      case 2: // cut off
        if (random(4) === 0) data = data.subarray(0, at)
        break
      case 3: // something left out, or twice
        data = Buffer.concat([data.subarray(0, at), data.subarray(Math.min(end, at + 20))])
        break
      default: { // a value becomes another, which mostly leaves JSON
        if (values.length === 0) break
        const { index, 0: value } = oneOf(values)
        const other = random(8) === 0 ? Buffer.from(`"${oneOf(rubbish).toString('latin1')}"`, 'latin1') : oneOf([...pieces, Buffer.from(oneOf(values)[0], 'latin1')])
        data = Buffer.concat([data.subarray(0, index), other, data.subarray(index + value.length)])
      }
    }
  }
  return data
}

test(`${count} mutated documents`, async (t) => {
  const seeds = vectors.filter(({ key }) => kindOf(key) !== 'slow').map((vector) => ({ key: vector.key, data: Buffer.from(documentOf(vector)) })).filter(({ data }) => data.length < 8 << 10)
  const documents = seeds.concat(Array.from({ length: count }, () => {
    const { key, data } = oneOf(seeds)
    return { key, data: mutated(data) }
  }))
  const ends = await compare(t, documents)
  for (const [end, times] of Object.entries(ends ?? {})) assert.ok(times > count / 20, JSON.stringify(ends))
})

test('mutated slow entries', async (t) => {
  const seeds = vectors.filter(({ key }) => kindOf(key) === 'slow')
  const values = pieces.map((piece) => piece.toString()).concat('1764000000000', '5.', '007', '-5', 'inf', 'nan', '', ' 5', '{"a":{"b":[1e400,"\\ud800"]}}', '{"a":1} ', ' {"a":1}', '{"a":1}x', '\ufeff{}', 'a\ud800\ud800')
  const documents = Array.from({ length: count / 4 }, () => {
    const { key, document } = oneOf(seeds)
    const slow = { ...document }
    for (let n = random(3); n >= 0; n--) {
      const name = oneOf(['timestamp', 'kind', 'name', 'duration_ms', 'threshold_ms', 'host', 'meta', 'meta'])
      if (random(8) === 0) delete slow[name]
      else slow[name] = oneOf(values)
    }
    return { key, slow }
  })
  const ends = await compare(t, documents)
  for (const end of ['error', 'fine']) assert.ok(ends === undefined || ends[end] > count / 40, JSON.stringify(ends))
})

test('edges that mutation does not reach', async (t) => {
  const key = 'pulse:queues:shop'
  const nested = (levels) => `${'[{"a":'.repeat(levels >> 1)}${levels % 2 === 1 ? '[]' : '0'}${'}]'.repeat(levels >> 1)}`
  const document = (fields) => ({ key, data: Buffer.from(`{"timestamp":1764000000000,"app":"shop",${fields}}`) })
  const queue = (fields) => document(`"queues":[{"name":"a","metrics":{"waiting":1},${fields}}]`)
  const many = (n, value) => Array.from({ length: n }, (_, i) => value(i)).join(',')
  const documents = [
    ...[99, 100, 101].flatMap((levels) => [
      queue(`"meta":{"a":1,"deep":${nested(levels - 1)},"b":2}`),
      queue(`"meta":{"deep":1,"deep":${nested(levels - 1)}}`),
      queue(`"meta":{"deep":${nested(levels - 1)},"deep":1,"error":"mine"}`),
      queue(`"meta":{"error":${nested(levels - 1)}}`),
    ]),
    ...[9_998, 9_999, 10_000].map((levels) => document(`"queues":[],"x":${nested(levels)}`)),
    document(`"queues":[${many(150, () => 7)}]`),
    document(`"queues":[],"problems":[${many(150, (i) => `{"queue":"q${i}","reason":"${'€'.repeat(i * 2)}"}`)}]`),
    ...[99_999, 100_000, 100_001].map((n) => document(`"queues":[${many(n, (i) => `{"name":"${i}","driver":"sqs","metrics":{"waiting":${i}}}`)}],"source":"x"`)),
    ...[1023, 1024, 1025].map((size) => document(`"queues":[{"name":"${'x'.repeat(size - 3)}€","driver":"${'y'.repeat(size)}","metrics":{"waiting":1}}]`)),
    ...[99_999_999_999, 100_000_000_000, 9_999_999_999_999, 10_000_000_000_000].map((timestamp) => ({ key, data: Buffer.from(`{"timestamp":${timestamp},"app":"shop","queues":[]}`) })),
    ...[0, 1, 86_400_000, 86_400_001].map((interval) => document(`"queues":[],"interval_ms":${interval}`)),
    ...[79, 80, 81, 128, 129].flatMap((size) => ['a', '/', '€'].map((c) => ({ key, data: Buffer.from(`{"timestamp":1764000000000,"app":"${c.repeat(size)}","queues":[]}`) }))),
    ...Array.from({ length: 0x300 }, (_, code) => ({ key, data: Buffer.from(String.fromCodePoint(code)) })),
    ...[0x34f, 0x378, 0x600, 0x2000, 0x200b, 0x2028, 0x3000, 0xd7ff, 0xe000, 0xfdd0, 0xfeff, 0xfffd, 0xffff, 0x1f600, 0xe0001, 0x10ffff].map((code) => ({ key, data: Buffer.from(`"${String.fromCodePoint(code)}`) })),
    ...['web-1', 'a:b', '', 'x'.repeat(129)].map((id) => ({ key: `pulse:server:${id}`, data: Buffer.from('{"timestamp":1764000000000,"meta":{"app_name":"shop","id":"no name"}}') })),
    ...['', ' ', '{', '{"', '{"a', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1}', '{"a":1}}', '{"a":1}\0', '{"a":"\\u12', '{"a":"\\', '{"a":-', '{"a":1.', '{"a":1e', '{"a":1e+', '{"a":t', '[', ' \ufeff \ufeff{', '{a', '{"a" 1', '{"a":[1 2', '{,'].map((text) => ({ key, data: Buffer.from(text) })),
  ]
  await compare(t, documents)
})

test('what differs', async (t) => {
  const entry = { timestamp: '1764000000000', kind: 'job', name: 'a', duration_ms: '1', threshold_ms: '1' }
  const deep = `{"a":${'['.repeat(100)}${']'.repeat(100)},"b":1}`
  const documents = [{ ...entry, duration_ms: '0x1p4' }, { ...entry, duration_ms: '1_000' }, { ...entry, meta: deep }].map((slow) => ({ key: 'pulse:slow:shop', slow }))
  assert.deepEqual(
    documents.map(({ key, slow }) => read(key, slow)).map(({ error, slow }) => error ?? slow.meta),
    ['duration_ms is "0x1p4": it takes a whole number from 0 to 2^53-1', 'duration_ms is "1_000": it takes a whole number from 0 to 2^53-1', '{"b":1,"error":"what nests deeper than 100 levels is left out"}'],
  )
  const lines = await readByGo(t, documents)
  if (lines !== undefined) assert.deepEqual(lines.map(parse).map(({ slow }) => [slow.duration_ms, slow.meta]), [['16', undefined], ['1000', undefined], ['1', deep]])
})
