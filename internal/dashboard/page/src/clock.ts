// The server's clock as seen from here: ages must be right on a laptop whose own clock is not.

export class Clock {
  #ahead = Infinity

  /**
   * Every answer is late by its way here, and one from a cache by more; so the smallest lead seen
   * is the truest, until a stream's first event, which no cache holds, settles it anew.
   */
  observe(generatedAt: number, anew: boolean, now = Date.now()): void {
    const lead = now - generatedAt
    if (anew || lead < this.#ahead) this.#ahead = lead
  }

  now(now = Date.now()): number {
    return this.#ahead === Infinity ? now : now - this.#ahead
  }
}
