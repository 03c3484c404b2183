import { isName } from '@gravito/pulse-protocol'
import { readFile, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { checkShape, readModule } from './binary.js'
import type { Description } from './description.js'
import { AdapterError, Broken, messageOf } from './errors.js'
import { Instance } from './instance.js'
import { limitsOf, type Limits } from './limits.js'
import { encodeSettings } from './resp.js'
import { AdapterSession, type Opened } from './session.js'
import { wasiFunctions } from './wasi.js'

export interface Options {
  /**
   * That you wrote the module yourself, or it is this project's own: all that it asks in a round is sent at once. By default it
   * is a stranger's. Then what has a small answer is sent at once, each other request alone, and a round of which the answers
   * exceed 16 MiB breaks a rule.
   */
  trusted?: boolean
  /** What the module may use. What is left out is the adapter ABI's default. */
  limits?: Partial<Limits>
  /**
   * Where lines for an operator go: what an adapter printed, and once why it was closed. Each names the
   * adapter. By default they go to `console.error`.
   */
  log?: (line: string) => void
}

/** What an adapter is opened with. Its own settings are texts, too; an empty one is not set. */
export interface Settings {
  /** The app that the queues belong to. */
  app: string
  /** Who reports them, where more than one reporter shares the app. */
  source?: string
  [setting: string]: string | undefined
}

/** A module that was loaded: compiled, its exports and imports checked, its description read. */
export class AdapterModule {
  readonly #module: WebAssembly.Module
  readonly #limits: Limits
  readonly #trusted: boolean
  readonly #log: (line: string) => void
  readonly #description: Description

  private constructor(module: WebAssembly.Module, limits: Limits, trusted: boolean, log: (line: string) => void, label: string) {
    this.#module = module
    this.#limits = limits
    this.#trusted = trusted
    this.#log = log
    // An instance only to be asked, and gone again.
    this.#description = new Instance(module, limits, (line) => log(`the module ${label} ${line}`)).describe()
  }

  /**
   * Loads a module from its bytes or its file. Throws an {@link AdapterError} with the code `module` if it is
   * not WebAssembly, imports what it may not, does not export the adapter ABI, or fails when asked what it is.
   */
  static async load(module: Uint8Array | string | URL, options: Options = {}): Promise<AdapterModule> {
    const limits = limitsOf(options.limits)
    const log = options.log ?? ((line) => console.error(line))
    const label = module instanceof Uint8Array ? `of ${module.length} bytes` : basename(String(module))
    try {
      const bytes = module instanceof Uint8Array ? module : await read(module, limits)
      if (bytes.length > limits.moduleBytes) throw tooLarge(bytes.length, limits)
      const shape = readModule(bytes, limits.memoryBytes)
      checkShape(shape, wasiFunctions)
      return new AdapterModule(await WebAssembly.compile(shape.limited), limits, options.trusted === true, log, label)
    } catch (err) {
      const message = err instanceof WebAssembly.CompileError ? `cannot be compiled: ${err.message}` : messageOf(err)
      throw new AdapterError('module', `the module ${label} ${message}`, { cause: err })
    }
  }

  /** What the module says of itself. One that holds several adapters may say more once it is opened. */
  describe(): Description {
    return this.#description
  }

  /** Opens the adapter. Throws an {@link AdapterError} with the code `settings` if it doesn't take them. */
  async open(settings: Settings): Promise<AdapterSession> {
    const given = checked(settings)
    const encoded = encodeSettings(given)
    let { name } = this.#description // one of several adapters in a module says later which it is
    const log = (line: string) => this.#log(`the adapter ${name} ${line}`)
    const start = (): Opened => {
      const instance = new Instance(this.#module, this.#limits, log)
      const refusal = instance.open(encoded)
      if (refusal !== undefined) throw new Broken(`doesn't take its settings: ${refusal}`)
      const description = instance.describe()
      name = description.name
      return { instance, description }
    }
    try {
      return new AdapterSession({ app: settings.app, source: given.source ?? '', limits: this.#limits, trusted: this.#trusted, log, start })
    } catch (err) {
      if (!(err instanceof Broken)) throw err
      throw new AdapterError('settings', `the adapter ${this.#description.name} ${err.message}`, { cause: err })
    }
  }
}

async function read(path: string | URL, limits: Limits): Promise<Buffer> {
  let size: number
  try {
    ;({ size } = await stat(path))
    if (size <= limits.moduleBytes) return await readFile(path)
  } catch (err) {
    throw new Broken(`cannot be read: ${messageOf(err)}`)
  }
  throw tooLarge(size, limits)
}

function tooLarge(size: number, limits: Limits): Broken {
  return new Broken(`has ${size} bytes: it may have ${limits.moduleBytes}, see limits.moduleBytes`)
}

function checked(settings: Settings): Record<string, string> {
  const given: Record<string, string> = {}
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined) continue
    if (typeof value !== 'string') throw new AdapterError('settings', `the setting ${name} is ${String(value)}: a setting is a text`)
    given[name] = value
  }
  for (const name of ['app', 'source']) {
    const value = given[name] ?? ''
    if ((name === 'app' || value !== '') && !isName(value)) {
      throw new AdapterError('settings', `the setting ${name} is ${JSON.stringify(value)}: it takes letters, digits and . _ @ -, at most 128`)
    }
  }
  return given
}
