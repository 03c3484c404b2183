import type { Problem } from '@gravito/pulse-protocol'
import { Recurring, timesInWords } from '@gravito/pulse-protocol/publish'

/** Tells the log of queues that cannot be read: one line when that has lasted for two reports, and one when it is over, at most one pair in ten minutes. */
export class Trouble {
  #reports = 0
  readonly #recurring = new Recurring()
  readonly #app: string
  readonly #say: (line: string) => void

  constructor(app: string, say: (line: string) => void) {
    this.#app = app
    this.#say = say
  }

  /** Takes the problems of a report that has been published. */
  note([first, ...more]: readonly Problem[]): void {
    this.#reports = first === undefined ? 0 : this.#reports + 1
    if (first === undefined) {
      if (this.#recurring.gone()) this.#say(`reads all queues of ${this.#app} again`)
      return
    }
    const times = this.#reports < 2 ? 0 : this.#recurring.there()
    if (times > 0) {
      const what = first.queue === undefined ? 'queues' : `queue ${JSON.stringify(first.queue)}`
      this.#say(`cannot read ${what} of ${this.#app}${more.length > 0 ? ` (and ${more.length} more)` : ''}: ${first.reason}${timesInWords(times)}`)
    }
  }
}
