// Modules that break one rule each. Every one of them is refused, or closed and logged once, in a
// sentence that says which rule; the host goes on.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdapterModule } from '@gravito/pulse-adapter-host'
import { askApart } from '../dist/stranger.js'
import { adapter, call, description, drop, fdWrite, forever, i32, i64, local, memoryGrow, now, printed, request, snapshot, times, u, unreachable, wasi } from './assemble.mjs'

const three = async (requests) => requests.map(() => 3)
const quiet = { log: () => {} }

/** A module is loaded and opened, also one whose test needs more bytes than a module may have. */
async function session(module, options = quiet) {
  options = { ...options, limits: { moduleBytes: 64 << 20, ...options.limits } }
  return (await AdapterModule.load(module, options)).open({ app: 'shop' })
}

/** Loading fails with this sentence. */
async function refused(module, sentence, options = quiet) {
  await assert.rejects(AdapterModule.load(module, options), (err) => {
    assert.equal(err.name, 'AdapterError')
    assert.equal(err.code, 'module')
    assert.match(err.message, sentence)
    return true
  })
}

/**
 * A poll fails with this sentence, with nothing sent but what `sent` says; the instance is closed, that is
 * logged once, and the next one starts a second later.
 */
async function broken(module, sentence, { sent = 0, limits } = {}) {
  const log = []
  const neighbour = await session(adapter())
  const s = await session(module, { log: (line) => log.push(line), ...(limits && { limits }) })
  let asked = 0
  const send = async (requests) => {
    asked++
    return requests.map(() => 3)
  }
  const fails = (at) =>
    assert.rejects(s.poll(send, at), (err) => {
      assert.equal(err.code, 'broken', err.stack)
      assert.match(err.message, sentence)
      assert.match(err.message, /^the adapter test /)
      return true
    })
  await fails(now)
  assert.equal(asked, sent)
  assert.equal(s.memoryBytes, 0, 'its instance is closed')
  await fails(now + 999)
  assert.equal(asked, sent, 'it waits for a second')
  await fails(now + 1000)
  assert.equal(asked, 2 * sent, 'it was started again')
  await fails(now + 2999)
  assert.equal(asked, 2 * sent, 'it waits for two seconds')
  const told = log.filter((line) => sentence.test(line))
  assert.equal(told.length, 1, `logged once: ${log.join('\n')}`)
  assert.equal((await neighbour.poll(three, now)).snapshot.queues[0].metrics.waiting, 3)
}

test('a well-behaved module is polled', async () => {
  const log = []
  const module = await AdapterModule.load(adapter(), { log: (line) => log.push(line) })
  assert.deepEqual(module.describe(), description)
  const s = await module.open({ app: 'shop' })
  for (let i = 0; i < 3; i++) {
    const asked = []
    const { json, snapshot: read } = await s.poll(async (requests) => {
      asked.push(requests.map((r) => r.map(String)))
      return [3]
    }, now)
    assert.deepEqual(asked, [[['LLEN', 'emails']]])
    assert.equal(json, JSON.stringify(snapshot))
    assert.deepEqual(read, snapshot)
  }
  assert.deepEqual(log, [])
})

