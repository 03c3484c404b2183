import type { Connection, Reply } from './connection.js'

/** This machine's two clocks, in milliseconds: the date, which somebody may set, and for how long it has run. */
export interface LocalClock {
  /** Unix milliseconds. */
  date(): number
  /** Milliseconds since some moment. Nobody can set it, and it may stand still while the machine is suspended. */
  ran(): number
}

/**
 * From how far on a clock is wrong, in milliseconds: a snapshot is fresh for 15 s, so less misleads nobody, and with NTP
 * clocks are within a fraction of a second.
 */
const tolerableMs = 5_000

const [second, minute, hour] = [1_000, 60_000, 3_600_000]

/**
 * The clock of the Redis that is published to. All programs that write there use it, so that a wrong clock of one machine
 * harms nothing. It is asked once; after that each publication brings its time along. Where Redis does not tell its time, this
 * machine's is used.
 */
export class RedisClock {
  readonly #local: LocalClock
  /** At its newest answer, in Unix milliseconds. */
  #redis: number | undefined
  /** The local clocks at that moment. */
  #date = 0
  #ran = 0
  #refusal: string | undefined
  #skew = 0

  constructor(local: LocalClock = { date: () => Date.now(), ran: () => performance.now() }) {
    this.#local = local
  }

  /**
   * Unix milliseconds, asked for first where they are not known, or where the machine was suspended or its date was set
   * since Redis' newest answer. Rejects where nothing can be sent.
   */
  async now(connection: Connection): Promise<number> {
    const isKnown = this.#redis === undefined ? this.#refusal !== undefined : Math.abs(this.#local.date() - this.#date - this.#since()) < second
    if (!isKnown) {
      const asked = this.ran()
      this.answered((await connection.send([['TIME']]))[0], asked)
    }
    return this.estimate()
  }

  /** Unix milliseconds, by what is known of Redis' time. */
  estimate(): number {
    return this.#redis === undefined ? this.#local.date() : Math.round(this.#redis + this.#since())
  }

  /** Whether {@link RedisClock.estimate} is Redis' time, this machine's because Redis refuses to tell its own, or not known yet. */
  get state(): 'known' | 'refused' | 'unknown' {
    if (this.#redis !== undefined) return 'known'
    return this.#refusal === undefined ? 'unknown' : 'refused'
  }

  /** For how long the machine has run, in milliseconds: what {@link RedisClock.answered} wants of the moment of the question. */
  ran(): number {
    return this.#local.ran()
  }

  /** Takes the reply to TIME. */
  answered(reply: Reply, asked: number): void {
    const [seconds, micros] = Array.isArray(reply) ? reply.map(Number) : []
    // A machine without a clock begins in 1970, and no document may be from before 1973.
    if (seconds !== undefined && micros !== undefined && seconds * second > Date.UTC(1980)) {
      this.#redis = seconds * second + micros / 1e3
      this.#refusal = undefined
      this.#date = this.#local.date()
      this.#ran = this.#local.ran()
      const halfTrip = (this.#ran - asked) / 2 // Redis looked at its clock at some moment of the trip: so much is not known
      this.#setSkew(this.#date - this.#redis - halfTrip, halfTrip)
    } else {
      this.#redis = undefined
      this.#skew = 0
      this.#refusal ??= reply instanceof Error ? `${reply.message}; allow its user +time (docs/acl.md)` : 'its clock is not set (NTP)'
    }
  }

  /** How far this machine's clock is ahead of Redis', in milliseconds, rounded; negative where it is behind, 0 where it is near enough or not known. */
  get aheadMs(): number {
    return this.#skew
  }

  /** What somebody should do about a clock, or undefined. It is the same text while the trouble is the same. */
  problem(where: string): string | undefined {
    if (this.#refusal !== undefined) return `this reporter's own clock is used, right or wrong, for ${where} does not tell the time: ${this.#refusal}`
    if (this.#skew === 0) return undefined
    return `this reporter's clock is ${inWords(this.#skew)} ${this.#skew > 0 ? 'ahead of' : 'behind'} that of ${where}, which is used instead: set the one that is wrong (NTP)`
  }

  #since(): number {
    return this.#local.ran() - this.#ran
  }

  /**
   * Keeps a measured difference as people read it. That must not be another text with every measurement: it is rounded,
   * and stays as it was until the measured difference is a whole step away from it.
   */
  #setSkew(ahead: number, uncertain: number): void {
    const size = Math.abs(ahead) - uncertain
    if (size < tolerableMs - second || (this.#skew === 0 && size <= tolerableMs)) this.#skew = 0
    else if (this.#skew === 0 || Math.abs(ahead - this.#skew) >= step(this.#skew)) this.#skew = Math.round(ahead / step(ahead)) * step(ahead)
  }
}

function step(ms: number): number {
  const size = Math.abs(ms)
  return size < minute ? tolerableMs : size < 2 * hour ? minute : hour
}

function inWords(ms: number): string {
  const size = Math.abs(ms)
  if (size < minute) return `${size / second} s`
  return size < 2 * hour ? `${Math.round(size / minute)} min` : `${Math.round(size / hour)} h`
}
