/*
 * The adapter ABI's values as bytes: RESP2, as Redis speaks it.
 */

/**
 * One reply, as Redis clients for Node give it. `null` is that there is none, an `Error` is a refusal
 * by Redis (`NOPERM …`), which the adapter decides about. Of a client that speaks RESP3, a Map or a Set
 * is the list that RESP2 has in its place.
 */
export type Reply =
  | null
  | undefined
  | number
  | bigint
  | string
  | boolean
  | Uint8Array
  | Error
  | readonly Reply[]
  | ReadonlyMap<Reply, Reply>
  | ReadonlySet<Reply>

const CR = 13
const LF = 10
/** How deep lists of replies may nest. Redis' own nest to 4. */
const maxNesting = 32

/** Grows as it is written to. */
class Writer {
  #buffer: Buffer
  #at = 0

  constructor(usual: number) {
    this.#buffer = Buffer.allocUnsafe(Math.max(usual, 64))
  }

  head(kind: string, n: number | bigint): void {
    const line = `${kind}${n}\r\n`
    this.#room(line.length)
    this.#at += this.#buffer.write(line, this.#at, 'latin1')
  }

  bulk(value: Uint8Array | string): void {
    const size = typeof value === 'string' ? Buffer.byteLength(value) : value.byteLength
    this.head('$', size)
    this.#room(size + 2)
    if (typeof value === 'string') this.#buffer.write(value, this.#at)
    else this.#buffer.set(value, this.#at)
    this.#at += size
    this.#buffer[this.#at++] = CR
    this.#buffer[this.#at++] = LF
  }

  /** A refusal. It is a line, so a line break in it becomes a space. */
  refusal(message: string): void {
    const line = `-${message.replace(/[\r\n]/g, ' ')}\r\n`
    this.#room(Buffer.byteLength(line))
    this.#at += this.#buffer.write(line, this.#at)
  }

  done(): Buffer {
    return this.#buffer.subarray(0, this.#at)
  }

