// What is written passes the schemas, is read back as it was, by Go too, and says all that is wrong with what may not
// be written.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { encodeHeartbeat, encodeSnapshot, encodeUsableSnapshot, maxDocument, readHeartbeat, readSlowEntry, readSnapshot, slowFields } from '@gravito/pulse-protocol'
import { readByGo } from './go.mjs'

const ajv = new Ajv2020({ strict: false })
const schemaOf = (name) => ajv.compile(JSON.parse(readFileSync(new URL(`../../schema/${name}.schema.json`, import.meta.url), 'utf8')))
const schemas = { snapshot: schemaOf('queue-snapshot'), heartbeat: schemaOf('heartbeat'), slow: schemaOf('slow-entry') }
function passes(name, document) {
  assert.ok(schemas[name](document), `${ajv.errorsText(schemas[name].errors)} in ${JSON.stringify(document)}`)
}

const now = 1_764_000_000_000
const queue = (fields) => ({ name: 'emails', driver: 'bullmq', metrics: { waiting: 1 }, ...fields })
const snapshot = (fields) => ({ timestamp: now, app: 'shop', queues: [queue()], ...fields })
const heartbeat = (fields) => ({
  timestamp: now,
  system: { hostname: 'web-1', platform: 'linux', cpu_usage: 100, cpu_cores: 0.5, memory_total: 2, memory_free: 1, load_avg: [0.1, 2, 3] },
  process: { pid: 1, uptime: 1.5, cpu_usage: 250, memory_rss: 2, memory_heap: Number.MAX_SAFE_INTEGER },
  meta: { app_name: 'shop', environment: 'production', runtime: 'node', version: '' },
  ...fields,
})
const slow = (fields) => ({ timestamp: now, kind: 'http', name: 'GET /', duration_ms: 900, threshold_ms: 0, ...fields })

const snapshots = {
  least: snapshot({ queues: [] }),
  most: snapshot({
    source: 'node',
    interval_ms: 86_400_000,
    queues: [
      queue({ metrics: { waiting: 0, active: 1, delayed: 2, failed: Number.MAX_SAFE_INTEGER } }),
      queue({ driver: 'sqs', name: `${'€'.repeat(341)}x`, meta: { fifo: true, dlq_for: ['a', null], __proto__: null, deep: { x: [1.5, 'é\n\u2028"\\\0'] } } }),
      queue({ driver: 'other', meta: { driver: 'celery' } }),
      queue({ driver: 'other', meta: { driver: 'celery 2' } }),
      queue({ driver: 'other' }),
    ],
    problems: [{ queue: 'mail', reason: 'WRONGTYPE' }, { reason: 'the rest' }],
  }),
}
const heartbeats = {
  least: heartbeat(),
  most: heartbeat({ system: { ...heartbeat().system, disk_total: 9, disk_free: 0, load_avg: [] }, meta: { ...heartbeat().meta, id: 'web-1', pod: { name: 'x' } } }),
}
const entries = { least: slow(), most: slow({ kind: 'query', host: 'web-1', meta: { status: 200, 'é': [null] } }) }

test('a snapshot is read back as it was written', () => {
  for (const [name, written] of Object.entries(snapshots)) {
    const json = encodeSnapshot(written)
    assert.ok(json.startsWith(`{"timestamp":${now},`), name)
    passes('snapshot', JSON.parse(json))
    const read = readSnapshot(json)
    const { problems = [], ...rest } = JSON.parse(JSON.stringify(written))
    assert.deepEqual(read, { snapshot: rest, problems }, name)
    assert.deepEqual(encodeUsableSnapshot(written), { json, snapshot: written })
  }
})

test('a heartbeat is read back as it was written', () => {
  for (const [name, written] of Object.entries(heartbeats)) {
    const json = encodeHeartbeat(written)
    assert.ok(json.startsWith(`{"timestamp":${now},`), name)
    passes('heartbeat', JSON.parse(json))
    assert.deepEqual(readHeartbeat('pulse:server:shop:web-1', json), { heartbeat: written, id: 'web-1' }, name)
  }
})

