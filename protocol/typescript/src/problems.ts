import { maxProblems } from './limits.js'
import { shorten } from './text.js'
import type { Problem } from './types.js'

/** What is wrong with one document, up to a bound. */
export class Problems {
  readonly list: Problem[]

  constructor(before: readonly Problem[] = []) {
    this.list = [...before]
  }

  /** Adds a problem of a queue, or of none. */
  add(queue: string, reason: string): void {
    if (this.list.length < maxProblems) {
      this.list.push({ ...(queue !== '' && { queue: shorten(queue) }), reason: shorten(reason) })
    } else if (this.list.length === maxProblems) {
      this.list.push({ reason: `more than ${maxProblems} problems: the rest are not listed` })
    }
  }
}
