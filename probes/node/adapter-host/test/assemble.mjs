// A small assembler: modules that break one rule each, as bytes.

const types = { i32: 0x7f, i64: 0x7e, f64: 0x7c }

/** n as unsigned LEB128. */
export function u(n) {
  const bytes = []
  do {
    const low = n % 128
    n = (n - low) / 128
    bytes.push(n > 0 ? low | 128 : low)
  } while (n > 0)
  return bytes
}

/** n, a BigInt or a number, as signed LEB128. */
function s(n) {
  n = BigInt(n)
  const bytes = []
  for (;;) {
    const low = Number(n & 127n)
    n >>= 7n
    const done = (n === 0n && !(low & 64)) || (n === -1n && low & 64)
    bytes.push(done ? low : low | 128)
    if (done) return bytes
  }
}

export const i32 = (n) => [0x41, ...s(n)]
export const i64 = (n) => [0x42, ...s(BigInt.asIntN(64, BigInt(n)))]
export const local = (n) => [0x20, ...u(n)]
export const call = (n) => [0x10, ...u(n)]
export const drop = [0x1a]
export const unreachable = [0x00]
/** Runs body for ever. */
export const forever = (...body) => [0x03, 0x40, ...body.flat(), 0x0c, 0x00, 0x0b]
/** Runs body, which leaves nothing, n times; uses the local `counter` of type i32. */
export const times = (n, counter, ...body) => [
  ...i32(n), 0x21, ...u(counter),
  0x03, 0x40, ...body.flat(), ...local(counter), ...i32(1), 0x6b, 0x22, ...u(counter), 0x0d, 0x00, 0x0b,
]
export const memoryGrow = (pages) => [...i32(pages), 0x40, 0x00]

const text = (t) => {
  const bytes = Buffer.from(t)
  return [...u(bytes.length), ...bytes]
}
const vector = (items) => [...u(items.length), ...items.flat()]
const section = (id, content) => Buffer.concat([Buffer.from([id, ...u(content.length)]), Buffer.from(content)])
const signature = ({ params = [], results = [] }) => [0x60, ...vector(params.map((p) => [types[p]])), ...vector(results.map((r) => [types[r]]))]

/**
 * A module. `functions` are by their names, which they are exported under; the imported ones come first
 * in the order of their numbers.
 */
export function assemble({ imports = [], functions = {}, memory = [1], tables = [], data = [], exportMemory = true, extra = [] }) {
  const bodies = Object.entries(functions)
  const signatures = [...imports.map((i) => i.type ?? {}), ...bodies.map(([, f]) => f)]
  const parts = [Buffer.from('\0asm\x01\0\0\0', 'latin1')]
  parts.push(section(1, vector(signatures.map(signature))))
  if (imports.length > 0) {
    parts.push(section(2, vector(imports.map((i, n) => [...text(i.module), ...text(i.name), ...(i.kind ?? [0, ...u(n)])]))))
  }
  parts.push(section(3, vector(bodies.map((_, n) => u(imports.length + n)))))
  if (tables.length > 0) parts.push(section(4, vector(tables)))
  if (memory) parts.push(section(5, vector([memory.length > 1 ? [1, ...u(memory[0]), ...u(memory[1])] : [0, ...u(memory[0])]])))
  const exported = bodies.map(([name], n) => [...text(name), 0, ...u(imports.length + n)])
  if (memory && exportMemory) exported.push([...text('memory'), 2, 0])
  parts.push(section(7, vector(exported)))
  parts.push(...extra)
  const code = bodies.map(([, { locals = [], body }]) => {
    const f = [...vector(locals.map((l) => [1, types[l]])), ...body.flat(), 0x0b]
    return [...u(f.length), ...f]
  })
  parts.push(section(10, vector(code)))
  if (data.length > 0) {
    const segments = data.map(({ at, bytes }) => Buffer.concat([Buffer.from([0, ...i32(at), 0x0b, ...u(bytes.length)]), bytes]))
    const content = Buffer.concat([Buffer.from(u(segments.length)), ...segments])
    parts.push(Buffer.concat([Buffer.from([11, ...u(content.length)]), content]))
  }
  return Buffer.concat(parts)
}

export const wasi = (name, params, results = ['i32']) => ({ module: 'wasi_snapshot_preview1', name, type: { params, results } })
export const fdWrite = wasi('fd_write', ['i32', 'i32', 'i32', 'i32'])

export const description = { name: 'test', version: '1', source: 'redis', commands: ['LLEN', 'ROLE', 'GET', 'XINFO GROUPS'] }
export const now = 1_764_000_000_000
export const snapshot = { timestamp: now, app: 'shop', queues: [{ name: 'emails', driver: 'other', metrics: { waiting: 3 } }] }
/** One request as RESP. */
export const request = (...words) => `*${words.length}\r\n${words.map((w) => `$${Buffer.byteLength(w)}\r\n${w}\r\n`).join('')}`

const inputAt = 1 << 16
const resultsAt = 1 << 19

/**
 * A well-behaved adapter: it asks LLEN of one key and reports three jobs. Each function's result may be
 * another text (`describe`, `open`, `poll`, `next`), or another body (`functions`); `prelude` runs first in
 * pulse_poll.
 */
export function adapter({ describe = description, open = 'K', poll = `R${request('LLEN', 'emails')}`, next = `S${JSON.stringify(snapshot)}`, prelude = [], nextPrelude = [], functions = {}, without = [], memory = [128], data = [], ...rest } = {}) {
  let at = resultsAt
  const results = []
  const answer = (value) => {
    const bytes = Buffer.from(typeof value === 'object' && !Buffer.isBuffer(value) ? JSON.stringify(value) : value)
    results.push({ at, bytes })
    const result = i64((BigInt(at) << 32n) | BigInt(bytes.length))
    at += bytes.length
    return result
  }
  const all = {
    pulse_abi: { results: ['i32'], body: i32(1) },
    pulse_alloc: { params: ['i32'], results: ['i32'], body: i32(inputAt) },
    pulse_describe: { results: ['i64'], body: answer(describe) },
    pulse_open: { params: ['i32', 'i32'], results: ['i64'], body: answer(open) },
    pulse_poll: { params: ['i64'], results: ['i64'], locals: ['i32'], body: [...prelude, ...answer(poll)] },
    pulse_next: { params: ['i32', 'i32'], results: ['i64'], locals: ['i32'], body: [...nextPrelude, ...answer(next)] },
    ...functions,
  }
  for (const name of without) delete all[name]
  return assemble({ functions: all, memory, data: [...results, ...data], ...rest })
}

/** Two words of an iovec at `at`, and the text that it points at. */
export function printed(at, message) {
  const bytes = Buffer.from(message)
  const vector = Buffer.alloc(8)
  vector.writeUInt32LE(at + 16, 0)
  vector.writeUInt32LE(bytes.length, 4)
  return { at, bytes: Buffer.concat([vector, Buffer.alloc(8), bytes]) }
}
