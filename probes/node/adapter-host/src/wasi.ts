import type { Output } from './output.js'

/*
 * WASI for a guest that needs only its own memory: a clock that stands still, no files, no network, no
 * environment. What it prints becomes lines of the log. Everything is the same in every run.
 */

export const wasiModule = 'wasi_snapshot_preview1'

/** Error numbers of WASI. */
const [success, badFile, fault, invalid, notSupported, notSeekable] = [0, 8, 21, 28, 52, 70]

/** How many texts, or events, one call may have: the most that WASI's C library lets a program write at once. */
const maxParts = 1024

/** Where both clocks stand, in nanoseconds: at 1 s. A clock at 0 is none, to Go. */
const standstill = 1_000_000_000n

/** Functions about files. There are none, so each answers that it is no file. */
const aboutFiles = [
  'fd_advise',
  'fd_allocate',
  'fd_datasync',
  'fd_fdstat_set_rights',
  'fd_filestat_get',
  'fd_filestat_set_size',
  'fd_filestat_set_times',
  'fd_pread',
  'fd_prestat_dir_name',
  'fd_prestat_get',
  'fd_pwrite',
  'fd_readdir',
  'fd_renumber',
  'fd_sync',
  'fd_tell',
  'path_create_directory',
  'path_filestat_get',
  'path_filestat_set_times',
  'path_link',
  'path_open',
  'path_readlink',
  'path_remove_directory',
  'path_rename',
  'path_symlink',
  'path_unlink_file',
]

/** The end of a guest that called `proc_exit`. */
export class Exit extends Error {
  constructor(code: number) {
    super(`it called proc_exit with ${code}`)
  }
}

type Result = number

/** What one instance is given. */
export class Wasi {
  /** Set once the instance has its memory. */
  memory: { readonly buffer: ArrayBuffer } | undefined
  /** Why the guest ended itself. It may have caught what `proc_exit` throws. */
  exit: Exit | undefined
  readonly imports: Record<string, (...args: never[]) => Result>
  readonly #output: Output
  #random = 0x2545f491

  constructor(output: Output) {
    this.#output = output
    const standard = (fd: number) => fd >= 0 && fd <= 2
    const noFile = () => badFile
    this.imports = {
      ...Object.fromEntries(aboutFiles.map((name) => [name, noFile])),
      args_get: () => success,
      args_sizes_get: (count: number, size: number) => this.#zeros(count, size),
      environ_get: () => success,
      environ_sizes_get: (count: number, size: number) => this.#zeros(count, size),
      clock_res_get: (_id: number, to: number) => this.#write((view) => view.setBigUint64(to >>> 0, 1n, true)),
      clock_time_get: (_id: number, _precision: bigint, to: number) =>
        this.#write((view) => view.setBigUint64(to >>> 0, standstill, true)),
      fd_close: (fd: number) => (standard(fd) ? success : badFile),
      fd_fdstat_get: (fd: number, to: number) => (standard(fd) ? this.#status(to) : badFile),
      fd_fdstat_set_flags: (fd: number) => (standard(fd) ? success : badFile),
      fd_read: (fd: number, _vectors: number, _count: number, read: number) =>
        fd === 0 ? this.#write((view) => view.setUint32(read >>> 0, 0, true)) : badFile,
      fd_seek: (fd: number) => (standard(fd) ? notSeekable : badFile),
      fd_write: (fd: number, vectors: number, count: number, written: number) =>
        fd === 1 || fd === 2 ? this.#print(vectors, count, written) : badFile,
      poll_oneoff: (subscriptions: number, events: number, count: number, written: number) =>
        this.#happen(subscriptions, events, count, written),
      proc_exit: (code: number) => {
        this.exit = new Exit(code)
        throw this.exit
      },
      proc_raise: () => notSupported,
      random_get: (to: number, size: number) => this.#fill(to, size),
      sched_yield: () => success,
    }
  }

  #write(write: (view: DataView, bytes: Uint8Array) => void): Result {
    const buffer = this.memory?.buffer
    if (buffer === undefined) return fault
    try {
      write(new DataView(buffer), new Uint8Array(buffer))
    } catch (err) {
      if (err instanceof RangeError) return fault
      throw err
    }
    return success
  }

  #zeros(...places: number[]): Result {
    return this.#write((view) => {
      for (const to of places) view.setUint32(to >>> 0, 0, true)
    })
  }

  /** A terminal, as far as the guest can see. */
  #status(to: number): Result {
    return this.#write((view, bytes) => {
      const [size, characterDevice, rights] = [24, 2, 0xffff_ffff_ffff_ffffn]
      bytes.fill(0, to >>> 0, (to >>> 0) + size)
      view.setUint8(to >>> 0, characterDevice)
      view.setBigUint64((to >>> 0) + 8, rights, true)
    })
  }

  #print(vectors: number, count: number, written: number): Result {
    if (count >>> 0 > maxParts) return invalid
    return this.#write((view, bytes) => {
      let total = 0
      for (let i = 0; i < count >>> 0; i++) {
        const from = view.getUint32((vectors >>> 0) + 8 * i, true)
        const size = view.getUint32((vectors >>> 0) + 8 * i + 4, true)
        if (from + size > bytes.length) throw new RangeError('a text is outside of the memory')
        this.#output.write(bytes, from, from + size)
        total += size
      }
      view.setUint32(written >>> 0, total, true)
    })
  }

  /** Every event that a guest waits for has happened: the clock stands still, and there is nothing else. */
  #happen(subscriptions: number, events: number, count: number, written: number): Result {
    if (count === 0 || count >>> 0 > maxParts) return invalid
    return this.#write((view, bytes) => {
      const [subscription, event] = [48, 32]
      for (let i = 0; i < count >>> 0; i++) {
        const from = (subscriptions >>> 0) + subscription * i
        const to = (events >>> 0) + event * i
        const userdata = view.getBigUint64(from, true)
        const type = view.getUint8(from + 8)
        if (to + event > bytes.length) throw new RangeError('an event is outside of the memory')
        bytes.fill(0, to, to + event)
        view.setBigUint64(to, userdata, true)
        view.setUint8(to + 10, type)
      }
      view.setUint32(written >>> 0, count, true)
    })
  }

  /** The same bytes in every run: what an adapter reports depends on nothing but what it is told. */
  #fill(to: number, size: number): Result {
    return this.#write((_view, bytes) => {
      const [from, end] = [to >>> 0, (to >>> 0) + (size >>> 0)]
      if (end > bytes.length) throw new RangeError('it is outside of the memory')
      for (let i = from; i < end; i++) {
        this.#random ^= this.#random << 13
        this.#random ^= this.#random >>> 17
        this.#random ^= this.#random << 5
        bytes[i] = this.#random
      }
    })
  }
}

/** The functions of WASI that a module may import. */
export const wasiFunctions: ReadonlySet<string> = new Set(Object.keys(new Wasi(undefined as unknown as Output).imports))