test('a slow entry is read back as it was written', () => {
  for (const [name, written] of Object.entries(entries)) {
    const fields = slowFields(written)
    passes('slow', fields)
    assert.deepEqual(readSlowEntry(fields), written, name)
  }
})

test('Go reads what is written', async (t) => {
  const documents = [
    ...Object.values(snapshots).map((s) => ({ key: 'pulse:queues:shop', data: Buffer.from(encodeSnapshot(s)) })),
    ...Object.values(heartbeats).map((h) => ({ key: 'pulse:server:shop:web-1', data: Buffer.from(encodeHeartbeat(h)) })),
    ...Object.values(entries).map((e) => ({ key: 'pulse:slow:shop', slow: slowFields(e) })),
  ]
  const read = (await readByGo(t, documents))?.map((line) => JSON.parse(line))
  if (read === undefined) return
  for (const [i, written] of Object.values(snapshots).entries()) {
    const { problems = [], ...rest } = JSON.parse(JSON.stringify(written))
    assert.deepEqual({ problems, ...read[i] }, { snapshot: rest, problems })
  }
  for (const [i, written] of Object.values(heartbeats).entries()) assert.deepEqual(read[2 + i], { heartbeat: written, id: 'web-1' })
  for (const [i, written] of Object.values(entries).entries()) {
    const { meta = '{}', ...fields } = read[4 + i].slow
    const { meta: expected = '{}', ...rest } = slowFields(written)
    assert.deepEqual([fields, JSON.parse(meta)], [rest, JSON.parse(expected)])
  }
})

const deep = (levels) => JSON.parse(`${'[{"a":'.repeat(levels >> 1)}${levels % 2 === 1 ? '[]' : '0'}${'}]'.repeat(levels >> 1)}`)
const cyclic = {}
cyclic.self = cyclic

/** Changes that make a snapshot none, each with its sentence, and whether JSON Schema can say it too. */
const badSnapshots = [
  [{ timestamp: 1_764_000_000 }, 'timestamp is 1764000000: it takes Unix milliseconds, such as 1764000000000', true],
  [{ timestamp: now + 0.5 }, 'timestamp is 1764000000000.5: it takes Unix milliseconds, such as 1764000000000', true],
  [{ timestamp: 10_000_000_000_000 }, 'timestamp is 10000000000000: it takes Unix milliseconds, such as 1764000000000', true],
  [{ timestamp: String(now) }, 'timestamp is "1764000000000": it takes Unix milliseconds, such as 1764000000000', true],
  [{ timestamp: undefined }, 'timestamp is missing: it takes Unix milliseconds, such as 1764000000000', true],
  [{ app: '' }, `app is "": it takes 1 to 128 letters, digits, '.', '_', '@' or '-', the first a letter or digit`, true],
  [{ app: undefined }, `app is missing: it takes 1 to 128 letters, digits, '.', '_', '@' or '-', the first a letter or digit`, true],
  [{ app: 'a:b\n' }, `app is "a:b\\n": it takes 1 to 128 letters, digits, '.', '_', '@' or '-', the first a letter or digit`, true],
  [{ source: 'ü' }, `source is "ü": it takes 1 to 128 letters, digits, '.', '_', '@' or '-', the first a letter or digit`, true],
  [{ interval_ms: -1 }, 'interval_ms is -1: it takes milliseconds up to a day', true],
  [{ interval_ms: 86_400_001 }, 'interval_ms is 86400001: it takes milliseconds up to a day', true],
  [{ interval_ms: 1.5 }, 'interval_ms is 1.5: it takes milliseconds up to a day', true],
  [{ queues: undefined }, 'queues is missing: it takes a list, empty where there are none', true],
  [{ queues: {} }, 'queues is {}: it takes a list, empty where there are none', true],
  [{ problems: 'none' }, 'problems is "none": it takes a list', true],
  [{ problems: [{}] }, 'problems[0].reason is missing: it takes a sentence', true],
  [{ problems: [null] }, 'problems[0].reason is missing: it takes a sentence', true],
  [{ problems: [{ queue: 1, reason: 'x' }] }, "problems[0].queue is 1: it takes a queue's name", true],
]
const badQueues = [
  [{ name: '' }, 'it has no name', true],
  [{ name: undefined }, 'it has no name', true],
  [{ name: 7 }, 'its name is 7: it takes a text', true],
  [{ name: 'x'.repeat(1025) }, 'its name has 1025 bytes: at most 1024', true],
  [{ name: '€'.repeat(342) }, 'its name has 1026 bytes: at most 1024', false],
  [{ name: 'a\ud800' }, 'its name is not UTF-8', false],
  [{ driver: 'celery' }, 'driver is "celery": it takes gravito-stream, laravel-horizon, bullmq, sqs or other', true],
  [{ driver: undefined }, 'driver is missing: it takes gravito-stream, laravel-horizon, bullmq, sqs or other', true],
  [{ metrics: undefined }, 'waiting is missing', true],
  [{ metrics: { active: 1 } }, 'waiting is missing', true],
  [{ metrics: { waiting: -1 } }, 'waiting is -1: a count is 0 to 2^53-1', true],
  [{ metrics: { waiting: 1, active: 2 ** 53 } }, 'active is 9007199254740992: a count is 0 to 2^53-1', true],
  [{ metrics: { waiting: 1, delayed: 1.5 } }, 'delayed is 1.5: it takes a whole number from 0 to 2^53-1', true],
  [{ metrics: { waiting: 1, failed: NaN } }, 'failed is NaN: a count is 0 to 2^53-1', true],
  [{ metrics: { waiting: '3' } }, 'waiting is "3": it takes 0 to 2^53-1', true],
  [{ metrics: { waiting: 3n } }, 'waiting is bigint: it takes 0 to 2^53-1', false],
  [{ meta: 'x' }, 'meta is "x": it takes an object', true],
  [{ meta: [] }, 'meta is []: it takes an object', true],
  [{ meta: null }, 'meta is null: it takes an object', true],
  [{ meta: { a: deep(100) } }, 'meta nests deeper than 100 levels, which nobody would read', false],
]

