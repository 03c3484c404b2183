import { Broken, quote } from './errors.js'
import type { Limits } from './limits.js'
import { readCommands, readOperations, withSubcommands } from './read-commands.js'
import type { Description } from './description.js'

/** The most that SCAN and its kind may be told to look at in one step: Redis serves nobody else meanwhile. */
const maxScanCount = 10_000

/**
 * Checks what an adapter asks in one poll, before any of it is sent: that it only reads, that the
 * adapter described it, and that it is not too much. Each poll has a new one.
 */
export class Guard {
  readonly #description: Description
  readonly #limits: Limits
  #rounds = 0

  constructor(description: Description, limits: Limits) {
    this.#description = description
    this.#limits = limits
  }

  /** Throws if the round may not be sent. Nothing of such a round may be. */
  check(requests: readonly (readonly Buffer[])[]): void {
    const { rounds, requests: most, requestBytes } = this.#limits
    if (++this.#rounds > rounds || requests.length > most) {
      throw new Broken(`asked ${requests.length} requests in round ${this.#rounds}: a poll may take ${rounds} rounds of ${most} requests`)
    }
    let size = 0
    let last: Buffer | undefined
    let key = 0
    for (const request of requests) {
      const first = request[0] as Buffer
      // The parser gives equal words that follow each other as one buffer. A name of two words is looked up each time.
      if (first !== last) {
        key = this.#keyOf(request)
        last = withSubcommands.has(first.toString('latin1').toUpperCase()) ? undefined : first
      }
      if (this.#description.source === 'sqs' && request.length !== 2) {
        throw new Broken(`asked ${quote(first.toString())} with ${request.length} words: an operation takes its input as JSON, and nothing else`)
      }
      if (key > 0 && !request[key]?.length) {
        throw new Broken(`asked ${nameOf(request)} without a key: nothing of its round is sent`)
      }
      if (first.length <= 5 && /SCAN$/i.test(first.toString('latin1')) && countsMany(request.slice(key + 2))) {
        throw new Broken(`asked ${nameOf(request)} with a COUNT over ${maxScanCount}, while Redis serves nobody else: nothing of its round is sent`)
      }
      for (const word of request) size += word.length
    }
    if (size > requestBytes) {
      throw new Broken(`asked ${size} bytes of requests in round ${this.#rounds}: a round may have ${requestBytes}`)
    }
  }

  /** Which word of the request is its key, or 0. Throws if the command may not be sent. */
  #keyOf(request: readonly Buffer[]): number {
    const { source, commands } = this.#description
    const redis = source === 'redis'
    const name = redis ? nameOf(request) : (request[0] as Buffer).toString()
    // A first word that holds a space is not two words, to Redis.
    const known = redis ? readCommands.has(name) && !(request[0] as Buffer).includes(' ') : readOperations.has(name)
    if (!known) {
      throw new Broken(`asked ${quote(name)}, which is not on the list of what only reads: nothing of its round is sent`)
    }
    if (!commands.includes(name)) {
      throw new Broken(`asked ${quote(name)}, which it does not describe: it describes ${commands.join(', ')}`)
    }
    return readCommands.get(name) ?? 0
  }
}

/** Whether a COUNT in the options of a SCAN is more than it may be. */
function countsMany(options: readonly Buffer[]): boolean {
  const words = options.map((word) => word.toString('latin1'))
  return words.some((word, i) => words[i - 1]?.toUpperCase() === 'COUNT' && /^\+?\d+$/.test(word) && Number(word) > maxScanCount)
}

/** The name that a request goes by in a description: its first word in capitals, or its first two. */
export function nameOf(request: readonly Buffer[]): string {
  const first = (request[0] as Buffer).toString().toUpperCase()
  return withSubcommands.has(first) && request[1] ? `${first} ${request[1].toString().toUpperCase()}` : first
}