test('what is not WebAssembly', async () => {
  await refused(Buffer.from('#!/bin/sh\necho hello\n'), /the module of 21 bytes is not WebAssembly: it begins with "#!\/bin\/sh/)
  await refused(Buffer.alloc(0), /is not WebAssembly/)
  await refused(adapter().subarray(0, 200), /is not WebAssembly: what is at byte/)
  await refused(Buffer.concat([adapter(), Buffer.from([11, 1])]), /is not WebAssembly/)
  const code = adapter()
  code[code.lastIndexOf(0x0b)] = 0xff
  await refused(code, /is not WebAssembly|cannot be compiled/)
})

test('code that does not validate cannot be compiled', async () => {
  await refused(adapter({ functions: { pulse_abi: { results: ['i32'], body: i64(1) } } }), /cannot be compiled: .*type error/)
})

test('a component', async () => {
  await refused(Buffer.from('\0asm\x0d\0\x01\0', 'latin1'), /component/)
})

test('a file that is not there, and one that is too large', async () => {
  await refused('/nowhere/x.wasm', /the module x\.wasm cannot be read: ENOENT/)
  await refused(Buffer.alloc(100 << 20), /has 104857600 bytes: it may have 16777216/)
})

test('exports that are missing or of another type', async () => {
  await refused(adapter({ without: ['pulse_next', 'pulse_open'] }), /does not export pulse_open, pulse_next: an adapter exports pulse_abi/)
  await refused(adapter({ exportMemory: false }), /exports no memory/)
  await refused(adapter({ functions: { pulse_poll: { params: ['i32'], results: ['i64'], body: i64(0) } } }), /exports pulse_poll as \(i32\) → i64: it takes a function \(i64\) → i64/)
  await refused(adapter({ functions: { _initialize: { params: ['i32'], body: [] } } }), /exports _initialize as \(i32\) → \(\)/)
})

test('imports that no host gives are refused by their names', async () => {
  const abort = { module: 'env', name: 'abort', type: { params: ['i32', 'i32', 'i32', 'i32'] } }
  await refused(adapter({ imports: [abort] }), /imports the function "env\.abort", which this host does not give/)
  for (const name of ['sock_accept', 'sock_recv', 'sock_send', 'sock_shutdown', 'sock_open']) {
    await refused(adapter({ imports: [wasi(name, ['i32'])] }), new RegExp(`imports the function "wasi_snapshot_preview1\\.${name}"`))
  }
  await refused(adapter({ imports: [{ module: 'env', name: 'memory', kind: [2, 0, 1] }] }), /imports the memory "env\.memory"/)
  await refused(adapter({ imports: [{ module: 'wasi_snapshot_preview1', name: 'fd_write', kind: [2, 0, 1] }] }), /imports the memory "wasi_snapshot_preview1\.fd_write"/)
  await refused(adapter({ imports: [{ module: 'wasi_snapshot_preview1', name: '__proto__', type: {} }] }), /imports the function/)
  await refused(adapter({ imports: [{ module: '\u001b[31mx\n', name: 'y', type: {} }] }), /imports the function " \[31mx \.y"/)
})

test('memory and tables beyond the limits from the start', async () => {
  await refused(adapter({ memory: [1025] }), /has 67174400 bytes of memory from the start: it may have 67108864/)
  const funcref = 0x70
  await refused(adapter({ tables: [[funcref, 0, ...u(1 << 18)]] }), /has tables of 262144 entries/)
  await refused(adapter({ tables: [[funcref, 0, ...u(150_000)], [funcref, 0, ...u(150_000)]] }), /has tables of 300000 entries/)
})

test('what WebAssembly 2.0 has not', async () => {
  const tagSection = Buffer.from([13, 3, 1, 0, 0])
  await refused(adapter({ extra: [tagSection] }), /section 13/)
  const [header, struct] = [Buffer.from('\0asm\x01\0\0\0', 'latin1'), Buffer.from([1, 5, 1, 0x5f, 1, 0x7f, 0])]
  await refused(Buffer.concat([header, struct]), /a type that is no function/)
  const shared = Buffer.from([5, 4, 1, 3, 1, 1])
  await refused(Buffer.concat([header, shared]), /shared or of 64 bits/)
})

test('a description that is none', async () => {
  await refused(adapter({ describe: 'hello' }), /describes itself with "hello", which is not JSON/)
  await refused(adapter({ describe: 'null' }), /describes its name as nothing/)
  await refused(adapter({ describe: { ...description, name: 'a b' } }), /describes its name as "a b"/)
  await refused(adapter({ describe: { ...description, version: 1 } }), /describes its version as 1/)
  await refused(adapter({ describe: { ...description, source: 'mysql' } }), /describes its source as "mysql"/)
  await refused(adapter({ describe: { ...description, commands: 'LLEN' } }), /describes its commands as "LLEN"/)
  await refused(adapter({ describe: { ...description, commands: [] } }), /describes 0 commands/)
  await refused(adapter({ describe: { ...description, commands: ['LLEN', 'DEL', 'llen'] } }), /describes "DEL", "llen": a host sends only commands that read/)
  await refused(adapter({ describe: Buffer.from([0x22, 0xff, 0x22]) }), /not UTF-8/)
  await refused(adapter({ describe: Buffer.alloc(70_000, 'x') }), /describes itself with 70000 bytes/)
})

test('another version of the ABI', async () => {
  await refused(adapter({ functions: { pulse_abi: { results: ['i32'], body: i32(2) } } }), /speaks version 2 of the adapter ABI: this host speaks 1/)
})

test('a trap or an endless loop while it is loaded', async () => {
  await refused(adapter({ functions: { _initialize: { body: unreachable } } }), /failed in _initialize: unreachable/)
  await refused(adapter({ functions: { _initialize: { body: forever() } } }), /ran for more than 100 ms, in _initialize/, { ...quiet, limits: { runTime: 100 } })
  await refused(adapter({ functions: { pulse_describe: { results: ['i64'], body: [...forever(), ...i64(0)] } } }), /ran for more than 100 ms, in pulse_describe/, { ...quiet, limits: { runTime: 100 } })
})

test('an endless loop is stopped', async () => {
  await broken(adapter({ prelude: forever() }), /ran for more than 200 ms, in pulse_poll: it is stopped/, { limits: { runTime: 200 } })
})

test('host calls in a row are stopped, though no loop is there', async () => {
  const whole = [...i32(0), ...i32(8 << 20), ...call(0), ...drop] // random_get of its whole memory
  const module = adapter({ imports: [wasi('random_get', ['i32', 'i32'])], prelude: Array(5000).fill(whole).flat() })
  await broken(module, /ran for more than 200 ms, in pulse_poll: it is stopped/, { limits: { runTime: 200 } })
})

test('the time of all calls of a poll is one', async () => {
  const s = await session(adapter({ next: `R${request('LLEN', 'k')}`, nextPrelude: times(20_000_000, 2) }), { ...quiet, limits: { runTime: 1000, rounds: 1e9 } })
  let rounds = 0
  await assert.rejects(s.poll(async () => (rounds++, [3]), now), /ran for more than 1000 ms, in pulse_/)
  assert.ok(rounds > 1, 'no single call took as long')
})

test('a trap', async () => {
  await broken(adapter({ prelude: unreachable }), /failed in pulse_poll: unreachable/)
  await broken(adapter({ functions: { pulse_next: { params: ['i32', 'i32'], results: ['i64'], body: unreachable } } }), /failed in pulse_next/, { sent: 1 })
})

test('recursion without end', async () => {
  const self = 4 // pulse_poll's number
  await broken(adapter({ functions: { pulse_poll: { params: ['i64'], results: ['i64'], body: [...local(0), ...call(self)] } } }), /failed in pulse_poll: Maximum call stack size exceeded/)
})

test('proc_exit, also where the guest catches it', async () => {
  const exit = wasi('proc_exit', ['i32'], [])
  await broken(adapter({ imports: [exit], prelude: [...i32(7), ...call(0)] }), /ended itself in pulse_poll: it called proc_exit with 7/)
  await broken(adapter({ imports: [exit], prelude: [...i32(0), ...call(0)] }), /ended itself in pulse_poll: it called proc_exit with 0/)
  const catchAll = [0x06, 0x40, ...i32(3), ...call(0), 0x19, 0x0b] // try … catch_all end
  await broken(adapter({ imports: [exit], prelude: catchAll }), /ended itself in pulse_poll: it called proc_exit with 3/)
})

test('memory cannot grow beyond the limit', async () => {
  // It asks for a page until there is none, and then has used all of it.
  const bomb = [0x03, 0x40, ...memoryGrow(1), ...i32(-1), 0x47, 0x0d, 0x00, 0x0b]
  for (const memory of [[128], [128, 65_536]]) {
    const s = await session(adapter({ memory, prelude: bomb }))
    await s.poll(three, now)
    assert.equal(s.memoryBytes, 64 << 20)
    const small = await session(adapter({ memory, prelude: bomb }), { ...quiet, limits: { memoryBytes: 10 << 20 } })
    await small.poll(three, now)
    assert.equal(small.memoryBytes, 10 << 20)
  }
  const own = await session(adapter({ memory: [128, 130], prelude: bomb }))
  await own.poll(three, now)
  assert.equal(own.memoryBytes, 130 * 65_536, 'its own limit is lower')
  await broken(adapter({ prelude: [...memoryGrow(60_000), ...i32(-1), 0x46, 0x04, 0x40, ...unreachable, 0x0b] }), /failed in pulse_poll: unreachable/)
})

test('tables cannot grow', async () => {
  const grow = [0xd0, 0x70, ...i32(1), 0xfc, 0x0f, 0x00] // ref.null func, 1, table.grow
  const s = await session(adapter({ tables: [[0x70, 0, 1]], prelude: [...grow, ...i32(-1), 0x47, 0x04, 0x40, ...unreachable, 0x0b] }))
  await s.poll(three, now)
})

test('a pointer or a length outside of the memory', async () => {
  const at = (ptr, len) => i64((BigInt(ptr) << 32n) | BigInt(len))
  const poll = (body) => adapter({ functions: { pulse_poll: { params: ['i64'], results: ['i64'], body } } })
  const size = 128 * 65_536
  await broken(poll(at(size, 1)), /returned 1 bytes at 8388608 from pulse_poll: its memory ends at 8388608/)
  await broken(poll(at(size - 10, 11)), /returned 11 bytes at 8388598/)
  await broken(poll(at(0xffffffff, 0xffff)), /returned 65535 bytes at 4294967295/)
  await broken(poll(at(100, 0xffffffff)), /returned 4294967295 bytes from pulse_poll: at most 33554433 are read/)
  await broken(poll(at(100, 0)), /returned 0 bytes at 100/)
  await broken(poll(i64(-1)), /returned 4294967295 bytes/)
  const alloc = (body) => adapter({ poll: `R${request('LLEN', 'k')}`, functions: { pulse_alloc: { params: ['i32'], results: ['i32'], body } } })
  const open = async (module, sentence) => assert.rejects(session(module), (err) => err.code === 'settings' && sentence.test(err.message))
  await open(alloc(i32(size - 1)), /returned 8388607 from pulse_alloc\(\d+\): its memory ends at 8388608/)
  await open(alloc(i32(-1)), /returned 4294967295 from pulse_alloc/)
  await open(alloc(i32(0)), /has no room for \d+ bytes/)
})

test('a result that overlaps the input is read before anything else is called', async () => {
  // It answers with its own input: RESP of the replies, which has no tag.
  const echo = { params: ['i32', 'i32'], results: ['i64'], body: [...local(0), 0xad, ...i64(32), 0x86, ...local(1), 0xad, 0x84] }
  await broken(adapter({ functions: { pulse_next: echo } }), /returned from pulse_next what begins with ":3 "/, { sent: 1 })
})

test('a tag that is none', async () => {
  await broken(adapter({ poll: 'X' }), /returned from pulse_poll what begins with "X": it takes K, R, S or E/)
  await broken(adapter({ poll: 'K' }), /answered a poll with K/)
  await broken(adapter({ poll: 'R' }), /returned R from pulse_poll without a request/)
  await assert.rejects(session(adapter({ open: 'S{}' })), /answered pulse_open with snapshot/)
})

test('requests that are not RESP', async () => {
  for (const [poll, sentence] of [
    ['RLLEN k\r\n', /'\*' is due/],
    ['R*2\r\n$4\r\nLLEN\r\n', /'\$' is due/],
    ['R*2\r\n$4\r\nLLEN\r\n$900000000\r\nk\r\n', /a length is "900000000"/],
    ['R*2\r\n$4\r\nLLEN\r\n$1\r\nkk\r\n', /a text has no end/],
    ['R*0\r\n', /has 0 words/],
    ['R*-1\r\n', /has -1 words/],
    ['R*1\r\n$-1\r\n', /a text is missing/],
    ['R*1\n$4\nLLEN\n', /a line has no end/],
    ['R*99999999999999999999\r\n', /a length is/],
  ]) {
    await broken(adapter({ poll }), sentence)
  }
})

test('a SCAN that looks at all keys in one step', async () => {
  const about = JSON.stringify({ ...description, commands: ['HSCAN', 'SCAN'] })
  for (const [words, refused] of [
    [['SCAN', '0', 'COUNT', '10001'], true],
    [['scan', '0', 'match', 'x', 'count', '99999999999999999999'], true],
    [['HSCAN', 'h', '0', 'COUNT', '10001'], true],
    [['HSCAN', 'COUNT', '99999'], false],
    [['SCAN', '0', 'COUNT', '10000'], false],
  ]) {
    const module = adapter({ describe: about, poll: `R${request(...words)}` })
    if (refused) await broken(module, /with a COUNT over 10000/)
    else assert.equal((await (await session(module)).poll(three, now)).snapshot.queues[0].metrics.waiting, 3)
  }
})

test('65 rounds', async () => {
  await broken(adapter({ next: `R${request('LLEN', 'k')}` }), /asked 1 requests in round 65: a poll may take 64 rounds of 200000 requests/, { sent: 64 })
})

test('64 rounds are fine', async () => {
  const s = await session(adapter({ next: `R${request('LLEN', 'k')}` }))
  let rounds = 0
  await assert.rejects(s.poll(async () => (++rounds, [1]), now))
  assert.equal(rounds, 64)
})

test('200,001 requests', async () => {
  const many = (n) => adapter({ poll: `R${request('ROLE').repeat(n)}`, memory: [200] })
  await broken(many(200_001), /there are more than 200000 requests/)
  const s = await session(many(200_000), { ...quiet, trusted: true }) // of which all are asked at once
  let asked
  await s.poll(async (requests) => ((asked = requests.length), requests.map(() => null)), now)
  assert.equal(asked, 200_000)
})

test('more than 16 MiB of requests', async () => {
  const big = (size) => adapter({ poll: `R${request('GET', 'k'.repeat(size))}`, memory: [400] })
  await broken(big((16 << 20) - 2), /asked 16777217 bytes of requests in round 1: a round may have 16777216/)
  await (await session(big((16 << 20) - 3))).poll(three, now)
})

test('commands that write, that were not described, or that name no key', async () => {
  const poll = (...words) => adapter({ poll: `R${request('LLEN', 'ok')}${request(...words)}` })
  for (const words of [['DEL', 'k'], ['del', 'k'], ['EVAL', 'return 1', '0'], ['CONFIG', 'GET', '*'], ['CLIENT', 'KILL', 'x'], ['CLIENT'], ['', 'k'], ['GET\r\nDEL', 'k'], ['XINFO GROUPS', 'k'], ['FLUSHALL'], ['LL\xc5\xbfN', 'k']]) {
    await broken(poll(...words), /which is not on the list of what only reads: nothing of its round is sent/)
  }
  await broken(poll('ZCARD', 'k'), /asked "ZCARD", which it does not describe: it describes LLEN, ROLE, GET, XINFO GROUPS/)
  await broken(poll('XINFO', 'STREAM', 'k'), /asked "XINFO STREAM", which it does not describe/)
  await broken(poll('LLEN'), /asked LLEN without a key/)
  await broken(poll('LLEN', ''), /asked LLEN without a key/)
  await broken(poll('XINFO', 'GROUPS'), /asked XINFO GROUPS without a key/)
  const s = await session(adapter({ poll: `R${request('llen', 'k')}${request('xinfo', 'groups', 'k')}${request('Role')}` }))
  await s.poll(three, now)
})

test('a command of two words is looked up each time', async () => {
  await broken(
    adapter({ poll: `R${request('XINFO', 'GROUPS', 'k')}${request('XINFO', 'STREAM', 'k')}` }),
    /asked "XINFO STREAM", which it does not describe/,
  )
})

test('operations of SQS that write, or have no input', async () => {
  const sqs = { name: 'test', version: '1', source: 'sqs', commands: ['ListQueues', 'DeleteQueue'] }
  const poll = (...words) => adapter({ describe: sqs, poll: `R${request(...words)}` })
  await broken(poll('DeleteQueue', '{}'), /asked "DeleteQueue", which is not on the list/)
  await broken(poll('GetQueueUrl', '{}'), /which it does not describe/)
  await broken(poll('listqueues', '{}'), /which is not on the list/)
  await broken(poll('ListQueues'), /with 1 words/)
  await (await session(poll('ListQueues', '{}'))).poll(async () => ['{"QueueUrls":[]}'], now)
})

test("another app's name in the snapshot", async () => {
  await broken(adapter({ next: `S${JSON.stringify({ ...snapshot, app: 'bank' })}` }), /reported a snapshot of the app "bank": it was opened for "shop"/, { sent: 1 })
})

test('a snapshot that is none', async () => {
  for (const [next, sentence] of [
    ['S', /it is empty: it takes a JSON object/],
    ['S{"timestamp":1', /it is not JSON: it ends, after 14 bytes, within a value/],
    ['S[1]', /not a JSON object/],
    ['S{}', /app is "": it takes 1 to 128 letters/],
    ['S{"app":"shop","timestamp":1764000000}', /timestamp is 1764000000: it takes Unix milliseconds/],
    [Buffer.from([0x53, 0x22, 0xff, 0x22]), /not UTF-8/],
    [`S${'['.repeat(20_000)}${']'.repeat(20_000)}`, /not a JSON object/],
    [`S{"app":"shop","x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, /it is not JSON: what follows its first \d+ bytes is "\[{20}"/],
  ]) {
    await broken(adapter({ next }), sentence, { sent: 1 })
  }
  await broken(adapter({ next: `S${JSON.stringify(snapshot)}${' '.repeat(8 << 20)}`, memory: [300] }), /a snapshot of \d+ bytes: at most 8388608/, { sent: 1 })
})

test('when it was read, and who reports it, is what the host says', async () => {
  const module = await AdapterModule.load(adapter({ next: `S${JSON.stringify({ ...snapshot, source: 'x' })}` }), quiet)
  const s = await module.open({ app: 'shop', source: 'node' })
  const { json, snapshot: read } = await s.poll(three, now + 5)
  assert.deepEqual(read, { ...snapshot, timestamp: now + 5, source: 'node' })
  assert.deepEqual(JSON.parse(json), read)
})

test('a flood of output is cut, and each line is one line', async () => {
  const log = []
  const at = 1 << 18
  const print = [...i32(1), ...i32(at), ...i32(1), ...i32(at + 8), ...call(0), ...drop]
  const module = (message, n) => adapter({ imports: [fdWrite], data: [printed(at, message)], prelude: times(n, 1, print) })
  const s = await session(module('hello\n', 100_000), { log: (line) => log.push(line) })
  await s.poll(three, now)
  const lines = Math.floor((8 << 10) / 'hello\n'.length)
  assert.equal(log.length, lines + 2) // the last one is cut, and that there was more is said
  assert.deepEqual(log.slice(0, lines), Array(lines).fill('the adapter test printed: hello'))
  assert.match(log.at(-1), /^the adapter test printed more than 8192 bytes in one poll: the rest is left out$/)
  log.length = 0
  await s.poll(three, now)
  assert.equal(log.length, lines + 2, 'each poll may print as much')

  log.length = 0
  await (await session(module('a\x1b[2J\u202eb\r\n\n  \nc', 1), { log: (line) => log.push(line) })).poll(three, now)
  assert.deepEqual(log, ['the adapter test printed: a [2J b', 'the adapter test printed: c'])
})

test('WASI answers a guest that lies about its pointers', async () => {
  const at = 1 << 18
  const must = (errno, ...body) => [...body.flat(), ...i32(errno), 0x47, 0x04, 0x40, ...unreachable, 0x0b] // traps if it is not errno
  const [success, badFile, fault, invalid] = [0, 8, 21, 28]
  const imports = [fdWrite, wasi('random_get', ['i32', 'i32']), wasi('clock_time_get', ['i32', 'i64', 'i32']), wasi('poll_oneoff', ['i32', 'i32', 'i32', 'i32']), wasi('path_open', ['i32', 'i32', 'i32', 'i32', 'i32', 'i64', 'i64', 'i32', 'i32']), wasi('fd_prestat_get', ['i32', 'i32']), wasi('environ_sizes_get', ['i32', 'i32'])]
  const log = []
  const s = await session(
    adapter({
      imports,
      data: [printed(at, 'ok\n'), { at: at + 64, bytes: Buffer.from([0xf0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0]) }],
      prelude: [
        ...must(badFile, i32(3), i32(at), i32(1), i32(at + 8), call(0)),
        ...must(fault, i32(1), i32(at + 64), i32(1), i32(at + 8), call(0)),
        ...must(fault, i32(1), i32(-8), i32(1024), i32(at + 8), call(0)),
        ...must(success, i32(1), i32(at + 1024), i32(1024), i32(at + 8), call(0)),
        ...must(invalid, i32(1), i32(at + 1024), i32(1025), i32(at + 8), call(0)),
        ...must(invalid, i32(1), i32(at), i32(-1), i32(at + 8), call(0)),
        ...must(fault, i32(1), i32(at), i32(1), i32(-1), call(0)),
        ...must(success, i32(2), i32(at), i32(1), i32(at + 8), call(0)),
        ...must(fault, i32(-16), i32(32), call(1)),
        ...must(success, i32(at + 128), i32(32), call(1)),
        ...must(fault, i32(0), i64(1), i32(-1), call(2)),
        ...must(success, i32(0), i64(1), i32(at + 128), call(2)),
        ...must(fault, i32(-1), i32(at), i32(1), i32(at), call(3)),
        ...must(success, i32(at + 1024), i32(at + 65_536), i32(1024), i32(at + 128), call(3)),
        ...must(invalid, i32(at + 1024), i32(at + 65_536), i32(1025), i32(at + 128), call(3)),
        ...must(invalid, i32(at), i32(at), i32(-1), i32(at), call(3)),
        ...must(invalid, i32(at), i32(at), i32(0), i32(at), call(3)),
        ...must(badFile, ...[3, 0, at, 1, 0].map(i32), i64(0), i64(0), i32(0), i32(at), call(4)),
        ...must(badFile, i32(3), i32(at), call(5)),
        ...must(success, i32(at + 128), i32(at + 132), call(6)),
      ],
    }),
    { log: (line) => log.push(line) },
  )
  await s.poll(three, now)
  assert.deepEqual(new Set(log), new Set(['the adapter test printed: ok']))
})

test('an adapter that gives a reason goes on', async () => {
  const log = []
  const s = await session(adapter({ poll: 'Eno such\nqueue\x1b[0m' }), { log: (line) => log.push(line) })
  for (let i = 0; i < 2; i++) {
    await assert.rejects(s.poll(three, now), { code: 'adapter', message: 'the adapter test has no snapshot: no such queue [0m' })
  }
  assert.deepEqual(log, [])
  await assert.rejects((await session(adapter({ poll: 'E' }), quiet)).poll(three, now), /it gave no reason/)
  await assert.rejects((await session(adapter({ poll: `E${'x'.repeat(10_000)}` }), quiet)).poll(three, now), (err) => err.message.length < 600)
})

test("a stranger's large answers are asked for one at a time", async () => {
  const poll = `R${request('GET', 'a')}${request('LLEN', 'b')}${request('GET', 'c')}${request('LLEN', 'd')}`
  const asked = async (options, reply = (part) => part.map(() => 3)) => {
    const parts = []
    const s = await session(adapter({ poll }), { ...quiet, ...options })
    await s.poll(async (part) => (parts.push(part.map((words) => words.join(' '))), reply(part)), now)
    return parts
  }
  const apart = [['LLEN b', 'LLEN d'], ['GET a'], ['GET c']]
  assert.deepEqual(await asked({}), apart)
  assert.deepEqual(await asked({}, (part) => Buffer.from(':3\r\n'.repeat(part.length))), apart)
  assert.deepEqual(await asked({ trusted: true }), [['GET a', 'LLEN b', 'GET c', 'LLEN d']])
  await assert.rejects(asked({}, () => [3]), { code: 'source', message: /asked 2 requests and was given 1 replies/ })
})

test("the answers to a stranger's parts are in the order of its requests, also out of memory that is used again", async () => {
  const scratch = Buffer.alloc(100)
  const ask = async (part) => scratch.subarray(0, scratch.write(part.map(([, key]) => `+${key}\r\n`).join('')))
  const requests = ['GET a', 'LLEN b', 'GET c', 'LLEN d'].map((words) => words.split(' ').map((word) => Buffer.from(word)))
  assert.equal(String(await askApart(requests, ask)), '+a\r\n+b\r\n+c\r\n+d\r\n')
})

test("a stranger's round goes no further once the session is closed", async () => {
  const poll = `R${request('GET', 'a').repeat(3)}`
  const s = await session(adapter({ poll }))
  let sent = 0
  const closing = async () => {
    if (++sent === 2) s.close()
    return [null]
  }
  await assert.rejects(s.poll(closing, now), { code: 'session', message: /was closed while it was polled/ })
  assert.equal(sent, 2)
})

test('of SQS all is asked at once, also by a stranger', async () => {
  const poll = `R${request('GetQueueAttributes', '{}').repeat(3)}`
  const s = await session(adapter({ describe: { ...description, source: 'sqs', commands: ['GetQueueAttributes'] }, poll }))
  const parts = []
  await s.poll(async (part) => (parts.push(part.length), part.map(() => 3)), now)
  assert.deepEqual(parts, [3])
})

test("a stranger's round is answered with 16 MiB at most", async () => {
  const s = await session(adapter({ poll: `R${request('GET', 'a').repeat(100)}` }))
  const quarter = Buffer.alloc(4 << 20)
  let sent = 0
  const send = async () => (sent++, [quarter])
  await assert.rejects(s.poll(send, now), { code: 'broken', message: /asked for more than it may be answered in a round, which is 16777216 bytes; its instance is closed/ })
  assert.equal(sent, 4)
})

test('settings that it does not take', async () => {
  await assert.rejects(session(adapter({ open: 'Equeues is "": it takes names' })), { code: 'settings', message: `the adapter test doesn't take its settings: queues is "": it takes names` })
  const module = await AdapterModule.load(adapter(), quiet)
  await assert.rejects(module.open({ app: 'a b' }), { code: 'settings', message: /the setting app is "a b"/ })
  await assert.rejects(module.open({}), { code: 'settings' })
  await assert.rejects(module.open({ app: 'shop', source: 'a:b' }), { code: 'settings' })
  await assert.rejects(module.open({ app: 'shop', queues: 7 }), { code: 'settings', message: /the setting queues is 7: a setting is a text/ })
})

test('the wait doubles up to five minutes, and ends with the first poll that succeeds', async () => {
  // It traps while the clock is below `well`.
  const well = now + 10_000_000
  const prelude = [...local(0), ...i64(well), 0x53, 0x04, 0x40, ...unreachable, 0x0b] // i64.lt_s
  const s = await session(adapter({ prelude, next: `S${JSON.stringify(snapshot)}` }))
  let asked = 0
  const send = async (requests) => (asked++, requests.map(() => 3))
  let at = now
  const started = async (when) => {
    const before = s.memoryBytes
    await s.poll(send, when).catch(() => {})
    return before
  }
  await started(at)
  for (const wait of [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]) {
    await assert.rejects(s.poll(send, at + wait * 1000 - 1), { code: 'broken' })
    assert.equal(asked, 0)
    at += wait * 1000
    await assert.rejects(s.poll(send, at), { code: 'broken' })
  }
  await s.poll(send, well + 400_000)
  assert.equal(asked, 1)
  await assert.rejects(s.poll(send, at), { code: 'broken' })
  await assert.rejects(s.poll(send, at + 999), { code: 'broken' })
  await s.poll(send, well + 400_000) // a clock that was far ahead
  assert.equal(asked, 2)
})

test('one poll at a time, and none after close', async () => {
  const s = await session(adapter())
  let answer
  const first = s.poll(() => new Promise((done) => (answer = done)), now)
  await assert.rejects(s.poll(three, now), { code: 'session', message: /serves one poll at a time/ })
  answer([3])
  await first
  const second = s.poll(() => new Promise((done) => (answer = done)), now)
  s.close()
  answer([3])
  await assert.rejects(second, { code: 'session', message: /was closed while it was polled/ })
  await assert.rejects(s.poll(three, now), { code: 'session', message: /was closed: open another session/ })
  assert.equal(s.memoryBytes, 0)
  const other = await session(adapter())
  await assert.rejects(other.poll(three, NaN), TypeError)
})

test('replies that are not one a request are an error of who sends', async () => {
  const s = await session(adapter())
  for (const [replies, sentence] of [
    [[], /asked 1 requests and was given 0 replies/],
    [[1, 2], /was given 2 replies/],
    [Buffer.from(':1\r\n:2\r\n'), /was given 2 replies/],
    [Buffer.from(':1\r'), /replies that cannot be read: at byte 1 of 3: a line has no end|a line has no end/],
    [Buffer.from(':x\r\n'), /an integer is "x"/],
    [Buffer.from('!1\r\n'), /a value begins with "!"/],
    [[{}], /a reply is \[object Object\]/],
    [undefined, /replies that cannot be read/],
  ]) {
    await assert.rejects(s.poll(async () => replies, now), (err) => {
      assert.equal(err.code, 'source')
      assert.match(err.message, sentence)
      return true
    })
  }
  const down = new Error('connect ECONNREFUSED')
  await assert.rejects(s.poll(async () => Promise.reject(down), now), down)
  await s.poll(three, now) // it was not its fault: it goes on at once
})

test('limits that are none', async () => {
  await assert.rejects(AdapterModule.load(adapter(), { limits: { round: 3 } }), /there is no limit round/)
  await assert.rejects(AdapterModule.load(adapter(), { limits: { rounds: 0 } }), /limits\.rounds is 0/)
})
