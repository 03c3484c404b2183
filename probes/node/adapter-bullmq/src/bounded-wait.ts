/**
 * Waits for somebody else's connection, but only so long. What was asked cannot be taken back, so nothing is asked
 * again while an answer is due: a connection that hangs holds one question and not thousands.
 */
export class BoundedWait {
  #isWaiting = false
  readonly #late: Error

  constructor(where: string, readonly limitMs: number) {
    this.#late = new Error(`${where} has not answered within ${limitMs / 1000} s; it is asked again when it has`)
  }

  /** Resolves as `work` does. Rejects if that takes too long, or what was asked before still does. */
  async for<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#isWaiting) throw this.#late
    this.#isWaiting = true
    const limit = new AbortController()
    const { signal } = limit
    const late = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(this.#late), { once: true }))
    const timer = setTimeout(() => limit.abort(this.#late), this.limitMs).unref()
    const answer = Promise.resolve(signal).then(work).finally(() => {
      this.#isWaiting = false
      clearTimeout(timer)
    })
    return Promise.race([answer, late])
  }
}
