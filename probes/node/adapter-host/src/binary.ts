import { Broken, quote } from './errors.js'
import { wasiModule } from './wasi.js'

/*
 * A module's bytes, as far as the host must know them before it compiles them: what it imports and
 * exports, and how large its memory may grow. JavaScript can't limit a memory that a module makes for
 * itself, so the limit is written into the module.
 */

const pageBytes = 65_536
/** How many entries all tables may have, which are memory of the host's: a Go program has one a function. */
const maxTableEntries = 200_000

/** Sections by their ids, as far as WebAssembly 2.0 has any. */
const [typeSection, importSection, functionSection, tableSection, memorySection, exportSection, lastSection] = [1, 2, 3, 4, 5, 7, 12]

const kinds = ['function', 'table', 'memory', 'global']
const valueTypes = new Map([
  [0x7f, 'i32'],
  [0x7e, 'i64'],
  [0x7d, 'f32'],
  [0x7c, 'f64'],
  [0x7b, 'v128'],
  [0x70, 'funcref'],
  [0x6f, 'externref'],
])

export interface Import {
  readonly module: string
  readonly name: string
  readonly kind: string
}

export interface Export {
  readonly kind: string
  /** Of a function, such as `(i32, i32) → i64`. */
  readonly type: string
}

/** What of a module's bytes the host goes by. */
export interface Shape {
  readonly imports: readonly Import[]
  readonly exports: ReadonlyMap<string, Export>
  /** The same module, whose memory can't grow beyond the limit. */
  readonly limited: Buffer<ArrayBuffer>
}

/** The functions that a module must export. */
export const abi: ReadonlyMap<string, string> = new Map([
  ['pulse_abi', '() → i32'],
  ['pulse_alloc', '(i32) → i32'],
  ['pulse_describe', '() → i64'],
  ['pulse_open', '(i32, i32) → i64'],
  ['pulse_poll', '(i64) → i64'],
  ['pulse_next', '(i32, i32) → i64'],
])

/** Throws if the module's exports or imports are not the adapter ABI's. */
export function checkShape(shape: Shape, given: ReadonlySet<string>): void {
  for (const { module, name, kind } of shape.imports) {
    if (module !== wasiModule || kind !== 'function' || !given.has(name)) {
      throw new Broken(
        `imports the ${kind} ${quote(`${module}.${name}`)}, which this host does not give: it gives the functions of ${wasiModule} but those of sockets, and nothing else`,
      )
    }
  }
  const memory = shape.exports.get('memory')
  if (memory?.kind !== 'memory') throw new Broken('exports no memory: its memory must be exported under the name "memory"')
  const missing = [...abi.keys()].filter((name) => !shape.exports.has(name))
  if (missing.length > 0) throw new Broken(`does not export ${missing.join(', ')}: an adapter exports ${[...abi.keys()].join(', ')}`)
  for (const [name, type] of [...abi, ['_initialize', '() → ()'] as const]) {
    const found = shape.exports.get(name)
    if (found === undefined) continue // _initialize may be missing
    if (found.kind !== 'function' || found.type !== type) {
      throw new Broken(`exports ${name} as ${found.kind === 'function' ? found.type : `a ${found.kind}`}: it takes a function ${type}`)
    }
  }
}

/** Reads a module's bytes and limits its memory. It does not check the code: the compiler does. */
export function readModule(bytes: Uint8Array, memoryBytes: number): Shape {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (data.length < 8 || data.readUInt32BE(0) !== 0x0061736d) {
    throw new Broken(`is not WebAssembly: it begins with ${quote(data.toString('latin1', 0, 16))}`)
  }
  if (data.readUInt32LE(4) !== 1) {
    throw new Broken('is not a core WebAssembly module of version 1; a component must be taken apart first')
  }
  const reader = new Reader(data, 8)
  const types: string[] = []
  const functions: number[] = [] // each function's type, the imported ones first
  const imports: Import[] = []
  const exports = new Map<string, Export>()
  const parts: Uint8Array[] = [data.subarray(0, 8)]
  while (reader.at < data.length) {
    const start = reader.at
    const id = reader.byte()
    const end = reader.u32() + reader.at
    if (end > data.length) throw reader.broken()
    let part: Uint8Array = data.subarray(start, end)
    const section = new Reader(data.subarray(0, end), reader.at)
    switch (id) {
      case typeSection:
        section.each(() => types.push(section.functionType()))
        break
      case importSection:
        section.each(() => {
          const module = section.name()
          const name = section.name()
          const kind = section.byte()
          switch (kind) {
            case 0:
              functions.push(section.u32())
              break
            case 1:
              section.byte()
              section.limits()
              break
            case 2:
              section.limits()
              break
            case 3:
              section.byte()
              section.byte()
              break
          }
          imports.push({ module, name, kind: kinds[kind] ?? `kind ${kind}` })
        })
        break
      case functionSection:
        section.each(() => functions.push(section.u32()))
        break
      case tableSection:
        part = limitedTables(section)
        break
      case memorySection:
        part = limitedMemory(section, memoryBytes)
        break
      case exportSection:
        section.each(() => {
          const name = section.name()
          const kind = section.byte()
          const index = section.u32()
          exports.set(name, { kind: kinds[kind] ?? `kind ${kind}`, type: kind === 0 ? (types[functions[index] ?? -1] ?? '') : '' })
        })
        break
      default:
        if (id > lastSection) throw new Broken(`has a section ${id}, which WebAssembly 2.0 has not: compile it without exceptions and other later features`)
    }
    parts.push(part)
    reader.at = end
  }
  return { imports, exports, limited: Buffer.concat(parts) }
}