  #room(size: number): void {
    if (this.#at + size <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#at + size))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }
}

/**
 * Settings as one array of name, value, name, value: the app, the source, then the others by name. A
 * setting that is empty is not set, and left out.
 */
export function encodeSettings(settings: Readonly<Record<string, string>>): Buffer {
  const rank = (name: string) => (['app', 'source'].indexOf(name) + 3) % 3
  const names = Object.keys(settings).filter((name) => settings[name] !== '')
  names.sort((a, b) => rank(a) - rank(b) || Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const to = new Writer(256)
  to.head('*', 2 * names.length)
  for (const name of names) {
    to.bulk(name)
    to.bulk(settings[name] as string)
  }
  return to.done()
}

/** Replies, one value each, back to back. */
export function encodeReplies(replies: readonly Reply[]): Buffer {
  const usual = 16 // bytes a reply
  const to = new Writer(usual * replies.length)
  for (const reply of replies) encodeReply(to, reply, 0)
  return to.done()
}

function encodeReply(to: Writer, reply: Reply, depth: number): void {
  switch (typeof reply) {
    case 'number':
      // Redis 7 and RESP3 have doubles; RESP2 has a text in their place.
      if (Number.isSafeInteger(reply)) to.head(':', reply)
      else to.bulk(doubleText(reply))
      return
    case 'bigint':
      to.head(':', reply)
      return
    case 'boolean':
      to.head(':', reply ? 1 : 0)
      return
    case 'string':
      to.bulk(reply)
      return
    case 'undefined':
      to.head('$', -1)
      return
  }
  if (reply === null) {
    to.head('$', -1)
    return
  }
  if (reply instanceof Uint8Array) {
    to.bulk(reply)
    return
  }
  if (reply instanceof Error) {
    to.refusal(reply.message)
    return
  }
  let items: readonly Reply[]
  if (Array.isArray(reply)) items = reply
  else if (reply instanceof Map) items = [...reply].flat()
  else if (reply instanceof Set) items = [...reply]
  else throw new TypeError(`a reply is ${Object.prototype.toString.call(reply)}: it takes null, a number, a string, bytes, an Error, or an array of these`)
  if (depth === maxNesting) throw new TypeError(`a reply nests deeper than ${maxNesting} lists`)
  to.head('*', items.length)
  for (const item of items) encodeReply(to, item, depth + 1)
}

function doubleText(n: number): string {
  return Number.isFinite(n) || Number.isNaN(n) ? String(n) : n > 0 ? 'inf' : '-inf'
}

/** Reads RESP2. A length is believed only as far as there are bytes for it. */
class Parser {
  at = 0
  readonly data: Buffer

  constructor(data: Buffer) {
    this.data = data
  }

  broken(what: string): Error {
    return new Error(`at byte ${this.at} of ${this.data.length}: ${what}; this is not RESP2`)
  }

  /** Where the line ends that is being read; behind it the parser goes on. */
  line(): number {
    const end = this.data.indexOf(CR, this.at)
    if (end < 0 || this.data[end + 1] !== LF) throw this.broken('a line has no end')
    this.at = end + 2
    return end
  }

  /** The length at the head of a list or a text; -1 where there is none. */
  head(kind: number): number {
    const { data } = this
    if (data[this.at] !== kind) throw this.broken(`'${String.fromCharCode(kind)}' is due`)
    const from = this.at + 1
    let n = 0
    let i = from
    for (; i < data.length; i++) {
      const digit = (data[i] as number) - 48
      if (digit < 0 || digit > 9) break
      n = n * 10 + digit
    }
    const digits = i - from
    if (digits === 0 && data[i] === 45 && data[i + 1] === 49) {
      i += 2
      n = -1
    } else if (digits === 0 || digits > 9 || n > data.length - i) {
      // An item has a byte at least.
      throw this.broken(`a length is ${JSON.stringify(data.toString('latin1', from, Math.min(from + 20, data.length)).split('\r', 1)[0])}`)
    }
    if (data[i] !== CR || data[i + 1] !== LF) throw this.broken('a line has no end')
    this.at = i + 2
    return n
  }

  /** Where a text of n bytes ends, which begins here. */
  body(n: number): number {
    const end = this.at + n
    if (this.data[end] !== CR || this.data[end + 1] !== LF) throw this.broken('a text has no end')
    this.at = end + 2
    return end
  }

  /** Passes over one reply. */
  skip(depth: number): void {
    const kind = this.data[this.at]
    switch (kind) {
      case 43: // +
      case 45: // -
        this.line()
        return
      case 58: { // :
        const from = this.at + 1
        const text = this.data.toString('latin1', from, this.line())
        if (!/^[+-]?\d{1,19}$/.test(text)) throw this.broken(`an integer is ${JSON.stringify(text.slice(0, 40))}`)
        return
      }
      case 36: { // $
        const n = this.head(36)
        if (n >= 0) this.body(n)
        return
      }
      case 42: { // *
        const n = this.head(42)
        if (n > 0 && depth === maxNesting) throw this.broken(`lists nest deeper than ${maxNesting}`)
        for (let i = 0; i < n; i++) this.skip(depth + 1)
        return
      }
      case undefined:
        throw this.broken('it ends early')
    }
    throw this.broken(`a value begins with ${JSON.stringify(String.fromCharCode(kind))}`)
  }
}

/** The requests in data, at most `most`. They are views of data. */
export function parseRequests(data: Buffer, most: number): Buffer[][] {
  const parser = new Parser(data)
  const requests: Buffer[][] = []
  let first: Buffer | undefined
  while (parser.at < data.length) {
    const words = parser.head(42)
    if (words < 1) throw new Error(`request ${requests.length} has ${words} words: it takes a command at least`)
    if (requests.length === most) throw new Error(`there are more than ${most} requests`)
    const request: Buffer[] = []
    for (let i = 0; i < words; i++) {
      const n = parser.head(36)
      if (n < 0) throw parser.broken('a text is missing')
      const from = parser.at
      const end = parser.body(n)
      // Most requests of a round are of the same few commands, one after another.
      if (i === 0 && first !== undefined && sameBytes(first, data, from, end)) request.push(first)
      else request.push(data.subarray(from, end))
    }
    first = request[0]
    requests.push(request)
  }
  return requests
}

function sameBytes(word: Buffer, data: Buffer, from: number, to: number): boolean {
  if (word.length !== to - from) return false
  for (let i = 0; i < word.length; i++) if (word[i] !== data[from + i]) return false
  return true
}

/** The replies in data, all of which must be RESP2. They are views of data. */
export function splitReplies(data: Buffer): Buffer[] {
  const parser = new Parser(data)
  const replies: Buffer[] = []
  while (parser.at < data.length) {
    const from = parser.at
    parser.skip(0)
    replies.push(data.subarray(from, parser.at))
  }
  return replies
}

/** How many replies are in data, all of which must be RESP2. */
export function countReplies(data: Buffer): number {
  const parser = new Parser(data)
  let n = 0
  for (; parser.at < data.length; n++) parser.skip(0)
  return n
}
