/** For how long trouble that comes again gets no second line, in milliseconds. */
const quietMs = 600_000

/**
 * Decides when one kind of trouble gets a line in a log: once while it lasts, and where it comes and goes once every ten
 * minutes, with a count.
 */
export class Recurring {
  #isThere = false
  #isSaid = false
  #saidAt = -Infinity
  #times = 0
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Notes that there is trouble. Returns how often it came since its last line, where that is worth a line, else 0. */
  there(): number {
    if (!this.#isThere) {
      this.#isThere = true
      this.#isSaid = false
      this.#times++
    }
    if (this.#isSaid || this.#now() - this.#saidAt < quietMs) return 0
    const times = this.#times
    this.#isSaid = true
    this.#saidAt = this.#now()
    this.#times = 0
    return times
  }

  /** Notes that there is none. Returns whether that is worth a line: it is where its coming was. */
  gone(): boolean {
    const isWorthALine = this.#isThere && this.#isSaid
    this.#isThere = false
    return isWorthALine
  }
}

/** How a line ends that tells of trouble which came more than once since the line before. */
export function timesInWords(times: number): string {
  return times > 1 ? ` (${times} times since this was said)` : ''
}
