import { Broken, messageOf, quote, shorten } from './errors.js'
import { parseDescription, type Description } from './description.js'
import type { Limits } from './limits.js'
import { Output } from './output.js'
import { parseRequests } from './resp.js'
import { Wasi, wasiModule } from './wasi.js'
import { runFor } from './watchdog.js'

/** What the adapter wants next. */
export type Step =
  | { readonly kind: 'requests'; readonly requests: Buffer[][] }
  | { readonly kind: 'snapshot'; readonly json: Buffer }
  | { readonly kind: 'error'; readonly message: string }
  | { readonly kind: 'done' }

type Tag = 'done' | 'requests' | 'snapshot' | 'error'

const tags: ReadonlyMap<number, Tag> = new Map([
  [0x4b, 'done'], // K
  [0x52, 'requests'], // R
  [0x53, 'snapshot'], // S
  [0x45, 'error'], // E
])

const abiVersion = 1
const maxDescription = 64 << 10
const maxSnapshot = 8 << 20

interface Exports {
  readonly memory: WebAssembly.Memory
  readonly _initialize?: () => void
  readonly pulse_abi: () => number
  readonly pulse_alloc: (size: number) => number
  readonly pulse_describe: () => bigint
  readonly pulse_open: (at: number, size: number) => bigint
  readonly pulse_poll: (now: bigint) => bigint
  readonly pulse_next: (at: number, size: number) => bigint
}

/**
 * One instance of a module. Every method that runs the guest's code throws a {@link Broken} if the guest
 * trapped or broke a rule; then the instance must not be used any more.
 */
export class Instance {
  readonly #limits: Limits
  readonly #output: Output
  readonly #wasi: Wasi
  readonly #exports: Exports
  /** How long the guest may still run in this poll, in milliseconds. */
  #time: number

  constructor(module: WebAssembly.Module, limits: Limits, log: (line: string) => void) {
    this.#limits = limits
    this.#output = new Output(log, limits.outputBytes)
    this.#wasi = new Wasi(this.#output)
    this.#time = limits.runTime
    const instance = this.#run('its start function', () => new WebAssembly.Instance(module, { [wasiModule]: this.#wasi.imports }))
    const exports = (this.#exports = instance.exports as unknown as Exports)
    this.#wasi.memory = exports.memory
    if (exports._initialize !== undefined) this.#run('_initialize', exports._initialize)
    const abi = this.#run('pulse_abi', exports.pulse_abi)
    if (abi !== abiVersion) throw new Broken(`speaks version ${abi} of the adapter ABI: this host speaks ${abiVersion}`)
    this.#output.flush()
  }

  /** How many bytes of memory the instance has. It never gets less. */
  get memoryBytes(): number {
    return this.#exports.memory.buffer.byteLength
  }

  describe(): Description {
    this.#time = this.#limits.runTime
    const json = this.#result('pulse_describe', this.#run('pulse_describe', this.#exports.pulse_describe))
    this.#output.flush()
    if (json.length > maxDescription) throw new Broken(`describes itself with ${json.length} bytes: it may take ${maxDescription}`)
    return parseDescription(utf8(json, 'its description'))
  }

  /** Opens the adapter with settings, and returns why it doesn't take them, or nothing. */
  open(settings: Buffer): string | undefined {
    this.#time = this.#limits.runTime
    const step = this.#give('pulse_open', settings)
    this.#output.flush()
    if (step.kind === 'error') return step.message
    if (step.kind !== 'done') throw new Broken(`answered pulse_open with ${step.kind}: it takes K, or E with a reason`)
    return undefined
  }

  poll(now: number): Step {
    this.#time = this.#limits.runTime
    return this.#step('pulse_poll', this.#run('pulse_poll', () => this.#exports.pulse_poll(BigInt(now))))
  }

  next(replies: Buffer): Step {
    return this.#give('pulse_next', replies)
  }

  /** Logs what the guest has printed in this poll. */
  flush(): void {
    this.#output.flush()
  }

  #give(name: 'pulse_open' | 'pulse_next', input: Buffer): Step {
    const at = this.#run('pulse_alloc', () => this.#exports.pulse_alloc(input.length)) >>> 0
    if (at === 0) throw new Broken(`has no room for ${input.length} bytes that it is given`)
    const { buffer } = this.#exports.memory
    if (at + input.length > buffer.byteLength) {
      throw new Broken(`returned ${at} from pulse_alloc(${input.length}): its memory ends at ${buffer.byteLength}`)
    }
    new Uint8Array(buffer, at, input.length).set(input)
    return this.#step(name, this.#run(name, () => this.#exports[name](at, input.length)))
  }

  #step(name: string, returned: bigint): Step {
    const result = this.#result(name, returned)
    const kind = tags.get(result[0] as number)
    const body = result.subarray(1)
    switch (kind) {
      case 'requests':
        return { kind, requests: this.#requests(name, body) }
      case 'snapshot':
        return { kind, json: body }
      case 'error':
        return { kind, message: shorten(body.toString(), 500) || 'it gave no reason' }
      case 'done':
        return { kind }
    }
    throw new Broken(`returned from ${name} what begins with ${quote(result.toString('latin1', 0, 20))}: it takes K, R, S or E`)
  }

  #requests(name: string, body: Buffer): Buffer[][] {
    let requests: Buffer[][]
    try {
      requests = parseRequests(body, this.#limits.requests)
    } catch (err) {
      throw new Broken(`returned requests from ${name} that cannot be sent: ${messageOf(err)}`)
    }
    if (requests.length === 0) throw new Broken(`returned R from ${name} without a request: a poll ends with S or E`)
    return requests
  }

  /** A copy of what a result points at, which is the guest's again at the next call. */
  #result(name: string, returned: bigint): Buffer {
    const at = Number((returned >> 32n) & 0xffff_ffffn)
    const size = Number(returned & 0xffff_ffffn)
    const { buffer } = this.#exports.memory
    const most = Math.max(2 * this.#limits.requestBytes, maxSnapshot) + 1 // as RESP they are twice as large at most
    if (size > most) throw new Broken(`returned ${size} bytes from ${name}: at most ${most} are read`)
    if (size === 0 || at + size > buffer.byteLength) {
      throw new Broken(`returned ${size} bytes at ${at} from ${name}: its memory ends at ${buffer.byteLength}, and a result has a byte at least`)
    }
    return Buffer.from(new Uint8Array(buffer, at, size))
  }

  #run<T>(name: string, call: () => T): T {
    if (this.#time <= 0) throw this.#tooLong(name)
    const started = performance.now()
    let value: T
    try {
      value = runFor(this.#time, call)
    } catch (err) {
      if (err instanceof Broken) throw this.#tooLong(name)
      if (this.#wasi.exit === undefined) throw new Broken(`failed in ${name}: ${shorten(messageOf(err), 200)}`)
    } finally {
      this.#time -= performance.now() - started
    }
    if (this.#wasi.exit !== undefined) throw new Broken(`ended itself in ${name}: ${this.#wasi.exit.message}`)
    return value! // an error without an exit was thrown on
  }

  #tooLong(name: string): Broken {
    return new Broken(`ran for more than ${this.#limits.runTime} ms, in ${name}: it is stopped`)
  }
}

/** Text that must be UTF-8. */
export function utf8(data: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(data)
  } catch {
    throw new Broken(`gave ${what} in bytes that are not UTF-8`)
  }
}