test('a snapshot that may not be written', () => {
  for (const [change, sentence, bySchema] of badSnapshots) {
    assert.throws(() => encodeSnapshot(snapshot(change)), { name: 'ProtocolError', message: sentence })
    assert.throws(() => encodeUsableSnapshot(snapshot(change)), { name: 'ProtocolError', message: sentence })
    assert.equal(schemas.snapshot(JSON.parse(JSON.stringify(snapshot(change)))), !bySchema, sentence)
  }
  assert.throws(() => encodeSnapshot({ app: '', timestamp: 1, queues: [queue({ name: '' }), queue(), queue()] }), {
    message: `timestamp is 1: it takes Unix milliseconds, such as 1764000000000\napp is "": it takes 1 to 128 letters, digits, '.', '_', '@' or '-', the first a letter or digit\nqueue 0 (""): it has no name\nqueue 2 ("emails"): bullmq has this name twice`,
  })
})

test('a queue that may not be written, and its neighbours', () => {
  for (const [change, sentence, bySchema] of badQueues) {
    const bad = queue(change)
    const shown = bad.name === undefined ? 'missing' : typeof bad.name === 'number' ? bad.name : bad.name === 'a\ud800' ? '"a\ufffd"' : undefined
    const both = snapshot({ queues: [bad, queue({ driver: 'sqs' })] })
    assert.throws(() => encodeSnapshot(both), ({ name, message }) => name === 'ProtocolError' && message.endsWith(`: ${sentence}`) && message.startsWith(shown === undefined ? 'queue 0 ("' : `queue 0 (${shown}): `))
    const { json, snapshot: written } = encodeUsableSnapshot(both)
    assert.deepEqual(written.queues, [queue({ driver: 'sqs' })])
    assert.equal(written.problems.length, 1)
    assert.equal(written.problems[0].reason, `it is left out: ${sentence}`)
    const { snapshot: read, problems } = readSnapshot(json)
    assert.deepEqual([read.queues, problems], [written.queues, written.problems])
    passes('snapshot', JSON.parse(json))
    if (bySchema) assert.ok(!schemas.snapshot(JSON.parse(JSON.stringify(both))), sentence)
  }
  for (const meta of [cyclic, { n: 1n }]) assert.throws(() => encodeSnapshot(snapshot({ queues: [queue({ meta })] })), /^ProtocolError: queue 0 \("emails"\): meta cannot be written as JSON: [^\n]*$/)
  for (const none of [undefined, null]) assert.throws(() => encodeSnapshot(snapshot({ queues: [none] })), { message: 'queue 0 (missing): it has no name' })
  assert.ok(encodeSnapshot(snapshot({ queues: [queue({ meta: { a: deep(99), b: 1 } })] })))
  assert.ok(encodeSnapshot(snapshot({ queues: [queue({ meta: { a: Array(200).fill([]), b: '['.repeat(200) } })] })), 'wide is not deep')
})

