import type { Description } from './description.js'
import { AdapterError, Broken, messageOf } from './errors.js'
import { Guard } from './guard.js'
import type { Instance, Step } from './instance.js'
import type { Limits } from './limits.js'
import { countReplies, encodeReplies, type Reply } from './resp.js'
import { readSnapshot, type Poll } from './snapshot.js'
import { askApart } from './stranger.js'

/**
 * Asks a server an adapter's requests and returns one reply each, in order: as values, or as the bytes of
 * RESP2 back to back. A Redis request is a command with its arguments; an SQS request an operation and its
 * input as JSON. A refusal by the server is a reply, as an `Error`; to throw is to say that it could not
 * be asked.
 */
export type Send = (requests: Buffer[][]) => Promise<readonly Reply[] | Uint8Array>

const firstWait = 1_000
const longestWait = 300_000

/** @internal What a session is made of. */
export interface SessionParts {
  readonly app: string
  readonly source: string
  readonly trusted: boolean
  readonly limits: Limits
  readonly log: (line: string) => void
  /** Starts an instance and opens the adapter. */
  readonly start: () => Opened
}

/** @internal An instance with its opened adapter. */
export interface Opened {
  readonly instance: Instance
  readonly description: Description
}

/**
 * An opened adapter. It keeps what it learns from one poll to the next. It serves one poll at a time; for
 * more at once, open more.
 */
export class AdapterSession {
  readonly #parts: SessionParts
  #opened: Opened | undefined
  readonly #description: Description
  #polling = false
  #closed = false
  /** Why the last instance was closed, until a poll succeeds. */
  #reason = ''
  #failures = 0
  #retryAt = 0

  /** @internal */
  constructor(parts: SessionParts) {
    this.#parts = parts
    this.#opened = parts.start()
    this.#description = this.#opened.description
  }

  /** What the opened adapter says of itself. */
  describe(): Description {
    return this.#description
  }

  /** How many bytes of memory the instance has; 0 while there is none. */
  get memoryBytes(): number {
    return this.#opened?.instance.memoryBytes ?? 0
  }

  /**
   * Reads the queues once.
   *
   * Throws an {@link AdapterError} where the adapter has no snapshot, and what `send` throws. Each says
   * why; the next poll begins anew. An adapter that broke a rule is closed, logged once, and started again
   * by the first poll that is a second later by `now`, then two, up to five minutes.
   *
   * @param send - asks the server, for example {@link fromIoredis}
   * @param now - the only clock that the adapter sees, in Unix milliseconds; by default the time it is
   */
  async poll(send: Send, now: number = Date.now()): Promise<Poll> {
    if (this.#closed) throw this.#error('session', 'was closed: open another session')
    if (this.#polling) throw this.#error('session', 'is being polled: it serves one poll at a time; open another session for more')
    if (!Number.isSafeInteger(now) || now < 0) throw new TypeError(`now is ${now}: it takes Unix milliseconds, such as Date.now()`)
    this.#polling = true
    try {
      const poll = await this.#drive(send, now)
      this.#recover()
      return poll
    } catch (err) {
      if (err instanceof Broken) throw this.#break(err, now)
      if (err instanceof AdapterError && err.code === 'adapter') this.#recover()
      throw err
    } finally {
      this.#polling = false
      this.#opened?.instance.flush()
      if (this.#closed) this.#opened = undefined
    }
  }

  /** Frees the instance. A poll that is under way ends with an error. */
  close(): void {
    this.#closed = true
    if (!this.#polling) this.#opened = undefined
  }

  async #drive(send: Send, now: number): Promise<Poll> {
    const { instance, description } = this.#running(now)
    const guard = new Guard(description, this.#parts.limits)
    let step: Step = instance.poll(now)
    while (step.kind === 'requests') {
      guard.check(step.requests)
      const replies = await this.#ask(send, step.requests)
      if (this.#closed) throw this.#error('session', 'was closed while it was polled')
      step = instance.next(replies)
    }
    switch (step.kind) {
      case 'snapshot':
        return readSnapshot(step.json, { app: this.#parts.app, source: this.#parts.source, now })
      case 'error':
        throw this.#error('adapter', `has no snapshot: ${step.message}`)
      case 'done':
        throw new Broken('answered a poll with K: it takes R, S or E')
    }
  }

  /** The replies to a round, as RESP2. */
  #ask(send: Send, requests: Buffer[][]): Promise<Buffer> {
    if (this.#parts.trusted || this.#description.source !== 'redis') return this.#askAtOnce(send, requests)
    return askApart(requests, (part) => {
      if (this.#closed) throw this.#error('session', 'was closed while it was polled')
      return this.#askAtOnce(send, part)
    })
  }

  async #askAtOnce(send: Send, requests: Buffer[][]): Promise<Buffer> {
    const due = requests.length // before the caller has them
    const replies = await send(requests)
    let encoded: Buffer
    let count: number
    try {
      if (replies instanceof Uint8Array) {
        encoded = Buffer.from(replies.buffer, replies.byteOffset, replies.byteLength)
        count = countReplies(encoded)
      } else {
        count = replies.length
        encoded = encodeReplies(replies)
      }
    } catch (err) {
      throw this.#error('source', `was given replies that cannot be read: ${messageOf(err)}`, err)
    }
    if (count !== due) throw this.#error('source', `asked ${due} requests and was given ${count} replies: send must return one each, in order`)
    return encoded
  }

  #running(now: number): Opened {
    if (this.#opened !== undefined) return this.#opened
    const wait = this.#retryAt - now
    // A clock that was set back must not stop it for longer than it was going to wait.
    if (wait > 0 && wait <= longestWait) throw this.#broken()
    return (this.#opened = this.#parts.start())
  }

  #break(err: Broken, now: number): AdapterError {
    this.#opened?.instance.flush()
    this.#opened = undefined
    const wait = Math.min(firstWait * 2 ** this.#failures, longestWait)
    this.#failures++
    this.#retryAt = now + wait
    const known = this.#reason === err.message
    this.#reason = err.message
    if (!known) this.#parts.log(this.#sentence())
    return this.#broken(err)
  }

  /** The same words each time, so that who sees them every few seconds can say them once. */
  #sentence(): string {
    return `${this.#reason}; its instance is closed, and will be started again`
  }

  #broken(cause?: Broken): AdapterError {
    return this.#error('broken', this.#sentence(), cause)
  }

  #recover(): void {
    this.#failures = 0
    this.#reason = ''
  }

  #error(code: AdapterError['code'], message: string, cause?: unknown): AdapterError {
    return new AdapterError(code, `the adapter ${this.#description.name} ${message}`, cause === undefined ? undefined : { cause })
  }
}
