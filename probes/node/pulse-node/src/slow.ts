import { slowFields, slowKey, slowMaxLength, shorten, type Meta, type SlowKind } from '@gravito/pulse-protocol'
import type { Command, Connection } from '@gravito/pulse-protocol/publish'

/** How many entries wait for Redis. */
const mostWaiting = 256
/** What one entry may hold, in bytes. */
const [maxName, maxMeta] = [500, 8 << 10]

/** From how long on each kind is slow, in milliseconds. */
export type SlowAfter = Readonly<Record<SlowKind, number>>

/** The slow entries that wait for Redis. */
export class SlowLog {
  readonly after: SlowAfter
  readonly #app: string
  readonly #now: () => number
  readonly #host: string
  #waiting: Command[] = []
  #dropped = 0

  /** @param now - Unix milliseconds */
  constructor(app: string, now: () => number, host: string, after: SlowAfter) {
    this.#app = app
    this.#now = now
    this.#host = host
    this.after = after
  }

  /** How many entries never reached Redis: there was no room for them, or Redis refused them. */
  get dropped(): number {
    return this.#dropped
  }

  /** Notes something that took that long, in milliseconds, if that is slow for its kind. It never throws. */
  note(ofKind: SlowKind, name: string, tookMs: number, meta?: Meta): void {
    const kind = ofKind in this.after ? ofKind : 'other'
    const threshold = this.after[kind]
    if (!(tookMs >= threshold)) return
    if (this.#waiting.length >= mostWaiting) {
      this.#dropped++
      return
    }
    const entry = { timestamp: this.#now(), kind, name: shorten(String(name), maxName) || 'unnamed', duration_ms: Math.round(tookMs), threshold_ms: Math.round(threshold), host: this.#host }
    try {
      const fields = slowFields(isWritable(meta) ? { ...entry, ...(meta !== undefined && { meta }) } : { ...entry, meta: { meta_left_out: true } })
      this.#waiting.push(['XADD', slowKey(this.#app), 'MAXLEN', '~', String(slowMaxLength), '*', ...Object.entries(fields).flat()])
    } catch {
      this.#dropped++
    }
  }

  /** Writes what waits. What Redis refuses is dropped; what could not be sent waits on. */
  async write(connection: Connection): Promise<void> {
    const batch = [...this.#waiting] // more may come while it is sent
    if (batch.length === 0) return
    const replies = await connection.send(batch)
    this.#waiting = this.#waiting.slice(batch.length)
    const refusals = replies.filter((reply) => reply instanceof Error)
    this.#dropped += refusals.length
    if (refusals.length > 0) throw new Error(`XADD ${slowKey(this.#app)} at ${connection.where}: ${(refusals[0] as Error).message}`)
  }
}

/** It may be no JSON, or too large: the entry is worth more. */
function isWritable(meta: Meta | undefined): boolean {
  if (meta === undefined) return true
  try {
    return Buffer.byteLength(JSON.stringify(meta)) <= maxMeta
  } catch {
    return false
  }
}