/** The section with each table's least size as its most. */
function limitedTables(section: Reader): Uint8Array {
  const body: number[] = []
  let tables = 0
  let entries = 0
  section.each(() => {
    const type = section.byte()
    const { min } = section.limits()
    tables++
    entries += min
    body.push(type, 1, ...leb(min), ...leb(min))
  })
  if (entries > maxTableEntries) throw new Broken(`has tables of ${entries} entries: it may have ${maxTableEntries} together`)
  return sectionOf(tableSection, tables, body)
}

function limitedMemory(section: Reader, memoryBytes: number): Uint8Array {
  const pages = Math.floor(memoryBytes / pageBytes)
  const body: number[] = []
  let memories = 0
  section.each(() => {
    const { min, max } = section.limits()
    memories++
    if (min > pages) throw new Broken(`has ${min * pageBytes} bytes of memory from the start: it may have ${memoryBytes}`)
    body.push(1, ...leb(min), ...leb(Math.min(max ?? pages, pages)))
  })
  if (memories > 1) throw new Broken(`has ${memories} memories: it may have one`)
  return sectionOf(memorySection, memories, body)
}

function sectionOf(id: number, count: number, body: readonly number[]): Uint8Array {
  const content = [...leb(count), ...body]
  return Uint8Array.from([id, ...leb(content.length), ...content])
}

/** n as LEB128. */
function leb(n: number): number[] {
  const bytes: number[] = []
  do {
    const low = n % 128
    n = (n - low) / 128
    bytes.push(n > 0 ? low + 128 : low)
  } while (n > 0)
  return bytes
}

class Reader {
  readonly data: Buffer
  at: number

  constructor(data: Buffer, at: number) {
    this.data = data
    this.at = at
  }

  broken(): Broken {
    return new Broken(`is not WebAssembly: what is at byte ${this.at} of ${this.data.length} is cut off or too long`)
  }

  byte(): number {
    const b = this.data[this.at++]
    if (b === undefined) throw this.broken()
    return b
  }

  u32(): number {
    let n = 0
    for (let i = 0; i < 5; i++) {
      const b = this.byte()
      n += (b & 127) * 128 ** i
      if (b < 128) {
        if (n > 0xffffffff) break
        return n
      }
    }
    throw this.broken()
  }

  each(item: () => void): void {
    const n = this.u32()
    if (n > this.data.length - this.at) throw this.broken()
    for (let i = 0; i < n; i++) item()
  }

  name(): string {
    const n = this.u32()
    if (n > this.data.length - this.at) throw this.broken()
    const name = this.data.toString('utf8', this.at, this.at + n)
    this.at += n
    return name
  }

  limits(): { min: number; max: number | undefined } {
    const flags = this.byte()
    if (flags > 1) throw new Broken('has a memory or table that is shared or of 64 bits: it takes an ordinary one')
    const min = this.u32()
    return { min, max: flags === 1 ? this.u32() : undefined }
  }

  functionType(): string {
    const form = this.byte()
    if (form !== 0x60) throw new Broken('has a type that is no function: compile it without garbage collection (WebAssembly 2.0)')
    const list = () => {
      const types: string[] = []
      this.each(() => {
        const type = this.byte()
        types.push(valueTypes.get(type) ?? `type ${type}`)
      })
      return types.join(', ')
    }
    const params = list()
    const results = list()
    return `(${params}) → ${results === '' || results.includes(',') ? `(${results})` : results}`
  }
}
