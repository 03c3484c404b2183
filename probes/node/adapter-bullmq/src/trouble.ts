import type { Problem } from '@gravito/pulse-protocol'

/** Tells the log of queues that cannot be read: one line when that has lasted for two reports, and one when it is over. */
export class Trouble {
  #reports = 0
  #isSaid = false
  readonly #app: string
  readonly #say: (line: string) => void

  constructor(app: string, say: (line: string) => void) {
    this.#app = app
    this.#say = say
  }

  /** Takes the problems of a report that has been published. */
  note([first, ...more]: readonly Problem[]): void {
    this.#reports = first === undefined ? 0 : this.#reports + 1
    if (first !== undefined && this.#reports >= 2 && !this.#isSaid) {
      this.#isSaid = true
      const what = first.queue === undefined ? 'queues' : `queue ${JSON.stringify(first.queue)}`
      this.#say(`cannot read ${what} of ${this.#app}${more.length > 0 ? ` (and ${more.length} more)` : ''}: ${first.reason}`)
    } else if (first === undefined && this.#isSaid) {
      this.#isSaid = false
      this.#say(`reads all queues of ${this.#app} again`)
    }
  }
}