test('of one name twice the first is written, and the others are named', () => {
  const queues = [-1, 2, 3, -4].map((waiting) => queue({ metrics: { waiting } })).concat(queue({ name: 'mail' }))
  const { snapshot: written } = encodeUsableSnapshot(snapshot({ queues, problems: [{ reason: 'there before' }] }))
  assert.deepEqual(written.queues, [queues[1], queues[4]])
  assert.deepEqual(written.problems.map(({ reason }) => reason), [
    'there before',
    'it is left out: waiting is -1: a count is 0 to 2^53-1',
    'it is left out: bullmq has this name twice',
    'it is left out: waiting is -4: a count is 0 to 2^53-1',
  ])
})

test('the largest snapshot is written, and one byte more is not', () => {
  const sized = (size, filling) => {
    const empty = encodeSnapshot(snapshot({ queues: [queue({ meta: { x: ' ', driver: '€' } })] }))
    return snapshot({ queues: [queue({ meta: { x: filling.repeat(size - Buffer.byteLength(empty) + 1), driver: '€' } })] })
  }
  const largest = encodeSnapshot(sized(maxDocument, 'x'))
  assert.equal(Buffer.byteLength(largest), maxDocument)
  assert.ok(encodeUsableSnapshot(sized(maxDocument, 'x')).json === largest, 'it is written whole')
  assert.throws(() => encodeSnapshot(sized(maxDocument + 1, 'x')), { message: 'the snapshot of app shop has 8388609 bytes: at most 8388608 can be read; give each reporter fewer queues, with a source of its own' })
  const many = snapshot({ queues: Array.from({ length: 1000 }, (_, i) => queue({ name: `q${i}`, meta: { x: 'x'.repeat(9 << 10) } })), problems: Array(50).fill({ reason: 'x'.repeat(10 << 10) }) })
  const { json, snapshot: written } = encodeUsableSnapshot(many)
  assert.ok(Buffer.byteLength(json) <= maxDocument && written.queues.length > 700 && written.queues.length < 1000)
  assert.equal(written.problems.at(-1).reason, `${1000 - written.queues.length} queues are left out: all together are more than 8388608 bytes; give each reporter fewer, with a source of its own`)
})

test('one queue more than can be read is left out', () => {
  const queues = Array.from({ length: 100_001 }, (_, i) => ({ name: `${i}`, driver: 'sqs', metrics: { waiting: 1 } }))
  const sentence = 'it is one of more than 100000 in a snapshot: give each reporter fewer, with a source of its own'
  assert.throws(() => encodeSnapshot(snapshot({ queues })), { message: `queue 100000 ("100000"): ${sentence}` })
  const { snapshot: written } = encodeUsableSnapshot(snapshot({ queues }))
  assert.equal(written.queues.length, 100_000)
  assert.deepEqual(written.problems, [{ queue: '100000', reason: `it is left out: ${sentence}` }])
})

