import type { Problem } from '@gravito/pulse-protocol'

/** Tells the log of queues that cannot be read: one line when that has lasted for two reports, and one when it is over. */
export class Trouble {
  #reports = 0
  #isSaid = false
  readonly #app: string
  readonly #log: (line: string) => unknown

  constructor(app: string, log: (line: string) => unknown) {
    this.#app = app
    this.#log = log
  }

  /** Takes the problems of a report that has been published. */
  note(problems: readonly Problem[]): void {
    const [first] = problems
    this.#reports = first === undefined ? 0 : this.#reports + 1
    if (first !== undefined && this.#reports >= 2 && !this.#isSaid) {
      const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''
      this.#isSaid = true
      this.#say(`cannot read queue ${JSON.stringify(first.queue)} of ${this.#app}${more}: ${first.reason}`)
    } else if (first === undefined && this.#isSaid) {
      this.#isSaid = false
      this.#say(`reads all queues of ${this.#app} again`)
    }
  }

  #say(line: string): void {
    try {
      Promise.resolve(this.#log(`gravito-pulse: ${line}`)).catch(() => {})
    } catch {
      // A log that fails must not end its program.
    }
  }
}
