import { shorten } from './errors.js'

const newline = 10

/** What a guest prints, as lines of the log, up to a limit a poll. */
export class Output {
  readonly #log: (line: string) => void
  readonly #most: number
  #parts: Buffer[] = []
  #left: number
  #cut = false

  constructor(log: (line: string) => void, most: number) {
    this.#log = log
    this.#most = most
    this.#left = most
  }

  write(bytes: Uint8Array, from: number, to: number): void {
    const end = Math.min(to, from + this.#left)
    this.#left -= end - from
    this.#cut ||= end < to
    // A copy: the guest goes on writing where it stood.
    if (end > from) this.#parts.push(Buffer.from(bytes.subarray(from, end)))
  }

  /** Logs what was printed since the last flush. */
  flush(): void {
    const text = Buffer.concat(this.#parts)
    this.#parts = []
    for (let from = 0; from < text.length; ) {
      const found = text.indexOf(newline, from)
      const end = found < 0 ? text.length : found
      const line = shorten(text.toString('utf8', from, end), this.#most).trim()
      if (line !== '') this.#log(`printed: ${line}`)
      from = end + 1
    }
    if (this.#cut) this.#log(`printed more than ${this.#most} bytes in one poll: the rest is left out`)
    this.#left = this.#most
    this.#cut = false
  }
}