test('a heartbeat that may not be written', () => {
  const system = (fields) => ({ system: { ...heartbeat().system, ...fields } })
  const process = (fields) => ({ process: { ...heartbeat().process, ...fields } })
  const meta = (fields) => ({ meta: { ...heartbeat().meta, ...fields } })
  for (const [change, sentence, bySchema] of [
    [{ timestamp: 1 }, 'timestamp is 1: it takes Unix milliseconds, such as 1764000000000', true],
    [meta({ app_name: 'a b' }), `meta.app_name is "a b": it takes 1 to 128 letters, digits, '.', '_', '@' or '-', the first a letter or digit`, true],
    [meta({ id: '' }), `meta.id is "": it takes 1 to 128 letters, digits, '.', '_', '@' or '-', the first a letter or digit`, true],
    [meta({ environment: undefined }), 'meta.environment is missing', true],
    [meta({ runtime: 20 }), 'meta.runtime is missing', true],
    [meta({ version: null }), 'meta.version is missing', true],
    [meta({ deep: deep(100) }), 'meta nests deeper than 100 levels, which nobody would read', false],
    [system({ hostname: '' }), 'system.hostname is empty', true],
    [system({ platform: 1 }), 'system.platform is 1: it takes a text', true],
    [system({ cpu_usage: 100.1 }), 'system.cpu_usage is 100.1: it takes 0 to 100', true],
    [system({ cpu_cores: undefined }), 'system.cpu_cores is missing', true],
    [system({ memory_total: 1.5 }), 'system.memory_total is 1.5: it takes a whole number from 0 to 2^53-1', true],
    [system({ memory_free: 0.5 }), 'system.memory_free is 0.5: it takes a whole number from 0 to 2^53-1', true],
    [system({ disk_total: 0.5 }), 'system.disk_total is 0.5: it takes a whole number from 0 to 2^53-1', true],
    [system({ disk_free: -1 }), 'system.disk_free is -1: it takes 0 to 2^53-1', true],
    [system({ load_avg: [1, NaN] }), 'system.load_avg[1] is NaN: it takes 0 to 2^53-1', true],
    [system({ load_avg: 'x' }), 'system.load_avg[0] is missing', true],
    [process({ pid: 1.5 }), 'process.pid is 1.5: it takes a whole number from 0 to 2^53-1', true],
    [process({ uptime: -1 }), 'process.uptime is -1: it takes 0 to 2^53-1', true],
    [process({ cpu_usage: undefined }), 'process.cpu_usage is missing', true],
    [process({ memory_rss: 0.5 }), 'process.memory_rss is 0.5: it takes a whole number from 0 to 2^53-1', true],
    [process({ memory_heap: 2 ** 53 }), 'process.memory_heap is 9007199254740992: it takes 0 to 2^53-1', true],
  ]) {
    assert.throws(() => encodeHeartbeat(heartbeat(change)), { name: 'ProtocolError', message: sentence })
    assert.equal(schemas.heartbeat(JSON.parse(JSON.stringify(heartbeat(change)))), !bySchema, sentence)
  }
  assert.throws(() => encodeHeartbeat({}), ({ message }) => message.split('\n').length === 15)
})

test('a slow entry that may not be written', () => {
  for (const [change, sentence] of [
    [{ timestamp: 1 }, 'timestamp is 1: it takes Unix milliseconds, such as 1764000000000'],
    [{ kind: 'cron' }, 'kind is "cron": it takes http, job, query or other'],
    [{ name: '' }, 'name is empty'],
    [{ name: 1 }, 'name is 1: it takes a text'],
    [{ name: '\udfff' }, 'name is not UTF-8'],
    [{ host: '\udfff' }, 'host is not UTF-8'],
    [{ duration_ms: -1 }, 'duration_ms is -1: it takes 0 to 2^53-1'],
    [{ duration_ms: 0.5 }, 'duration_ms is 0.5: it takes a whole number from 0 to 2^53-1'],
    [{ threshold_ms: undefined }, 'threshold_ms is missing'],
    [{ threshold_ms: 0.5 }, 'threshold_ms is 0.5: it takes a whole number from 0 to 2^53-1'],
    [{ meta: 7 }, 'meta is 7: it takes an object'],
    [{ kind: '', name: '' }, 'kind is "": it takes http, job, query or other\nname is empty'],
  ]) assert.throws(() => slowFields(slow(change)), { name: 'ProtocolError', message: sentence })
})
